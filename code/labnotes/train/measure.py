"""What a step measures: means over what was counted, and evaluation, the pass that only measures."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes import runtime
from labnotes.metrics.classification import accuracy as accuracy
from labnotes.metrics.classification import count_right
from labnotes.modules import evaluating
from labnotes.train import counting, distributed, structure
from labnotes.train.place import autocast, device_batches, layout

Loss = Callable[[Tensor, Tensor], Tensor]
Metrics = dict[str, Callable[[Tensor, Tensor], Tensor]]
Step = Callable[[nn.Module, Any], Any]


class Mean(NamedTuple):
    """A mean as its two halves, so that means of batches of different sizes can be joined.

    A step that returns ``Mean(sum, count)`` is averaged over what it has counted (tokens, pixels,
    boxes), not over batches: over an epoch, and over the processes of a run. Both are numbers or
    tensors of one number; where the count is 0, so is the mean.

    Examples
    --------
    >>> losses, is_word = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([True, True, False])
    >>> Mean(losses[is_word].sum(), is_word.sum())
    Mean(sum=tensor(3.), count=tensor(2))
    """

    sum: Tensor | float
    count: Tensor | float


def supervised(loss: Loss = F.cross_entropy, metrics: Metrics | None = None) -> Step:
    """The step of most of this book: outputs of the inputs, compared with the targets.

    Parameters
    ----------
    loss, metrics
        As in :func:`labnotes.train.fit`.

    Returns
    -------
    callable
        ``step(model, batch) -> (loss, {metric: value})`` for batches ``(inputs, targets)``.
    """
    metrics = default_metrics(loss) if metrics is None else metrics
    measure_loss = counting.counted(loss)

    def step(model: nn.Module, batch: tuple) -> tuple[Any, dict]:
        inputs, targets = _pair(batch)
        outputs = model(*inputs) if type(inputs) in (tuple, list) else model(inputs)
        value, counts, known = measure_loss(outputs, targets)
        with torch.no_grad():
            found = {name: metric(outputs, targets) for name, metric in metrics.items()}
        if counts is not None:  # a plain mean is one over the targets that the loss has counted
            found = {
                name: each if isinstance(each, tuple) else Mean(each * counts, counts)
                for name, each in found.items()
            }
        return value, known | found

    return step


def evaluate(
    model: nn.Module,
    batches: Iterable,
    *,
    loss: Loss = F.cross_entropy,
    metrics: Metrics | None = None,
    step: Step | None = None,
    precision: str = "auto",
    memory_format: torch.memory_format | None = None,
) -> dict[str, float]:
    """Mean loss and metrics of a model over all that is counted in `batches`.

    The model is moved to :func:`labnotes.runtime.device`, switched to evaluation (dropout off,
    batch normalization by its running statistics) and put back as it was. Under ``torchrun`` each
    process computes its part of each batch; all must call this, and all get the whole result.

    Parameters
    ----------
    model
        Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple.
    batches
        Pairs ``(inputs, targets)``, as for :func:`labnotes.train.fit`; with `step` any batches.
    loss, metrics, step, precision, memory_format
        As in :func:`labnotes.train.fit`.

    Returns
    -------
    dict
        ``{"loss": …, "<metric>": …}``: means over all batches together, so that a short last
        batch does not weigh too much. NaN where nothing was counted.

    Raises
    ------
    ValueError
        If there is no batch, or a batch is not a pair.
    """
    check_step(loss, metrics, step)
    distributed.join()
    distributed.refuse_sampler(batches)
    device = runtime.device()
    model.to(device)
    if isinstance(loss, nn.Module):
        loss.to(device)
    step = supervised(loss, metrics) if step is None else step
    half, means = autocast(precision, device), Means()
    with layout(model, None, memory_format), evaluating(model), torch.no_grad():
        for batch, share in device_batches(batches, device, memory_format):
            with half:
                found = step(model, batch)
            means.add(weigh(found, batch, share)[1])
    return means.average()


def default_metrics(loss: Loss) -> Metrics:
    """Accuracy where `loss` is cross-entropy, else nothing."""
    options = counting.options(loss)
    if options is None or not options["classifies"]:
        return {}
    return {"accuracy": functools.partial(count_right, ignore_index=options["ignore_index"])}


def weigh(found: Any, batch: Any, share: float = 1.0) -> tuple[Tensor, dict[str, tuple]]:
    """What a step returned: the loss to minimize, and each value with its count.

    Parameters
    ----------
    found
        ``loss`` or ``(loss, {name: value})``; a loss or value is one number, a mean over the
        examples of the batch, or a pair :class:`Mean`.
    batch
        What the step was given; its size is asked for only where a plain number is to be counted.
    share
        What this process's mean over examples counts, see :func:`labnotes.train.distributed.cut`.

    Returns
    -------
    loss, values
        The loss is multiplied so that its average over the processes is the mean of all; the
        values are ``{"loss": (mean, count), ...}``, or :class:`Mean` where the step gave that, for
        :meth:`Means.add`. Where the share is 0 so are the counts.
    """
    loss, values = found, {}
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping):
        loss, values = found
    sizes: list[int] = []  # of the batch, when it is known

    def counted(name: str, value: Any) -> tuple:
        is_pair = isinstance(value, tuple) and len(value) == 2
        _check_number(name, value[0] if is_pair else value)
        if is_pair:
            return Mean(value[0], value[1] if share else 0)  # no example of its own: no count
        if not sizes:
            sizes.append(structure.size(batch) if share else 0)
        return value, sizes[0]

    value, count = counted("loss", loss)
    if not isinstance(value, Tensor):
        raise ValueError(f"the loss of a step is of type {type(value).__name__}: return a tensor")
    weight = share
    if isinstance(loss, tuple):
        value = value / _or_one(count)
        weight = distributed.share_of(count, value.device) if value.requires_grad else 1.0
    pairs = {"loss": (value.detach(), count)}
    pairs |= {name: counted(name, each) for name, each in values.items()}
    return (value if isinstance(weight, float) and weight == 1 else weight * value), pairs


def _or_one(count: Tensor | float) -> Tensor | float:
    """The count, and 1 where it is 0: without asking the device which."""
    if not isinstance(count, Tensor):
        return count or 1
    return count + (count == 0) if count.is_floating_point() else count.clamp(min=1)


class Means:
    """Means of each batch, kept on the device until they are read, all in one go.

    Reading a number off a GPU makes Python wait for all work queued there. So a step only keeps
    its tensors, and :meth:`read` fetches them together; where several processes share the run, it
    also makes them the means of all.
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self.batches = 0
        self.values: dict[str, list[float]] = {}  # one list a name, one mean a batch
        self.counts: dict[str, list[float]] = {}  # and what each is a mean of
        self._waiting: dict[str, list[tuple]] = {}
        self._started = time.perf_counter()

    def add(self, values: dict[str, tuple]) -> None:
        """Note one batch, ``{name: (mean, count)}`` or ``{name: Mean(sum, count)}``."""
        self.batches += 1
        for name, (number, count) in values.items():
            if isinstance(number, Tensor) and number.requires_grad:
                number = number.detach()  # not its graph, which may be large
            is_sum = isinstance(values[name], Mean)
            self._waiting.setdefault(name, []).append((number, count, is_sum))

    def read(self) -> dict[str, list[float]]:
        """The means of each batch so far."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            new = {name: _means(noted) for name, noted in waiting.items()}
            for name, (means, counts) in distributed.average(new).items():
                self.values.setdefault(name, []).extend(means)
                self.counts.setdefault(name, []).extend(counts)
        return self.values

    def average(self) -> dict[str, float]:
        """The mean of each value over all that was counted; NaN where that is nothing.

        Raises
        ------
        ValueError
            If there was no batch.
        """
        if not self.batches:
            raise ValueError(
                "there was no batch: give at least one, and nothing that can be iterated only once"
            )
        found = {}
        for name, means in self.read().items():
            counts = self.counts[name]
            total = math.fsum(counts)
            parts = (n * mean for n, mean in zip(counts, means, strict=True) if n)
            found[name] = math.fsum(parts) / total if total else math.nan
        return found

    def seconds(self) -> float:
        """Time since the first batch was asked for."""
        return time.perf_counter() - self._started

    def state_dict(self) -> dict:
        values = self.read()
        return {
            "batches": self.batches, "values": values, "counts": self.counts,
            "seconds": self.seconds(),
        }  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        self.clear()
        self.batches, self.values = state["batches"], state["values"]
        self.counts = state["counts"]
        self._started -= state["seconds"]


def check_step(loss, metrics, step) -> None:
    """Refuse what would silently not be used."""
    if step is None:
        if metrics and "loss" in metrics:
            raise ValueError('a metric is named "loss", the name of the loss itself: rename it')
        return
    if not callable(step):
        raise ValueError(f"step is of type {type(step).__name__}: give a function (model, batch)")
    if metrics is not None or loss is not F.cross_entropy:
        raise ValueError(
            "a step computes loss and metrics itself: give either step, or loss and metrics"
        )


def _means(noted: list[tuple]) -> list[list[float]]:
    """The means and the counts of a value, from what was noted of each batch."""
    numbers, counts, are_sums = zip(*noted)
    numbers, counts = _numbers(numbers), _numbers(counts)
    means = [
        number / (count or 1) if is_sum else number
        for number, count, is_sum in zip(numbers, counts, are_sums)
    ]
    return [means, counts]


def _numbers(values: tuple) -> list[float]:
    """Numbers and tensors of one number as floats; those on the device are fetched together."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not tensors:
        return [float(value) for value in values]
    if len(tensors) < len(values):
        values = [torch.as_tensor(value, device=tensors[0].device) for value in values]
    kinds = {value.dtype for value in values}
    if len(kinds) > 1:
        values = [value.to(torch.float32) for value in values]
    return torch.stack(list(values)).tolist()


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, Tensor) and value.dim():
        raise ValueError(
            f"{name} of a batch has the shape {tuple(value.shape)}: "
            "it must be one number, the mean over the batch, or Mean(sum, count)"
        )
    if not isinstance(value, (Tensor, int, float)):
        raise ValueError(
            f"{name} of a batch is of type {type(value).__name__}: "
            "give a number, a tensor of one number, or Mean(sum, count)"
        )


def _pair(batch: Any) -> tuple:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(
            f"a batch is {structure.what(batch)}: give pairs (inputs, targets), or a step"
        )
    return batch
