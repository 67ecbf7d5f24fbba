"""Image sets against scikit-learn, torchvision and PIL; stand-ins against what they claim."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labnotes.data import (
    DatasetUnavailable,
    catalog,
    cifar10,
    digits,
    fashion_mnist,
    photographs,
    photos,
    vision,
)


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """A machine with no data and no network."""
    monkeypatch.delenv("LABNOTES_DATA", raising=False)
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")


# ---- digits ----


def test_the_digits_are_those_of_scikit_learn():
    ours, theirs = digits(), pytest.importorskip("sklearn.datasets").load_digits()
    images = torch.cat([ours.train.images, ours.test.images])[:, 0]
    labels = torch.cat([ours.train.labels, ours.test.labels])
    mine = sorted((i.numpy().tobytes(), int(y)) for i, y in zip(images, labels))
    spread = np.floor(theirs.images * 255 / 16 + 0.5).astype(np.uint8)
    assert mine == sorted((i.tobytes(), int(y)) for i, y in zip(spread, theirs.target))


def test_the_digits_have_the_shapes_and_types_that_are_promised():
    data = digits()
    assert data.train.images.shape == (1438, 1, 8, 8) and data.test.images.shape == (359, 1, 8, 8)
    assert data.train.images.dtype == torch.uint8 and data.train.labels.dtype == torch.int64
    assert data.classes == tuple("0123456789") and len(data.test) == 359
    assert data.provenance.source == "bundled" and not data.provenance.stand_in
    assert "1,438 images of 1x8x8" in repr(data)


def test_the_split_keeps_the_share_of_each_class_and_is_always_the_same():
    first, second = digits(), digits()
    train, test = first.train.labels.bincount(), first.test.labels.bincount()
    assert (train + test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert ((test / (train + test)) - 0.2).abs().max() < 0.005
    assert torch.equal(first.test.images, second.test.images)
    # Fixed for good: the split must not move with a new version of NumPy or torch.
    assert zlib.crc32(first.test.images.numpy().tobytes()) == 0x74526A21


# ---- Fashion-MNIST ----


def test_fashion_mnist_is_what_torchvision_reads(real_data, tmp_path):
    datasets = pytest.importorskip("torchvision.datasets")
    found = real_data("fashion_mnist")
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, path in found.paths.items():
        (raw / Path(name).stem).write_bytes(gzip.decompress(path.read_bytes()))
    ours = fashion_mnist()
    for part, train in [(ours.train, True), (ours.test, False)]:
        theirs = datasets.FashionMNIST(tmp_path, train=train)
        assert torch.equal(part.images[:, 0], theirs.data)
        assert torch.equal(part.labels, theirs.targets)
    assert list(ours.classes) == theirs.classes
    assert ours.provenance.source == "LABNOTES_DATA" and not ours.provenance.stand_in


def test_without_fashion_mnist_the_loader_says_where_it_looked(nothing_here):
    with pytest.raises(DatasetUnavailable, match="LABNOTES_DATA: not set") as caught:
        fashion_mnist()
    assert "cache: no " in str(caught.value) and "labnotes data get fashion_mnist" in str(
        caught.value
    )


def test_the_stand_in_is_the_digits_enlarged_and_says_so(nothing_here):
    stand_in, small = fashion_mnist(fallback=True), digits()
    assert stand_in.train.images.shape == (1438, 1, 28, 28)
    assert stand_in.train.images.dtype == torch.uint8
    assert torch.equal(stand_in.test.labels, small.test.labels)
    for ours, source in zip(stand_in.test.images[:50, 0], small.test.images[:50, 0]):
        theirs = Image.fromarray(source.numpy()).resize((28, 28), Image.Resampling.BILINEAR)
        assert np.abs(ours.numpy().astype(int) - np.asarray(theirs).astype(int)).max() <= 1
    assert stand_in.provenance.stand_in and stand_in.provenance.name == "digits"
    assert "Fashion-MNIST" in stand_in.provenance.note


def test_a_stand_in_can_be_learnt(nothing_here):
    data = fashion_mnist(fallback=True)
    centres = torch.stack(
        [data.train.images[data.train.labels == c].float().mean(0).flatten() for c in range(10)]
    )
    nearest = torch.cdist(data.test.images.float().flatten(1), centres).argmin(1)
    assert (nearest == data.test.labels).float().mean() > 0.85


# ---- CIFAR-10 ----


def write_records(folder: Path, parts: dict[str, bytes]) -> Path:
    """A folder such as cifar-10-binary.tar.gz unpacks to."""
    inner = folder / "cifar-10-batches-bin"
    inner.mkdir(parents=True)
    for name, content in parts.items():
        (inner / name).write_bytes(content)
    return folder


def record(label: int, picture: Image.Image) -> bytes:
    """The label, then all red, all green, all blue bytes, row by row."""
    return bytes([label]) + b"".join(band.tobytes() for band in picture.split())


def pictures(count: int) -> list[Image.Image]:
    random = np.random.default_rng(count)
    return [Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(count)]


def test_the_official_records_are_read_plane_by_plane_in_their_order(tmp_path):
    drawn = pictures(12)
    names = [f"data_batch_{n}.bin" for n in (1, 2, 3, 4, 5)] + ["test_batch.bin"]
    parts = {
        name: record(2 * n % 10, drawn[2 * n]) + record(2 * n % 10 + 1, drawn[2 * n + 1])
        for n, name in enumerate(names)
    }
    folder = write_records(tmp_path / "a", {**dict(reversed(parts.items())), "readme": b"?"})
    train, test = vision._cifar_records(folder)
    assert train.images.shape == (10, 3, 32, 32) and test.images.dtype == torch.uint8
    assert train.labels.tolist() == list(range(10)) and test.labels.tolist() == [0, 1]
    for image, picture in zip([*train.images, *test.images], drawn, strict=True):
        assert np.array_equal(image.movedim(0, -1).numpy(), np.asarray(picture))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"data_batch_1.bin": b""}, "has no data_batch_2.bin"),
        (
            {f"data_batch_{n}.bin": bytes(3073) for n in range(1, 6)} | {"test_batch.bin": b"x"},
            "test_batch",
        ),
        (
            {f"data_batch_{n}.bin": bytes(3073) for n in range(1, 6)}
            | {"test_batch.bin": bytes([10]) + bytes(3072)},
            "labels 0 to 9",
        ),
    ],
)
def test_records_that_are_not_cifar10_are_refused(tmp_path, parts, said):
    with pytest.raises(ValueError, match=said):
        vision._cifar_records(write_records(tmp_path / "a", parts))


def test_the_subset_of_cifar10_is_read_in_the_official_order(real_data, tmp_path, monkeypatch):
    found = real_data("cifar10")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path))  # where it is unpacked
    (path,) = found.paths.values()
    ours = cifar10()
    assert ours.train.images.shape[1:] == (3, 32, 32)
    # The statistics of the whole training set, as everybody prints them.
    mean = ours.train.images.float().mean((0, 2, 3)) / 255
    assert torch.allclose(mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.01)
    if path.suffix == ".zip":
        assert len(ours.train) == 5000 and "5,000 of 50,000" in ours.provenance.note
        assert ours.train.labels.bincount().tolist() == [500] * 10
        # The first labels of data_batch_1 and of test_batch: frog, truck, truck; cat, ship, ship.
        names = [ours.classes[y] for y in [*ours.train.labels[:3], *ours.test.labels[:3]]]
        assert names == ["frog", "truck", "truck", "cat", "ship", "ship"]
        with zipfile.ZipFile(path) as pictures, pictures.open("cifar10/test/ship/00999.png") as one:
            assert np.array_equal(ours.test.images[999].movedim(0, -1), np.asarray(Image.open(one)))


def test_the_official_archive_of_cifar10_is_unpacked_once_and_read(tmp_path, monkeypatch):
    image = pictures(1)[0]
    names = [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]
    source = write_records(tmp_path / "a", {name: record(3, image) for name in names})
    archive = tmp_path / "data" / "cifar10" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source / "cifar-10-batches-bin", "cifar-10-batches-bin")
    whole = catalog.entry("cifar10")
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    ours = replace(whole.files[0], checksum=f"md5:{digest}", size=None)
    monkeypatch.setattr(
        catalog, "catalog", lambda: {"cifar10": replace(whole, files=(ours, *whole.files[1:]))}
    )
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    for _ in range(2):
        data = cifar10()
        assert data.train.labels.tolist() == [3] * 5 and len(data.test) == 1
        assert np.array_equal(data.test.images[0].movedim(0, -1), np.asarray(image))
        assert data.provenance.note == ""
    assert len(list((tmp_path / "cache" / "unpacked" / "cifar10").iterdir())) == 1


def test_without_cifar10_the_digits_stand_in_with_three_equal_channels(nothing_here):
    with pytest.raises(DatasetUnavailable, match="labnotes data get cifar10"):
        cifar10()
    data = cifar10(fallback=True)
    assert data.train.images.shape == (1438, 3, 32, 32) and data.provenance.stand_in
    assert torch.equal(data.test.images[:, 0], data.test.images[:, 2])
    assert "CIFAR-10" in data.provenance.note


# ---- the IDX format ----


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    lengths = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, kind, array.ndim]) + lengths + array.tobytes()


@given(shape=st.tuples(*[st.integers(1, 6)] * 3), seed=st.integers(0, 99))
def test_idx_files_are_read_as_torchvision_reads_them(tmp_path_factory, shape, seed):
    mnist = pytest.importorskip("torchvision.datasets.mnist")
    folder = tmp_path_factory.mktemp("idx")
    content = idx(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))
    (folder / "plain").write_bytes(content)
    (folder / "packed.gz").write_bytes(gzip.compress(content))
    theirs = mnist.read_sn3_pascalvincent_tensor(str(folder / "plain"))
    assert torch.equal(vision._read_idx(folder / "packed.gz", 3), theirs)


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(IMAGES), "not a whole gzip file"),
        (gzip.compress(idx(IMAGES))[:-12], "not a whole gzip file"),
        (gzip.compress(b""), "begins with , not with 00 00 08 03"),
        (gzip.compress(idx(IMAGES)[:10]), "not an IDX file"),
        (gzip.compress(idx(IMAGES, kind=13)), "begins with 00 00 0d 03"),
        (gzip.compress(idx(IMAGES.reshape(6, 4))), "begins with 00 00 08 02"),
        (gzip.compress(idx(IMAGES)[:-1]), "announces 2 x 3 x 4 bytes and holds 23"),
        (gzip.compress(idx(IMAGES) + b"?"), "announces 2 x 3 x 4 bytes and holds 25"),
        (gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">iii", -1, 3, 4)), "announces -1"),
    ],
    # Named by number: a gzip file holds the second of its making, and test processes would differ.
    ids=range(9),
)
def test_a_wrong_file_gives_a_clear_error(tmp_path, content, said):
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        vision._read_idx(tmp_path / "x.gz", 3)


def test_images_and_labels_of_different_number_are_refused(tmp_path):
    (tmp_path / "i.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "l.gz").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8))))
    with pytest.raises(ValueError, match="i.gz has 2 images, l.gz has 3 labels"):
        vision._image_set(tmp_path / "i.gz", tmp_path / "l.gz")


# ---- photographs ----


@pytest.mark.filterwarnings("ignore:The image decoding and encoding")
def test_photographs_are_decoded_as_torchvision_does(real_data):
    io = pytest.importorskip("torchvision.io")
    found = real_data("photos")
    pictures = photos()
    assert len(pictures) == 14 and "cat1" in pictures and pictures.truth == {}
    for name in ("cat1", "hot_dog", "banana"):
        path = next(p for p in found.paths.values() if p.stem == name)
        theirs = io.decode_image(str(path), io.ImageReadMode.RGB, apply_exif_orientation=True)
        assert pictures[name].shape == theirs.shape and pictures[name].dtype == torch.uint8
        assert (pictures[name].float() - theirs.float()).abs().mean() < 1.0  # two JPEG decoders


def test_a_longest_side_is_kept(real_data):
    real_data("photos")
    whole, small = photos(), photos(longest=200)
    for name in ("dog1", "parrot", "rainier"):
        (_, height, width), (_, h, w) = whole[name].shape, small[name].shape
        assert max(h, w) == 200 and math.isclose(h / w, height / width, rel_tol=0.01)
        assert abs(whole[name].float().mean() - small[name].float().mean()) < 2
    assert photos(longest=5000)["banana"].shape == whole["banana"].shape, "never enlarged"


def test_a_picture_is_made_smaller_with_lanczos_filter(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    got = photographs._decode(tmp_path / "x.png", 30).permute(1, 2, 0).double()  # (20, 30, 3)
    # Each output pixel by the formula: sinc(x) sinc(x/3) over three output pixels to both sides.
    expected = torch.from_numpy(lanczos(lanczos(noise.astype(float), 30).swapaxes(0, 1), 20))
    expected = expected.swapaxes(0, 1).round().clamp(0, 255)
    assert got.shape == expected.shape == (20, 30, 3)
    assert (got - expected).abs().max() <= 1  # PIL rounds between the two axes


def lanczos(picture: np.ndarray, width: int) -> np.ndarray:
    """``(height, old width, 3)`` to ``(height, width, 3)``."""
    scale = picture.shape[1] / width
    places = (np.arange(picture.shape[1]) + 0.5) / scale  # in output pixels
    x = places - (np.arange(width)[:, None] + 0.5)  # (width, old width)
    weights = np.where(abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("hoc,no->hnc", picture, weights)


def test_a_picture_on_its_side_is_put_upright(tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 255  # white on the left
    exif = Image.Exif()
    exif[274] = 6  # "turn by 90 degrees clockwise to view"
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    upright = photographs._decode(tmp_path / "x.png", None)
    assert upright.shape == (3, 40, 20)
    assert upright[:, :20].min() == 255 and upright[:, 20:].max() == 0


def test_the_scenes_that_stand_in_hold_what_their_truth_says(nothing_here):
    with pytest.raises(DatasetUnavailable):
        photos()
    scenes = photos(fallback=True, longest=120)
    assert scenes.provenance.stand_in and len(scenes) == len(scenes.truth) == 14
    for name in ("cat1", "owl"):
        picture = scenes[name]
        assert picture.shape == (3, 90, 120) and picture.dtype == torch.uint8
        front = {}  # pixel -> colour, drawn one at a time
        for shape in scenes.truth[name]:
            for y in range(90):
                for x in range(120):
                    dx, dy = x - shape.x, y - shape.y
                    disc = math.hypot(dx, dy) <= shape.radius
                    square = abs(dx) <= shape.radius and abs(dy) <= shape.radius
                    if disc if shape.kind == "disc" else square:
                        front[y, x] = shape.colour
        assert front
        assert all(tuple(picture[:, y, x].tolist()) == c for (y, x), c in front.items())
        free = torch.tensor([[(y, x) not in front for x in range(120)] for y in range(90)])
        steps = (picture[:, 1:].int() - picture[:, :-1].int())[:, free[1:] & free[:-1]]
        assert steps.abs().max() <= 3, "the ground is a smooth gradient"


def test_scenes_are_always_the_same_and_cannot_be_changed_by_a_reader(nothing_here):
    scenes = photos(fallback=True)
    before = scenes["dog1"]
    scenes["dog1"].zero_()
    assert torch.equal(scenes["dog1"], before)
    assert torch.equal(photos(fallback=True)["dog1"], before)
    assert not torch.equal(scenes["dog2"], before)


def test_bad_requests_for_pictures_are_answered_clearly(nothing_here):
    with pytest.raises(ValueError, match="longest is 0"):
        photos(fallback=True, longest=0)
    with pytest.raises(KeyError, match="no picture 'unicorn': there are autumn-oak"):
        photos(fallback=True)["unicorn"]
    assert photos(fallback=True, longest=1)["cat1"].shape == (3, 1, 1)
