"""Fully convolutional networks: a class for each pixel, from the feature maps of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labnotes.checks import check_positive
from labnotes.segmentation.transposed import bilinear_kernel

STRIDES = (4, 8, 16, 32)  # of the feature maps that the heads read, finest first
MOBILENET_V2 = (24, 32, 96, 1280)  # their channels, for `mobilenet_stages`


class Stages(nn.Module):
    """The feature maps that a stack of layers has at strides 4, 8, 16 and 32.

    Parameters
    ----------
    layers
        The convolutional part of a classifier, without its pooling and its head.
    after
        The numbers of the four layers, in rising order, after which a map is taken.

    Raises
    ------
    ValueError
        If `after` does not name four of the layers in rising order.
    """

    def __init__(self, layers: nn.Sequential, after: Sequence[int]):
        super().__init__()
        _check_after(after, len(layers))
        self.layers, self.after = layers, tuple(after)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(batch, 3, h, w) -> four maps (batch, channels, ceil(h / stride), ceil(w / stride))."""
        maps, x = [], images
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in self.after:
                maps.append(x)
        return maps


def mobilenet_stages(model: nn.Module) -> Stages:
    """The feature maps of torchvision's ``mobilenet_v2``, of `MOBILENET_V2` channels."""
    return Stages(model.features, (3, 6, 13, 18))


class FCNHead(nn.Module):
    """Scores of classes for each pixel, from feature maps: FCN-32s, FCN-16s or FCN-8s.

    Parameters
    ----------
    channels
        Of the feature maps at strides 4, 8, 16 and 32.
    num_classes
        Classes, background included.
    stride
        Of the finest map that is read: 32, 16, 8 or 4.
    start
        Of the transposed convolutions: ``"bilinear"`` interpolation, each class by itself, or
        ``"random"``, as torch draws them. Both are trained.

    Raises
    ------
    ValueError
        If there are not four numbers of channels, or an argument is none of these.

    References
    ----------
    Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015,
    sections 3.3 and 4.2.
    """

    def __init__(
        self,
        channels: Sequence[int] = MOBILENET_V2,
        num_classes: int = 21,
        stride: int = 8,
        start: str = "bilinear",
    ):
        super().__init__()
        _check_head(channels, num_classes, stride)
        read = list(channels)[: STRIDES.index(stride) - len(STRIDES) - 1 : -1]  # coarsest first
        self.score = nn.ModuleList(nn.Conv2d(c, num_classes, 1) for c in read)
        self.twice = nn.ModuleList(upsampling(num_classes, 2, start) for _ in read[1:])
        self.last = upsampling(num_classes, stride, start)
        for layer in self.score:  # all classes alike at first, as in the paper
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Four maps (batch, channels, h / stride, w / stride) -> (batch, classes, *size)."""
        coarse_to_fine = list(maps)[::-1]
        scores = self.score[0](coarse_to_fine[0])  # (batch, classes, h / 32, w / 32)
        for twice, score, finer in zip(self.twice, self.score[1:], coarse_to_fine[1:]):
            scores = cut(twice(scores), finer.shape[2:]) + score(finer)
        return cut(self.last(scores), size)


class UNetHead(nn.Module):
    """As `FCNHead` with stride 4, but features are joined where that one adds scores.

    Parameters
    ----------
    channels
        Of the feature maps at strides 4, 8, 16 and 32.
    num_classes
        Classes, background included.
    width
        Channels on the way up.

    Raises
    ------
    ValueError
        If there are not four numbers of channels, or a number is not positive.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", 2015. Theirs goes up to stride 1 and has two convolutions a level.
    """

    def __init__(
        self, channels: Sequence[int] = MOBILENET_V2, num_classes: int = 21, width: int = 32
    ):
        super().__init__()
        _check_head(channels, num_classes, STRIDES[0])
        check_positive(width=width)
        *finer, coarsest = channels
        self.first = nn.Conv2d(coarsest, width, 1)
        self.twice = nn.ModuleList(nn.ConvTranspose2d(width, width, 2, stride=2) for _ in finer)
        self.join = nn.ModuleList(
            nn.Conv2d(width + c, width, 3, padding=1) for c in reversed(finer)
        )
        self.score = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Four maps (batch, channels, h / stride, w / stride) -> (batch, classes, *size)."""
        coarsest, *finer_maps = list(maps)[::-1]
        x = self.first(coarsest).relu()  # (batch, width, h / 32, w / 32)
        for twice, join, finer in zip(self.twice, self.join, finer_maps):
            up = cut(twice(x), finer.shape[2:])
            x = join(torch.cat([up, finer], dim=1)).relu()  # (batch, width + c, ...) -> width
        return F.interpolate(self.score(x), size=tuple(size), mode="bilinear")


