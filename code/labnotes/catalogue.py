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


@dataclass(frozen=True)
class Structured:
    """A network whose answer is no single vector.

    Attributes
    ----------
    name
        The class: ``"transformer.Transformer"``.
    answer
        What it gives: ``"boxes"``, ``"a text"``.
    parameters
        In the size that is named.
    size
        Which size that is.
    chapter
        Where it is explained.
    """

    name: str
    answer: str
    parameters: int
    size: str
    chapter: str


def structured() -> list[Structured]:
    """The networks that answer with boxes, maps, pictures or texts, in the order of the book.

    Their sizes depend on a vocabulary or on classes, so they are chosen here: the paper's where the
    network is a paper's, else those of the chapter. What one example costs depends on how long a
    text is and how many boxes are found; only parameters are counted.

    Examples
    --------
    >>> next(net.parameters for net in structured() if net.name == "bert.Bert")
    109482240
    """
    found = []
    for build, answer, size, chapter in _structured():
        with torch.device("meta"):
            net = build()
        part = type(net).__module__.split(".")[1]
        count = sum(p.numel() for p in net.parameters())
        found.append(Structured(f"{part}.{type(net).__name__}", answer, count, size, chapter))
    return found


def _structured() -> Iterator[tuple[Callable[[], nn.Module], str, str, str]]:
    from torchvision.models import mobilenet_v2

    from labnotes import bert, captioning, detection, gan, segmentation, sequence, transformer

    def captioner():
        decoder = captioning.CaptionDecoder(30, 96, 64, 128)
        return captioning.Captioner(captioning.GridEncoder(96, side=8), decoder)

    def fcn():
        head = segmentation.FCNHead(num_classes=2)
        return segmentation.FCN(segmentation.mobilenet_stages(mobilenet_v2()), head)

    base, letters = bert.BertConfig(), "abcdefghijklmnopqrstuvwxyz "
    yield lambda: detection.TinySSD(4), "boxes", "4 classes", "detection/ssd"
    yield lambda: detection.TinyYOLO(4), "boxes", "4 classes", "detection/yolo"
    yield lambda: detection.TinyFasterRCNN(4), "boxes, masks", "4 classes", "detection/rcnn"
    yield fcn, "a map of classes", "MobileNetV2, 2 classes", "segmentation/fcn"
    yield lambda: sequence.CharLSTM(letters), "the next letter", "27 letters", "sequences/gated"
    yield lambda: sequence.Tagger(5000, 13), "a tag a word", "5,000 words, 13 tags", "sequences/deep-bidirectional"  # fmt: skip
    yield lambda: sequence.Seq2Seq(3000, 3000), "a text", "3,000 tokens each", "sequences/encoder-decoder"  # fmt: skip
    yield lambda: sequence.AttentionSeq2Seq(3000, 3000), "a text", "3,000 tokens each", "attention/bahdanau"  # fmt: skip
    yield lambda: transformer.Transformer(37_000), "a text", "the paper's base", "attention/transformer"  # fmt: skip
    yield lambda: bert.Bert(base), "a vector a piece", "the paper's base", "pretraining/bert"
    yield lambda: bert.BertForPretraining(base), "hidden pieces", "the paper's base", "pretraining/bert"  # fmt: skip
    yield captioner, "a text", "30 words", "captioning/show-attend-tell"
    yield gan.Generator, "a picture", "28x28", "gan/images"
    yield lambda: gan.ConditionalGenerator(32, 10), "a picture", "28x28, 10 classes", "gan/conditional"  # fmt: skip
    yield gan.Translator, "a picture", "one channel", "gan/conditional"
    yield gan.PatchGAN, "a map of logits", "two channels", "gan/conditional"
    yield lambda: gan.SequenceGenerator(6, 5), "a sequence", "5 of 6 symbols", "gan/conditional"


def _side(options) -> int:
    """Pixels along a side: as the builder says, else ImageNet's 224 or Fashion-MNIST's 28."""
    if "image_size" in options:
        return options["image_size"].default
    return 224 if options["num_classes"].default == 1000 else 28


def _entry(name: str, build: Callable[[], nn.Module], example: tuple[int, ...], chapter) -> Entry:
    with torch.device("meta"):
        return Entry(name, example, cost(build(), example), chapter)
