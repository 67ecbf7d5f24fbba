"""Instance normalization: over the positions of each channel of each sample by itself."""

from __future__ import annotations

from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.normalization.affine import add_affine, check_channels, check_vectors, scale_and_shift
from labnotes.normalization.moments import AXES, check_axes, normalize


def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalize each channel of each sample over its positions, then scale and shift channels.

    Parameters
    ----------
    x
        (N, C, positions), more than one position.
    gamma, beta
        Scale and shift, (C,). None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is a single position.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky (2016).
    """
    _check_input(x, gamma, beta)
    names = AXES[x.dim()]
    x_hat = normalize(x, names, over=names.replace("NC", ""), eps=eps)
    return scale_and_shift(x_hat, gamma, beta)


def _check_input(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> None:
    check_axes(x, "NCL")
    check_vectors({"gamma": gamma, "beta": beta}, x.shape[1])
    if x.shape[2:].numel() < 2:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, one position: its variance is 0 and the output "
            "would not depend on x; give larger maps, or use group_norm"
        )


class InstanceNorm(nn.Module):
    """:func:`instance_norm` with its scale and shift, which torch leaves out by default too.

    Parameters
    ----------
    num_features
        C, the channels of the input.
    eps
        As in :func:`instance_norm`.
    affine
        Learn `weight` and `bias`, one number a channel each.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False):
        super().__init__()
        check_positive(num_features=num_features)
        self.num_features, self.eps = num_features, eps
        add_affine(self, (num_features,), affine, affine)

    def forward(self, x: Tensor) -> Tensor:
        check_channels(x, self.num_features)
        return instance_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}"
