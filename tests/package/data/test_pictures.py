"""Pictures from files: every kind is decoded right or refused by name, and boxes move with them."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from labnotes.data import Pictures, as_lists
from labnotes.data.pictures import decode, decode_mask, read_labelled
from labnotes.train import fit

RAMP = np.linspace(0, 65535, 1024).round().astype(np.uint16).reshape(32, 32)
NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def saved(path, array, mode=None, **options):
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_to_eight_not_cut_off(tmp_path, kind):
    image = decode(saved(tmp_path / f"ramp.{kind}", RAMP))
    assert image.shape == (3, 32, 32) and image.dtype == torch.uint8
    expected = torch.from_numpy(np.rint(RAMP / 257)).to(torch.uint8)  # 65535 = 255 * 257
    assert torch.equal(image, expected.expand(3, -1, -1).as_subclass(tv_tensors.Image))


def test_sixteen_bit_grey_is_what_torchvision_scales_it_to(tmp_path):
    file = saved(tmp_path / "ramp.png", RAMP)
    theirs = v2.functional.to_dtype(decode_image(str(file)), torch.float32, scale=True)
    assert (decode(file)[:1].float() / 255 - theirs).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "YCbCr", "CMYK"])
def test_colours_are_those_of_pillow_and_of_torchvision(tmp_path, mode):
    kind = {"YCbCr": "jpg", "CMYK": "jpg"}.get(mode, "png")
    file = saved(tmp_path / f"x.{kind}", NOISE, mode)
    with Image.open(file) as picture:
        expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(decode(file).permute(1, 2, 0), expected)
    theirs = decode_image(str(file), ImageReadMode.RGB)
    assert (decode(file).float() - theirs.float()).abs().mean() < 2


def test_a_picture_for_print_keeps_its_colours(tmp_path):
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    image = decode(saved(tmp_path / "red.jpg", red, "CMYK", quality=100))
    assert (image[0] > 245).all() and (image[1:] < 10).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_transparent_parts_are_laid_on_white(tmp_path, mode):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (40, 40, 40, 255)
    pixels[2] = (0, 0, 0, 0)  # a hidden black
    pixels[3] = (40, 40, 40, 51) if mode in ("RGBA", "LA") else (0, 0, 0, 0)
    file = tmp_path / "x.png"
    if mode == "P":
        palette = Image.fromarray((pixels[..., 3] == 0).astype(np.uint8), "P")
        palette.putpalette([40, 40, 40, 0, 0, 0])
        palette.save(file, transparency=1)
    elif mode == "RGB":
        Image.fromarray(pixels[..., :3]).save(file, transparency=(0, 0, 0))
    else:
        Image.fromarray(pixels).convert(mode).save(file)
    image = decode(file)
    assert (image[:, :2] == 40).all() and (image[:, 2] == 255).all()
    last = round(0.2 * 40 + 0.8 * 255) if mode in ("RGBA", "LA") else 255
    assert (image[:, 3].int() - last).abs().max() <= 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_way_to_hold_a_camera_is_put_upright_as_torchvision_does(tmp_path, turn):
    exif = Image.Exif()
    exif[274] = turn
    file = saved(tmp_path / "x.jpg", NOISE, exif=exif, quality=100)
    theirs = decode_image(str(file), ImageReadMode.RGB, apply_exif_orientation=True)
    assert decode(file).shape == theirs.shape
    assert (decode(file).float() - theirs.float()).abs().mean() < 2


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    first = Image.fromarray(np.full((8, 8), 30, np.uint8))
    first.save(tmp_path / "x.gif", save_all=True, append_images=[Image.new("L", (8, 8), 200)])
    assert (decode(tmp_path / "x.gif") == 30).all()


def test_what_cannot_be_decoded_right_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg cannot be read as a picture.*remove it"):
        decode(tmp_path / "text.jpg")
    whole = saved(tmp_path / "whole.jpg", NOISE).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be read"):
        decode(tmp_path / "cut.jpg")
    whole = saved(tmp_path / "whole.png", NOISE).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.png cannot be read"):
        decode(tmp_path / "cut.png")
    for array in (np.ones((4, 4), np.float32), np.ones((4, 4), np.int32)):
        with pytest.raises(ValueError, match=r"deep\.tif has 32-bit numbers"):
            decode(saved(tmp_path / "deep.tif", array))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"whole\.png has 30 x 20 pixels, more than the 599"):
            decode(tmp_path / "whole.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"whole\.png is too large .*decompression bomb"):
        decode(tmp_path / "whole.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode(tmp_path / "whole.png").shape == (3, 20, 30)


def test_a_mask_keeps_its_numbers(tmp_path):
    numbers = np.array([[0, 1, 2], [255, 21, 0]], np.uint8)
    palette = Image.fromarray(numbers, "P")
    palette.putpalette([(7 * i) % 256 for i in range(768)])
    palette.save(tmp_path / "p.png")
    assert decode_mask(tmp_path / "p.png").tolist() == numbers.tolist()
    assert decode_mask(saved(tmp_path / "l.png", numbers)).tolist() == numbers.tolist()
    with pytest.raises(ValueError, match="mode RGB: a mask has one byte a pixel"):
        decode_mask(saved(tmp_path / "c.png", NOISE))
    with pytest.raises(ValueError, match="cannot be read as a mask"):
        decode_mask(tmp_path / "nowhere.png")


# ---- sets of pictures ----


@pytest.fixture
def files(tmp_path):
    """Six noise pictures of three sizes with their classes."""
    sizes = [(20, 30), (24, 24), (31, 17)] * 2
    random = np.random.default_rng(1)
    return [
        (saved(tmp_path / f"{i}.png", random.integers(0, 256, (*s, 3), np.uint8)), i % 2)
        for i, s in enumerate(sizes)
    ]


def read_with_box(sample):
    """For the tests: a white box on black, its mask, and a word that no transform touches."""
    left, top, right, bottom = sample
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[:, top:bottom, left:right] = 255
    box = torch.tensor([[left, top, right, bottom]], dtype=torch.float32)
    return tv_tensors.Image(image), {
        "boxes": tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=(40, 60)),
        "mask": tv_tensors.Mask((image[0] > 0).to(torch.uint8)),
        "labels": torch.tensor([1]),
        "caption": "a white box",
    }


BOXES = [(5, 10, 25, 30), (0, 0, 12, 40), (40, 8, 60, 20)]


@pytest.mark.parametrize("seed", range(3))
def test_boxes_and_masks_follow_the_picture_through_every_transform(seed):
    torch.manual_seed(seed)
    change = v2.Compose([
        v2.RandomHorizontalFlip(0.5),
        v2.Resize((80, 120), interpolation=v2.InterpolationMode.NEAREST),
        v2.RandomCrop((70, 100)),
    ])  # fmt: skip
    for image, target in Pictures(BOXES, read_with_box, change):
        white = image[0] > 127
        assert torch.equal(white, target["mask"].bool().as_subclass(torch.Tensor))
        rows, columns = torch.nonzero(white, as_tuple=True)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert target["boxes"][0].tolist() == pytest.approx([int(edge) for edge in seen])
        assert target["caption"] == "a white box"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_lists_of_pictures_in_their_own_size(files, workers):
    pictures = Pictures(files, read_labelled)
    loader = DataLoader(pictures, batch_size=4, collate_fn=as_lists, num_workers=workers)
    batches = list(loader)
    assert [len(images) for images, _ in batches] == [4, 2]
    images = [image for images, _ in batches for image in images]
    assert [tuple(i.shape[1:]) for i in images] == [(20, 30), (24, 24), (31, 17)] * 2
    for image, (file, _) in zip(images, files):
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(Image.open(file)))
    assert [label for _, labels in batches for label in labels] == [0, 1] * 3


def test_a_loader_makes_one_tensor_of_pictures_of_one_size(files):
    shape = v2.Compose([v2.Resize((8, 8)), v2.ToDtype(torch.float32, scale=True)])
    pictures = Pictures(files, read_labelled).with_transform(shape)
    images, labels = next(iter(DataLoader(pictures, batch_size=6)))
    assert images.shape == (6, 3, 8, 8) and images.dtype == torch.float32 and images.max() <= 1
    assert labels.tolist() == [0, 1] * 3
    assert pictures.with_transform(None)[0][0].dtype == torch.uint8


def test_the_loop_trains_on_pictures_from_the_disk(files):
    shape = v2.Compose([v2.Resize((8, 8)), v2.ToDtype(torch.float32, scale=True)])
    loader = DataLoader(Pictures(files, read_labelled, shape), batch_size=3)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    slow = functools.partial(torch.optim.SGD, lr=0.05)
    history = fit(model, loader, epochs=40, optimizer=slow, progress=False)
    assert history.epochs[-1]["train_loss"] < 0.7 * history.epochs[0]["train_loss"]


def test_the_loop_trains_a_step_on_lists_of_pictures_with_boxes():
    """The step finds the box in the picture: each batch has its own picture's box and no other."""
    seen = []

    def step(model, batch):
        images, targets = batch
        for image, target in zip(images, targets):
            left, top, right, bottom = target["boxes"][0].int().tolist()
            seen.append(image[:, top:bottom, left:right].min().item() == 255)
        return model(torch.ones(1, 1)).square().mean()

    loader = DataLoader(Pictures(BOXES, read_with_box), batch_size=2, collate_fn=as_lists)
    slow = functools.partial(torch.optim.SGD, lr=0.01)
    fit(nn.Linear(1, 1), loader, epochs=2, optimizer=slow, step=step, progress=False)
    assert len(seen) == 2 * len(BOXES) and all(seen)


def test_only_pictures_with_a_class_each_are_put_in_memory(files):
    whole = Pictures(files, read_labelled).in_memory(10)
    assert whole.images.shape == (6, 3, 10, 10) and whole.labels.tolist() == [0, 1] * 3
    with pytest.raises(ValueError, match="target of picture 0 is a dict.*DataLoader"):
        Pictures(BOXES, read_with_box).in_memory(10)
    with pytest.raises(ValueError, match="size is 0"):
        Pictures(files, read_labelled).in_memory(0)
