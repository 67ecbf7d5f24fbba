"""Augmentations of a batch of pictures with boxes, as a few tensor operations on the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.data.batches import Augment, flip
from labnotes.data.boxed.batches import BoxAugment, Target

GREY = (0.299, 0.587, 0.114)  # shares of red, green, blue in brightness (ITU-R BT.601)


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

    Only for what leaves everything in its place, such as :func:`color_jitter`: a crop would move
    the pictures away from their boxes.
    """

    def both(images: Tensor, targets: list[Target], generator: torch.Generator):
        return change(images, generator), targets

    return both


def color_jitter(
    brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0
) -> Augment:
    """Change brightness, contrast and saturation of each picture at random.

    Each factor is drawn from ``1 - x`` to ``1 + x``, for every picture anew. The three come in this
    order, and each is what torchvision's function of its name does.

    Parameters
    ----------
    brightness, contrast, saturation
        From 0 (no change) to 1.

    Returns
    -------
    callable
        For :class:`labnotes.data.Batches`; :func:`images_only` of it for
        :class:`labnotes.data.BoxBatches`.

    Raises
    ------
    ValueError
        If one is outside of this range.
    """
    widths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, width in widths.items():
        if not isinstance(width, (int, float)) or not 0 <= width <= 1:
            raise ValueError(f"{name} is {width!r}: give a number from 0 to 1")
    spread = torch.tensor([*widths.values()], dtype=torch.float32)[:, None]  # (3, 1)

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        draws = torch.rand(3, len(images), generator=generator, device=images.device)
        return colored(images, 1 + spread.to(images.device) * (2 * draws - 1))

    return change


def colored(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, then contrast, then saturation of RGB pictures.

    Parameters
    ----------
    images : Tensor
        ``(batch, 3, height, width)``, uint8.
    factors : Tensor
        ``(3, batch)``: of each picture the three factors; 1 changes nothing, 0 leaves black, the
        mean grey, or grey levels alone.

    Returns
    -------
    Tensor
        As `images`.
    """
    if images.shape[1] != 3:
        raise ValueError(f"images have {images.shape[1]} channels: colour jitter needs 3, RGB")
    by, contrast, saturation = factors[:, :, None, None, None]  # (batch, 1, 1, 1) each
    values = (images.float() * by).clamp(0, 255)
    mean = _grey(values).mean((-2, -1), keepdim=True)  # (batch, 1, 1, 1)
    values = torch.lerp(mean, values, contrast).clamp(0, 255)
    values = torch.lerp(_grey(values), values, saturation).clamp(0, 255)
    return values.round().to(images.dtype)


def _grey(images: Tensor) -> Tensor:
    shares = torch.tensor(GREY, dtype=images.dtype, device=images.device)
    return (images * shares[:, None, None]).sum(1, keepdim=True)  # (batch, 1, height, width)
