"""A hidden layer of ReLUs on one input: a curve of straight pieces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labnotes.checks import check_tensors


@dataclass
class Pieces:
    """The function ``bias + sum of slopes[k] * relu(x - hinges[k])``.

    Left of all hinges it is constant; at each hinge its slope changes by ``slopes[k]``.

    Attributes
    ----------
    bias
        A number, ().
    hinges, slopes
        (units,).
    """

    bias: Tensor
    hinges: Tensor
    slopes: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The function at `x`, of any shape; the result has the same."""
        return self.bias + (x[..., None] - self.hinges).clamp(min=0) @ self.slopes


def through_points(x: Tensor, y: Tensor) -> Pieces:
    """The straight pieces from point to point: one unit for each piece, exact.

    Parameters
    ----------
    x, y
        (points,), at least two, `x` ascending.

    Returns
    -------
    Pieces
        With points - 1 units. Beyond the last point the last piece goes on.

    Raises
    ------
    ValueError
        If there are fewer than two points, not one y for each x, or `x` does not ascend.
    """
    _check_points(x, y)
    slope = y.diff() / x.diff()  # (points - 1,): of each piece
    change = slope.diff(prepend=slope.new_zeros(1))  # (points - 1,): where the piece begins
    return Pieces(y[0], x[:-1], change)


def best_slopes(hinges: Tensor, x: Tensor, y: Tensor) -> Pieces:
    """For hinges in given places, the bias and the slopes with the least squared error.

    With the hinges fixed the function is linear in the rest, so this is linear regression.

    Parameters
    ----------
    hinges
        (units,), at least one.
    x, y
        (points,), more points than units.

    Raises
    ------
    ValueError
        If there is no hinge, or the points are too few or not pairs.
    """
    _check_hinges(hinges, x, y)
    columns = (x[:, None] - hinges).clamp(min=0)  # (points, units)
    columns = torch.cat([torch.ones_like(x[:, None]), columns], 1)  # (points, 1 + units)
    found = torch.linalg.lstsq(columns, y[:, None]).solution.flatten()
    return Pieces(found[0], hinges, found[1:])


def _check_pairs(x: Tensor, y: Tensor) -> None:
    check_tensors(x=x, y=y)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"x and y have the shapes {tuple(x.shape)} and {tuple(y.shape)}: give one y for each x"
        )


def _check_points(x: Tensor, y: Tensor) -> None:
    _check_pairs(x, y)
    if len(x) < 2 or not (x.diff() > 0).all():
        raise ValueError("x must ascend, and there must be at least two points")


def _check_hinges(hinges: Tensor, x: Tensor, y: Tensor) -> None:
    _check_pairs(x, y)
    check_tensors(hinges=hinges)
    if hinges.ndim != 1 or not 0 < len(hinges) < len(x):
        raise ValueError(
            f"hinges have the shape {tuple(hinges.shape)} for {len(x)} points: give (units,), "
            "at least one and fewer than there are points"
        )
