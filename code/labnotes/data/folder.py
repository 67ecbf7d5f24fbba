"""Pictures of your own, and the flowers: a folder with one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from labnotes.data import catalog, provenance
from labnotes.data.pictures import PictureData, Pictures, check_size, read_labelled
from labnotes.data.provenance import Provenance
from labnotes.data.vision import ImageData, one_in_five

TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
NOT_CLASSES = ("__macosx", "__pycache__", "@eadir", "$recycle.bin", "system volume information")
PICTURES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif",
    ".tiff", ".webp",
)  # fmt: skip
OTHER_PICTURES = (".arw", ".cr2", ".dng", ".eps", ".heic", ".heif", ".nef", ".psd", ".raw", ".svg")
GIVE = "Give FOLDER/train/CLASS/NAME.jpg and FOLDER/test/CLASS/NAME.jpg"
LARGEST = 2**32  # bytes of images in memory, 4 GiB


def image_folder(
    path: str | os.PathLike, size: int | None = None, *, stream: bool = False
) -> ImageData | PictureData:
    """Read a folder of pictures: ``train/CLASS/NAME.jpg`` and ``test/CLASS/NAME.jpg``.

    The classes are the names of the sub-folders in alphabetical order; pictures may lie in folders
    below. ``training`` does for ``train``; ``testing``, ``val``, ``valid`` and ``validation`` do
    for ``test``, in this order if there are several; so do capitals. A folder without a ``train``
    is taken as one set ``CLASS/NAME.jpg`` and split once and for all: a fifth of each class is for
    testing.

    Files that are no pictures, hidden files and folders (``.ipynb_checkpoints``, ``._x.jpg``) and
    what systems leave behind (``__MACOSX``) are passed over; links to folders inside a class are
    not followed. How a picture is decoded, and which is refused, is told at
    :func:`labnotes.data.pictures.decode`.

    Parameters
    ----------
    path
        The folder.
    size
        Pixels: each picture's shorter side is scaled to this, then the middle square is cut out.
        Needed unless `stream`.
    stream
        Leave the pictures on the disk, in their own sizes, to be decoded one at a time: for sets
        that do not fit in memory, and for ``torchvision.transforms.v2``.

    Returns
    -------
    ImageData
        Images ``(n, 3, size, size)`` uint8 in memory, or with `stream` a :class:`PictureData`
        whose ``train`` and ``test`` are for a ``DataLoader`` (see :class:`Pictures`).

    Raises
    ------
    ValueError
        If the folder has another structure, a picture cannot be read, a part has no picture, or
        the images would take more than 4 GiB in memory.
    """
    path = Path(path).expanduser()
    if not stream:
        check_size(size)
    elif size is not None:
        raise ValueError(f"size is {size!r} with stream=True: scale by the transform of Pictures")
    train, test, classes = _parts(path)
    origin = Provenance(
        path.resolve().name, str(path), "folder", "as its owner says", "A folder of this machine"
    )
    if stream:
        return PictureData(train, test, classes, origin)
    _check_memory(path, len(train) + len(test), size)
    return ImageData(train.in_memory(size), test.in_memory(size), classes, origin)


def flower_photos() -> PictureData:
    """Photographs of daisies, dandelions, roses, sunflowers and tulips, a fifth for testing.

    Where only the subset of 500 is to be had (see the catalogue), that is given, and the
    provenance says so.

    Returns
    -------
    PictureData
        Pictures on the disk, each in its own size, with the class as target;
        ``.train.in_memory(128)`` puts them in memory.

    Raises
    ------
    DatasetUnavailable
        If the photographs are not to be had.
    """
    found = catalog.fetch("flower_photos")
    (archive,) = found.paths.values()
    folder = catalog.unpacked("flower_photos", archive) / "flower_photos"
    train, test, classes = _parts(folder)
    some = archive.suffix == ".zip"
    note = f"A subset: {len(train) + len(test):,} of 3,670 photographs." if some else ""
    origin = provenance.of(catalog.entry("flower_photos"), found.source, note)
    return PictureData(train, test, classes, origin)


def _parts(path: Path) -> tuple[Pictures, Pictures, tuple[str, ...]]:
    """Training and test pictures of a folder, and its classes."""
    train, test = _part(path, TRAIN_FOLDERS), _part(path, TEST_FOLDERS)
    if train is None and test is None:
        samples, classes = _samples(path)
        held_out = one_in_five(torch.tensor([label for _, label in samples])).tolist()
        if not any(held_out):
            raise ValueError(
                f"{path} has {len(samples)} pictures in {len(classes)} classes: give three or "
                "more of a class, so that one can be kept for testing, or folders train and test"
            )
        train, test = (
            [sample for sample, out in zip(samples, held_out) if out == part]
            for part in (False, True)
        )
        return Pictures(train, read_labelled), Pictures(test, read_labelled), classes
    if train is None or test is None:
        there, needed = (train, TEST_FOLDERS) if train else (test, TRAIN_FOLDERS)
        raise ValueError(f"{path} has a folder {there.name} and none named {' or '.join(needed)}")
    samples, classes = _samples(train)
    others, other_classes = _samples(test)
    if other_classes != classes:
        raise ValueError(
            f"{train} has the classes {', '.join(classes)}, {test} has "
            f"{', '.join(other_classes)}: give both the same"
        )
    return Pictures(samples, read_labelled), Pictures(others, read_labelled), classes


def _part(path: Path, names: tuple[str, ...]) -> Path | None:
    """The sub-folder with the first of these names, whatever its capitals."""
    if not path.is_dir():
        raise ValueError(f"{path} is no folder of pictures by class: it is no folder. {GIVE}")
    for name in names:
        found = [entry for entry in path.iterdir() if entry.is_dir() and entry.name.lower() == name]
        if len(found) > 1:
            both = " and ".join(sorted(entry.name for entry in found))
            raise ValueError(f"{path} has the folders {both}: which one? Remove or rename one")
        if found:
            return found[0]
    return None


def _samples(folder: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """(file, class) of each picture below `folder`, and the names of the classes."""
    loose = [entry.name for entry in _visible(folder) if _is_picture(entry)]
    if loose:
        raise ValueError(
            f"{folder} is no folder of pictures by class: {loose[0]} and {len(loose) - 1} more lie "
            f"outside the folders of the classes. {GIVE}"
        )
    classes = [entry for entry in _visible(folder) if entry.is_dir()]
    if len(classes) < 2:
        named = f"only the folder {classes[0].name}" if classes else "no folders"
        raise ValueError(f"{folder} is no folder of pictures by class: it has {named}. {GIVE}")
    samples = []
    for label, name in enumerate(classes):
        files = [file for file in _below(name) if _is_picture(file)]
        if not files:
            raise ValueError(f"{name} has no picture: put some there, or remove it")
        samples += [(file, label) for file in files]
    return samples, tuple(entry.name for entry in classes)


def _below(folder: Path) -> Iterator[Path]:
    """The files in `folder` and below, in order."""
    for entry in _visible(folder):
        if not entry.is_dir():
            yield entry
        elif not entry.is_symlink():  # a link may lead up, and then there is no end
            yield from _below(entry)


def _visible(folder: Path) -> list[Path]:
    """What lies in `folder`, in alphabetical order, without what nobody put there on purpose."""
    return [
        entry
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if not entry.name.startswith(".") and entry.name.lower() not in NOT_CLASSES
    ]


def _is_picture(file: Path) -> bool:
    suffix = file.suffix.lower()
    if suffix in OTHER_PICTURES and file.is_file():
        raise ValueError(f"{file}: pictures of the kind {suffix} are not read. Save it as PNG")
    return suffix in PICTURES and file.is_file()


def _check_memory(path: Path, count: int, size: int) -> None:
    needed = count * 3 * size * size
    if needed > LARGEST:
        raise ValueError(
            f"{path}: {count:,} pictures of 3x{size}x{size} take {needed / 2**30:.1f} GiB in "
            f"memory, more than {LARGEST / 2**30:.0f}: give a smaller size, or stream=True"
        )
