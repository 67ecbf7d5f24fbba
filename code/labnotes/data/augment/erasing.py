"""Random erasing: a rectangle of each image of a batch is lost, by one mask for all."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labnotes.data.batches import Augment


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
    _check_erasing(p, scale, ratio, value)

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        _check_batch(images)
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

    Raises
    ------
    ValueError
        If the images are no batch, or the numbers are not one for each image.
    """
    _check_batch(images)
    _check_rectangles(len(images), top, left, height, width)

    def inside(length: int, start: Tensor, size: Tensor) -> Tensor:
        at = torch.arange(length, device=images.device)
        return (at >= start[:, None]) & (at < (start + size)[:, None])  # (batch, length)

    rows, columns = inside(images.shape[2], top, height), inside(images.shape[3], left, width)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (batch, 1, height, width)
    return images.masked_fill(hole, value)


def _check_batch(images: Tensor) -> None:
    if images.dim() != 4:
        raise ValueError(
            f"images are {tuple(images.shape)}: give a batch (batch, channels, height, width)"
        )


def _check_rectangles(n: int, *numbers: Tensor) -> None:
    if any(x.shape != (n,) for x in numbers):
        raise ValueError(
            f"top, left, height, width are {[tuple(x.shape) for x in numbers]} for {n} images: give "
            "(batch,) each"
        )


def _check_erasing(
    p: float, scale: tuple[float, float], ratio: tuple[float, float], value: int
) -> None:
    for name, pair in {"scale": scale, "ratio": ratio}.items():
        if (
            not isinstance(pair, (tuple, list))
            or [isinstance(x, (int, float)) for x in pair] != [True] * 2
        ):
            raise ValueError(f"{name} is {pair!r}: give a pair of numbers, (least, greatest)")
    if not isinstance(value, (int, float)):
        raise ValueError(f"value is {value!r}: give the number that erased pixels get")
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"p is {p!r}: give a probability, from 0 to 1")
    if not 0 <= scale[0] <= scale[1] <= 1:
        raise ValueError(
            f"scale is {scale!r}: give two shares of the area, 0 <= least <= most <= 1"
        )
    if not 0 < ratio[0] <= ratio[1] < math.inf:
        raise ValueError(f"ratio is {ratio!r}: give two of height / width, 0 < least <= most")
