"""Pictures with boxes in the layout of Pascal VOC: the blood cells, and VOC itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.pictures import PictureData, Pictures, decode, decode_mask

CELLS = ("RBC", "WBC", "Platelets")
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
VOID = 255  # in a mask of VOC: the border of an object, which loss and metric leave out
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


@dataclass(frozen=True, repr=False)
class VocData(PictureData):
    """Pictures with boxes, and those of them that have a class for each pixel too.

    Attributes
    ----------
    train, test : Pictures
        Targets as in :class:`DetectionData`.
    segmentation_train, segmentation_test : Pictures
        Each target is a dict: ``"mask"``, a tv_tensor ``(height, width)`` uint8 of 0 (background),
        the class's place in `classes` + 1, and 255 (border or uncertain: not counted).
    """

    segmentation_train: Pictures
    segmentation_test: Pictures


def voc2007() -> DetectionData:
    """Pascal VOC 2007: 9,963 photographs with boxes round objects of 20 classes.

    The parts are the authors' own: 2,501 for training, 2,510 for validation, 4,952 for testing.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    """
    found = catalog.fetch("voc2007")
    folder = {
        part: _voc_folder("voc2007", found.paths[f"VOC{part}_06-Nov-2007.tar"])
        for part in ("trainval", "test")
    }
    return DetectionData(
        train=voc_part(folder["trainval"], "train", VOC_CLASSES),
        valid=voc_part(folder["trainval"], "val", VOC_CLASSES),
        test=voc_part(folder["test"], "test", VOC_CLASSES),
        classes=VOC_CLASSES,
        provenance=provenance.of(catalog.entry("voc2007"), found.source),
    )


def voc2012() -> VocData:
    """Pascal VOC 2012: 11,540 photographs with boxes, 2,913 of them with a class for each pixel.

    The truth of the authors' test part is not public. As others do, take ``.test`` for testing: it
    is their validation part (``val.txt``).

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    """
    found = catalog.fetch("voc2012")
    (archive,) = found.paths.values()
    folder = _voc_folder("voc2012", archive)
    return VocData(
        train=voc_part(folder, "train", VOC_CLASSES),
        test=voc_part(folder, "val", VOC_CLASSES),
        segmentation_train=segmentation_part(folder, "train"),
        segmentation_test=segmentation_part(folder, "val"),
        classes=VOC_CLASSES,
        provenance=provenance.of(catalog.entry("voc2012"), found.source),
    )


def _voc_folder(name: str, archive: Path) -> Path:
    return next(catalog.unpacked(name, archive).glob("**/ImageSets")).parent


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
    files = (("JPEGImages", ".jpg"), ("Annotations", ".xml"))
    samples = [(*pair, tuple(classes)) for pair in _listed(folder, "Main", part, files)]
    return Pictures(samples, read_boxes)


def segmentation_part(folder: Path, part: str) -> Pictures:
    """One part of the pictures of VOC that have a class for each pixel.

    Parameters
    ----------
    folder
        It holds ``JPEGImages/NAME.jpg``, ``SegmentationClass/NAME.png`` and
        ``ImageSets/Segmentation/PART.txt``, a list of names.
    part
        ``"train"``, ``"val"``, ….

    Raises
    ------
    ValueError
        If there is no such part, or a file that it names is missing.
    """
    files = (("JPEGImages", ".jpg"), ("SegmentationClass", ".png"))
    return Pictures(_listed(folder, "Segmentation", part, files), read_classes)


def _listed(folder: Path, task: str, part: str, kinds) -> list[tuple[Path, ...]]:
    """The files of each picture that the list of a part names: (folder, ending) for each kind."""
    listed = folder / "ImageSets" / task / f"{part}.txt"
    if not listed.is_file():
        there = ", ".join(sorted(file.stem for file in listed.parent.glob("*.txt")))
        raise ValueError(f"there is no {listed}: the parts are {there or 'not to be found'}")
    samples = []
    for line in listed.read_text("utf-8").split("\n"):
        if not line.strip():
            continue
        name = line.split()[0]
        files = tuple(folder / place / f"{name}{ending}" for place, ending in kinds)
        if missing := [str(file) for file in files if not file.is_file()]:
            raise ValueError(f"{listed} names {name}, but there is no {' and no '.join(missing)}")
        samples.append(files)
    return samples


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


def read_classes(sample: tuple[Path, Path]) -> tuple[Tensor, dict[str, Any]]:
    """The picture of (picture, mask), and the class of each of its pixels.

    Raises
    ------
    ValueError
        If the mask has another size than the picture, or other numbers than 0 to 20 and 255.
    """
    from torchvision import tv_tensors

    file, mask = sample
    image, numbers = decode(file), decode_mask(mask)
    if numbers.shape != image.shape[1:]:
        raise ValueError(
            f"{mask} is {tuple(numbers.shape)}, {file} is {tuple(image.shape[1:])}: they do not "
            "belong together"
        )
    wrong = numbers[(numbers > len(VOC_CLASSES)) & (numbers != VOID)]
    if len(wrong):
        raise ValueError(
            f"{mask} holds the number {int(wrong[0])}, and not only 0 to {len(VOC_CLASSES)} and "
            f"{VOID}: get it again"
        )
    return image, {"mask": tv_tensors.Mask(numbers)}


def _check_boxes(boxes: Tensor, width: int, height: int, annotation: Path) -> None:
    sides = boxes[:, 2:] - boxes[:, :2]  # (objects, 2)
    outside = (boxes[:, 2:] > torch.tensor([width, height])).any()
    if outside or (sides <= 0).any() or not boxes.isfinite().all():
        raise ValueError(
            f"{annotation} has a box without area or outside of its {width}x{height} pixels: "
            "correct it"
        )
