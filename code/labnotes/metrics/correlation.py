"""How far predictions and truth go together: the metrics of GLUE that are not accuracy or F1."""

from __future__ import annotations

import torch
from torch import Tensor


def matthews(predicted: Tensor, true: Tensor) -> float:
    """Matthews' correlation coefficient (马修斯相关系数) of two lists of classes.

    For two classes ``(TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))``. For more, the
    covariance of the two one-hot codes, divided by the root of the product of their variances.

    Parameters
    ----------
    predicted, true
        ``(n,)``, whole numbers of 0 or more.

    Returns
    -------
    float
        From -1 to 1; 0 where one of the lists has one class only, as scikit-learn has it.

    Raises
    ------
    ValueError
        If the lists differ in length, are empty, or hold something else.

    References
    ----------
    Matthews (1975); Gorodkin (2004) for more than two classes.

    Examples
    --------
    >>> round(matthews(torch.tensor([1, 1, 1, 0]), torch.tensor([1, 1, 0, 0])), 3)
    0.577
    """
    _check_pair(predicted, true)
    _check_classes(predicted, true)
    classes = int(max(predicted.max(), true.max())) + 1
    x, y = (_centred(torch.eye(classes).double()[t.cpu().long()]) for t in (predicted, true))
    variances = (x**2).sum() * (y**2).sum()
    return float((x * y).sum() / variances.sqrt()) if variances > 0 else 0.0


def pearson(predicted: Tensor, true: Tensor) -> float:
    """Pearson's correlation (皮尔逊相关系数): how near the points are to one rising line.

    Parameters
    ----------
    predicted, true
        ``(n,)``, numbers, at least two.

    Returns
    -------
    float
        From -1 to 1.

    Raises
    ------
    ValueError
        If the lists differ in length, have fewer than two numbers, hold NaN or infinity, or all
        numbers of one are equal: then there is no correlation.

    Examples
    --------
    >>> round(pearson(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 9.0])), 3)
    0.99
    """
    _check_pair(predicted, true)
    _check_varied(predicted, true)
    x, y = (_centred(t.cpu().double()) for t in (predicted, true))
    return float((x * y).sum() / ((x**2).sum() * (y**2).sum()).sqrt())


def spearman(predicted: Tensor, true: Tensor) -> float:
    """Spearman's correlation (斯皮尔曼相关系数): Pearson's of the ranks; ties share their mean rank.

    Arguments, result and errors are those of :func:`pearson`.

    Examples
    --------
    >>> spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 9.0]))
    1.0
    """
    _check_pair(predicted, true)
    _check_varied(predicted, true)
    return pearson(_ranks(predicted), _ranks(true))


def _ranks(values: Tensor) -> Tensor:
    """The rank of each, from 1; equal ones share the mean of theirs."""
    _, place, counts = values.cpu().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[place]


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(0)


def _check_pair(predicted: Tensor, true: Tensor) -> None:
    if predicted.dim() != 1 or predicted.shape != true.shape or not len(true):
        raise ValueError(
            f"the shapes are {tuple(predicted.shape)} and {tuple(true.shape)}: give two lists of "
            "the same length, at least one number each"
        )


def _check_classes(predicted: Tensor, true: Tensor) -> None:
    for name, values in (("predicted", predicted), ("true", true)):
        if values.is_floating_point() or values.min() < 0:
            raise ValueError(
                f"{name} holds {values.dtype}, from {values.min()}: give classes 0, 1 …"
            )


def _check_varied(predicted: Tensor, true: Tensor) -> None:
    for name, values in (("predicted", predicted), ("true", true)):
        if not values.double().isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity: give finite numbers")
        if not (values != values[0]).any():
            raise ValueError(
                f"all of {name} is {values[0]}: a list that does not vary correlates with nothing "
                "(GLUE counts such a prediction as 0)"
            )
