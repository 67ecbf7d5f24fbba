"""Activation functions with their derivatives, as formulas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

KINDS = ("identity", "relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu")
LEAK = 0.01  # the slope of a leaky ReLU on the left


def activate(x: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """The values of an activation function, and its derivatives.

    Parameters
    ----------
    x
        Floating-point numbers of any shape.
    kind
        One of `KINDS`. The leaky ReLU has the slope 0.01 on the left.

    Returns
    -------
    values, derivatives : Tensor
        Each of the shape of `x`. At 0 the derivative of ReLU is 0 and that of leaky ReLU 0.01, as
        torch has it.

    Raises
    ------
    ValueError
        If `kind` is unknown, or `x` does not hold floating-point numbers.

    References
    ----------
    Nair and Hinton (2010) for ReLU, Maas, Hannun and Ng (2013) for the leaky one, Hendrycks and
    Gimpel (2016) for GELU and SiLU.

    Examples
    --------
    >>> activate(torch.tensor([-2.0, 3.0]), "relu")
    (tensor([0., 3.]), tensor([0., 1.]))
    """
    _check_activation(x, kind)
    if kind == "identity":
        return x, torch.ones_like(x)
    if kind == "relu":
        return x.clamp(min=0), (x > 0).to(x.dtype)
    if kind == "leaky_relu":
        slope = torch.ones_like(x).masked_fill(x <= 0, LEAK)
        return slope * x, slope
    if kind == "tanh":
        t = torch.tanh(x)
        return t, 1 - t**2
    if kind == "gelu":  # x times the normal distribution function, its derivative the density
        below = (1 + torch.erf(x / math.sqrt(2))) / 2
        density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return x * below, below + x * density
    s = 1 / (1 + torch.exp(-x))
    if kind == "sigmoid":
        return s, s * (1 - s)
    return x * s, s + x * s * (1 - s)  # SiLU


def _check_activation(x: Tensor, kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: give one of {', '.join(KINDS)}")
    if not (isinstance(x, Tensor) and x.is_floating_point()):
        found = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x holds {found}: give a tensor of floating-point numbers")
