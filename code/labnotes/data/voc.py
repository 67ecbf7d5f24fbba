"""Pictures with boxes in the layout of Pascal VOC: the blood cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.pictures import PictureData, Pictures, decode

CELLS = ("RBC", "WBC", "Platelets")
EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, repr=False)
class DetectionData(PictureData):
    """Training, validation and test pictures with boxes, the names of the classes, their origin.

    Attributes
    ----------
    train, valid, test : Pictures
        Each target is a dict: ``"boxes"``, tv_tensors of shape ``(objects, 4)``, as
        ``(x1, y1, x2, y2)`` in pixels; ``"labels"``, ``(objects,)`` int64, indices into `classes`;
        ``"difficult"``, ``(objects,)`` bool, objects that an evaluation does not count.
    """

    valid: Pictures


def bccd() -> DetectionData:
    """The blood cells of BCCD: 364 pictures, 640x480, with boxes around three kinds of cells.

    The parts are the authors' own: 205 pictures for training, 87 for validation, 72 for testing.
    Two of the boxes are a single pixel, slips of the annotation, and are left as they are.

    Returns
    -------
    DetectionData
        Classes ``"RBC"`` (red cells), ``"WBC"`` (white cells), ``"Platelets"``.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.

    Examples
    --------
    A batch is a list of images and a list of targets::

        DataLoader(bccd().train, batch_size=8, shuffle=True, collate_fn=as_lists)
    """
    found = catalog.fetch("bccd")
    (archive,) = found.paths.values()
    folder = next(catalog.unpacked("bccd", archive).glob("**/ImageSets")).parent
    parts = {part: voc_part(folder, part, CELLS) for part in ("train", "val", "test")}
    return DetectionData(
        train=parts["train"],
        valid=parts["val"],
        test=parts["test"],
        classes=CELLS,
        provenance=provenance.of(catalog.entry("bccd"), found.source),
    )


def voc_part(folder: Path, part: str, classes: Sequence[str]) -> Pictures:
    """One part of a data set in the layout of Pascal VOC.

    Parameters
    ----------
    folder
        It holds ``JPEGImages/NAME.jpg``, ``Annotations/NAME.xml`` and ``ImageSets/Main/PART.txt``,
        a list of names.
    part
        ``"train"``, ``"val"``, ``"test"``, ….
    classes
        The names of the objects; their places are the labels.

    Raises
    ------
    ValueError
        If there is no such part, or a file that it names is missing.
    """
    listed = folder / "ImageSets" / "Main" / f"{part}.txt"
    if not listed.is_file():
        there = ", ".join(sorted(file.stem for file in listed.parent.glob("*.txt")))
        raise ValueError(f"there is no {listed}: the parts are {there or 'not to be found'}")
    samples = []
    for line in listed.read_text("utf-8").split("\n"):
        if not line.strip():
            continue
        name = line.split()[0]
        files = folder / "JPEGImages" / f"{name}.jpg", folder / "Annotations" / f"{name}.xml"
        if missing := [str(file) for file in files if not file.is_file()]:
            raise ValueError(f"{listed} names {name}, but there is no {' and no '.join(missing)}")
        samples.append((*files, tuple(classes)))
    return Pictures(samples, read_boxes)


def read_boxes(sample: tuple[Path, Path, tuple[str, ...]]) -> tuple[Tensor, dict[str, Any]]:
    """The picture of (picture, annotation, classes), with its boxes, labels and difficulty.

    VOC counts pixels from 1, and the last one belongs to the box; here a box's edges lie between
    pixels, counted from 0. So 1 is taken from xmin and ymin, and the width is xmax - xmin + 1.

    Raises
    ------
    ValueError
        If the annotation cannot be read, is of another size than the picture, has a box outside
        of it or without area, or names a class that `classes` lacks.
    """
    from torchvision import tv_tensors

    file, annotation, classes = sample
    image = decode(file)
    height, width = image.shape[-2:]
    try:
        root = ElementTree.parse(annotation).getroot()
        size = [int(root.findtext(f"size/{side}", "")) for side in ("width", "height")]
        objects = [
            [float(thing.findtext(f"bndbox/{edge}", "")) for edge in EDGES]
            for thing in root.iter("object")
        ]
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{annotation} is no annotation of VOC ({error}): get it again") from error
    if size != [width, height]:
        raise ValueError(
            f"{annotation} is of a picture of {size[0]}x{size[1]} pixels, {file} has "
            f"{width}x{height}: they do not belong together"
        )
    boxes = torch.tensor(objects, dtype=torch.float32).reshape(-1, 4)
    boxes[:, :2] = (boxes[:, :2] - 1).clamp(min=0)
    _check_boxes(boxes, width, height, annotation)
    names = [thing.findtext("name", "") for thing in root.iter("object")]
    if unknown := sorted(set(names) - set(classes)):
        raise ValueError(
            f"{annotation} has the class {unknown[0]}: not one of {', '.join(classes)}"
        )
    difficult = [thing.findtext("difficult") == "1" for thing in root.iter("object")]
    return image, {
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
        "labels": torch.tensor([classes.index(name) for name in names], dtype=torch.int64),
        "difficult": torch.tensor(difficult, dtype=torch.bool),
    }


def _check_boxes(boxes: Tensor, width: int, height: int, annotation: Path) -> None:
    sides = boxes[:, 2:] - boxes[:, :2]  # (objects, 2)
    outside = (boxes[:, 2:] > torch.tensor([width, height])).any()
    if outside or (sides <= 0).any() or not boxes.isfinite().all():
        raise ValueError(
            f"{annotation} has a box without area or outside of its {width}x{height} pixels: "
            "correct it"
        )