class FCN(nn.Module):
    """A body and a head: images of any size to scores of classes for each pixel.

    Parameters
    ----------
    body
        Images to feature maps, such as `Stages`.
    head
        ``head(maps, size)``, such as `FCNHead`.

    Examples
    --------
    >>> from torchvision.models import mobilenet_v2
    >>> net = FCN(mobilenet_stages(mobilenet_v2()), FCNHead(num_classes=2)).eval()
    >>> net(torch.zeros(1, 3, 50, 70)).shape
    torch.Size([1, 2, 50, 70])
    """

    def __init__(self, body: nn.Module, head: nn.Module):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, classes, height, width)."""
        _check_images(images)
        return self.head(self.body(images), images.shape[2:])


def upsampling(channels: int, factor: int, start: str = "bilinear") -> nn.ConvTranspose2d:
    """A transposed convolution that makes height and width `factor` times as large.

    Input i stands at output ``factor * i``. That is where a body of 3x3 convolutions with stride
    and padding on both sides has it: its unit i is centred on pixel ``stride * i``. With the usual
    kernel of ``2 factor`` and padding of ``factor / 2`` input i would stand half a stride further
    right and lower. `start` is that of `FCNHead`.

    Raises
    ------
    ValueError
        If `factor` is no whole number of at least 2, or `start` is unknown.
    """
    _check_upsampling(channels, factor, start)
    layer = nn.ConvTranspose2d(
        channels,
        channels,
        2 * factor - 1,
        factor,
        factor - 1,
        output_padding=factor - 1,
        bias=False,
    )
    if start == "bilinear":
        with torch.no_grad():
            layer.weight.copy_(bilinear_kernel(channels, 2 * factor - 1))
    return layer


def cut(maps: Tensor, size: Sequence[int]) -> Tensor:
    """The top left part ``(batch, channels, *size)`` of maps that are at least as large.

    A map at stride 32 covers up to 31 rows more than the image has; they hang over below and on
    the right.
    """
    return maps[:, :, : size[0], : size[1]]


def _check_after(after: Sequence[int], layers: int) -> None:
    rising = all(a < b for a, b in zip(after, after[1:]))
    if len(after) != len(STRIDES) or not rising or after[0] < 0 or after[-1] >= layers:
        raise ValueError(
            f"after is {tuple(after)}: give the numbers of four layers in rising order, from 0 to "
            f"{layers - 1}, after which the maps have the strides {STRIDES}"
        )


def _check_head(channels: Sequence[int], num_classes: int, stride: int) -> None:
    if len(channels) != len(STRIDES):
        raise ValueError(
            f"channels are {tuple(channels)}: give four numbers, one for each stride of {STRIDES}"
        )
    if stride not in STRIDES:
        raise ValueError(f"stride is {stride!r}: give one of {STRIDES}")
    check_positive(num_classes=num_classes, **{f"channels[{i}]": c for i, c in enumerate(channels)})


def _check_upsampling(channels: int, factor: int, start: str) -> None:
    check_positive(channels=channels)
    if not isinstance(factor, int) or factor < 2:
        raise ValueError(f"factor is {factor!r}: give a whole number, 2 or more")
    if start not in ("bilinear", "random"):
        raise ValueError(f'start is {start!r}: give "bilinear" or "random"')


def _check_images(images: Tensor) -> None:
    if images.dim() != 4 or 0 in images.shape or not images.is_floating_point():
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give floats (batch, 3, height, "
            "width) with at least one pixel; for one image use image[None]"
        )
