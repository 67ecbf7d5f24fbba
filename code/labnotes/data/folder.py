"""Pictures of your own: a folder with one sub-folder a class, as torchvision's ImageFolder reads."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from labnotes.data.provenance import Provenance
from labnotes.data.vision import ImageData, ImageSet, one_in_five

TEST_FOLDERS = ("test", "val", "valid", "validation")


def image_folder(path: str | os.PathLike, size: int) -> ImageData:
    """Read a folder of pictures: ``train/CLASS/NAME.jpg`` and ``test/CLASS/NAME.jpg``.

    ``val``, ``valid`` and ``validation`` do for ``test``. A folder without a ``train`` is taken as
    one set ``CLASS/NAME.jpg`` and split once and for all: a fifth of each class is for testing.
    The classes are the names of the sub-folders in alphabetical order.

    Parameters
    ----------
    path
        The folder.
    size
        Pixels: each picture's shorter side is scaled to this, then the middle square is cut out.

    Returns
    -------
    ImageData
        Images ``(n, 3, size, size)`` uint8.

    Raises
    ------
    ValueError
        If the folder has another structure, a file is no picture, or a part has no picture.
    """
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"size is {size!r}: give a number of pixels, 1 or more")
    path = Path(path)
    if (path / "train").is_dir():
        found = [name for name in TEST_FOLDERS if (path / name).is_dir()]
        if not found:
            raise ValueError(
                f"{path} has a folder train and none named {' or '.join(TEST_FOLDERS)}"
            )
        train, classes = _read(path / "train", size)
        test, others = _read(path / found[0], size)
        if others != classes:
            raise ValueError(
                f"{path / 'train'} has the classes {', '.join(classes)}, {path / found[0]} has "
                f"{', '.join(others)}: give both the same"
            )
    else:
        whole, classes = _read(path, size)
        held_out = one_in_five(whole.labels)
        if not held_out.any():
            raise ValueError(
                f"{path} has {len(whole)} pictures in {len(classes)} classes: give three or more "
                "of a class, so that one can be kept for testing, or folders train and test"
            )
        train = ImageSet(whole.images[~held_out], whole.labels[~held_out])
        test = ImageSet(whole.images[held_out], whole.labels[held_out])
    origin = Provenance(
        path.name, str(path), "folder", "as its owner says", "A folder of this machine"
    )
    return ImageData(train, test, tuple(classes), origin)


def _read(folder: Path, size: int) -> tuple[ImageSet, list[str]]:
    from PIL import Image, UnidentifiedImageError
    from torchvision.datasets import ImageFolder

    try:
        pictures = ImageFolder(str(folder), loader=lambda file: file)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{folder} is no folder of pictures by class ({error}): "
            "give FOLDER/train/CLASS/NAME.jpg and FOLDER/test/CLASS/NAME.jpg"
        ) from error
    images = torch.empty(len(pictures), 3, size, size, dtype=torch.uint8)
    for image, (file, _) in zip(images, pictures.samples):
        try:
            with Image.open(file) as picture:
                image.copy_(_square(picture, size))
        except (OSError, UnidentifiedImageError) as error:
            raise ValueError(f"{file} cannot be read as a picture ({error}): remove it") from error
    return ImageSet(images, torch.tensor(pictures.targets)), pictures.classes


def _square(picture, size: int) -> Tensor:
    """The middle square of a picture, ``(3, size, size)`` uint8."""
    import numpy as np
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(picture).convert("RGB")
    square = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)
