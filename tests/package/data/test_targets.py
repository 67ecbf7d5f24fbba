"""Pictures with boxes, masks and captions: as torchvision and a parser of the test's own read them."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.datasets import (
    ImageFolder,
    OxfordIIITPet,
    VOCDetection,
    wrap_dataset_for_transforms_v2,
)
from torchvision.ops import box_convert
from torchvision.transforms import v2

from labnotes.data import (
    DatasetUnavailable,
    archives,
    as_lists,
    bccd,
    catalog,
    coco_captions,
    flower_photos,
    oxford_pets,
)
from labnotes.data.pets import read_mask
from labnotes.data.pictures import Pictures
from labnotes.data.voc import read_boxes, voc_part


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for all tests here, so that each archive is unpacked once."""
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize("load", [bccd, oxford_pets, flower_photos, coco_captions])
def test_without_the_data_a_loader_says_where_it_looked(load, tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match="labnotes data get") as caught:
        load()
    assert f"LABNOTES_DATA: no {tmp_path / 'none'}" in str(caught.value)
    assert "cache: no " in str(caught.value)


# ---- blood cells ----


def test_the_boxes_of_the_blood_cells_are_those_in_their_annotations(real_data):
    (archive,) = real_data("bccd").paths.values()
    data = bccd()
    assert [len(part) for part in (data.train, data.valid, data.test)] == [205, 87, 72]
    total = Counter()
    with zipfile.ZipFile(archive) as packed:
        for part in (data.train, data.valid, data.test):
            for sample in part.samples:
                _, target = read_boxes(sample)
                text = packed.read(f"BCCD/Annotations/{sample[1].name}").decode()
                numbers = re.findall(r"<x?y?m(?:in|ax)>(\d+)</", re.sub(r"<[xy]m", "<m", text))
                expected = np.array(numbers, dtype=float).reshape(-1, 4) - [1, 1, 0, 0]
                assert np.array_equal(target["boxes"], expected)
                names = re.findall(r"<name>(\w+)</name>", text)
                assert [data.classes[label] for label in target["labels"]] == names
                total.update(names)
    assert total == {"RBC": 4155, "WBC": 372, "Platelets": 361}


def test_the_pictures_of_the_blood_cells_and_their_order_are_torchvisions(real_data, tmp_path):
    (archive,) = real_data("bccd").paths.values()
    archives.unpack(archive, tmp_path / "VOCdevkit")
    (tmp_path / "VOCdevkit" / "BCCD").rename(tmp_path / "VOCdevkit" / "VOC2012")
    sets = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main"
    theirs = VOCDetection(tmp_path, image_set="val")
    assert sets.is_dir() and len(theirs) == 87
    for (image, target), (picture, annotation) in zip(bccd().valid, theirs, strict=True):
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(picture))
        assert len(annotation["annotation"]["object"]) == len(target["labels"])
        assert not target["difficult"].any()


def test_the_blood_cells_go_through_transforms_and_a_loader_in_batches(real_data):
    real_data("bccd")
    flip = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.Resize((240, 320))])
    data = bccd()
    loader = DataLoader(data.train.with_transform(flip), batch_size=5, collate_fn=as_lists)
    images, targets = next(iter(loader))
    assert len(images) == len(targets) == 5 and images[0].shape == (3, 240, 320)
    plain = data.train[0][1]["boxes"]
    left, top, right, bottom = plain.unbind(-1)
    expected = torch.stack([640 - right, top, 640 - left, bottom], -1) / 2
    assert torch.allclose(targets[0]["boxes"].as_subclass(torch.Tensor), expected)
    assert targets[0]["boxes"].canvas_size == (240, 320)


def write_voc(folder: Path, boxes, size=(30, 20), name="cell", difficult="0") -> Path:
    """A data set of one picture, in the layout of VOC."""
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20)).save(folder / "JPEGImages" / "a.jpg")
    objects = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><part><name>head</name></part>"
        f"<bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox>"
        "</object>"
        for b in boxes
    )
    (folder / "Annotations" / "a.xml").write_text(
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{objects}</annotation>"
    )
    (folder / "ImageSets" / "Main" / "train.txt").write_text("a\n")
    return folder


