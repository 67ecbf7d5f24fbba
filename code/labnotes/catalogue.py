"""The catalogue: every network of the book, what goes in, what it costs, where it is explained."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

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
    run on numbers. Two builders of the same layers make one network: the later name stands for
    both, ``vgg16`` for what ``vgg`` builds unless told otherwise.

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
    linear = [_entry(*row)[1] for row in _fully_connected()]
    others = dict(_entry(*row) for row in _builders()).values()
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
    """A network whose size or answer depends on more than the number of classes.

    Attributes
    ----------
    name
        The class: ``"transformer.Transformer"``.
    answer
        What it gives: ``"boxes"``, ``"a text"``.
    size
        Which size was built.
    input
        One example, in words: ``"3 x 64 x 64"``, ``"20 tokens"``.
    parameters, multiplications
        In the size that is named, and for that example.
    chapter
        Where it is explained.
    """

    name: str
    answer: str
    size: str
    input: str
    parameters: int
    multiplications: int
    chapter: str


def structured() -> list[Structured]:
    """The networks that answer with boxes, maps, pictures or texts, and their judges and heads.

    They stand in the order of the book. Their sizes depend on a vocabulary or on classes, so they
    are chosen here: the paper's where the network is a paper's, else those of the chapter. What one
    example costs depends on how long a text is: texts have 20 tokens. A detector's second look at
    the regions that it has found is left out.

    Examples
    --------
    >>> next(net.parameters for net in structured() if net.name == "bert.Bert")
    109482240
    """
    found = []
    for build, answer, size, said, example, chapter in _structured():
        with torch.device("meta"):
            net = build().eval()
        name = f"{type(net).__module__.split('.')[1]}.{type(net).__name__}"
        count = sum(p.numel() for p in net.parameters())
        found.append(Structured(name, answer, size, said, count, _forward(net, example), chapter))
    return found


def _forward(net: nn.Module, example: tuple) -> int:
    """The multiply-adds of one pass over zeros; how many there are does not depend on the weights.

    On the processor, since some networks look at the numbers of their input. Recurrent layers and
    attention are taken apart into the matrix products that they are made of, so that these count.
    """
    net._apply(lambda t: torch.zeros_like(t, device="cpu"))
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")  # torch warns of Intel GPUs when oneDNN is switched off
        with torch.backends.mkldnn.flags(enabled=False), counter:
            net(*example)
    return counter.get_total_flops() // 2  # a multiply-add counts as two there


def _structured() -> list[tuple[Callable[[], nn.Module], str, str, str, tuple, str]]:
    from torchvision.models import mobilenet_v2

    from labnotes import bert, captioning, detection, gan, segmentation, sequence, transformer

    def captioner():
        decoder = captioning.CaptionDecoder(30, 96, 64, 128)
        return captioning.Captioner(captioning.GridEncoder(96, side=8), decoder)

    def fcn():
        head = segmentation.FCNHead(num_classes=2)
        return segmentation.FCN(segmentation.mobilenet_stages(mobilenet_v2()), head)

    def on_bert(head, *sizes):
        return lambda: head(bert.Bert(base), *sizes)

    base, letters = bert.BertConfig(), "abcdefghijklmnopqrstuvwxyz "
    image, picture = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 28, 28)
    text = torch.zeros(1, 20, dtype=torch.int64)
    features, length = text[..., None].repeat(1, 1, 4), torch.tensor([20])
    hidden = torch.arange(20)[None] < 3  # 15 % of the pieces
    noise, kind, steps = torch.zeros(1, 32), torch.zeros(1, 10), torch.zeros(1, 5, 6)
    seen, tokens, both = "3 x 64 x 64", "20 tokens", "20 + 20 tokens"
    clothes, five, large = "28x28, 10 classes", "5 of 6 symbols", "the paper's base"
    tuning = "pretraining/fine-tuning-bert"
    return [
        (lambda: detection.TinySSD(4), "boxes", "4 classes", seen, (image,), "detection/ssd"),
        (lambda: detection.TinyYOLO(4), "boxes", "4 classes", seen, (image,), "detection/yolo"),
        (lambda: detection.FreeYOLO(4), "boxes", "4 classes", seen, (image,), "detection/yolo"),
        (lambda: detection.TinyFasterRCNN(4), "boxes, masks", "4 classes", seen, (image,),
         "detection/rcnn"),
        (fcn, "a map of classes", "MobileNetV2, 2 classes", seen, (image,), "segmentation/fcn"),
        (lambda: sequence.CharLSTM(letters), "the next letter", "27 letters", "20 letters", (text,),
         "sequences/gated"),
        (lambda: sequence.Tagger(5000, 13), "a tag a word", "5,000 words, 13 tags", "20 words",
         (features, length), "sequences/deep-bidirectional"),
        (lambda: sequence.Seq2Seq(3000, 3000), "a text", "3,000 tokens each", both,
         (text, None, text), "sequences/encoder-decoder"),
        (lambda: sequence.AttentionSeq2Seq(3000, 3000), "a text", "3,000 tokens each", both,
         (text, None, text), "attention/bahdanau"),
        (lambda: transformer.Transformer(37_000), "a text", large, both, (text, text),
         "attention/transformer"),
        (lambda: bert.Bert(base), "a vector a piece", large, tokens, (text,), "pretraining/bert"),
        (lambda: bert.BertForPretraining(base), "hidden pieces", large, tokens, (text, hidden),
         "pretraining/bert"),
        (on_bert(bert.SequenceClassifier, 2), "a class", f"{large}, 2 classes", tokens, (text,),
         tuning),
        (on_bert(bert.TokenClassifier, 13), "a tag a piece", f"{large}, 13 tags", tokens, (text,),
         tuning),
        (on_bert(bert.SpanFinder), "a span of the text", large, tokens, (text,), tuning),
        (captioner, "a text", "30 words", f"{seen}, {tokens}", (image, text),
         "captioning/show-attend-tell"),
        (lambda: gan.Generator(channels=(32, 96)), "a picture", "28x28", "32 numbers", (noise,),
         "gan/images"),
        (gan.Discriminator, "real or not", "28x28", "1 x 28 x 28", (picture,), "gan/images"),
        (gan.Judge, "a class", clothes, "1 x 28 x 28", (picture,), "gan/images"),
        (lambda: gan.ConditionalGenerator(32, 10), "a picture", clothes, "32 + 10 numbers",
         (noise, kind), "gan/conditional"),
        (gan.ProjectionDiscriminator, "real or not", clothes, "1 x 28 x 28, 10 numbers",
         (picture, kind), "gan/conditional"),
        (gan.Translator, "a picture", "one channel", "1 x 28 x 28, 8 numbers",
         (noise[:, :8], picture), "gan/conditional"),
        (gan.PatchGAN, "a map of logits", "two channels", "2 x 28 x 28", (picture, picture),
         "gan/conditional"),
        (lambda: gan.SequenceGenerator(6, 5), "a sequence", five, "5 x 6 numbers", (steps,),
         "gan/conditional"),
        (lambda: gan.SequenceDiscriminator(6, 5), "real or not", five, "5 x 6 numbers", (steps,),
         "gan/conditional"),
    ]  # fmt: skip


def _side(options) -> int:
    """Pixels along a side: as the builder says, else ImageNet's 224 or Fashion-MNIST's 28."""
    if "image_size" in options:
        return options["image_size"].default
    return 224 if options["num_classes"].default == 1000 else 28


def _entry(name: str, build: Callable[[], nn.Module], example: tuple[int, ...], chapter) -> tuple:
    """What tells a network from others, its layers as printed and its input; and its entry."""
    with torch.device("meta"):
        net = build()
        layers = str(net)
        return (layers, example), Entry(name, example, cost(net, example), chapter)
