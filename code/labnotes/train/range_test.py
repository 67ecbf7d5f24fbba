"""The learning-rate range test: one short run in which every step has a larger rate than the last.

It is :func:`labnotes.train.fit` with a schedule that only rises; the model and the optimizer are
afterwards as they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from labnotes import runtime
from labnotes.checks import check_module
from labnotes.train import distributed
from labnotes.train.checkpoint import random_states, set_random_states
from labnotes.train.epochs import seed_epoch
from labnotes.train.fit import OptimizerLike, _on_device, fit
from labnotes.train.measure import Loss, Step
from labnotes.train.schedules import length


@dataclass(frozen=True)
class RangeTest:
    """What :func:`lr_range_test` found.

    Attributes
    ----------
    rates
        The learning rate of each step, equally spaced on a logarithmic axis.
    losses
        The loss of each step's batch, before the step. From a step on it may be NaN or infinite.

    Examples
    --------
    >>> found = RangeTest([0.001, 0.01, 0.1, 1.0, 10.0], [4.0, 3.9, 2.0, 1.5, 9.0])
    >>> found.steepest, found.lowest
    (0.1, 1.0)
    """

    rates: list[float]
    losses: list[float]

    def __post_init__(self):
        _check_found(self.rates, self.losses)

    @property
    def smoothed(self) -> list[float]:
        """Means of neighbouring losses, up to the first that is not finite.

        A fifteenth of the steps at a time, centred, so that no rate is blamed for an earlier one.
        """
        end = next((i for i, x in enumerate(self.losses) if not math.isfinite(x)), len(self.losses))
        half, kept = len(self.losses) // 30, self.losses[:end]
        windows = [kept[max(0, i - half) : i + half + 1] for i in range(end)]
        return [sum(window) / len(window) for window in windows]

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest: beyond it the steps do harm.

        Raises
        ------
        ValueError
            If that is the first or the last rate: the test has not seen where it lies.
        """
        return self.rates[self._place_of_lowest()]

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest, on the way to its lowest value.

        Raises
        ------
        ValueError
            As :attr:`lowest`.
        """
        end = self._place_of_lowest() + 1
        return self.rates[int(np.gradient(self.smoothed)[:end].argmin())]

    def plot(self, ax=None):
        """Draw the loss against the rate, with a line at `steepest` and one at `lowest`.

        Parameters
        ----------
        ax
            Matplotlib axes to draw on; a new figure's by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        from labnotes import plot as look

        if ax is None:
            ax = plt.subplots()[1]
        smoothed = self.smoothed
        ax.plot(
            self.rates, self.losses, color=look.BLUE, alpha=0.35, linewidth=1, label="each step"
        )
        ax.plot(self.rates[: len(smoothed)], smoothed, color=look.BLUE, label="smoothed")
        if self._is_inside():
            for name, colour, style in (
                ("steepest", look.GREEN, "--"),
                ("lowest", look.VERMILION, ":"),
            ):
                rate = getattr(self, name)
                ax.axvline(rate, color=colour, linestyle=style, label=f"{name}: {rate:.2g}")
            drop = smoothed[0] - min(smoothed)  # what lies far above the start need not be seen
            ax.set_ylim(min(smoothed) - 0.15 * drop, smoothed[0] + 0.6 * drop)
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss of the batch")
        ax.legend()
        return ax

    def _is_inside(self) -> bool:
        smoothed = self.smoothed
        return len(smoothed) > 2 and 0 < int(np.argmin(smoothed)) < len(self.rates) - 1

    def _place_of_lowest(self) -> int:
        if not self._is_inside():
            raise ValueError(
                f"between the rates {self.rates[0]:.2g} and {self.rates[-1]:.2g} the loss has its "
                "lowest value at an end, or is not finite from the start: test smaller rates "
                "(start) where it only rises, larger ones (end) where it only falls"
            )
        return int(np.argmin(self.smoothed))


