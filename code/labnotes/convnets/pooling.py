"""Pooling: one number from each window of each map, and two of its relatives.

Max and average pooling as their definition says, over windows cut out by ``unfold``; the blur that
comes before every second position is dropped (Zhang, 2019); and the layer that turns and scales
its input as a small network tells it to (Jaderberg et al., 2015).
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


def windows(x: torch.Tensor, size: int, stride: int, padding: int, fill: float) -> torch.Tensor:
    """All windows of each map.

    Parameters
    ----------
    x
        ``(batch, channels, height, width)``.
    size, stride, padding
        Side of a window, the step from one to the next, and rows and columns added on every side.
    fill
        The value of what is added.

    Returns
    -------
    Tensor
        ``(batch, channels, out_height, out_width, size * size)`` with
        ``out = floor((n + 2 * padding - size) / stride) + 1``.

    Raises
    ------
    ValueError
        If `x` has another number of axes, a number is out of range, or no window fits.
    """
    _check_windows(x, size, stride, padding)
    padded = F.pad(x, [padding] * 4, value=fill)
    cut = padded.unfold(2, size, stride).unfold(3, size, stride)  # (b, c, oh, ow, size, size)
    return cut.flatten(4)


def _check_windows(x: torch.Tensor, size: int, stride: int, padding: int) -> None:
    if x.dim() != 4:
        raise ValueError(f"x has the shape {tuple(x.shape)}: give (batch, channels, height, width)")
    if size < 1 or stride < 1:
        raise ValueError(f"size is {size} and stride {stride}: give at least 1")
    if not 0 <= padding <= size // 2:
        raise ValueError(
            f"padding is {padding} for windows of {size}: give 0 to {size // 2}, or a window could "
            "lie wholly outside"
        )
    if min(x.shape[2:]) + 2 * padding < size:
        raise ValueError(
            f"no window of {size} fits into {x.shape[2]}x{x.shape[3]} padded by {padding}: give a "
            "smaller one"
        )


def max_pool2d(
    x: torch.Tensor, size: int, stride: int | None = None, padding: int = 0
) -> torch.Tensor:
    """The largest value of each window. The stride is the window's side unless given.

    Padding is minus infinity, so that it never wins. Shapes and errors as for :func:`windows`.

    Examples
    --------
    >>> max_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2).flatten().tolist()
    [5.0, 7.0, 13.0, 15.0]
    """
    return windows(x, size, stride or size, padding, fill=-math.inf).amax(-1)


def avg_pool2d(
    x: torch.Tensor, size: int, stride: int | None = None, padding: int = 0
) -> torch.Tensor:
    """The mean of each window; padding counts as zeros. Shapes and errors as :func:`windows`.

    Examples
    --------
    >>> avg_pool2d(torch.arange(16.0).reshape(1, 1, 4, 4), 2).flatten().tolist()
    [2.5, 4.5, 10.5, 12.5]
    """
    return windows(x, size, stride or size, padding, fill=0.0).mean(-1)


class BlurPool2d(nn.Module):
    """Blur each map with the binomial kernel (1, 2, 1), then keep every second position.

    No learned parameters. Edges are not filled with zeros, so a constant map keeps its value.

    Parameters
    ----------
    channels
        Of the input and of the output.
    stride
        The step between the positions that are kept.
    padding_mode
        What continues a map beyond its edge: "reflect", or "circular" for the opposite edge, or
        "replicate".

    Raises
    ------
    ValueError
        If the padding mode is another.

    References
    ----------
    R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019, section 3.2.

    Examples
    --------
    >>> BlurPool2d(3)(torch.ones(1, 3, 8, 8)).shape
    torch.Size([1, 3, 4, 4])
    """

    def __init__(self, channels: int, stride: int = 2, padding_mode: str = "reflect"):
        super().__init__()
        _check_padding_mode(padding_mode)
        self.channels, self.stride, self.padding_mode = channels, stride, padding_mode
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(line, line).expand(channels, 1, 3, 3)  # one for each channel
        self.register_buffer("kernel", kernel.contiguous(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = F.pad(x, [1, 1, 1, 1], mode=self.padding_mode)
        return F.conv2d(padded, self.kernel, stride=self.stride, groups=self.channels)


def _check_padding_mode(padding_mode: str) -> None:
    known = ("reflect", "circular", "replicate")
    if padding_mode not in known:
        raise ValueError(f"padding_mode is {padding_mode!r}: give one of {', '.join(known)}")


class SpatialTransformer(nn.Module):
    """Turn, scale and shift an image as a small network finds fit, before it is classified.

    The network sees the image and gives six numbers, an affine map from each place of the output
    to a place of the input, where the image is read by bilinear interpolation. It starts as the
    identity.

    Parameters
    ----------
    in_channels
        Channels of the images.
    hidden
        Channels of the two convolutions that look at the image.

    References
    ----------
    M. Jaderberg, K. Simonyan, A. Zisserman and K. Kavukcuoglu, "Spatial transformer networks",
    NeurIPS 2015, section 3.

    Examples
    --------
    >>> image = torch.rand(2, 1, 28, 28)
    >>> torch.allclose(SpatialTransformer(1)(image), image, atol=1e-5)
    True
    """

    def __init__(self, in_channels: int, hidden: int = 8):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(hidden, 2 * hidden, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(2 * hidden * 16, 32),
            nn.ReLU(),
        )
        self.theta = nn.Linear(32, 6)
        nn.init.zeros_(self.theta.weight)
        with torch.no_grad():
            self.theta.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        theta = self.theta(self.look(x)).reshape(-1, 2, 3)  # one affine map for each image
        grid = F.affine_grid(theta, x.shape, align_corners=False)  # (batch, height, width, 2)
        return F.grid_sample(x, grid, align_corners=False)  # as x
