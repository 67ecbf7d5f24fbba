"""Colour jitter: brightness, contrast, saturation and hue, each image by its own factor.

The changes are those of ``torchvision.transforms.v2``, which takes one image after the other. What
draws and what changes are apart: ``color_jitter`` draws factors, ``adjust_brightness`` applies them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.data.batches import Augment

GREY = (0.2989, 0.587, 0.114)  # how bright red, green and blue look to the eye (ITU-R BT.601)


def color_jitter(
    brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
) -> Augment:
    """Change brightness, contrast, saturation and hue of each image, in a random order.

    As ``torchvision.transforms.v2.ColorJitter``, with two differences: one order is drawn for a
    batch and not for each image, and bytes are rounded once at the end, not cut off after each
    change.

    Parameters
    ----------
    brightness, contrast, saturation
        A strength s from 0 to 1: the factor of an image is drawn between 1 - s and 1 + s.
    hue
        From 0 to 0.5: the turn of an image is drawn between -hue and hue, in turns of the circle.

    Returns
    -------
    callable
        For :class:`labnotes.data.Batches`: batch (uint8, 1 or 3 channels) and generator to a batch.

    Raises
    ------
    ValueError
        If a strength is outside of its range; later, if images are no bytes or have other channels.

    References
    ----------
    The changes are Pillow's (ImageEnhance); Howard (2013) trained with the first three.
    """
    _check_strengths(brightness, contrast, saturation, hue)
    steps = [
        (adjust_brightness, 1 - brightness, 1 + brightness),
        (adjust_contrast, 1 - contrast, 1 + contrast),
        (adjust_saturation, 1 - saturation, 1 + saturation),
        (adjust_hue, -hue, hue),
    ]

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        _check_bytes(images)
        draw = {"generator": generator, "device": images.device}
        values = images.float() / 255
        for number in torch.randperm(4, **draw).tolist():
            adjust, low, high = steps[number]
            factors = low + (high - low) * torch.rand(len(images), **draw)  # (batch,)
            if low < high:
                values = adjust(values, factors)
        return (values * 255).round().to(torch.uint8)

    return change


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply each image by its factor: 0 is black, 1 changes nothing.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``, floats from 0 to 1, in 1 or 3 channels.
    factors : Tensor
        ``(batch,)``, 0 or more.
    """
    _check_images(images, factors)
    return blend(images, torch.zeros_like(images), factors)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each image with the mean of its grey values: 0 is one grey, 1 changes nothing.

    Parameters and shapes as in :func:`adjust_brightness`.
    """
    _check_images(images, factors)
    return blend(images, grey(images).mean((1, 2, 3), keepdim=True), factors)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend each image with its grey picture: 0 is without colour, 1 changes nothing.

    Parameters and shapes as in :func:`adjust_brightness`.
    """
    _check_images(images, factors)
    return blend(images, grey(images), factors)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn each image's colours round the circle red, yellow, green, cyan, blue, magenta.

    The greatest and the least of a pixel's three values stay; the place of the hue between them
    moves. What is grey stays grey.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``, floats from 0 to 1, in 1 or 3 channels.
    turns : Tensor
        ``(batch,)``: 1 is once round, 1/3 takes red to green.
    """
    _check_images(images, turns)
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)  # each (batch, height, width)
    top, low = images.amax(1), images.amin(1)
    spread = (top - low).clamp(min=1e-12)  # a grey pixel has no hue: any will do
    sixths = torch.where(
        top == red,
        (green - blue) / spread,
        torch.where(top == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    sixths = sixths + 6 * turns[:, None, None]  # from 0 (red) through 2 (green) and 4 (blue) to 6
    colours = []
    for start in (5, 3, 1):  # red, green, blue
        place = (sixths + start) % 6
        share = torch.minimum(place, 4 - place).clamp(0, 1)  # 1 where this colour is least
        colours.append(top - (top - low) * share)
    return torch.stack(colours, 1)


def grey(images: Tensor) -> Tensor:
    """The grey picture ``(batch, 1, height, width)`` of each image."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def blend(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """``factor * image + (1 - factor) * other``, kept between 0 and 1."""
    factors = factors[:, None, None, None]
    return (factors * images + (1 - factors) * others).clamp(0, 1)


def _check_strengths(brightness: float, contrast: float, saturation: float, hue: float) -> None:
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in strengths.items():
        if not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise ValueError(f"{name} is {strength!r}: give a number from 0 to 1")
    if not isinstance(hue, (int, float)) or not 0 <= hue <= 0.5:
        raise ValueError(f"hue is {hue!r}: give a part of a turn, from 0 to 0.5")


def _check_bytes(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in (1, 3) or images.dtype != torch.uint8:
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give (batch, 1 or 3 channels, height, "
            "width) in uint8, as Batches keeps them"
        )


def _check_images(images: Tensor, factors: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in (1, 3) or not images.is_floating_point():
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give (batch, 1 or 3 channels, height, "
            "width) in floats from 0 to 1"
        )
    if not isinstance(factors, Tensor) or factors.shape != images.shape[:1]:
        came = getattr(factors, "shape", factors)
        raise ValueError(
            f"factors are {came!r} for {len(images)} images: give a tensor (batch,), one for each"
        )
