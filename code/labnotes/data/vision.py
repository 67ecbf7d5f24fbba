"""Image data sets: Fashion-MNIST, CIFAR-10, and the optical digits.

Images are uint8 tensors, channels first: what they take on disk is what they take in memory, and
:class:`labnotes.data.Batches` turns a batch at a time into floats.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.provenance import Labelled

CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels.

    Attributes
    ----------
    images : Tensor
        ``(n, channels, height, width)``, uint8, 0 to 255.
    labels : Tensor
        ``(n,)``, int64, indices into the classes.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        n, channels, height, width = self.images.shape
        return f"{n:,} images of {channels}x{height}x{width}"


@dataclass(frozen=True, repr=False)
class ImageData(Labelled):
    """A training and a test set of images, the names of the classes, and where they came from."""

    train: ImageSet
    test: ImageSet


def fashion_mnist(fallback: bool = False) -> ImageData:
    """Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28x28, 10 classes.

    Parameters
    ----------
    fallback
        If Fashion-MNIST is not to be had, give the optical digits instead, enlarged to 28x28
        (10 classes too, but only 1,438 + 359 images). The provenance then says so.

    Returns
    -------
    ImageData
        Images ``(n, 1, 28, 28)`` uint8.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    ValueError
        If a file is not what the format says.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms", arXiv:1708.07747, 2017.
    """
    try:
        found = catalog.fetch("fashion_mnist")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _digits_for(catalog.entry("fashion_mnist"), side=28, channels=1)

    def part(name: str) -> ImageSet:
        raw = f"FashionMNIST/raw/{name}"
        return _image_set(
            found.paths[f"{raw}-images-idx3-ubyte.gz"], found.paths[f"{raw}-labels-idx1-ubyte.gz"]
        )

    origin = provenance.of(catalog.entry("fashion_mnist"), found.source)
    return ImageData(part("train"), part("t10k"), CLOTHES, origin)


def cifar10(fallback: bool = False) -> ImageData:
    """CIFAR-10: 50,000 + 10,000 small colour photographs, 32x32, 10 classes.

    Where only the subset of 5,000 + 1,000 images is to be had (the first ones, see the
    catalogue), that is given, and the provenance says so.

    Parameters
    ----------
    fallback
        If CIFAR-10 is not to be had, give the optical digits instead, enlarged to 32x32, grey in
        three equal channels (10 classes too, 1,438 + 359 images). The provenance then says so.

    Returns
    -------
    ImageData
        Images ``(n, 3, 32, 32)`` uint8: red, green, blue.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    ValueError
        If a file is not what the format says.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report,
    University of Toronto, 2009.
    """
    dataset = catalog.entry("cifar10")
    try:
        found = catalog.fetch("cifar10")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _digits_for(dataset, side=32, channels=3)
    (path,) = found.paths.values()
    folder = catalog.unpacked("cifar10", path)
    if path.suffix == ".zip":
        train, test = _cifar_pictures(folder)
        note = (
            f"A subset: {len(train):,} of 50,000 training and {len(test):,} of 10,000 test images."
        )
    else:
        train, test = _cifar_records(folder)
        note = ""
    origin = provenance.of(dataset, found.source, note)
    return ImageData(train, test, CIFAR10_CLASSES, origin)


def _cifar_records(folder: Path) -> tuple[ImageSet, ImageSet]:
    """The official binary version: records of a label and 3x32x32 bytes, in six files."""
    names = [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]
    files = {file.name: file.read_bytes() for file in folder.glob("**/*.bin")}
    if missing := [name for name in names if name not in files]:
        raise ValueError(f"{folder} has no {', '.join(missing)}: delete it and run again")
    for name in names:
        if len(files[name]) % 3073 or max(files[name][::3073], default=10) > 9:
            raise ValueError(
                f"{folder}: {name} is not made of labels 0 to 9 and images of 3,072 bytes"
            )
    train = b"".join(files[name] for name in names[:-1])
    return _records(train), _records(files["test_batch.bin"])


def _records(content: bytes) -> ImageSet:
    rows = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(-1, 3073).copy())
    return ImageSet(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].long())


def _cifar_pictures(folder: Path) -> tuple[ImageSet, ImageSet]:
    """The subset: ``cifar10/train/CLASS/NNNNN.png``, NNNNN the place in the official order."""
    from PIL import Image

    def part(name: str) -> ImageSet:
        files = sorted((folder / "cifar10" / name).glob("*/*.png"), key=lambda file: int(file.stem))
        images = torch.empty(len(files), 32, 32, 3, dtype=torch.uint8)
        for image, file in zip(images, files):
            with Image.open(file) as picture:
                image.copy_(torch.from_numpy(np.array(picture)))
        labels = [CIFAR10_CLASSES.index(file.parent.name) for file in files]
        return ImageSet(images.movedim(-1, 1).contiguous(), torch.tensor(labels))

    return part("train"), part("test")


def digits() -> ImageData:
    """The 1,797 handwritten digits of scikit-learn, 8x8, bundled with the package.

    Split once and for all into 1,438 training and 359 test images, each class in the same
    proportion. The 17 grey levels of the original (0 to 16) are spread over 0 to 255.

    Returns
    -------
    ImageData
        Images ``(n, 1, 8, 8)`` uint8, classes ``"0"`` to ``"9"``.

    Notes
    -----
    The bundled files are scikit-learn's arrays in the format of MNIST, for each of the two::

        a = sklearn.datasets.load_digits().images.astype("uint8")  # and .target
        head = bytes([0, 0, 8, a.ndim]) + np.array(a.shape, ">i4").tobytes()
        gzip.compress(head + a.tobytes(), mtime=0)

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49.
    """
    found = catalog.fetch("digits")
    all_digits = _image_set(
        found.paths["digits-images-idx3-ubyte.gz"], found.paths["digits-labels-idx1-ubyte.gz"]
    )
    images = ((all_digits.images.int() * 255 + 8) // 16).to(torch.uint8)  # 16 -> 255, rounded
    labels = all_digits.labels
    held_out = one_in_five(labels)
    return ImageData(
        train=ImageSet(images[~held_out], labels[~held_out]),
        test=ImageSet(images[held_out], labels[held_out]),
        classes=tuple("0123456789"),
        provenance=provenance.of(catalog.entry("digits"), found.source),
    )


def one_in_five(labels: Tensor) -> Tensor:
    """A mask, always the same, that holds a fifth of each class."""
    random = np.random.RandomState(0)  # its stream is frozen, unlike that of newer generators
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        places = torch.nonzero(labels == label).flatten()
        chosen = random.permutation(len(places))[: round(len(places) / 5)]
        mask[places[torch.from_numpy(chosen)]] = True
    return mask


def _digits_for(wanted: catalog.Dataset, side: int, channels: int) -> ImageData:
    small = digits()

    def enlarged(part: ImageSet) -> ImageSet:
        images = torch.nn.functional.interpolate(
            part.images.float(), size=(side, side), mode="bilinear"
        )  # (n, 1, side, side)
        images = images.round().to(torch.uint8).repeat(1, channels, 1, 1)
        return ImageSet(images, part.labels)

    note = provenance.missing(
        wanted,
        "There are far fewer images here and they are easier, so accuracies are not those of "
        f"{wanted.title}; the 8x8 digits are enlarged to {side}x{side}.",
    )
    origin = replace(small.provenance, stand_in=True, note=note)
    return ImageData(enlarged(small.train), enlarged(small.test), small.classes, origin)


def _image_set(images_file: Path, labels_file: Path) -> ImageSet:
    images, labels = _read_idx(images_file, 3), _read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_file.name} has {len(images)} images, {labels_file.name} has {len(labels)} "
            "labels: these files do not belong together"
        )
    return ImageSet(images[:, None], labels.long())


def _read_idx(path: Path, axes: int) -> Tensor:
    """The array in a gzipped IDX file, the format of MNIST, with `axes` axes of bytes.

    Two zero bytes, the type (8: unsigned bytes), the number of axes; then each axis's length as a
    big-endian 32-bit integer; then the values, last axis fastest.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}): get it again") from error
    head = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < head:
        raise ValueError(
            f"{path} begins with {content[:4].hex(' ')}, not with {bytes([0, 0, 8, axes]).hex(' ')}: "
            f"not an IDX file of bytes with {axes} axes"
        )
    shape = [int(n) for n in np.frombuffer(content, ">i4", axes, offset=4)]
    if min(shape) < 0 or len(content) - head != math.prod(shape):
        raise ValueError(
            f"{path} announces {' x '.join(map(str, shape))} bytes and holds {len(content) - head}: "
            "get it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy())
