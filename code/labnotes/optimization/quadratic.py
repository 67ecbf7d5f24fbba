"""Gradient descent on a bowl, where every step can be foreseen."""

from __future__ import annotations

import torch
from torch import Tensor


def descend_quadratic(curvatures: Tensor, start: Tensor, lr: float | Tensor, steps: int) -> Tensor:
    """The path of gradient descent on ``(curvatures * w ** 2).sum() / 2``.

    Axis i has the slope ``curvatures[i] * w[i]``, so a step multiplies ``w[i]`` by
    ``1 - lr * curvatures[i]``.

    Parameters
    ----------
    curvatures : Tensor
        ``(d,)``, floats: the second derivative along each axis.
    start : Tensor
        ``(d,)``, where the path begins.
    lr : float or Tensor
        The learning rate, above 0 and finite: one for all axes, or ``(d,)``, one for each.
    steps : int
        How many, 0 or more.

    Returns
    -------
    Tensor
        ``(steps + 1, d)``, the start first.

    Raises
    ------
    ValueError
        If shapes or types do not match, or a number is out of its range or not finite.

    References
    ----------
    L. Bottou, F. E. Curtis and J. Nocedal, "Optimization Methods for Large-Scale Machine
    Learning", SIAM Review 60(2), 2018, section 4.

    Examples
    --------
    >>> descend_quadratic(torch.tensor([4.0]), torch.tensor([1.0]), lr=0.125, steps=2).tolist()
    [[1.0], [0.5], [0.25]]
    """
    _check_axes(curvatures, start)
    _check_steps(curvatures, lr, steps)
    path = [start]
    for _ in range(steps):
        gradient = curvatures * path[-1]  # (d,)
        path.append(path[-1] - lr * gradient)
    return torch.stack(path)  # (steps + 1, d)


def largest_stable_rate(curvatures: Tensor) -> float:
    """The learning rate above which gradient descent on a bowl runs away, ``2 / max``.

    At this rate the steepest axis changes its sign in every step and keeps its size.

    Parameters
    ----------
    curvatures : Tensor
        ``(d,)``, floats, none below 0: the eigenvalues of the Hessian.

    Raises
    ------
    ValueError
        If they are no vector of finite numbers, one is negative, or all are 0.

    Examples
    --------
    >>> largest_stable_rate(torch.tensor([1.0, 8.0]))
    0.25
    """
    _check_bowl(curvatures)
    return 2 / curvatures.max().item()


def _check_axes(curvatures: Tensor, start: Tensor) -> None:
    if not isinstance(curvatures, Tensor) or not isinstance(start, Tensor):
        raise ValueError(
            f"curvatures are {type(curvatures).__name__}, start is {type(start).__name__}: give "
            "tensors"
        )
    if curvatures.dim() != 1 or not curvatures.numel() or not curvatures.is_floating_point():
        raise ValueError(
            f"curvatures have shape {tuple(curvatures.shape)} and type {curvatures.dtype}: give "
            "floating point numbers (axes,)"
        )
    if start.shape != curvatures.shape:
        raise ValueError(
            f"start has shape {tuple(start.shape)}, curvatures {tuple(curvatures.shape)}: give one "
            "number for each axis"
        )
    if not curvatures.isfinite().all() or not start.isfinite().all():
        raise ValueError("curvatures or start hold nan or infinity: give finite numbers")


def _check_bowl(curvatures: Tensor) -> None:
    _check_axes(curvatures, curvatures)
    if not (curvatures >= 0).all() or not curvatures.max() > 0:
        raise ValueError(
            f"curvatures reach from {curvatures.min():g} to {curvatures.max():g}: give none below "
            "0 and one above it; where a loss curves downwards no rate is stable, and on a level "
            "one every rate is"
        )


def _check_steps(curvatures: Tensor, lr: float | Tensor, steps: int) -> None:
    if not isinstance(lr, (int, float, Tensor)):
        raise ValueError(
            f"lr is {lr!r}: give one learning rate, or a tensor with one for each axis"
        )
    rates = torch.as_tensor(lr)
    if rates.shape not in ((), curvatures.shape):
        raise ValueError(
            f"lr has shape {tuple(rates.shape)}, curvatures {tuple(curvatures.shape)}: give one "
            "learning rate, or one for each axis"
        )
    if not (rates > 0).all() or not rates.isfinite().all():
        raise ValueError(f"lr is {lr}: give finite learning rates above 0")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise ValueError(f"steps is {steps!r}: give an integer, 0 or more")