def test_a_voc_box_covers_its_last_pixel_and_a_picture_may_have_none(tmp_path):
    folder = write_voc(tmp_path, [(1, 1, 30, 20), (5, 6, 5, 6)], difficult="1")
    ((_, target),) = voc_part(folder, "train", ["other", "cell"])
    assert target["boxes"].tolist() == [[0, 0, 30, 20], [4, 5, 5, 6]]
    widths = box_convert(target["boxes"].as_subclass(torch.Tensor), "xyxy", "xywh")[:, 2:]
    assert widths.tolist() == [[30, 20], [1, 1]]
    assert target["labels"].tolist() == [1, 1] and target["difficult"].all()
    ((_, target),) = voc_part(write_voc(tmp_path, []), "train", ["cell"])
    assert target["boxes"].shape == (0, 4) and target["labels"].shape == (0,)
    flipped = v2.RandomHorizontalFlip(1.0)(target["boxes"])
    assert flipped.shape == (0, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"boxes": [(9, 1, 5, 4)]}, "a.xml has a box without area or outside"),
        ({"boxes": [(1, 1, 31, 4)]}, "a.xml has a box without area or outside"),
        ({"boxes": [(1, 1, "nan", 4)]}, "a.xml has a box without area or outside"),
        ({"boxes": [(1, 1, "?", 4)]}, "a.xml is no annotation of VOC"),
        ({"boxes": [(1, 1, 3, 4)], "size": (20, 30)}, "is of a picture of 20x30 pixels.* has 30x20"),
        ({"boxes": [(1, 1, 3, 4)], "name": "cat"}, "has the class cat: not one of cell"),
    ],
)  # fmt: skip
def test_wrong_annotations_are_named(tmp_path, options, said):
    part = voc_part(write_voc(tmp_path, **options), "train", ["cell"])
    with pytest.raises(ValueError, match=said):
        part[0]


def test_missing_parts_and_files_are_named(tmp_path):
    folder = write_voc(tmp_path, [])
    with pytest.raises(ValueError, match=r"no .*val\.txt: the parts are train"):
        voc_part(folder, "val", ["cell"])
    listed = folder / "ImageSets" / "Main" / "cell_train.txt"
    listed.write_text("a  1\n\n")  # a list of one class: whether it is in the picture
    assert len(voc_part(folder, "cell_train", ["cell"])) == 1
    (folder / "Annotations" / "a.xml").unlink()
    with pytest.raises(ValueError, match=r"names a, but there is no .*a\.xml"):
        voc_part(folder, "train", ["cell"])


@pytest.fixture
def official(tmp_path, monkeypatch):
    """Puts archives with the official names into LABNOTES_DATA, and their checksums into the
    catalogue: each holds the folder of its name (before the first point) of a given place."""

    def put(name: str, archives: dict[str, Path]) -> None:
        entry, files = catalog.entry(name), []
        place = tmp_path / "official" / entry.folder
        place.mkdir(parents=True)
        for archive, source in archives.items():
            folder = archive.partition(".")[0].partition("_trainval")[0]
            if archive.endswith(".zip"):
                with zipfile.ZipFile(place / archive, "w") as packed:
                    for file in sorted((source / folder).rglob("*.*")):
                        packed.write(file, file.relative_to(source))
            else:
                with tarfile.open(place / archive, "w:gz", compresslevel=1) as packed:
                    packed.add(source / folder, folder)
            digest = hashlib.md5((place / archive).read_bytes()).hexdigest()
            (known,) = (file for file in entry.files if file.name == archive)
            files.append(replace(known, checksum=f"md5:{digest}", size=None))
        monkeypatch.setattr(catalog, "catalog", lambda: {name: replace(entry, files=tuple(files))})
        monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "official"))
        monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))

    return put


# ---- pets ----


