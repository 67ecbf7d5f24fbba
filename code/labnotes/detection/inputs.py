"""What detectors with anchors are given, and what their networks answer: refused if it cannot be."""

from __future__ import annotations

from torch import Tensor


def check_images(images) -> None:
    """Refuse what is no batch of floating point pictures ``(batch, channels, height, width)``."""
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        came = (
            f"{images.dtype} of the shape {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else f"of type {type(images).__name__}"
        )
        raise ValueError(
            f"images are {came}: give floating point (batch, channels, height, width); "
            "bytes are divided by 255"
        )
    if not len(images):
        raise ValueError(f"images have the shape {tuple(images.shape)}: give at least one picture")


def check_finite(logits: Tensor, offsets: Tensor) -> None:
    """Refuse a network's answers with NaN or infinity among them."""
    if not (logits.isfinite().all() and offsets.isfinite().all()):
        raise ValueError(
            "the network's answers are not all finite: look for NaN in the images, or for a "
            "training that has diverged"
        )


def check_targets(images, targets, num_classes: int) -> None:
    """Refuse targets that do not belong to the images, one by one, or have labels of no class."""
    check_images(images)
    if len(targets) != len(images):
        raise ValueError(
            f"there are {len(images)} images and {len(targets)} targets: give one for each image"
        )
    for i, target in enumerate(targets):
        missing = [key for key in ("boxes", "labels") if key not in target]
        if missing:
            raise ValueError(f"targets[{i}] has no {' and no '.join(missing)}: give both")
        labels = target["labels"]
        if len(labels) and not (0 <= int(labels.min()) and int(labels.max()) < num_classes):
            raise ValueError(
                f"targets[{i}]['labels'] go from {int(labels.min())} to {int(labels.max())}: give "
                f"classes from 0 to {num_classes - 1}; background is no label"
            )
