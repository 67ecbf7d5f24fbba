"""Mixup and CutMix: images of a batch mixed in pairs, and their targets with them."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mixup(images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mix each image with the one before it in the batch, and their targets in the same way.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``, floats.
    targets : Tensor
        ``(batch, classes)``: probabilities, for example one-hot.
    share
        How much of its own each keeps, from 0 to 1; Zhang et al. draw it from Beta(a, a).

    Returns
    -------
    images, targets : Tensor
        As they came, mixed.

    Raises
    ------
    ValueError
        If the targets are not probabilities for each image, or `share` is not from 0 to 1.

    References
    ----------
    Zhang et al. (2018), equation in section 2; torchvision's MixUp.
    """
    _check_share(share)
    _check_mix(images, targets)
    return tuple(share * x + (1 - share) * x.roll(1, 0) for x in (images, targets))


def cutmix(
    images: Tensor, targets: Tensor, box: tuple[int, int, int, int]
) -> tuple[Tensor, Tensor]:
    """Paste into each image a rectangle of the one before it; the targets mix by area.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``, floats.
    targets : Tensor
        ``(batch, classes)``: probabilities, for example one-hot.
    box
        Left, top, right, bottom in pixels, the last two not included; see :func:`cut_box`.

    Returns
    -------
    images, targets : Tensor
        New ones.

    Raises
    ------
    ValueError
        If the targets are not probabilities for each image, or the box does not lie in the image.

    References
    ----------
    Yun et al. (2019), section 3.1; torchvision's CutMix.
    """
    _check_mix(images, targets)
    height, width = images.shape[2:]
    _check_box(box, height, width)
    x1, y1, x2, y2 = box
    share = 1 - (x2 - x1) * (y2 - y1) / (width * height)  # what is left of the own image
    mixed = images.clone()
    mixed[:, :, y1:y2, x1:x2] = images.roll(1, 0)[:, :, y1:y2, x1:x2]
    return mixed, share * targets + (1 - share) * targets.roll(1, 0)


def cut_box(share: float, height: int, width: int) -> tuple[int, int, int, int]:
    """A random box for :func:`cutmix` that takes about ``1 - share`` of the image.

    Its middle may be any pixel; what reaches beyond the image is cut off. The numbers come from
    torch's global generator, on the CPU, so that no device waits.

    Returns
    -------
    tuple of int
        Left, top, right, bottom.

    Raises
    ------
    ValueError
        If `share` is not from 0 to 1.
    """
    _check_share(share)
    x, y = torch.randint(width, (1,)).item(), torch.randint(height, (1,)).item()
    half = 0.5 * math.sqrt(1 - share)
    across, down = int(half * width), int(half * height)
    return max(x - across, 0), max(y - down, 0), min(x + across, width), min(y + down, height)


def _check_share(share: float) -> None:
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}: give a number from 0 to 1")


def _check_mix(images: Tensor, targets: Tensor) -> None:
    if images.dim() != 4 or not images.is_floating_point():
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: mix them as floats (batch, channels, "
            "height, width), as Batches gives them"
        )
    if not isinstance(targets, Tensor):
        raise ValueError(
            f"targets are {targets!r}: give a tensor of probabilities (batch, classes)"
        )
    if targets.dim() != 2 or len(targets) != len(images) or not targets.is_floating_point():
        raise ValueError(
            f"targets are {tuple(targets.shape)} {targets.dtype} for {len(images)} images: give "
            "probabilities (batch, classes), for example F.one_hot(labels, classes).float()"
        )


def _check_box(box: tuple[int, int, int, int], height: int, width: int) -> None:
    if len(box) != 4 or not all(isinstance(x, int) for x in box):
        raise ValueError(f"box is {box!r}: give four whole numbers, left, top, right, bottom")
    x1, y1, x2, y2 = box
    if not (0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height):
        raise ValueError(
            f"box is {box!r} in an image {height} high and {width} wide: give left, top, right, "
            "bottom inside of it"
        )
