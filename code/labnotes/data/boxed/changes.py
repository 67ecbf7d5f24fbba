"""Augmentations of a batch of pictures with boxes, as a few tensor operations on the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.data.batches import Augment, flip
from labnotes.data.boxed.batches import BoxAugment, Target


def random_box_flip(horizontal: bool = True, vertical: bool = False) -> BoxAugment:
    """Mirror each picture, its boxes and its masks with probability one half.

    Parameters
    ----------
    horizontal
        Left to right.
    vertical
        Top to bottom, drawn independently. For pictures that have no top, such as those of a
        microscope.

    Returns
    -------
    callable
        For :class:`labnotes.data.BoxBatches`.

    Raises
    ------
    ValueError
        If both are false.
    """
    if not (horizontal or vertical):
        raise ValueError("horizontal and vertical are both false: flip in one direction at least")

    def change(images: Tensor, targets: list[Target], generator: torch.Generator):
        for wanted, axis in ((horizontal, -1), (vertical, -2)):
            if wanted:
                heads = torch.rand(len(images), generator=generator, device=images.device) < 0.5
                images, targets = flip_boxes(images, targets, heads, axis)
        return images, targets

    return change


def flip_boxes(
    images: Tensor, targets: list[Target], which: Tensor, axis: int = -1
) -> tuple[Tensor, list[Target]]:
    """Mirror pictures and targets where `which` ``(batch,)`` is true; the rest is untouched.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``.
    targets : list of dict
        ``"boxes"`` ``(k, 4)`` and, where there are any, ``"masks"`` ``(k, height, width)``.
    which : Tensor
        ``(batch,)``, bool.
    axis : int
        -1: left to right; -2: top to bottom.
    """
    turned = flip(images, which) if axis == -1 else flip(images.mT, which).mT
    found = list(targets)
    for i in which.nonzero()[:, 0].tolist():
        boxes = targets[i]["boxes"].clone()
        low, high = (0, 2) if axis == -1 else (1, 3)  # x1 and x2, or y1 and y2
        boxes[:, [low, high]] = images.shape[axis] - targets[i]["boxes"][:, [high, low]]
        found[i] = targets[i] | {"boxes": boxes}
        if "masks" in targets[i]:
            found[i]["masks"] = targets[i]["masks"].flip(axis)
    return turned, found


def images_only(change: Augment) -> BoxAugment:
    """A change of the pictures alone, as one for :class:`labnotes.data.BoxBatches`.

    Only for what leaves everything in its place, such as :func:`labnotes.data.color_jitter`: a crop would move
    the pictures away from their boxes.
    """

    def both(images: Tensor, targets: list[Target], generator: torch.Generator):
        return change(images, generator), targets

    return both
