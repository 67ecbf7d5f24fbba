"""Pascal VOC 2007 and 2012: a tiny folder of their layout, read as torchvision reads it."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import VOCDetection, VOCSegmentation
from torchvision.datasets.voc import DATASET_YEAR_DICT

from labnotes.data import DatasetUnavailable, catalog, voc2007, voc2012
from labnotes.data.voc import VOC_CLASSES, read_classes

PALETTE = list(range(256)) * 3  # any: Pillow drops the colours that a short one has not


def write(root: Path, year: int, parts: dict[str, list[str]], segmented=()) -> Path:
    """Pictures of 30x20 with a person and a difficult dog; the masks hold 0, 15, 12 and 255."""
    folder = root / "VOCdevkit" / f"VOC{year}"
    for place in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets/Segmentation",
                  "SegmentationClass"):  # fmt: skip
        (folder / place).mkdir(parents=True, exist_ok=True)
    for part, names in parts.items():
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names) + "\n")
        # of one class: whether it is in the picture
        (folder / "ImageSets" / "Main" / f"person_{part}.txt").write_text(f"{names[0]}  1\n")
        (folder / "ImageSets" / "Segmentation" / f"{part}.txt").write_text(
            "".join(f"{name}\n" for name in names if name in segmented)
        )
        for i, name in enumerate(names):
            pixels = np.full((20, 30, 3), 40 * i, np.uint8)
            Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.jpg")
            (folder / "Annotations" / f"{name}.xml").write_text(
                "<annotation><size><width>30</width><height>20</height><depth>3</depth></size>"
                "<object><name>person</name><difficult>0</difficult><bndbox><xmin>1</xmin>"
                f"<ymin>2</ymin><xmax>{10 + i}</xmax><ymax>20</ymax></bndbox>"
                "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax>"
                "<ymax>4</ymax></bndbox></part></object>"
                "<object><name>dog</name><difficult>1</difficult><bndbox><ymin>5</ymin>"
                "<xmin>12.4</xmin><xmax>20</xmax><ymax>9</ymax></bndbox></object></annotation>"
            )
    for name in segmented:
        mask = np.zeros((20, 30), np.uint8)
        mask[2:, :10], mask[5:9, 12:20], mask[0] = 15, 12, 255
        picture = Image.fromarray(mask, mode="P")
        picture.putpalette(PALETTE)
        picture.save(folder / "SegmentationClass" / f"{name}.png")
    return folder


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Packs each folder under the official name of an archive, whose checksum it then has."""

    def put(name: str, archives: dict[str, Path]) -> None:
        entry, files = catalog.entry(name), []
        place = tmp_path / "data" / entry.folder
        place.mkdir(parents=True)
        for file in entry.files:
            with tarfile.open(place / file.name, "w") as packed:
                packed.add(archives[file.name] / "VOCdevkit", "VOCdevkit")
            digest = hashlib.md5((place / file.name).read_bytes()).hexdigest()
            files.append(replace(file, checksum=f"md5:{digest}"))
        monkeypatch.setattr(catalog, "catalog", lambda: {name: replace(entry, files=tuple(files))})
        monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))

    return put


def test_voc_2007_has_its_three_parts_from_two_archives(tmp_path, official):
    both, test = tmp_path / "both", tmp_path / "test"
    write(both, 2007, {"train": ["000012", "000017"], "val": ["000005"]})
    write(test, 2007, {"test": ["000001", "000002", "000003"]})
    official("voc2007", {"VOCtrainval_06-Nov-2007.tar": both, "VOCtest_06-Nov-2007.tar": test})
    data = voc2007()
    assert [len(part) for part in (data.train, data.valid, data.test)] == [2, 1, 3]
    assert data.classes == VOC_CLASSES and data.provenance.name == "voc2007"
    for part, root, ours in (("train", both, data.train), ("test", test, data.test)):
        theirs = VOCDetection(root, year="2007", image_set=part)
        for (image, target), (picture, annotation) in zip(ours, theirs, strict=True):
            assert np.array_equal(image.permute(1, 2, 0), np.asarray(picture))
            things = annotation["annotation"]["object"]
            assert [VOC_CLASSES[label] for label in target["labels"]] == [t["name"] for t in things]
            assert target["difficult"].tolist() == [t["difficult"] == "1" for t in things]
            edges = [
                [float(t["bndbox"][e]) for e in ("xmin", "ymin", "xmax", "ymax")] for t in things
            ]
            expected = torch.tensor(edges) - torch.tensor([1.0, 1, 0, 0])  # VOC counts from 1
            assert torch.allclose(target["boxes"].as_subclass(torch.Tensor), expected)


