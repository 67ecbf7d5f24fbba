"""Pictures that stay on the disk and are decoded one at a time, with labels, boxes or masks.

For sets that do not fit in memory, and for pictures of different sizes. What fits is quicker as
one tensor on the device: :meth:`Pictures.in_memory` and :class:`labnotes.data.Batches`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from labnotes.data.provenance import Labelled
from labnotes.data.vision import ImageSet

DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's names of 16-bit grey
SIXTEEN_BITS = ("PNG", "PPM")  # kinds of files in which Pillow's 32-bit integers are 16-bit grey
UNKNOWN_RANGE = ("I", "F")  # 32 bits: nothing says which number is white


@dataclass(frozen=True, repr=False)
class Pictures(Dataset):
    """Pictures with their targets, for a ``DataLoader``: ``pictures[i]`` gives (image, target).

    The image is a ``torchvision.tv_tensors.Image``, uint8 ``(3, height, width)``, and boxes and
    masks in the target are tv_tensors too, so that the transforms of ``torchvision.transforms.v2``
    change all of them together.

    Attributes
    ----------
    samples : sequence
        One entry a picture; what `read` needs to know of it.
    read : callable
        ``read(sample)`` -> (image, target). A function of a module, so that the worker processes
        of a ``DataLoader`` can have it.
    transform : callable or None
        ``transform(image, target)`` -> (image, target).

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from torchvision.transforms import v2
    >>> def load(pictures):  # all of one size: batches are tensors
    ...     shape = v2.Compose([v2.Resize((224, 224)), v2.ToDtype(torch.float32, scale=True)])
    ...     return DataLoader(pictures.with_transform(shape), batch_size=32, shuffle=True)
    >>> def load_each_in_its_size(pictures):  # batches are (list of images, list of targets)
    ...     return DataLoader(pictures, batch_size=8, collate_fn=as_lists)
    """

    samples: Sequence[Any]
    read: Callable[[Any], tuple[Tensor, Any]]
    transform: Callable | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        image, target = self.read(self.samples[index])
        return (image, target) if self.transform is None else self.transform(image, target)

    def with_transform(self, transform: Callable | None) -> Pictures:
        """The same pictures, given through another transform."""
        return replace(self, transform=transform)

    def in_memory(self, size: int) -> ImageSet:
        """All pictures as one :class:`labnotes.data.ImageSet`, ``(n, 3, size, size)`` uint8.

        Each picture's shorter side is scaled to `size`, then the middle square is cut out. Only
        for pictures whose target is a class; the transform is not applied.

        Raises
        ------
        ValueError
            If `size` is no positive integer, or a target is no class.
        """
        check_size(size)
        images = torch.empty(len(self), 3, size, size, dtype=torch.uint8)
        labels = torch.empty(len(self), dtype=torch.int64)
        for i, sample in enumerate(self.samples):
            picture, label = self.read(sample)
            if not isinstance(label, int):
                raise ValueError(
                    f"the target of picture {i} is a {type(label).__name__}: only pictures with "
                    "one class each can be put in memory, give the others to a DataLoader"
                )
            images[i], labels[i] = middle_square(picture, size), label
        return ImageSet(images, labels)

    def __repr__(self) -> str:
        return f"{len(self):,} pictures"


@dataclass(frozen=True, repr=False)
class PictureData(Labelled):
    """A training and a test set of pictures on the disk, the names of the classes, their origin."""

    train: Pictures
    test: Pictures


def as_lists(samples: Sequence[tuple[Tensor, Any]]) -> tuple[list[Tensor], list[Any]]:
    """For ``DataLoader(collate_fn=as_lists)``: a batch as (list of images, list of targets).

    So pictures need not be of one size, nor have the same number of boxes. It is the form in which
    torchvision's detectors take their batches.
    """
    images, targets = zip(*samples)
    return list(images), list(targets)


def read_labelled(sample: tuple[Path, Any]) -> tuple[Tensor, Any]:
    """The picture of (file, target), and the target as it is."""
    file, target = sample
    return decode(file), target


def decode(file: Path) -> Tensor:
    """The picture in a file as a tv_tensor, uint8 ``(3, height, width)``: red, green, blue.

    It is turned upright as its camera says (EXIF). 16 bits are scaled to 8; transparent parts are
    laid on white; of an animation the first picture is taken.

    Raises
    ------
    ValueError
        If the file is no picture that can be read or is damaged, has 32-bit numbers, or more
        pixels than ``PIL.Image.MAX_IMAGE_PIXELS`` (a small file can unpack to any size).
    """
    from PIL import Image, ImageOps
    from torchvision import tv_tensors

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below
            with Image.open(file) as picture:
                _check_pixels(picture, file)
                rgb = _rgb(ImageOps.exif_transpose(picture), picture.format, file)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{file} is too large ({error}): scale it down") from error
    except (OSError, SyntaxError, EOFError) as error:  # Pillow's words for what is broken
        raise ValueError(f"{file} cannot be read as a picture ({error}): remove it") from error
    return tv_tensors.Image(torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous())


def decode_mask(file: Path) -> Tensor:
    """The numbers in a grey or palette picture, as they are: uint8 ``(height, width)``.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds colours in place of numbers.
    """
    from PIL import Image

    try:
        with Image.open(file) as picture:
            if picture.mode not in ("L", "P"):
                raise ValueError(f"{file} has the mode {picture.mode}: a mask has one byte a pixel")
            return torch.from_numpy(np.array(picture))
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{file} cannot be read as a mask ({error}): get it again") from error


def middle_square(picture: Tensor, size: int) -> Tensor:
    """The middle square of an image ``(3, height, width)`` uint8, scaled to ``(3, size, size)``."""
    from PIL import Image, ImageOps

    whole = Image.fromarray(picture.permute(1, 2, 0).numpy())
    square = ImageOps.fit(whole, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def _rgb(picture, kind: str, file: Path):
    """A Pillow image, read from a file of this kind, in 8-bit red, green and blue."""
    from PIL import Image

    if picture.mode in DEEP or (picture.mode == "I" and kind in SIXTEEN_BITS):
        levels = np.asarray(picture).astype(np.uint32)  # 0 to 65535
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in UNKNOWN_RANGE:
        raise ValueError(
            f"{file} has 32-bit numbers ({picture.mode}), of which nothing says how bright they "
            "are: save it with 8 or 16 bits"
        )
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    try:
        return picture.convert("RGB")
    except ValueError as error:  # LAB, with older versions of Pillow
        raise ValueError(f"{file} has the colours {picture.mode}: save it as RGB") from error


def _check_pixels(picture, file: Path) -> None:
    from PIL import Image

    width, height = picture.size
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(
            f"{file} has {width:,} x {height:,} pixels, more than the {Image.MAX_IMAGE_PIXELS:,} "
            "of PIL.Image.MAX_IMAGE_PIXELS: scale it down"
        )


def check_size(size: int) -> None:
    """Raise a ValueError unless `size` is a number of pixels."""
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size is {size!r}: give a number of pixels, 1 or more")
