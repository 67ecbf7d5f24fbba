"""Recipes: for each architecture of the book, the small form and the settings that train it.

The command ``labnotes train`` runs them. They are starting points that work, not records.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from labnotes import convnets, runtime
from labnotes.data import (
    Batches,
    ImageData,
    ImageSet,
    catalog,
    channel_statistics,
    cifar10,
    digits,
    fashion_mnist,
    image_folder,
    random_crop,
    random_flip,
)
from labnotes.files import replacing
from labnotes.train import distributed
from labnotes.train.fit import fit
from labnotes.train.history import History
from labnotes.train.schedules import cosine

DATA = ("fashion-mnist", "cifar10", "digits")
#: ``OPTIMIZERS[name](parameters, lr=..., weight_decay=...)``.
OPTIMIZERS = {
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adamw": torch.optim.AdamW,
}
FILES = ("checkpoint.pt", "history.csv", "history.png", "model.pt")


@dataclass(frozen=True)
class Recipe:
    """How to build and train one small network.

    Attributes
    ----------
    about : str
        The network, in a few words.
    build : callable
        ``build(num_classes, in_channels, **options)`` gives the network.
    options : dict
        What the recipe asks of the builder.
    fixed_size : bool
        Whether the network takes images of one size alone, the builder's option `image_size`.
    lr : float
        Peak learning rate, for batches of `batch_size`.
    optimizer : str
        A key of :data:`OPTIMIZERS`.
    weight_decay : float
        Of all parameters.
    batch_size : int
        Images in a step, over all processes.
    epochs : int
        Passes over the training images; the rate falls along half a cosine wave.
    warmup : float
        The part of the run in which the rate rises first.
    crop : int
        Images are shifted at random by up to this many pixels (and mirrored).
    """

    about: str
    build: Callable[..., nn.Module]
    lr: float
    options: dict = field(default_factory=dict)
    fixed_size: bool = False
    optimizer: str = "sgd"
    weight_decay: float = 5e-4
    batch_size: int = 128
    epochs: int = 30
    warmup: float = 0.05
    crop: int = 4

    def network(self, num_classes: int, in_channels: int, side: int) -> nn.Module:
        """A new network for images of ``side`` x ``side`` pixels."""
        size = {"image_size": side} if self.fixed_size else {}
        return self.build(num_classes, in_channels, **self.options, **size)


RECIPES = {
    "lenet": Recipe(
        "LeNet with ReLU and max pooling", convnets.lenet,
        options={"activation": "relu", "pooling": "max"}, fixed_size=True,
        lr=0.05, epochs=20, crop=2,
    ),
    "alexnet": Recipe(
        "AlexNet's eight layers, 32 channels in the first", convnets.alexnet_small,
        options={"width": 32},
        lr=0.02,
    ),
    "vgg": Recipe(
        "VGG-11 with batch normalization, 32 channels in the first block", convnets.vgg_small,
        options={"width": 32, "batch_norm": True}, fixed_size=True,
        lr=0.05,
    ),
    "nin": Recipe(
        "network in network, three mlpconv layers, 96 channels in the first", convnets.nin_small,
        options={"width": 96, "last_relu": False},
        lr=1e-3, optimizer="adamw", weight_decay=0.01,
    ),
    "googlenet": Recipe(
        "GoogLeNet for small images", convnets.googlenet_small,
        lr=0.05,
    ),
    "resnet": Recipe(
        "ResNet-20 for small images", convnets.resnet_small,
        options={"depth": 20},
        lr=0.1,
    ),
    "densenet": Recipe(
        "DenseNet-40, growth rate 12", convnets.densenet_small,
        options={"depth": 40, "growth_rate": 12},
        lr=0.1, weight_decay=1e-4, batch_size=64,
    ),
}  # fmt: skip


def data_name(name: str) -> str:
    """A data set's name as the recipes spell it, ``"fashion-mnist"`` for ``"Fashion_MNIST"``.

    Anything else, the path of a folder, stays as it is.
    """
    spelt = catalog.plain_name(name).replace("_", "-")
    return spelt if spelt in DATA else name


def read_data(name: str, size: int | None = None) -> ImageData:
    """The images to train on: ``"fashion-mnist"``, ``"cifar10"``, ``"digits"`` or a folder.

    Parameters
    ----------
    name
        One of these, or the path of a folder that :func:`labnotes.data.image_folder` reads.
    size
        Scale the images to ``size`` x ``size`` pixels. By default they stay as they are; digits
        get 28 and pictures of a folder 32.

    Raises
    ------
    ValueError
        If it is none of these.
    DatasetUnavailable
        If the data set is not to be had.
    """
    name = data_name(name)
    if name not in DATA:
        if not Path(name).is_dir():
            raise ValueError(
                f"data is {name!r}, which is no folder: give {', '.join(DATA)} or the path of a "
                "folder with train/CLASS/NAME.jpg and test/CLASS/NAME.jpg"
            )
        return image_folder(name, 32 if size is None else size)
    found = {"fashion-mnist": fashion_mnist, "cifar10": cifar10, "digits": digits}[name]()
    size = 28 if size is None and name == "digits" else size
    if size is None or size == found.train.images.shape[-1]:
        return found
    return ImageData(
        _scaled(found.train, size), _scaled(found.test, size), found.classes, found.provenance
    )


def _scaled(part: ImageSet, size: int) -> ImageSet:
    images = [  # some at a time: as floats all would take four times the memory
        F.interpolate(some.float(), (size, size), mode="bilinear", antialias=True)
        .round().clamp(0, 255).to(torch.uint8)
        for some in part.images.split(1000)
    ]  # fmt: skip
    return ImageSet(torch.cat(images), part.labels)


def train(
    name: str,
    data: str = "fashion-mnist",
    output: str | os.PathLike = "run",
    *,
    size: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    precision: str = "auto",
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train by a recipe; leave the curves and the model in a folder.

    The folder gets ``history.csv``, ``history.png``, ``model.pt`` (see :func:`load`) and
    ``checkpoint.pt``, from which an interrupted run goes on. Under ``torchrun`` all processes call
    this, and the first one writes.

    Parameters
    ----------
    name
        A recipe of :data:`RECIPES`.
    data, size
        As for :func:`read_data`.
    output
        The folder. It must not hold a run already, unless it is to be resumed.
    epochs, batch_size, lr
        Instead of the recipe's. The batch is that of all processes together.
    precision, seed, progress
        As for :func:`labnotes.train.fit`; the seed is that of the initialization too.
    resume
        Go on from the folder's checkpoint, if it has one.

    Raises
    ------
    ValueError
        If an argument cannot work, or the folder holds a run and `resume` is false.
    CheckpointError
        If the run in the folder has other settings.
    """
    recipe = _recipe(name)
    _check(epochs=epochs, batch_size=batch_size, size=size)
    if lr is not None and not lr > 0:
        raise ValueError(f"lr is {lr}: give a learning rate above 0")
    distributed.join()
    folder = Path(output)
    if not resume:
        _refuse_a_run(folder)
    found = read_data(data, size)
    channels, side = found.train.images.shape[1:3]
    mean, std = channel_statistics(found.train.images)
    std = [max(s, 1 / 255) for s in std]  # of a channel that is the same everywhere
    runtime.seed_everything(seed)
    model = _build(recipe, len(found.classes), channels, side, name)
    batch_size = recipe.batch_size if batch_size is None else batch_size
    augment = [random_crop(recipe.crop)] + ([random_flip()] if data_name(data) != "digits" else [])
    scale = {"mean": mean, "std": std, "seed": seed}
    history = fit(
        model,
        Batches(found.train.images, found.train.labels, batch_size, augment=augment, **scale),
        Batches(found.test.images, found.test.labels, 500, shuffle=False, **scale),
        epochs=recipe.epochs if epochs is None else epochs,
        optimizer=functools.partial(
            OPTIMIZERS[recipe.optimizer],
            lr=recipe.lr if lr is None else lr,
            weight_decay=recipe.weight_decay,
        ),
        schedule=cosine(warmup=recipe.warmup),
        precision=precision,
        # Measured, a step on one CPU core: resnet 1.08 times as fast, googlenet 2.03, the others
        # between (batches of 16).
        memory_format=None if runtime.device().type == "mps" else torch.channels_last,
        checkpoint=folder / "checkpoint.pt",
        seed=seed,
        progress=progress,
    )
    if distributed.rank() == 0:
        history.to_csv(folder / "history.csv")
        with replacing(folder / "history.png") as file:
            _draw(history).savefig(file, format="png")
        saved = {
            "recipe": name,
            "classes": list(found.classes),
            "channels": channels,
            "side": side,
            "mean": mean,
            "std": std,
            "data": str(found.provenance),
            "seed": seed,
            "epochs": history.epochs,
            "weights": {key: value.cpu() for key, value in model.state_dict().items()},
        }
        with replacing(folder / "model.pt") as file:
            torch.save(saved, file)
    return history


