"""A folder of pictures: the same images and labels as torchvision's ImageFolder gives."""

import shutil

import pytest
import torch

from labnotes.data import image_folder

torchvision = pytest.importorskip("torchvision")
from PIL import Image  # noqa: E402


def draw(folder, classes=("cat", "dog", "owl"), count=5, size=(40, 30), mode="RGB"):
    """Pictures of noise, `count` a class, in ``folder/CLASS/N.png``."""
    g = torch.Generator().manual_seed(len(str(folder)))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=g, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).convert(mode).save(folder / name / f"{i}.png")
    return folder


def test_images_and_labels_are_torchvisions(tmp_path):
    draw(tmp_path / "train"), draw(tmp_path / "test", count=2)
    data = image_folder(tmp_path, 16)
    theirs = torchvision.datasets.ImageFolder(
        tmp_path / "train",
        torchvision.transforms.Compose([
            torchvision.transforms.CenterCrop(30),
            torchvision.transforms.Resize((16, 16)),
            torchvision.transforms.PILToTensor(),
        ]),
    )  # fmt: skip
    assert data.classes == ("cat", "dog", "owl") == tuple(theirs.classes)
    assert data.train.images.dtype == torch.uint8 and data.train.images.shape == (15, 3, 16, 16)
    assert data.train.labels.tolist() == theirs.targets and len(data.test) == 6
    for ours, (expected, _) in zip(data.train.images, theirs):
        inner = (ours.int() - expected.int())[:, 1:-1, 1:-1]  # at the edge PIL looks beyond the cut
        assert inner.abs().max() <= 1
    assert str(tmp_path) in str(data.provenance)


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "val"), ("train", "valid"), ("Train", "Test"), ("TRAINING", "validation")],
)
def test_other_names_of_the_folders_do_and_capitals(tmp_path, train, test):
    draw(tmp_path / train), draw(tmp_path / test, count=1)
    data = image_folder(tmp_path, 8)
    assert (len(data.train), len(data.test)) == (15, 3)
    assert data.classes == ("cat", "dog", "owl")


def test_of_test_and_validation_folders_the_first_by_name_is_taken(tmp_path):
    draw(tmp_path / "train"), draw(tmp_path / "val", count=2), draw(tmp_path / "test", count=1)
    assert len(image_folder(tmp_path, 8).test) == 3


def test_what_systems_and_programs_leave_behind_is_no_class_and_no_picture(tmp_path):
    draw(tmp_path / "train"), draw(tmp_path / "test", count=2)
    before = image_folder(tmp_path, 8)
    cat = tmp_path / "train" / "cat"
    for name in (".ipynb_checkpoints", "__MACOSX", ".thumbnails", "__pycache__"):
        for folder in (tmp_path / "train" / name, cat / name, tmp_path / "test" / name):
            shutil.copytree(tmp_path / "test" / "dog", folder)
    for name in ("._0.png", ".hidden.jpg", ".DS_Store", "Thumbs.db", "notes.txt", "labels.csv"):
        (cat / name).write_bytes(b"no picture")
        (tmp_path / "train" / name).write_bytes(b"no picture")
    after = image_folder(tmp_path, 8)
    assert after.classes == before.classes == ("cat", "dog", "owl")
    assert torch.equal(before.train.images, after.train.images)
    assert torch.equal(before.test.images, after.test.images)
    shutil.rmtree(tmp_path / "test"), shutil.rmtree(tmp_path / "train" / "owl")
    whole = image_folder(tmp_path / "train", 8)
    assert whole.classes == ("cat", "dog") and len(whole.train) + len(whole.test) == 10


def test_pictures_in_folders_below_a_class_belong_to_it(tmp_path):
    draw(tmp_path / "all")
    draw(tmp_path / "all" / "cat" / "more", classes=("a", "b"), count=2)
    (tmp_path / "all" / "cat" / "loop").symlink_to(tmp_path / "all")
    data = image_folder(tmp_path / "all", 8)
    both = torch.cat([data.train.labels, data.test.labels])
    assert both.bincount().tolist() == [9, 5, 5]


def test_a_streamed_folder_gives_the_same_pictures_one_at_a_time_in_their_own_size(tmp_path):
    draw(tmp_path / "train", size=(40, 30)), draw(tmp_path / "test", count=2, size=(31, 50))
    data, memory = image_folder(tmp_path, stream=True), image_folder(tmp_path, 16)
    theirs = torchvision.datasets.ImageFolder(
        tmp_path / "train", torchvision.transforms.PILToTensor()
    )
    assert len(data.train) == 15 and data.classes == memory.classes
    for (image, label), (expected, target) in zip(data.train, theirs, strict=True):
        assert torch.equal(image, expected) and label == target
        assert isinstance(image, torchvision.tv_tensors.Image)
    assert data.test[0][0].shape == (3, 50, 31)
    assert torch.equal(data.test.in_memory(16).images, memory.test.images)
    assert torch.equal(data.test.in_memory(16).labels, memory.test.labels)
    one = image_folder(tmp_path / "train", stream=True)
    same = image_folder(tmp_path / "train", 16)
    assert torch.equal(one.test.in_memory(16).images, same.test.images)


