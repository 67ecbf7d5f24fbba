"""Minibatches of pictures with boxes: bytes on the device, and a list of targets.

Pictures have different numbers of boxes, so the targets of a batch are no tensor but a list of
dictionaries, one a picture: the form that torchvision's detectors take.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from labnotes.checks import check_positive
from labnotes.data.batches import Batches
from labnotes.data.pictures import Pictures
from labnotes.detection.boxes import check_boxes

Target = dict[str, Tensor]
BoxAugment = Callable[
    [Tensor, list[Target], torch.Generator], tuple[Tensor, list[Target]]
]  # images and targets of a batch, anew


class BoxBatches(Batches):
    """Iterate over ``(images, targets)`` in minibatches; each pass over them is one epoch.

    As :class:`labnotes.data.Batches` (same order for the same seed, same way to take up a run
    again, same scaling of the images), with a list of dictionaries in the place of labels.

    Parameters
    ----------
    images : Tensor
        ``(n, channels, height, width)``, uint8.
    targets : sequence of dict
        One a picture: ``"boxes"``, ``(k, 4)`` as ``(x1, y1, x2, y2)`` in pixels, ``(0, 4)`` where
        there is no object; ``"labels"``, ``(k,)``, integers; whatever else, given as it is.
    batch_size : int
        Pictures in a batch; the last batch has what is left.
    shuffle : bool
        A new random order each epoch; else the order given.
    seed : int
        Of the order and the augmentation.
    augment : callable, or sequence of callables
        Each is called with the batch (uint8, on the device), its targets and a generator, and
        gives images and targets anew: :func:`random_box_flip`, or :func:`images_only` of a change
        that leaves the boxes where they are.
    device, mean, std, drop_last
        As for :class:`labnotes.data.Batches`.

    Raises
    ------
    ValueError
        If the numbers of images and targets differ, a target has no boxes or labels, or a box is
        upside down, without area, outside of its picture or not finite.

    Examples
    --------
    >>> from labnotes.data.worlds import shapes
    >>> world = shapes(10)
    >>> batches = BoxBatches(world.images, world.targets, 4, device="cpu")
    >>> [(tuple(images.shape), len(targets)) for images, targets in batches]
    [((4, 3, 64, 64), 4), ((4, 3, 64, 64), 4), ((2, 3, 64, 64), 2)]
    """

    def __init__(
        self,
        images: Tensor,
        targets: Sequence[Target],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        augment: BoxAugment | Sequence[BoxAugment] | None = None,
        device: torch.device | str | None = None,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        drop_last: bool = False,
    ):
        places = torch.arange(len(images))  # in the place of labels: which targets
        super().__init__(
            images, places, batch_size, shuffle=shuffle, augment=augment, device=device,
            mean=mean, std=std, seed=seed, drop_last=drop_last,
        )  # fmt: skip
        check_targets(targets, images)
        self.targets = [{k: _moved(v, self.device) for k, v in t.items()} for t in targets]
        # A run that is taken up again compares this: the boxes must be the same.
        self.statistics["boxes"] = _digest(targets)

    def _batch(self, chosen: Tensor, epoch: int, number: int, mine: slice) -> tuple:
        images = self.images[chosen]  # (batch, channels, height, width), uint8
        targets = [self.targets[i] for i in chosen.tolist()]
        if self.augment:
            generator = self._generator(epoch, number)
            for change in self.augment:
                images, targets = change(images, targets, generator)
        images = images[mine].float().mul_(self._scale).add_(self._shift)
        return images, targets[mine]


def in_memory_boxes(
    pictures: Pictures, size: tuple[int, int] = (240, 320)
) -> tuple[Tensor, list[Target]]:
    """Pictures with boxes, all scaled to one size, and their boxes with them.

    Parameters
    ----------
    pictures
        For example ``bccd().train``. Their transform is not applied.
    size
        Height and width, in pixels.

    Returns
    -------
    images : Tensor
        ``(n, 3, height, width)``, uint8.
    targets : list of dict
        One a picture: ``"boxes"``, ``(k, 4)`` float32 in pixels of the new size, and all else that
        the pictures' targets hold. What :class:`BoxBatches` takes.

    Raises
    ------
    ValueError
        If `size` is no pair of positive integers, or a picture has no boxes to it.

    Examples
    --------
    The blood cells at half their size::

        images, targets = in_memory_boxes(bccd().train, (240, 320))
    """
    from torchvision.transforms.v2 import functional

    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size is {size!r}: give height and width, for example (240, 320)")
    check_positive(height=size[0], width=size[1])
    images = torch.empty(len(pictures), 3, *size, dtype=torch.uint8)
    targets = []
    for i, sample in enumerate(pictures.samples):
        image, target = pictures.read(sample)
        if not isinstance(target, dict) or "boxes" not in target:
            raise ValueError(f"the target of picture {i} has no boxes: give pictures with boxes")
        height, width = image.shape[-2:]
        images[i] = functional.resize(image, list(size), antialias=True)
        scale = torch.tensor([size[1] / width, size[0] / height]).repeat(2)
        boxes = target["boxes"].as_subclass(Tensor).float() * scale
        targets.append({**target, "boxes": boxes})
    return images, targets


def check_targets(targets: Sequence[Target], images: Tensor) -> None:
    """Refuse targets that do not belong to images ``(n, channels, height, width)``.

    Raises
    ------
    ValueError
        Which picture's target is wrong, and what a right one has.
    """
    if len(targets) != len(images):
        raise ValueError(
            f"{len(images)} images and {len(targets)} targets: give one each a picture"
        )
    for i, target in enumerate(targets):
        check_target(target, images.shape[-2:], f"targets[{i}]")


def check_target(target: Target, size: tuple[int, int], name: str) -> None:
    """Refuse what is no dictionary with boxes inside a picture of (height, width), and labels.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    if not isinstance(target, dict) or not {"boxes", "labels"} <= target.keys():
        raise ValueError(f'{name} is no dictionary with "boxes" (k, 4) and "labels" (k,)')
    boxes, labels = target["boxes"], target["labels"]
    check_boxes(boxes, f"{name}['boxes']")
    if labels.shape != boxes.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"{name}['labels'] are {tuple(labels.shape)} {labels.dtype}, and there are {len(boxes)} "
            "boxes: give one integer a box"
        )
    if len(labels) and labels.min() < 0:
        raise ValueError(f"{name}['labels'] has {int(labels.min())}: labels count from 0")
    height, width = size
    edge = torch.tensor([width, height], device=boxes.device)
    wrong = ((boxes[:, 2:] <= boxes[:, :2]) | (boxes[:, :2] < 0) | (boxes[:, 2:] > edge)).any(-1)
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name}['boxes'][{place}] is {boxes[place].tolist()}, without area or outside of its "
            f"{width}x{height} pixels: clip it, or leave it out"
        )


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _digest(targets: Sequence[Target]) -> int:
    """A number that changes with the boxes and the labels."""
    found = 0
    for target in targets:
        for key in ("boxes", "labels"):
            found = zlib.crc32(target[key].detach().cpu().contiguous().numpy().tobytes(), found)
    return found