def load(path: str | os.PathLike) -> nn.Module:
    """The network of a ``model.pt`` that :func:`train` wrote, on the CPU, in evaluation mode.

    It takes images as floats from 0 to 1, less the file's ``"mean"``, divided by its ``"std"``.
    The file holds tensors and plain values alone: ``torch.load(path, weights_only=True)`` shows
    them, among them ``"classes"`` and the rows of the history, ``"epochs"``.

    Raises
    ------
    ValueError
        If the file is not of this kind.
    """
    import pickle

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        recipe = _recipe(saved["recipe"])
        model = recipe.network(len(saved["classes"]), saved["channels"], saved["side"])
        model.load_state_dict(saved["weights"])
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise ValueError(
            f"{path} is no model that labnotes train has written ({type(error).__name__}): "
            "give the model.pt of a run's folder"
        ) from error
    return model.eval()


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ValueError(f"there is no recipe {name!r}: give one of {', '.join(RECIPES)}")
    return RECIPES[name]


def _check(**numbers) -> None:
    for name, value in numbers.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} is {value!r}: give a whole number of at least 1")


def _refuse_a_run(folder: Path) -> None:
    """Process 0 looks whether the folder holds a run, and all hear of it."""
    there = [file for file in FILES if (folder / file).exists()]
    if there := distributed.of_process_0(there):
        raise ValueError(
            f"{folder} holds a run already ({', '.join(there)}): give --resume to go on with it, "
            "or another --output"
        )


def _build(recipe: Recipe, classes: int, channels: int, side: int, name: str) -> nn.Module:
    """The network, tried on one image: not every network takes images of every size."""
    try:
        model = recipe.network(classes, channels, side)
        with torch.no_grad():
            model.eval()(torch.zeros(1, channels, side, side))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{name} cannot take images of {side}x{side} pixels ({error}): try --size 32"
        ) from error
    return model


def _draw(history: History):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.4), dpi=150, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    history.plot(above).set(xlabel="")
    numbers = [row["epoch"] for row in history.epochs]
    for part, style in (("train", "o-"), ("valid", "s-")):
        accuracies = [100 * row[f"{part}_accuracy"] for row in history.epochs]
        below.plot(numbers, accuracies, style, label=part, markersize=4)
    below.set(xlabel="epoch", ylabel="accuracy (%)")
    below.legend()
    return figure
