"""Linear regression from its definition: a line, two losses, their slopes, and two ways down."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from labnotes.checks import check_tensors


class Parameters(NamedTuple):
    """What a linear model has to learn.

    Attributes
    ----------
    weight : Tensor
        ``(columns,)``: one number for each input.
    bias : Tensor
        ``()``: the prediction where all inputs are 0.
    """

    weight: Tensor
    bias: Tensor


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The predictions of a linear model, ``inputs @ weight + bias``.

    Parameters
    ----------
    inputs : Tensor
        ``(rows, columns)``, floats.
    weight, bias : Tensor
        ``(columns,)`` and ``()``.

    Returns
    -------
    Tensor
        ``(rows,)``.

    Raises
    ------
    ValueError
        If the shapes are not these.
    """
    _check_parameters(inputs, weight, bias)
    return inputs @ weight + bias  # (rows, columns) @ (columns,) + () -> (rows,)


def mse(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mean squared error of a linear model, as a function of its parameters.

    Parameters
    ----------
    inputs, targets : Tensor
        ``(rows, columns)`` and ``(rows,)``.
    weight, bias : Tensor
        ``(columns,)`` and ``()``.

    Returns
    -------
    Tensor
        ``()``, in the square of the targets' unit.

    Raises
    ------
    ValueError
        If the shapes are not these, or there is no row.
    """
    _check_data(inputs, targets)
    errors = linear(inputs, weight, bias) - targets  # (rows,)
    return errors.square().mean()


def mse_gradient(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> Parameters:
    """The derivatives of :func:`mse` by the weights and by the bias, from the formula.

    Arguments and errors are those of :func:`mse`.

    Returns
    -------
    Parameters
        ``weight`` ``(columns,)`` and ``bias`` ``()`` hold the derivative by each of them.
    """
    _check_data(inputs, targets)
    errors = linear(inputs, weight, bias) - targets  # (rows,)
    by_weight = 2 * errors @ inputs / len(targets)  # (rows,) @ (rows, columns) -> (columns,)
    return Parameters(by_weight, 2 * errors.mean())


def mae(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mean absolute error of a linear model, as a function of its parameters.

    Arguments and errors are those of :func:`mse`.

    Returns
    -------
    Tensor
        ``()``, in the targets' unit.
    """
    _check_data(inputs, targets)
    errors = linear(inputs, weight, bias) - targets  # (rows,)
    return errors.abs().mean()


def mae_gradient(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> Parameters:
    """The derivatives of :func:`mae`: only the sign of an error counts, not its size.

    Where an error is 0 the loss has a kink; as torch does, we take 0 there. Arguments and errors
    are those of :func:`mse`.

    Returns
    -------
    Parameters
        As of :func:`mse_gradient`.
    """
    _check_data(inputs, targets)
    signs = (linear(inputs, weight, bias) - targets).sign()  # (rows,)
    return Parameters(signs @ inputs / len(targets), signs.mean())


Gradient = Callable[[Tensor, Tensor, Tensor, Tensor], Parameters]


def gradient_descent(
    inputs: Tensor,
    targets: Tensor,
    start: Parameters,
    *,
    lr: float,
    steps: int,
    gradient: Gradient = mse_gradient,
) -> list[Parameters]:
    """Step against the gradient again and again, with all rows in every step.

    Parameters
    ----------
    inputs, targets : Tensor
        ``(rows, columns)`` and ``(rows,)``.
    start : Parameters
        Where to begin.
    lr : float
        The learning rate: a step is this factor times the gradient.
    steps : int
        How many.
    gradient : callable
        :func:`mse_gradient` or :func:`mae_gradient`, or one of your own with their arguments.

    Returns
    -------
    list of Parameters
        All places visited: `start`, then one for each step.

    Raises
    ------
    ValueError
        If the shapes are not these, `lr` is not a positive number, or `steps` not an integer of 0
        or more.
    """
    _check_descent(lr, steps)
    path = [Parameters(*start)]
    for _ in range(steps):
        weight, bias = path[-1]
        slope = gradient(inputs, targets, weight, bias)
        path.append(Parameters(weight - lr * slope.weight, bias - lr * slope.bias))
    return path


def normal_equations(inputs: Tensor, targets: Tensor) -> Parameters:
    """The parameters with the smallest :func:`mse`, in one go: where its gradient is zero.

    Computed in float64, for the equations square whatever is ill-conditioned in the inputs.

    Parameters
    ----------
    inputs, targets : Tensor
        ``(rows, columns)`` and ``(rows,)``.

    Returns
    -------
    Parameters
        In the dtype of the inputs.

    Raises
    ------
    ValueError
        If the shapes are not these, or many parameters are equally good: there are fewer rows than
        parameters, or one column is a combination of others (a constant column is one of the bias).
    """
    _check_data(inputs, targets)
    ones = torch.ones(len(inputs), 1, dtype=torch.float64)
    A = torch.cat([inputs.double(), ones], dim=1)  # (rows, columns + 1)
    _check_rank(A)
    both = torch.linalg.solve(A.T @ A, A.T @ targets.double())  # (columns + 1,)
    return Parameters(both[:-1].to(inputs.dtype), both[-1].to(inputs.dtype))


def least_absolute_line(x: Tensor, y: Tensor) -> Parameters:
    """A line with the smallest :func:`mae`, exactly: of all lines through two points, the best.

    The loss is piecewise linear in weight and bias, so one of its smallest values stands in a
    corner, where two errors are zero. With n points there are n (n - 1) / 2 corners to try, each
    with n errors: meant for a hundred points, not for a million.

    Parameters
    ----------
    x, y : Tensor
        ``(rows,)`` each, floats; at least two different values in `x`.

    Returns
    -------
    Parameters
        ``weight`` has the shape ``(1,)``.

    Raises
    ------
    ValueError
        If the shapes are not these, or all `x` are equal.
    """
    _check_points(x, y)
    i, j = torch.triu_indices(len(x), len(x), offset=1)  # all pairs
    steep = x[i] != x[j]
    i, j = i[steep], j[steep]
    weights = (y[j] - y[i]) / (x[j] - x[i])  # (pairs,)
    biases = y[i] - weights * x[i]
    errors = weights[:, None] * x + biases[:, None] - y  # (pairs, rows)
    best = errors.abs().mean(1).argmin()
    return Parameters(weights[best, None], biases[best])


def _check_data(inputs: Tensor, targets: Tensor) -> None:
    check_tensors(inputs=inputs, targets=targets)
    if inputs.dim() != 2 or not inputs.is_floating_point():
        raise ValueError(
            f"inputs are {tuple(inputs.shape)} {inputs.dtype}: give floats (rows, columns); "
            "one input a row is a column, x[:, None]"
        )
    if targets.shape != inputs.shape[:1]:
        raise ValueError(
            f"targets are {tuple(targets.shape)}, inputs {tuple(inputs.shape)}: give one target a "
            "row, (rows,); a column would be compared with every row"
        )
    if len(targets) == 0:
        raise ValueError("there is no row: a mean needs at least one")


def _check_parameters(inputs: Tensor, weight: Tensor, bias: Tensor) -> None:
    check_tensors(inputs=inputs, weight=weight, bias=bias)
    if weight.dtype != inputs.dtype:
        raise ValueError(f"weight is {weight.dtype}, inputs are {inputs.dtype}: give one type")
    if weight.shape != inputs.shape[1:]:
        raise ValueError(
            f"weight is {tuple(weight.shape)}, inputs are {tuple(inputs.shape)}: give one weight "
            "a column, (columns,)"
        )
    if bias.dim() != 0:
        raise ValueError(f"bias is {tuple(bias.shape)}: give a tensor of one number, shape ()")


def _check_descent(lr: float, steps: int) -> None:
    if not (isinstance(lr, (int, float)) and 0 < lr < math.inf):
        raise ValueError(f"lr is {lr!r}: give a positive number")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise ValueError(f"steps is {steps!r}: give an integer, 0 or more")


def _check_rank(A: Tensor) -> None:
    rows, columns = A.shape
    if not A.isfinite().all():
        raise ValueError("inputs have NaN or infinite values: remove or replace those rows")
    rank = int(torch.linalg.matrix_rank(A))
    if rank < columns:
        raise ValueError(
            f"{rows} rows decide {rank} of {columns} parameters: give more rows, and leave out "
            "columns that are constant or a combination of others"
        )


def _check_points(x: Tensor, y: Tensor) -> None:
    check_tensors(x=x, y=y)
    if x.dim() != 1 or x.shape != y.shape or not x.is_floating_point():
        raise ValueError(
            f"x is {tuple(x.shape)} {x.dtype}, y is {tuple(y.shape)}: give floats (rows,), as many "
            "of one as of the other"
        )
    if len(x) < 2 or (x == x[0]).all():
        raise ValueError("all points have one x: a line needs two different ones")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("points have NaN or infinite values: leave them out")
