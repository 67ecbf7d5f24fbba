"""Group normalization: over groups of channels of each sample by itself."""

from __future__ import annotations

from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.normalization.affine import (
    add_affine,
    check_channels,
    check_groups,
    check_vectors,
    scale_and_shift,
)
from labnotes.normalization.moments import AXES, check_axes, normalize


def group_norm(
    x: Tensor,
    num_groups: int,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each group of channels of each sample by itself, then scale and shift channels.

    Parameters
    ----------
    x
        (N, C) or (N, C, positions).
    num_groups
        G, a divisor of C. 1: all channels together. C: each by itself, :func:`instance_norm`.
    gamma, beta
        Scale and shift, (C,). None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit, or the groups do not divide the channels.

    References
    ----------
    Wu and He (2018), equation (7).
    """
    _check_input(x, num_groups, gamma, beta)
    grouped = x.unflatten(1, (num_groups, x.shape[1] // num_groups))  # (N, G, C/G, H, W)
    names = AXES[x.dim()].replace("C", "GC")  # "NGCHW"
    x_hat = normalize(grouped, names, over=names.replace("NG", ""), eps=eps).flatten(1, 2)
    return scale_and_shift(x_hat, gamma, beta)


def _check_input(x: Tensor, num_groups: int, gamma: Tensor | None, beta: Tensor | None) -> None:
    check_axes(x, "NC")
    check_groups(num_groups, x.shape[1])
    check_vectors({"gamma": gamma, "beta": beta}, x.shape[1])


class GroupNorm(nn.Module):
    """:func:`group_norm` with its scale and shift. The same in training and in evaluation.

    Parameters
    ----------
    num_groups, num_channels
        G and C; G divides C.
    eps
        As in :func:`group_norm`.
    affine
        Learn `weight` and `bias`, one number a channel each.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        super().__init__()
        check_positive(num_channels=num_channels)
        check_groups(num_groups, num_channels)
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        add_affine(self, (num_channels,), affine, affine)

    def forward(self, x: Tensor) -> Tensor:
        check_channels(x, self.num_channels)
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"