def test_voc_2012_has_boxes_and_for_some_pictures_a_class_for_each_pixel(tmp_path, official):
    root = tmp_path / "it"
    parts = {"train": ["2007_000027", "2008_000008"], "val": ["2007_000033", "2008_000009"]}
    write(root, 2012, parts, segmented=("2008_000008", "2007_000033"))
    official("voc2012", {"VOCtrainval_11-May-2012.tar": root})
    data = voc2012()
    assert len(data.train) == len(data.test) == 2
    assert len(data.segmentation_train) == len(data.segmentation_test) == 1
    for part, ours in (("train", data.segmentation_train), ("val", data.segmentation_test)):
        theirs = VOCSegmentation(root, year="2012", image_set=part)
        for (image, target), (picture, mask) in zip(ours, theirs, strict=True):
            assert np.array_equal(image.permute(1, 2, 0), np.asarray(picture))
            assert np.array_equal(target["mask"], np.asarray(mask))
    _, target = data.segmentation_train[0]
    found = set(target["mask"].unique().tolist())
    assert found == {0, 12, 15, 255}
    assert (data.classes[12 - 1], data.classes[15 - 1]) == ("dog", "person")


@pytest.mark.parametrize(("load", "year"), [(voc2007, "2007"), (voc2012, "2012")])
def test_archives_and_checksums_are_torchvisions(load, year):
    known = {v["filename"]: v for k, v in DATASET_YEAR_DICT.items() if k.startswith(year)}
    files = catalog.entry(f"voc{year}").files
    assert {f.name for f in files} == set(known)
    for file in files:
        assert file.checksum == f"md5:{known[file.name]['md5']}"
        assert known[file.name]["url"] in file.urls


@pytest.mark.parametrize("load", [voc2007, voc2012])
def test_without_the_archives_a_loader_says_where_it_looked(load, tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match=f"labnotes data get {load.__name__}"):
        load()


def test_the_twenty_classes_are_in_the_order_of_their_numbers():
    assert len(VOC_CLASSES) == 20 and list(VOC_CLASSES) == sorted(VOC_CLASSES)
    assert VOC_CLASSES[14] == "person"  # 15 in the masks


def test_masks_of_another_size_or_with_other_numbers_are_refused(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    Image.fromarray(np.zeros((20, 31), np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(np.full((20, 30), 21, np.uint8)).save(tmp_path / "many.png")
    with pytest.raises(ValueError, match=r"wide\.png is \(20, 31\).*do not belong together"):
        read_classes((tmp_path / "a.jpg", tmp_path / "wide.png"))
    with pytest.raises(ValueError, match=r"many\.png holds the number 21.*0 to 20 and 255"):
        read_classes((tmp_path / "a.jpg", tmp_path / "many.png"))


def test_missing_masks_and_lists_are_named(tmp_path):
    from labnotes.data.voc import segmentation_part

    folder = write(tmp_path, 2012, {"train": ["a"]}, segmented=("a",))
    with pytest.raises(ValueError, match=r"no .*Segmentation/val\.txt: the parts are train"):
        segmentation_part(folder, "val")
    (folder / "SegmentationClass" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"names a, but there is no .*a\.png"):
        segmentation_part(folder, "train")
