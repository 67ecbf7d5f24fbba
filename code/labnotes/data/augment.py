"""Colour jitter, erased rectangles, mixup and CutMix: each a few operations on a whole batch.

The changes are those of ``torchvision.transforms.v2``, which takes one image after the other; here
every image of a batch has its own numbers, and the batch stays on the device. What draws and what
changes are apart: ``color_jitter`` draws factors, ``adjust_brightness`` applies them.
"""

from __future__ import annotations

import math

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
        A strength s: the factor of an image is drawn between max(0, 1 - s) and 1 + s.
    hue
        The turn of an image is drawn between -hue and hue, in turns of the colour circle.

    Returns
    -------
    callable
        For :class:`labnotes.data.Batches`: batch (uint8, 1 or 3 channels) and generator to a batch.

    Raises
    ------
    ValueError
        If a strength is negative, or `hue` above 0.5; later, if images have other channels.

    References
    ----------
    The changes are Pillow's (ImageEnhance); Howard (2013) trained with the first three.
    """
    _check_strengths(brightness, contrast, saturation, hue)
    steps = [
        (adjust_brightness, max(0.0, 1 - brightness), 1 + brightness),
        (adjust_contrast, max(0.0, 1 - contrast), 1 + contrast),
        (adjust_saturation, max(0.0, 1 - saturation), 1 + saturation),
        (adjust_hue, -hue, hue),
    ]

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
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


def random_erasing(
    p: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    value: int = 0,
) -> Augment:
    """Erase a random rectangle of each image, with probability `p`.

    As ``torchvision.transforms.v2.RandomErasing``: ten rectangles are drawn, and the first that is
    smaller than the image is taken; if none is, nothing is erased.

    Parameters
    ----------
    p
        Probability that an image loses a rectangle.
    scale
        Least and greatest share of the image's area.
    ratio
        Least and greatest height / width, drawn evenly on a logarithmic scale.
    value
        What stands in the rectangle.

    Returns
    -------
    callable
        For :class:`labnotes.data.Batches`.

    Raises
    ------
    ValueError
        If a number is out of range or a pair is not in order.

    References
    ----------
    Zhong et al. (2020), algorithm 1 (there the pixels become random numbers).
    """
    _check_erasing(p, scale, ratio)

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        n, (rows, columns) = len(images), images.shape[2:]

        def between(low: float, high: float, *shape: int) -> Tensor:
            drawn = torch.rand(*shape, generator=generator, device=images.device)
            return low + (high - low) * drawn

        areas = rows * columns * between(*scale, 10, n)  # ten tries for each image
        ratios = between(*map(math.log, ratio), 10, n).exp()
        heights, widths = (areas * ratios).sqrt().round(), (areas / ratios).sqrt().round()
        fits = (heights < rows) & (widths < columns)  # (10, batch)
        first, each = fits.int().argmax(0), torch.arange(n, device=images.device)
        erased = fits.any(0) & (between(0, 1, n) < p)
        height, width = heights[first, each] * erased, widths[first, each]  # no row: nothing
        top = (between(0, 1, n) * (rows - height + 1)).floor()
        left = (between(0, 1, n) * (columns - width + 1)).floor()
        return erase(images, top, left, height, width, value)

    return change


def erase(
    images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, value: float = 0
) -> Tensor:
    """Put `value` into one rectangle of each image.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``.
    top, left, height, width : Tensor
        ``(batch,)`` each, in pixels.
    value
        Of every pixel in the rectangle.
    """

    def inside(length: int, start: Tensor, size: Tensor) -> Tensor:
        at = torch.arange(length, device=images.device)
        return (at >= start[:, None]) & (at < (start + size)[:, None])  # (batch, length)

    rows, columns = inside(images.shape[2], top, height), inside(images.shape[3], left, width)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (batch, 1, height, width)
    return images.masked_fill(hole, value)


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
    _check_mix(images, targets, share)
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
    height, width = images.shape[2:]
    _check_box(box, height, width)
    x1, y1, x2, y2 = box
    share = 1 - (x2 - x1) * (y2 - y1) / (width * height)  # what is left of the own image
    _check_mix(images, targets, share)
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


def _check_strengths(brightness: float, contrast: float, saturation: float, hue: float) -> None:
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, strength in strengths.items():
        if not 0 <= strength < math.inf:
            raise ValueError(f"{name} is {strength!r}: give a strength, 0 or more")
    if not 0 <= hue <= 0.5:
        raise ValueError(f"hue is {hue!r}: give a part of a turn, from 0 to 0.5")


def _check_images(images: Tensor, factors: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in (1, 3) or not images.is_floating_point():
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give (batch, 1 or 3 channels, height, "
            "width) in floats from 0 to 1"
        )
    if factors.shape != images.shape[:1]:
        raise ValueError(
            f"there are {tuple(factors.shape)} factors for {len(images)} images: give (batch,)"
        )


def _check_erasing(p: float, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p!r}: give a probability, from 0 to 1")
    if not 0 <= scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale is {scale!r}: give two shares of the area, 0 <= least <= most <= 1")
    if not 0 < ratio[0] <= ratio[1] < math.inf:
        raise ValueError(f"ratio is {ratio!r}: give two of height / width, 0 < least <= most")


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}: give a number from 0 to 1")


def _check_mix(images: Tensor, targets: Tensor, share: float) -> None:
    _check_share(share)
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}: mix them as floats, as Batches gives them")
    if targets.dim() != 2 or len(targets) != len(images) or not targets.is_floating_point():
        raise ValueError(
            f"targets are {tuple(targets.shape)} {targets.dtype} for {len(images)} images: give "
            "probabilities (batch, classes), for example F.one_hot(labels, classes).float()"
        )


def _check_box(box: tuple[int, int, int, int], height: int, width: int) -> None:
    x1, y1, x2, y2 = box
    if not (0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height):
        raise ValueError(
            f"box is {box!r} in an image {height} high and {width} wide: give left, top, right, "
            "bottom inside of it"
        )
