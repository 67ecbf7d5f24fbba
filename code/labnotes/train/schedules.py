"""Learning-rate schedules: functions ``(step, total_steps) -> factor`` of the initial rate.

Each function here builds such a schedule; :func:`labnotes.train.fit` multiplies the learning rate
that the optimizer was built with by the factor before every step. Steps count from 0. A warmup
and the milestones may be given in steps (an ``int``) or as a part of the run (a ``float`` below 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real

Schedule = Callable[[int, int], float]


def constant(warmup: int | float = 0) -> Schedule:
    """The initial rate throughout, after a linear warmup.

    Parameters
    ----------
    warmup
        Steps (or part of all steps) in which the factor rises in equal parts to 1. The first step
        has the factor ``1 / (warmup + 1)``, step number `warmup` has 1: no step is wasted at 0.

    Examples
    --------
    >>> [constant(warmup=3)(step, 100) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    _in_steps(warmup, 1, "warmup")

    def factor(step: int, total: int) -> float:
        _check(step, total)
        return min(1.0, (step + 1) / (_in_steps(warmup, total, "warmup") + 1))

    return factor


def cosine(warmup: int | float = 0, floor: float = 0.0) -> Schedule:
    """Half a cosine wave from 1 down to `floor`, after a linear warmup.

    ``floor + (1 - floor) (1 + cos(pi t / T)) / 2`` with ``t`` the steps since the warmup and ``T``
    the steps that were left at its end.

    Parameters
    ----------
    warmup
        As in :func:`constant`.
    floor
        The factor that the wave ends at, from 0 to 1.

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017,
    equation 5, without restarts.

    Examples
    --------
    >>> [round(cosine()(step, 4), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    _in_steps(warmup, 1, "warmup")
    _check_floor(floor)
    rise = constant(warmup)

    def factor(step: int, total: int) -> float:
        _check(step, total)
        start = _in_steps(warmup, total, "warmup")
        if step < start:
            return rise(step, total)
        return floor + (1 - floor) * _fall((step - start) / max(1, total - start))

    return factor


def step_decay(milestones: Sequence[int | float], gamma: float = 0.1) -> Schedule:
    """Multiply by `gamma` at each milestone: the staircase of the first ResNets.

    Parameters
    ----------
    milestones
        Rising steps, or parts of the run: ``[0.5, 0.75]`` drops at half and three quarters.
    gamma
        The factor of one drop, above 0.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2: the rate is
    divided by 10 at 32,000 and 48,000 of 64,000 steps.

    Examples
    --------
    >>> [step_decay([2, 4], gamma=0.5)(step, 6) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    _check_milestones(milestones)
    for milestone in milestones:
        _in_steps(milestone, 1, "a milestone")
    _check_gamma(gamma)

    def factor(step: int, total: int) -> float:
        _check(step, total)
        passed = sum(step >= _in_steps(m, total, "a milestone") for m in milestones)
        return float(gamma**passed)

    return factor


def one_cycle(rise: float = 0.3, start: float = 1 / 25, end: float = 4e-6) -> Schedule:
    """Up and down once in half cosine waves. The optimizer's rate is the *peak*.

    Parameters
    ----------
    rise
        The part of the run in which the factor goes from `start` to 1; then it falls to `end`,
        which the last step has.
    start, end
        Factors of the first and the last step.

    References
    ----------
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018. The shape and the defaults are those of
    ``torch.optim.lr_scheduler.OneCycleLR``; the momentum stays as it is. A run too short to rise
    (``rise * steps`` below 1) begins at the peak here, and a little beyond it in torch.

    Examples
    --------
    >>> factors = [one_cycle()(step, 100) for step in range(100)]
    >>> round(factors[0], 3), max(factors)
    (0.04, 1.0)
    """
    _check_cycle(rise, start, end)

    def factor(step: int, total: int) -> float:
        _check(step, total)
        peak = max(rise * total - 1, 0.0)  # the step of the peak, a fraction in general
        if step <= peak and peak > 0:
            return start + (1 - start) * (1 - _fall(step / peak))
        return end + (1 - end) * _fall((step - peak) / ((total - 1 - peak) or 1.0))

    return factor


def warmup_stable_decay(
    warmup: int | float = 0, decay: int | float = 0.2, floor: float = 0.0
) -> Schedule:
    """A linear warmup, a long level stretch, and a straight fall to `floor` at the end.

    Up to the fall it does not depend on the length of the run: a run that stays level can go on,
    and can be brought to an end from any of its steps. In a run too short for both, the factor is
    the lower of the rise and the fall.

    Parameters
    ----------
    warmup
        As in :func:`constant`.
    decay
        Steps (or part of all steps) of the fall: ``floor + (1 - floor) (total - step) / decay``.
    floor
        The factor that the fall would reach one step after the last, from 0 to 1.

    References
    ----------
    Hu et al., "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training
    Strategies", 2024, section 4, who call it WSD and let the fall be exponential. Hägele et al.,
    "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", 2024: a linear
    fall over the last 20% does as well as a cosine.

    Examples
    --------
    >>> [round(warmup_stable_decay(1, 4)(step, 8), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    _in_steps(decay, 1, "decay")
    _check_floor(floor)
    rise = constant(warmup)

    def factor(step: int, total: int) -> float:
        _check(step, total)
        left = (total - step) / max(1, _in_steps(decay, total, "decay"))
        return min(rise(step, total), floor + (1 - floor) * left)

    return factor


def _fall(part: float) -> float:
    """Half a cosine wave: 1 at `part` 0, 0 from `part` 1 on."""
    return (1 + math.cos(math.pi * min(part, 1.0))) / 2


def _in_steps(value: int | float, total: int, what: str) -> int:
    """`value` in steps: an int as it is, a float below 1 as part of `total`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, float) and 0 <= value < 1:
        return round(value * total)
    raise ValueError(f"{what} is {value!r}: give steps (an int) or a part of the run (0 <= x < 1)")


def _check_milestones(milestones: Sequence[int | float]) -> None:
    if not isinstance(milestones, (list, tuple)):
        raise ValueError(f"milestones are {milestones!r}: give a list, such as [0.5, 0.75]")
    kinds = {type(milestone) for milestone in milestones}
    if kinds == {int, float}:
        raise ValueError(
            f"milestones are {milestones!r}: give all in steps (int), or all as parts of the run "
            "(float), whose order does not depend on the run's length"
        )
    if kinds not in ({int}, {float}) or list(milestones) != sorted(set(milestones)):
        raise ValueError(f"milestones are {milestones!r}: give rising steps, such as [0.5, 0.75]")


def _check_gamma(gamma: float) -> None:
    if not isinstance(gamma, Real) or not 0 < gamma < math.inf:
        raise ValueError(f"gamma is {gamma!r}: give a factor above 0")


def _check_cycle(rise: float, start: float, end: float) -> None:
    if not isinstance(rise, Real) or not 0 < rise < 1:
        raise ValueError(f"rise is {rise!r}: give the part of the run that rises, between 0 and 1")
    if not all(isinstance(part, Real) and 0 <= part <= 1 for part in (start, end)):
        raise ValueError(f"start is {start!r} and end {end!r}: give factors from 0 to 1")


def _check_floor(floor: float) -> None:
    if not isinstance(floor, (int, float)) or not 0 <= floor <= 1:
        raise ValueError(f"floor is {floor!r}: give a factor from 0 to 1")


def _check(step: int, total: int) -> None:
    if not (isinstance(step, Real) and isinstance(total, Real) and 0 <= step < total):
        raise ValueError(f"step {step!r} of {total!r}: steps count from 0, the last is total - 1")


class Rates:
    """The learning rates of a run: as the optimizer has them, times the schedule's factor.

    As a context: when it ends, the rates are the optimizer's own again.
    """

    def __init__(self, optimizer, schedule: Schedule | None, epochs: int, train: Iterable):
        self.optimizer, self.schedule = optimizer, schedule
        self.initial = [group["lr"] for group in optimizer.param_groups]
        self.total = None
        if schedule is not None:
            if length(train) is None:
                raise ValueError(
                    "a schedule needs the number of steps, and train has no len(): "
                    "give batches that have one, or schedule=None"
                )
            self.total = epochs * length(train)

    def factor(self, step: int) -> float:
        if step >= self.total:
            raise ValueError(
                f"train gave more batches than its len() told: the schedule is for {self.total} "
                "steps, and there is one more. Give batches whose len() is right, or schedule=None"
            )
        factor = self.schedule(step, self.total)
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(
                f"the schedule gives {factor} at step {step} of {self.total}: "
                "give a factor of at least 0"
            )
        return factor

    def set(self, step: int) -> None:
        if self.schedule is not None:
            self._scale(self.factor(step))

    def _scale(self, factor: float) -> None:
        for group, initial in zip(self.optimizer.param_groups, self.initial):
            group["lr"] = initial * factor

    def __enter__(self) -> Rates:
        return self

    def __exit__(self, *problem) -> None:
        self._scale(1.0)


def length(batches: Iterable) -> int | None:
    """Batches in an epoch; None where that is not known."""
    try:
        return len(batches)
    except TypeError:  # a generator, or a stream of unknown length
        return None