@pytest.fixture
def theirs(real_data, tmp_path_factory):
    """The pets through torchvision's reader: (part) -> its data set."""
    (archive, *_) = set(real_data("oxford_pets").paths.values())
    if archive.suffix != ".zip":
        pytest.skip("LABNOTES_DATA has the whole set")
    root = archives.unpack(archive, tmp_path_factory.getbasetemp() / "pets")
    return lambda part: OxfordIIITPet(root, part, target_types=("category", "segmentation"))


@pytest.mark.parametrize("part", ["trainval", "test"])
def test_pets_masks_and_breeds_are_torchvisions(theirs, part):
    data, official = oxford_pets(), theirs(part)
    ours = data.train if part == "trainval" else data.test
    assert len(ours) == len(official) == {"trainval": 300, "test": 298}[part]
    numbers = sorted(set(official._labels))  # 0, 1 and 5 of the 37 breeds
    assert list(data.classes) == official.classes == ["Abyssinian", "American Bulldog", "Bengal"]
    to_ours = np.array([0, 1, 0, 255], np.uint8)  # 1 pet, 2 background, 3 border
    for i in range(0, len(ours), 7):
        image, target = ours[i]
        picture, (category, trimap) = official[i]
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(picture))
        assert np.array_equal(target["mask"], to_ours[np.asarray(trimap)])
        assert numbers[target["label"]] == category
    assert isinstance(image, tv_tensors.Image) and isinstance(target["mask"], tv_tensors.Mask)
    assert "3 of 37 breeds" in data.provenance.note


def test_heads_are_cats_and_dogs_and_lie_on_the_pet(theirs):
    data = oxford_pets()
    assert len(data.heads) == 296
    kinds, inside = Counter(), []
    masks = {sample[0]: sample for sample in data.train.samples}
    for sample in data.heads.samples[::5]:
        _, target = read_boxes(sample)
        assert target["boxes"].shape[0] >= 1
        breed = sample[0].name
        # As the set's readme says, names of cats begin with a capital.
        assert set(target["labels"].tolist()) == {int(breed[0].islower())}, breed
        kinds.update(target["labels"].tolist())
        mask = read_mask(masks[sample[0]])[1]["mask"]
        left, top, right, bottom = target["boxes"][0].int().tolist()
        inside.append((mask[top:bottom, left:right] != 0).float().mean().item())
    assert set(kinds) == {0, 1}
    assert np.median(inside) > 0.75, "heads are mostly pet, or its border"


