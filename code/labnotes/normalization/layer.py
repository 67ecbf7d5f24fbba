"""Layer normalization: over the last axes of each sample by itself."""

from __future__ import annotations

import math

from torch import Tensor, nn

from labnotes.normalization.affine import add_affine, check_vectors
from labnotes.normalization.moments import normalize


def layer_norm(
    x: Tensor,
    normalized_shape: int | tuple[int, ...],
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each sample by itself over its last axes, then scale and shift each element.

    Parameters
    ----------
    x
        (..., \\*normalized_shape).
    normalized_shape
        The lengths of the axes that share a mean and a variance: ``d`` for tokens (batch, length,
        d), ``(C, H, W)`` for images.
    gamma, beta
        Scale and shift, of that shape. None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit.

    References
    ----------
    Ba, Kiros and Hinton (2016), equations (3) and (4).
    """
    shape = _shape(normalized_shape)
    _check_input(x, shape, gamma, beta)
    rows = x.reshape(-1, math.prod(shape))  # one row for each sample, or token
    x_hat = normalize(rows, "NC", over="C", eps=eps).reshape(x.shape)
    if gamma is not None:
        x_hat = x_hat * gamma
    return x_hat if beta is None else x_hat + beta


class LayerNorm(nn.Module):
    """:func:`layer_norm` with its scale and shift. The same in training and in evaluation.

    Parameters
    ----------
    normalized_shape, eps
        As in :func:`layer_norm`.
    elementwise_affine
        Learn a scale `weight` of that shape, 1 at first.
    bias
        And a shift `bias`, 0 at first.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        add_affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


def _check_input(x: Tensor, shape: tuple, gamma: Tensor | None, beta: Tensor | None) -> None:
    if x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, normalized_shape is {shape}: give the lengths of "
            "its last axes"
        )
    check_vectors({"gamma": gamma, "beta": beta}, *shape)


def _shape(normalized_shape: int | tuple[int, ...]) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or any(not isinstance(n, int) or n < 1 for n in shape):
        raise ValueError(
            f"normalized_shape is {normalized_shape!r}: give a positive integer, or several"
        )
    return shape