def lr_range_test(
    model: nn.Module,
    train: Iterable,
    *,
    optimizer: OptimizerLike,
    start: float = 1e-5,
    end: float = 10.0,
    steps: int = 100,
    loss: Loss = F.cross_entropy,
    step: Step | None = None,
    clip_norm: float | None = None,
    precision: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> RangeTest:
    """Train for a few steps with a rate that grows from `start` to `end`; record each loss.

    The rate of step ``t`` is ``start * (end / start) ** (t / (steps - 1))``. Parameters, gradients,
    buffers, modes, the optimizer's state and rates, and the random generators are afterwards as
    they were before, also when a step fails.

    Parameters
    ----------
    model, optimizer, loss, step, clip_norm, precision, seed, progress
        As in :func:`labnotes.train.fit`. Only the ratio of the optimizer's own learning rates
        matters: the first parameter group has the rates of the test, the others keep their ratio
        to it.
    train
        Batches as for :func:`labnotes.train.fit`; they are begun again as often as needed.
    start, end
        The first and the last learning rate.
    steps
        Number of steps, at least 3.

    Returns
    -------
    RangeTest

    Raises
    ------
    ValueError
        If an argument cannot work, or `train` ends early and can be iterated only once.

    References
    ----------
    Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3. There the rate
    grows linearly and the accuracy is watched; rates that multiply show several decades at once.

    Examples
    --------
    >>> from labnotes.data import Batches, digits
    >>> data = Batches(digits().train.images, digits().train.labels, 64, device="cpu")
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> found = lr_range_test(model, data, optimizer=sgd, end=1e3, progress=False)
    >>> 1e-5 < found.steepest < found.lowest < 1e3
    True
    """
    _check_range(start, end, steps)
    check_module(model=model)
    distributed.join()
    with _as_they_were(model, loss, optimizer):
        optimizer = _on_device(model, loss, optimizer, runtime.device())
        own = float(optimizer.param_groups[0]["lr"])
        _check_own_rate(own)
        rates = [start * (end / start) ** (t / (steps - 1)) for t in range(steps)]
        try:
            history = fit(
                model, _Repeated(train, steps, seed), epochs=1, optimizer=optimizer, loss=loss,
                metrics={} if step is None else None, step=step,
                schedule=lambda t, total: rates[t] / own,
                clip_norm=clip_norm, precision=precision, seed=seed, progress=progress,
            )  # fmt: skip
        except FloatingPointError as error:  # it has diverged, as it should in the end
            if not hasattr(error, "history"):
                raise
            history = error.history
    return RangeTest(rates, history.steps)


class _Repeated:
    """A number of batches: of the first pass, then of the next, and so on."""

    def __init__(self, batches: Iterable, steps: int, seed: int):
        _check_batches(batches)
        self.batches, self.steps, self.seed = batches, steps, seed
        self.collate_fn = getattr(batches, "collate_fn", None)  # by it fit knows a DataLoader

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator:
        given, epoch = 0, 0
        while True:
            seed_epoch(self.seed, epoch, self.batches)
            before = given
            for batch in self.batches:
                yield batch
                given += 1
                if given == self.steps:
                    return
            if given == before:
                raise ValueError(
                    f"train gave {given} batches and then none, and steps is {self.steps}: give "
                    "batches that can be iterated again, such as a list or a DataLoader"
                )
            epoch += 1


@contextmanager
def _as_they_were(model: nn.Module, loss: Loss, optimizer: OptimizerLike) -> Iterator[None]:
    """Afterwards all that training changes is again what it was, and where it was."""
    modules = [part for part in (model, loss) if isinstance(part, nn.Module)]
    is_built = isinstance(optimizer, torch.optim.Optimizer)
    groups = optimizer.param_groups if is_built else []
    parameters = [p for module in modules for p in module.parameters()]
    parameters += [p for group in groups for p in group["params"]]
    held = {p: (p.device, _copy(p), _copy(p.grad)) for p in parameters}
    buffers = [{name: _copy(b) for name, b in module.named_buffers()} for module in modules]
    state = deepcopy(optimizer.state_dict()) if is_built else None
    random = random_states()
    try:
        yield
    finally:
        for parameter, (device, value, gradient) in held.items():
            parameter.grad = None
            parameter.data = parameter.data.to(device).copy_(value)
            parameter.grad = gradient
        for module, values in zip(modules, buffers):
            for name, buffer in module.named_buffers():
                buffer.data = buffer.data.to(values[name].device).copy_(values[name])
        if is_built:
            optimizer.load_state_dict(state)
        set_random_states(random)


def _copy(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _check_found(rates: list[float], losses: list[float]) -> None:
    for name, values in (("rates", rates), ("losses", losses)):
        if not isinstance(values, (list, tuple)):
            raise ValueError(f"{name} are of type {type(values).__name__}: give a list of numbers")
    if not len(rates) == len(losses) > 0:
        raise ValueError(
            f"{len(rates)} rates and {len(losses)} losses: give one loss for each rate, and at "
            "least one"
        )


def _check_range(start: float, end: float, steps: int) -> None:
    if not (isinstance(start, Real) and isinstance(end, Real) and 0 < start < end < math.inf):
        raise ValueError(f"start is {start!r} and end {end!r}: give rates with 0 < start < end")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 3:
        raise ValueError(f"steps is {steps!r}: give a whole number of at least 3")


def _check_own_rate(rate: float) -> None:
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(
            f"the optimizer's own learning rate is {rate}: build it with any rate above 0"
        )


def _check_batches(batches: Iterable) -> None:
    if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
        raise ValueError(
            f"train is of type {type(batches).__name__}: "
            "give minibatches (inputs, targets), such as a list or a DataLoader"
        )
    if length(batches) == 0:
        raise ValueError("train holds no batch: give at least one pair (inputs, targets)")
    distributed.refuse_sampler(batches)