def test_a_folder_too_large_for_the_memory_is_refused_before_a_picture_is_read(tmp_path):
    draw(tmp_path / "train"), draw(tmp_path / "test")
    with pytest.raises(ValueError, match=r"take 8\.4 GiB in memory.*smaller size, or stream=True"):
        image_folder(tmp_path, 10_000)
    with pytest.raises(ValueError, match="with stream=True: scale by the transform"):
        image_folder(tmp_path, 32, stream=True)


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    draw(tmp_path / "pets")
    assert image_folder("~/pets", 8).classes == ("cat", "dog", "owl")


def test_one_set_is_split_the_same_way_every_time_a_fifth_of_each_class(tmp_path):
    draw(tmp_path / "all", count=10)
    first, second = image_folder(tmp_path / "all", 8), image_folder(tmp_path / "all", 8)
    assert first.test.labels.bincount().tolist() == [2, 2, 2] and len(first.train) == 24
    assert torch.equal(first.train.images, second.train.images)
    both = torch.cat([first.train.images, first.test.images])
    assert len(both.flatten(1).unique(dim=0)) == 30


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    draw(tmp_path / "all", count=3, size=(20, 20))
    file = tmp_path / "all" / "cat" / "0.png"
    with Image.open(file) as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_90)
    before = image_folder(tmp_path / "all", 20)
    exif = Image.Exif()
    exif[274] = 6  # the picture lies on its side: turn it 90 degrees clockwise to see it
    turned.save(file, exif=exif)
    after = image_folder(tmp_path / "all", 20)
    assert torch.equal(before.train.images, after.train.images)
    assert torch.equal(before.test.images, after.test.images)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is no folder of pictures by class.*Give FOLDER"):
        image_folder(tmp_path / "nowhere", 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is no folder of pictures by class"):
        image_folder(tmp_path / "empty", 8)
    draw(tmp_path / "few", count=1)
    with pytest.raises(ValueError, match="3 pictures in 3 classes: give three or more"):
        image_folder(tmp_path / "few", 8)
    draw(tmp_path / "a" / "train")
    with pytest.raises(
        ValueError, match="has a folder train and none named test or testing or val"
    ):
        image_folder(tmp_path / "a", 8)
    draw(tmp_path / "a" / "test", classes=("cat", "dog"))
    with pytest.raises(
        ValueError, match="has the classes cat, dog, owl, .*has cat, dog: give both"
    ):
        image_folder(tmp_path / "a", 8)
    draw(tmp_path / "broken")
    (tmp_path / "broken" / "cat" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0\.png cannot be read as a picture.*remove it"):
        image_folder(tmp_path / "broken", 8)
    for size in (0, None, 2.5):
        with pytest.raises(ValueError, match=f"size is {size}: give a number of pixels"):
            image_folder(tmp_path / "few", size)


def test_a_folder_whose_pictures_would_be_mixed_or_lost_is_refused(tmp_path):
    draw(tmp_path / "a" / "Train"), draw(tmp_path / "a" / "test")
    if not (tmp_path / "a" / "train").exists():  # a system that tells capitals apart
        draw(tmp_path / "a" / "train")
        with pytest.raises(ValueError, match="has the folders Train and train: which one"):
            image_folder(tmp_path / "a", 8)
    draw(tmp_path / "b" / "wrapped" / "train"), draw(tmp_path / "b" / "wrapped" / "test")
    with pytest.raises(ValueError, match="by class: it has only the folder wrapped"):
        image_folder(tmp_path / "b", 8)
    draw(tmp_path / "c" / "test")
    with pytest.raises(ValueError, match="has a folder test and none named train or training"):
        image_folder(tmp_path / "c", 8)
    draw(tmp_path / "d")
    shutil.copy(tmp_path / "d" / "cat" / "0.png", tmp_path / "d" / "loose.png")
    with pytest.raises(ValueError, match="loose.png and 0 more lie outside the folders"):
        image_folder(tmp_path / "d", 8)
    (tmp_path / "d" / "loose.png").rename(tmp_path / "d" / "cat" / "phone.HEIC")
    with pytest.raises(ValueError, match=r"phone\.HEIC: pictures of the kind \.heic are not read"):
        image_folder(tmp_path / "d", 8)
    draw(tmp_path / "e")
    (tmp_path / "e" / "ox").mkdir()
    with pytest.raises(ValueError, match="ox has no picture"):
        image_folder(tmp_path / "e", 8)
