"""The catalogue: every network of the book, what goes in, what it costs, where it is explained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from labnotes import convnets, foundations
from labnotes.convnets.cost import Cost, cost

#: Parts whose builders are found by themselves: functions of ``num_classes`` and ``in_channels``.
PARTS = (convnets,)
#: Pixels along a side of the image, where :func:`_side` does not find what a network is made for.
SIDES = {"lenet5": 32}


@dataclass(frozen=True)
class Entry:
    """A network of the book.

    Attributes
    ----------
    name
        What code calls it: ``"convnets.resnet18"`` is the function `resnet18` of
        `labnotes.convnets`.
    input
        The shape of one example, without the batch: ``(channels, height, width)`` or ``(numbers,)``.
    cost
        Of one example: see :class:`labnotes.convnets.Cost`.
    chapter
        Where it is explained: ``"convnets/resnet"``.
    """

    name: str
    input: tuple[int, ...]
    cost: Cost
    chapter: str


def catalogue() -> list[Entry]:
    """Every network of the book in its default form.

    Nothing is listed by hand that the package can be asked: whatever builds a network from
    ``num_classes`` and ``in_channels`` is in. Networks are built on torch's meta device and never
    run on numbers.

    Returns
    -------
    list of Entry
        Linear models and the perceptron first, in the sizes of their chapters; then the others by
        chapter, and within a chapter by their multiply-adds.

    Examples
    --------
    >>> net = next(entry for entry in catalogue() if entry.name == "convnets.resnet18")
    >>> net.input, net.cost.parameters, net.chapter
    ((3, 224, 224), 11689512, 'convnets/resnet')
    """
    linear = [_entry(*row) for row in _fully_connected()]
    others = [_entry(*row) for row in _builders()]
    return linear + sorted(others, key=lambda e: (e.chapter, e.cost.multiplications, e.name))


Row = tuple[str, Callable[[], nn.Module], tuple[int, ...], str]


def _fully_connected() -> Iterator[Row]:
    """The networks without convolutions: one builder makes all three."""
    for sizes, chapter in (
        ((5, 1), "foundations/linear-regression"),  # five measurements of an airfoil, its noise
        ((784, 10), "foundations/softmax-regression"),  # the pixels of a garment, ten classes
        ((784, 128, 10), "foundations/mlp"),
    ):
        yield f"foundations.mlp({sizes})", lambda s=sizes: foundations.mlp(s), sizes[:1], chapter


def _builders() -> Iterator[Row]:
    for part in PARTS:
        for name in part.__all__:
            function = getattr(part, name)
            if not inspect.isfunction(function):
                continue
            options = inspect.signature(function).parameters
            if {"num_classes", "in_channels"} <= set(options):
                side = SIDES.get(name) or _side(options)
                image = (options["in_channels"].default, side, side)
                where = function.__module__.removeprefix("labnotes.").replace(".", "/")
                yield f"{part.__name__.removeprefix('labnotes.')}.{name}", function, image, where


def _side(options) -> int:
    """Pixels along a side: as the builder says, else ImageNet's 224 or Fashion-MNIST's 28."""
    if "image_size" in options:
        return options["image_size"].default
    return 224 if options["num_classes"].default == 1000 else 28


def _entry(name: str, build: Callable[[], nn.Module], example: tuple[int, ...], chapter) -> Entry:
    with torch.device("meta"):
        return Entry(name, example, cost(build(), example), chapter)
