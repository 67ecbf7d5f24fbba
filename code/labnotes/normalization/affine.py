"""Scale and shift after a normalization, one number a channel, and what they need of the input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive


def add_affine(module: nn.Module, shape: tuple[int, ...], scale: bool, shift: bool) -> None:
    """Give `module` a `weight` of ones and a `bias` of zeros, or None, of that shape."""
    module.register_parameter("weight", nn.Parameter(torch.ones(shape)) if scale else None)
    module.register_parameter("bias", nn.Parameter(torch.zeros(shape)) if shift else None)


def per_channel(vector: Tensor, x: Tensor) -> Tensor:
    """One number a channel, in a shape that fits `x`: (C,) becomes (1, C, 1, 1)."""
    return vector.reshape(1, -1, *[1] * (x.dim() - 2))


def scale_and_shift(x_hat: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    """``gamma * x_hat + beta``, one number a channel each; None: 1 and 0."""
    if gamma is not None:
        x_hat = x_hat * per_channel(gamma, x_hat)
    return x_hat if beta is None else x_hat + per_channel(beta, x_hat)


def check_vectors(vectors: dict[str, Tensor | None], *shape: int) -> None:
    """Refuse a scale, shift or average that has not the shape that the input needs."""
    for name, vector in vectors.items():
        if vector is not None and vector.shape != shape:
            raise ValueError(
                f"{name} has the shape {tuple(vector.shape)}, x needs {shape}: give one number for "
                "each channel, or for layer normalization each element of normalized_shape"
            )


def check_channels(x: Tensor, channels: int) -> None:
    """Refuse an input that has not the channels that the layer was made for."""
    if x.dim() < 2 or x.shape[1] != channels:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, the layer was made for {channels} channels: give "
            f"(N, {channels}, ...)"
        )


def check_groups(num_groups: int, channels: int) -> None:
    """Refuse groups that do not divide the channels."""
    check_positive(num_groups=num_groups)
    if channels % num_groups:
        raise ValueError(
            f"num_groups is {num_groups}, there are {channels} channels: give a divisor of these"
        )
