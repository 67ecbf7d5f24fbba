"""Model selection: curves of any degree, the shortest exact fit, and what to mend first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labnotes.checks import check_tensors
from labnotes.generalization.checks import check_inputs

MARGIN = 0.1  # a loss counts as lower than another if it is lower by this part


def polynomial_features(x: Tensor, degree: int) -> Tensor:
    """The powers of one input: a linear model of them is a polynomial.

    Parameters
    ----------
    x
        ``(rows,)``, floating point.
    degree
        The highest power, 0 or more.

    Returns
    -------
    Tensor
        ``(rows, degree + 1)``: columns 1, x, x^2, ..., x^degree.

    Raises
    ------
    ValueError
        If `x` is no such tensor, or `degree` no such number.

    Examples
    --------
    >>> polynomial_features(torch.tensor([2.0, -1.0]), 3)
    tensor([[ 1.,  2.,  4.,  8.],
            [ 1., -1.,  1., -1.]])
    """
    _check_powers(x, degree)
    powers = torch.arange(degree + 1, device=x.device)
    return x[:, None] ** powers  # (rows, 1) ** (degree + 1,)


def minimum_norm(features: Tensor, targets: Tensor) -> Tensor:
    """The weights with the least squared error; of several such, those with the least length.

    Parameters
    ----------
    features
        ``(rows, columns)``, floating point; a column of ones is the bias.
    targets
        ``(rows,)``, or ``(rows, outputs)`` for as many models at once.

    Returns
    -------
    Tensor
        ``(columns,)`` or ``(columns, outputs)``.

    Raises
    ------
    ValueError
        If the shapes are not these, the types differ, or a value is NaN or infinite.

    References
    ----------
    Penrose, "On best approximate solutions of linear matrix equations", 1956: the pseudo-inverse
    gives this solution. Belkin, Hsu, Ma and Mandal 2019 take it beyond the interpolation threshold.
    """
    _check_fit(features, targets)
    u, s, vt = torch.linalg.svd(features, full_matrices=False)  # s: (k,), k <= rows, columns
    kept = s > s.max() * max(features.shape) * torch.finfo(s.dtype).eps  # the others are 0, rounded
    u, s, vt = u[:, kept], s[kept], vt[kept]
    return (vt.T / s) @ (u.T @ targets)


@dataclass(frozen=True)
class Losses:
    """Three losses of one trained model, all in one unit.

    Attributes
    ----------
    train : float
        On the examples that it was trained on.
    valid : float
        On others from the same source.
    test : float, optional
        On those that it is meant for, if they come from elsewhere.
    """

    train: float
    valid: float
    test: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What to mend first, and which comparison says so.

    Attributes
    ----------
    branch : str
        "optimization", "model bias", "overfitting", "mismatch", "fine" or "undecided".
    reason : str
    """

    branch: str
    reason: str


def diagnose(
    run: Losses,
    goal: float,
    *,
    smaller: Losses | None = None,
    longer: Losses | None = None,
    bigger: Losses | None = None,
) -> Diagnosis:
    """Where a run stands in the flow chart: first its training loss, then the losses on others.

    Parameters
    ----------
    run
        The model in question.
    goal
        A loss up to this is good enough.
    smaller
        A model that `run` contains: whatever it can compute, `run` could.
    longer
        The same model as `run`, trained longer or with another learning rate.
    bigger
        A model with more layers, units or features.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError
        If a loss is NaN or negative, or the goal is not above 0.
    """
    _check_losses(goal, run=run, smaller=smaller, longer=longer, bigger=bigger)
    if run.train > goal:
        if smaller and _lower(smaller.train, run.train):
            return Diagnosis("optimization", "a smaller model has the lower training loss")
        if longer and _lower(longer.train, run.train):
            return Diagnosis("optimization", "longer training lowers the training loss")
        if bigger and _lower(bigger.train, run.train):
            return Diagnosis("model bias", "of the other runs, only a bigger model has a lower one")
        return Diagnosis("undecided", "no other run has a lower training loss")
    if run.valid > goal:
        return Diagnosis("overfitting", "good on its training data, not on others of their kind")
    if run.test is not None and run.test > goal:
        return Diagnosis("mismatch", "good on data of one kind, not on those it is meant for")
    return Diagnosis("fine", "all losses reach the goal")


def _lower(loss: float, other: float) -> bool:
    return loss < (1 - MARGIN) * other


def _check_powers(x: Tensor, degree: int) -> None:
    check_tensors(x=x)
    if x.dim() != 1 or not x.is_floating_point():
        raise ValueError(f"x is {tuple(x.shape)} {x.dtype}: give floats (rows,)")
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < 0:
        raise ValueError(f"degree is {degree!r}: give a whole number of at least 0")


def _check_fit(features: Tensor, targets: Tensor) -> None:
    check_tensors(features=features, targets=targets)
    check_inputs(features)
    if targets.dim() not in (1, 2) or len(targets) != len(features):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}, features {tuple(features.shape)}: give "
            "(rows,) or (rows, outputs)"
        )
    if targets.dtype != features.dtype:
        raise ValueError(f"targets are {targets.dtype}, features {features.dtype}: give one type")
    for name, values in (("features", features), ("targets", targets)):
        if not values.isfinite().all():
            raise ValueError(f"{name} have NaN or infinite values: remove or replace those rows")


def _check_losses(goal: float, **runs: Losses | None) -> None:
    if not 0 < goal < math.inf:
        raise ValueError(f"goal is {goal}: give a loss above 0")
    for name, run in runs.items():
        if not isinstance(run, Losses | None):
            raise ValueError(f"{name} is a {type(run).__name__}: give Losses(train, valid)")
        if run is not None and not all(v >= 0 for v in (run.train, run.valid, run.test or 0)):
            raise ValueError(
                f"a loss of {name} is not a number of at least 0: {run}; if it is NaN, look at the "
                "learning rate; negative losses have no meaningful ratios"
            )
