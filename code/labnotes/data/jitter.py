"""Scale jittering: each image of a batch at its own scale, cut at its own place, in one operation.

A photograph shows the same thing large and small. VGG resizes each training image so that its
short side is S pixels, S drawn anew each time, and cuts a square of fixed size from the result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labnotes.data.batches import Augment


def scale_jitter(smallest: int, largest: int, size: int) -> Augment:
    """Resize each image so that its short side is random, then cut a random square of fixed size.

    Parameters
    ----------
    smallest, largest
        The short side S is drawn from the whole numbers from `smallest` to `largest`. Equal ones
        make every image of one scale.
    size
        Side of the square, at most `smallest`.

    Returns
    -------
    callable
        For :class:`labnotes.data.Batches`: batch (uint8) and generator to a batch
        ``(batch, channels, size, size)``.

    Raises
    ------
    ValueError
        If the numbers are not in this order: ``1 <= size <= smallest <= largest``.

    References
    ----------
    Simonyan & Zisserman (2015), section 3.1, "Training image size".
    """
    numbers = (size, smallest, largest)
    if not all(isinstance(n, int) for n in numbers) or not 1 <= size <= smallest <= largest:
        raise ValueError(
            f"size is {size!r}, smallest {smallest!r}, largest {largest!r}: give whole numbers with "
            "1 <= size <= smallest <= largest, so that each resized image holds the square"
        )

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(images), images.device
        sides = torch.randint(smallest, largest + 1, (n,), generator=generator, device=device)
        places = torch.rand(2, n, generator=generator, device=device)
        return scaled_crop(images, sides, places, size)

    return change


def scaled_crop(images: Tensor, sides: Tensor, places: Tensor, size: int) -> Tensor:
    """Resize each image to its own short side, then cut a square out of it.

    Only the pixels of the square are computed: where each of them lies in the old image is known,
    and `grid_sample` looks all of them up at once. The result is that of resizing bilinearly
    (without antialiasing) and cutting.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``, uint8 or floating point.
    sides : Tensor
        ``(batch,)``, short side of each image after resizing.
    places : Tensor
        ``(2, batch)``, from 0 to 1: where the square is cut, from top to bottom and left to right.
    size : int
        Side of the square.

    Returns
    -------
    Tensor
        ``(batch, channels, size, size)``, of the images' type.
    """
    height, width = images.shape[2:]
    axes = []
    for length, place in ((height, places[0]), (width, places[1])):
        resized = sides * length // min(height, width)  # (batch,)
        # From 0 to resized - size, all equally likely where place is uniform; 1 is the last.
        start = ((resized - size + 1) * place).floor().minimum(resized - size)
        pixels = start[:, None] + torch.arange(size, device=images.device)  # (batch, size)
        # The middle of a pixel, as a part of the whole side: 0 is one edge, 1 is the other.
        axes.append((pixels + 0.5) / resized[:, None])
    rows, columns = (2 * axis - 1 for axis in axes)  # grid_sample wants -1 to 1
    grid = torch.stack(
        [columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1
    )  # (batch, size, size, 2)
    values = images if images.is_floating_point() else images.float()
    cut = F.grid_sample(values, grid.to(values.dtype), padding_mode="border", align_corners=False)
    return cut if images.is_floating_point() else cut.round().to(images.dtype)