def test_pets_of_another_size_than_their_trimap_are_refused(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    Image.fromarray(np.full((20, 31), 2, np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(np.full((20, 30), 4, np.uint8)).save(tmp_path / "four.png")
    with pytest.raises(ValueError, match=r"wide\.png is \(20, 31\).*do not belong together"):
        read_mask((tmp_path / "a.jpg", tmp_path / "wide.png", 0))
    with pytest.raises(ValueError, match=r"four\.png holds other numbers than 1, 2 and 3"):
        read_mask((tmp_path / "a.jpg", tmp_path / "four.png", 0))


def test_the_official_archives_of_pets_are_read_alike(theirs, official):
    before = oxford_pets()
    source = before.train.samples[0][0].parents[1]
    official("oxford_pets", {"images.tar.gz": source, "annotations.tar.gz": source})
    after = oxford_pets()
    assert after.provenance.note == "" and after.classes == before.classes
    assert [len(p) for p in (after.train, after.test, after.heads)] == [300, 298, 296]
    assert torch.equal(after.test[5][1]["mask"], before.test[5][1]["mask"])


# ---- flowers and captions ----


def test_flowers_are_those_of_torchvisions_folder(real_data, tmp_path):
    (archive,) = real_data("flower_photos").paths.values()
    theirs = ImageFolder(archives.unpack(archive, tmp_path / "x") / "flower_photos")
    data = flower_photos()
    assert list(data.classes) == theirs.classes
    both = {Path(f).name: label for f, label in (*data.train.samples, *data.test.samples)}
    assert both == {Path(f).name: label for f, label in theirs.samples}
    assert len(data.train) + len(data.test) == len(both) and len(both) % 5 == 0
    assert torch.tensor([y for _, y in data.test.samples]).bincount().tolist() == [20] * 5
    name = data.test.samples[3][0].name
    theirs_too = next(f for f, _ in theirs.samples if Path(f).name == name)
    assert np.array_equal(data.test[3][0].permute(1, 2, 0), np.asarray(Image.open(theirs_too)))
    assert "500 of 3,670" in data.provenance.note


def test_every_caption_stands_by_its_photograph(real_data):
    (archive, *_) = set(real_data("coco_captions").paths.values())
    with zipfile.ZipFile(archive) as packed:
        content = json.loads(packed.read("coco_captions/captions.json"))
    files = {image["id"]: image["file_name"] for image in content["images"]}
    expected = Counter((files[a["image_id"]], a["caption"].strip()) for a in content["annotations"])
    data = coco_captions()
    samples = [*data.train.samples, *data.test.samples]
    assert Counter((file.name, text) for file, texts in samples for text in texts) == expected
    assert len(samples) == 97 and expected.total() == 485 and 10 < len(data.test) < 30
    sizes = {image["file_name"]: (image["height"], image["width"]) for image in content["images"]}
    assert len(data.train[0][1]) == len(data.test[0][1]) == 5
    for file, _ in samples[::9]:
        with Image.open(file) as picture:
            assert picture.size[::-1] == sizes[file.name]
    images, texts = next(iter(DataLoader(data.test, batch_size=3, collate_fn=as_lists)))
    assert len(images) == 3 and texts[0] == data.test[0][1]


def test_the_official_archive_of_flowers_is_read_alike(real_data, official):
    real_data("flower_photos")
    before = flower_photos()
    official("flower_photos", {"flower_photos.tgz": before.train.samples[0][0].parents[2]})
    after = flower_photos()
    assert after.provenance.note == "" and after.classes == before.classes
    assert [f.name for f, _ in after.test.samples] == [f.name for f, _ in before.test.samples]


def test_the_official_archives_of_coco_are_read_alike(tmp_path, official):
    """val2017.zip and annotations_trainval2017.zip, as their authors pack them."""
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    images, annotations = [], []
    for number in range(100, 120):
        name = f"{number:012}.jpg"
        Image.new("RGB", (9, 7), (number, 0, 0)).save(tmp_path / "val2017" / name)
        images.append({"id": number, "file_name": name})
        for n in (2, 1):
            text = f"{number} for the {n}th time "
            annotations.append({"image_id": number, "id": 10 * number + n, "caption": text})
    (tmp_path / "annotations" / "captions_val2017.json").write_text(
        json.dumps({"images": images[::-1], "annotations": annotations})
    )
    official("coco_captions", {"val2017.zip": tmp_path, "annotations_trainval2017.zip": tmp_path})
    data = coco_captions()
    assert len(data.train) + len(data.test) == 20 and data.provenance.note == ""
    for image, captions in [*data.train, *data.test]:
        number = captions[0].split()[0]
        assert captions == [f"{number} for the 1th time", f"{number} for the 2th time"]
        assert abs(image[0].float().mean() - int(number)) < 3 and image.shape == (3, 7, 9)


def test_boxes_of_torchvisions_own_wrapper_differ_by_the_pixel_that_voc_counts_from(tmp_path):
    """torchvision keeps VOC's numbers as they are; ours count edges from 0."""
    folder = write_voc(tmp_path / "VOCdevkit" / "VOC2012", [(5, 6, 9, 12)], name="cat")
    official = wrap_dataset_for_transforms_v2(VOCDetection(tmp_path, image_set="train"))
    _, target = official[0]
    ((_, ours),) = voc_part(folder, "train", ["cat"])
    assert (target["boxes"] - ours["boxes"]).tolist() == [[1, 1, 0, 0]]


def test_pictures_with_targets_are_no_classes_to_put_in_memory(tmp_path):
    part = voc_part(write_voc(tmp_path, [(1, 1, 3, 4)]), "train", ["cell"])
    assert isinstance(part, Pictures)
    with pytest.raises(ValueError, match="only pictures with one class each"):
        part.in_memory(8)
