"""A folder of pictures: the same images and labels as torchvision's ImageFolder gives."""

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


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_other_names_of_the_test_folder_do(tmp_path, name):
    draw(tmp_path / "train"), draw(tmp_path / name, count=1)
    assert len(image_folder(tmp_path, 8).test) == 3


def test_one_set_is_split_the_same_way_every_time_a_fifth_of_each_class(tmp_path):
    draw(tmp_path / "all", count=10)
    first, second = image_folder(tmp_path / "all", 8), image_folder(tmp_path / "all", 8)
    assert first.test.labels.bincount().tolist() == [2, 2, 2] and len(first.train) == 24
    assert torch.equal(first.train.images, second.train.images)
    both = torch.cat([first.train.images, first.test.images])
    assert len(both.flatten(1).unique(dim=0)) == 30


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_grey_and_palette_and_transparent_pictures_become_rgb(tmp_path, mode):
    draw(tmp_path / "all", mode=mode if mode != "RGBA" else "RGBA")
    assert image_folder(tmp_path / "all", 8).train.images.shape[1:] == (3, 8, 8)


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
    with pytest.raises(ValueError, match=r"nowhere is no folder of pictures by class.*give FOLDER"):
        image_folder(tmp_path / "nowhere", 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is no folder of pictures by class"):
        image_folder(tmp_path / "empty", 8)
    draw(tmp_path / "few", count=1)
    with pytest.raises(ValueError, match="3 pictures in 3 classes: give three or more"):
        image_folder(tmp_path / "few", 8)
    draw(tmp_path / "a" / "train")
    with pytest.raises(ValueError, match="has a folder train and none named test or val"):
        image_folder(tmp_path / "a", 8)
    draw(tmp_path / "a" / "test", classes=("cat", "dog"))
    with pytest.raises(
        ValueError, match="has the classes cat, dog, owl, .*has cat, dog: give both"
    ):
        image_folder(tmp_path / "a", 8)
    (tmp_path / "few" / "cat" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0\.png cannot be read as a picture.*remove it"):
        image_folder(tmp_path / "few", 8)
    with pytest.raises(ValueError, match="size is 0: give a number of pixels"):
        image_folder(tmp_path / "few", 0)
