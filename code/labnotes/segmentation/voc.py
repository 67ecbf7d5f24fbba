"""Pascal VOC's 21 classes, the colours that its label images give them, and the way between."""

from __future__ import annotations

import torch
from torch import Tensor

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip


def voc_colormap() -> Tensor:
    """The colour of each label in VOC's label images: ``(256, 3)``, uint8; row 255 is void.

    The bits of a label are dealt to red, green and blue in turn, the lowest bits to the highest of
    the colour. So neighbouring labels differ much.

    References
    ----------
    Everingham et al., the development kit of the VOC2012 challenge, ``VOClabelcolormap``.
    """
    labels = torch.arange(256)
    colors = torch.zeros(256, 3, dtype=torch.int64)
    for turn in range(8):
        for channel in range(3):
            bit = (labels >> (3 * turn + channel)) & 1
            colors[:, channel] |= bit << (7 - turn)
    return colors.to(torch.uint8)


def labels_to_colors(pixels: Tensor) -> Tensor:
    """A label image ``(..., height, width)``, classes or 255, in colours ``(..., 3, height, width)``.

    Raises
    ------
    ValueError
        If a label is not a whole number from 0 to 255.
    """
    _check_labels(pixels)
    return voc_colormap()[pixels.long()].movedim(-1, -3)


def colors_to_labels(colors: Tensor) -> Tensor:
    """A colour image ``(..., 3, height, width)``, uint8, in labels ``(..., height, width)``, uint8.

    Raises
    ------
    ValueError
        If it is no colour image of bytes, or holds a colour that stands for none of the 21 classes
        and not for void. Interpolated and JPEG-compressed label images do.
    """
    _check_colors(colors)
    used = torch.tensor([*range(len(VOC_CLASSES)), 255])
    known, order = _number(voc_colormap()[used].T[:, None])[0].sort()  # (22,)
    found = _number(colors)  # (..., height, width)
    place = torch.searchsorted(known, found).clamp(max=len(known) - 1)
    _check_known(colors, known[place] == found)
    return used[order[place]].to(torch.uint8)


def _number(colors: Tensor) -> Tensor:
    """``(..., 3, height, width)`` -> one number for each colour, ``(..., height, width)``."""
    red, green, blue = colors.long().unbind(-3)
    return (red << 16) | (green << 8) | blue


def _check_labels(pixels: Tensor) -> None:
    if pixels.is_floating_point() or pixels.dim() < 2:
        raise ValueError(
            f"pixels are {tuple(pixels.shape)} {pixels.dtype}: give integers (..., height, width)"
        )
    if pixels.numel() and not 0 <= int(pixels.min()) <= int(pixels.max()) <= 255:
        raise ValueError(
            f"pixels hold {int(pixels.min())} to {int(pixels.max())}: give labels from 0 to 255"
        )


def _check_colors(colors: Tensor) -> None:
    if colors.dim() < 3 or colors.shape[-3] != 3 or colors.dtype != torch.uint8:
        raise ValueError(
            f"colors are {tuple(colors.shape)} {colors.dtype}: give (..., 3, height, width) in "
            "torch.uint8"
        )


def _check_known(colors: Tensor, known: Tensor) -> None:
    if not known.all():
        bad = colors.movedim(-3, -1)[~known]  # (unknown pixels, 3)
        raise ValueError(
            f"{len(bad)} pixels have colours that stand for no class, such as {bad[0].tolist()}: "
            "give a label image that was neither interpolated nor compressed"
        )
