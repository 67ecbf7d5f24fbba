"""Mean and variance over some of the axes: what all four normalizations share."""

from __future__ import annotations

import torch
from torch import Tensor

#: The letters of an input's axes, by their number.
AXES = {2: "NC", 3: "NCL", 4: "NCHW", 5: "NCDHW"}


def moments(x: Tensor, names: str, over: str) -> tuple[Tensor, Tensor]:
    """Mean and variance of `x` over some of its axes.

    Parameters
    ----------
    x
        Of as many axes as `names` has letters.
    names
        A letter for each axis of `x`, for example ``"NCHW"``.
    over
        The letters of the axes that share a mean and a variance, for example ``"NHW"``.

    Returns
    -------
    mean, var
        They keep the axes in `over` with length 1, so that they fit `x`. The variance divides by
        the number of values, not by one less.

    Raises
    ------
    ValueError
        If the letters do not fit `x`.

    Examples
    --------
    >>> mean, var = moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), "NC", over="N")
    >>> mean.tolist(), var.tolist()
    ([[2.0, 5.0]], [[1.0, 0.0]])
    """
    _check_names(x, names, over)
    axes = [names.index(letter) for letter in over]
    mean = x.mean(axes, keepdim=True)
    var = (x - mean).square().mean(axes, keepdim=True)
    return mean, var


def _check_names(x: Tensor, names: str, over: str) -> None:
    if len(names) != x.dim() or len(set(names)) != len(names):
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, names is {names!r}: give each of its {x.dim()} axes "
            "a letter of its own"
        )
    if not over or not set(over) <= set(names):
        raise ValueError(f"over is {over!r}, the axes are {names!r}: give one or more of these")


def standardize(x: Tensor, mean: Tensor, var: Tensor, eps: float = 1e-5) -> Tensor:
    """``(x - mean) / sqrt(var + eps)``; `eps` keeps the root from zero."""
    return (x - mean) / torch.sqrt(var + eps)


def normalize(x: Tensor, names: str, over: str, eps: float = 1e-5) -> Tensor:
    """Give `x` mean 0 and variance 1 (nearly: see `eps`) over some of its axes.

    The formula that all four kinds share, without scale and shift. Parameters as for
    :func:`moments` and :func:`standardize`.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 8.0]])
    >>> normalize(x, "NC", over="N", eps=0).tolist()  # columns: batch normalization
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> normalize(x, "NC", over="C", eps=0).tolist()  # rows: layer normalization
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    return standardize(x, *moments(x, names, over), eps)


def check_axes(x: Tensor, at_least: str) -> None:
    """Refuse an input that has fewer axes than `at_least` has letters, or no numbers with a point."""
    if not len(at_least) <= x.dim() <= 5:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}: give {len(at_least)} to 5 axes, samples first, then "
            "channels, then positions"
        )
    if not x.is_floating_point():
        raise ValueError(f"x is of {x.dtype}: give floating-point numbers")
