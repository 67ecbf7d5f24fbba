"""Cats and dogs with their outlines, and boxes around their heads: Oxford-IIIT Pet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.pictures import PictureData, Pictures, decode, decode_mask
from labnotes.data.voc import read_boxes

VOID = 255
TRIMAP = {1: 1, 2: 0, 3: VOID}  # the files' numbers -> ours: pet, background, border
SPECIES = ("cat", "dog")


@dataclass(frozen=True, repr=False)
class PetData(PictureData):
    """Photographs of pets, the names of the breeds, where they came from.

    Attributes
    ----------
    train, test : Pictures
        Each target is a dict: ``"mask"``, a tv_tensor ``(height, width)`` uint8 of 0 (background),
        1 (pet) and 255 (the border between them, which loss and metric leave out); ``"label"``,
        the breed, an int.
    heads : Pictures
        Those photographs of `train` that have a box around the head. Each target is a dict:
        ``"boxes"``, a tv_tensor ``(heads, 4)`` of ``(x1, y1, x2, y2)`` in pixels; ``"labels"``,
        ``(heads,)``, 0 for a cat and 1 for a dog; ``"difficult"``, ``(heads,)`` bool.
    """

    heads: Pictures


def oxford_pets() -> PetData:
    """The Oxford-IIIT pets: photographs of cats and dogs with trimaps, boxes and breeds.

    The parts are the authors' own (``trainval.txt`` and ``test.txt``). Where only the subset of
    three breeds is to be had (see the catalogue), that is given, and the provenance says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    ValueError
        If a file that the lists name is missing.
    """
    found = catalog.fetch("oxford_pets")
    archives = set(found.paths.values())
    small = {archive for archive in archives if archive.suffix == ".zip"}
    folders = [catalog.unpacked("oxford_pets", archive) for archive in small or archives]
    images = _folder(folders, "images")
    annotations = _folder(folders, "annotations")
    names = _names(annotations / "list.txt")
    breeds = sorted(set(names.values()))  # the files' numbers, from 1, of the breeds that are here
    classes = tuple(
        next(_title(name) for name, breed in names.items() if breed == here) for here in breeds
    )
    train, test = (
        [
            (images / f"{name}.jpg", annotations / "trimaps" / f"{name}.png", breeds.index(breed))
            for name, breed in _names(annotations / f"{part}.txt").items()
        ]
        for part in ("trainval", "test")
    )
    boxes = [(file, annotations / "xmls" / f"{file.stem}.xml", SPECIES) for file, _, _ in train]
    heads = [sample for sample in boxes if sample[1].is_file()]
    _check_files(train + test)
    note = f"A subset: {len(breeds)} of 37 breeds, scaled down to 320 pixels." if small else ""
    return PetData(
        train=Pictures(train, read_mask),
        test=Pictures(test, read_mask),
        classes=classes,
        provenance=provenance.of(catalog.entry("oxford_pets"), found.source, note),
        heads=Pictures(heads, read_boxes),
    )


def read_mask(sample: tuple[Path, Path, int]) -> tuple[Tensor, dict[str, Any]]:
    """The picture of (picture, trimap, breed), with its mask and label.

    Raises
    ------
    ValueError
        If the trimap has another size than the picture, or other numbers than 1, 2 and 3.
    """
    from torchvision import tv_tensors

    file, trimap, breed = sample
    image, numbers = decode(file), decode_mask(trimap)
    if numbers.shape != image.shape[1:]:
        raise ValueError(
            f"{trimap} is {tuple(numbers.shape)}, {file} is {tuple(image.shape[1:])}: they do not "
            "belong together"
        )
    if not (numbers.min() >= 1 and numbers.max() <= 3):
        raise ValueError(f"{trimap} holds other numbers than 1, 2 and 3: get it again")
    ours = torch.tensor([0, *TRIMAP.values()], dtype=torch.uint8)
    return image, {"mask": tv_tensors.Mask(ours[numbers.long()]), "label": breed}


def _folder(folders: list[Path], name: str) -> Path:
    return next(found for folder in folders for found in sorted(folder.glob(f"**/{name}")))


def _names(listed: Path) -> dict[str, int]:
    """Each photograph's name and the number of its breed, in the order of a list of the set."""
    lines = [line.split() for line in listed.read_text("utf-8").split("\n")]
    return {line[0]: int(line[1]) for line in lines if line and not line[0].startswith("#")}


def _title(name: str) -> str:
    """``"american_bulldog_12"`` -> ``"American Bulldog"``."""
    return " ".join(word.title() for word in name.split("_")[:-1])


def _check_files(samples: list[tuple[Path, Path, int]]) -> None:
    for sample in samples:
        for file in sample[:2]:
            if not file.is_file():
                raise ValueError(f"there is no {file}: delete the folder above it, and run again")
