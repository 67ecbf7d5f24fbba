"""The catalogue holds every network of the package, and its counts are those that others publish."""

import importlib
import inspect
import pkgutil

import pytest
import torch
import torchvision
from torch import nn

import labnotes
from labnotes.catalogue import catalogue, structured
from labnotes.train.recipes import RECIPES
from labnotes_site.keys import chapters

from .test_rooms import ROOT

CATALOGUE = catalogue()
ENTRIES = {entry.name: entry for entry in CATALOGUE}
PARTS = [
    importlib.import_module(f"labnotes.{found.name}")
    for found in pkgutil.iter_modules(labnotes.__path__)
    if found.ispkg
]
NAMES = [(part, name) for part in PARTS for name in getattr(part, "__all__", [])]
#: What is put into a network, and is none: it gives no answer of its own.
LAYERS = {
    "attention.AdditiveAttention", "attention.MultiHeadAttention",
    "attention.ScaledDotProductAttention",
    "bert.LowRank", "bert.WordHead",
    "captioning.CaptionDecoder", "captioning.GridEncoder",
    "convnets.BlurPool2d", "convnets.SpatialTransformer", "convnets.Tower",
    "gan.MinibatchDeviation",
    "generalization.Dropout",
    "normalization.BatchNorm", "normalization.GroupNorm", "normalization.InstanceNorm",
    "normalization.LayerNorm",
    "segmentation.FCNHead", "segmentation.Stages", "segmentation.UNetHead",
    "sequence.AttentionDecoder", "sequence.BidirectionalEncoder",
    "sequence.Decoder", "sequence.Encoder", "sequence.GRU", "sequence.GRUByHand", "sequence.LSTM", "sequence.RNN",
    "transformer.Decoder", "transformer.DecoderBlock", "transformer.Encoder",
    "transformer.EncoderBlock",
    "vision.Frozen",
}  # fmt: skip
STRUCTURED = structured()


def said(part, name: str) -> str:
    return f"{part.__name__.removeprefix('labnotes.')}.{name}"


def build(entry) -> nn.Module:
    """The network again, from its name as code would call it; shapes alone, no numbers."""
    parts = {part.__name__.rpartition(".")[2]: part for part in PARTS}
    with torch.device("meta"):
        return eval(entry.name if "(" in entry.name else f"{entry.name}()", parts)


def test_every_builder_of_every_part_is_in_the_catalogue():
    builders = {
        said(part, name)
        for part, name in NAMES
        if inspect.isfunction(function := getattr(part, name))
        and {"num_classes", "in_channels"} <= set(inspect.signature(function).parameters)
    }
    # Without an argument, `vgg` builds what `vgg16` does.
    assert len(builders) > 25 and builders - set(ENTRIES) == {"convnets.vgg"}


def test_no_network_counts_twice():
    built = [(str(build(entry)), entry.input) for entry in CATALOGUE]
    assert len(set(built)) == len(built)


def test_every_class_of_modules_is_in_a_network_of_the_catalogue_or_a_layer():
    inside = {type(m) for entry in ENTRIES.values() for m in build(entry).modules()}
    classes = {
        said(part, name): cls
        for part, name in NAMES
        if inspect.isclass(cls := getattr(part, name)) and issubclass(cls, nn.Module)
    }
    lost = {name for name, cls in classes.items() if cls not in inside}
    assert lost == LAYERS | {entry.name for entry in STRUCTURED}, (
        "a new network goes into labnotes.catalogue, a new layer into LAYERS"
    )


def test_every_network_that_can_be_trained_from_the_command_line_is_in():
    assert {f"convnets.{recipe.build.__name__}" for recipe in RECIPES.values()} <= set(ENTRIES)


PUBLISHED = [
    name.removeprefix("convnets.")
    for name in ENTRIES
    if name.removeprefix("convnets.") in torchvision.models.list_models(torchvision.models)
    and name != "convnets.googlenet"  # published without the two heads that only training uses
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_multiply_adds_are_those_that_torchvision_publishes(name):
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    ours = ENTRIES[f"convnets.{name}"]
    assert ours.input == (3, 224, 224)
    assert ours.cost.parameters == meta["num_params"]
    assert ours.cost.multiplications / 1e9 == pytest.approx(meta["_ops"], rel=2e-3)


def test_torchvision_knows_many_of_them():
    assert len(PUBLISHED) >= 15


def test_the_networks_without_convolutions_are_counted_as_by_hand():
    line, softmax, mlp = (e for e in CATALOGUE if e.name.startswith("foundations."))
    assert (line.cost.parameters, line.cost.multiplications) == (5 + 1, 5)
    assert (softmax.cost.parameters, softmax.cost.multiplications) == (784 * 10 + 10, 784 * 10)
    assert mlp.cost.multiplications == 784 * 128 + 128 * 10
    assert mlp.cost.parameters == mlp.cost.multiplications + 128 + 10
    names = ("linear-regression", "softmax-regression", "mlp")
    assert [e.chapter for e in (line, softmax, mlp)] == [f"foundations/{name}" for name in names]


def test_small_forms_take_the_images_of_fashion_mnist_unless_they_say_another_size():
    assert ENTRIES["convnets.resnet_small"].input == (1, 28, 28)
    assert ENTRIES["convnets.alexnet_small"].input == (1, 32, 32)
    assert ENTRIES["convnets.lenet5"].input == (1, 32, 32)  # LeCun et al. (1998), section II.B


def test_every_chapter_of_the_catalogue_is_in_the_book_and_names_the_network():
    book = {c.docname.removeprefix("chapters/"): c for c in chapters(ROOT)}
    for entry in CATALOGUE:
        text = book[entry.chapter].path.read_text("utf8")
        part, _, name = entry.name.rpartition(".")
        # "densenet161" beside others of its kind may not be named; "densenet" is.
        assert part != "convnets" or name.split("_")[0].rstrip("0123456789") in text, entry.name


def test_the_networks_that_answer_with_more_than_a_vector_are_counted_as_published():
    found = {entry.name: entry for entry in STRUCTURED}
    assert len(found) == len(STRUCTURED)
    assert found["bert.Bert"].parameters == 109_482_240  # Hugging Face's bert-base-uncased
    # Vaswani et al. (2017), table 3: 65 million, "rounded", with about 37,000 tokens.
    assert found["transformer.Transformer"].parameters / 1e6 == pytest.approx(65, rel=0.04)
    book = {c.docname.removeprefix("chapters/"): c for c in chapters(ROOT)}
    for entry in STRUCTURED:
        assert entry.name.rpartition(".")[2] in book[entry.chapter].path.read_text("utf8")


def test_those_of_one_chapter_stand_together_the_cheapest_first():
    found = [(e.chapter, e.cost.multiplications) for e in CATALOGUE[3:]]
    assert found == sorted(found)


def test_the_multiply_adds_of_those_are_the_sums_on_paper():
    """One for each weight that an output is made with, and those of attention: 20 tokens."""
    found = {entry.name: entry.multiplications for entry in STRUCTURED}
    wide, layers, n = 768, 12, 20
    attention = 2 * n * n * wide
    encoder = layers * (n * (4 * wide**2 + 8 * wide**2) + attention)
    assert found["bert.Bert"] == encoder + wide**2  # and the pooler
    assert found["bert.SequenceClassifier"] == encoder + wide**2 + 2 * wide
    assert found["bert.TokenClassifier"] - found["bert.Bert"] == n * 13 * wide
    assert found["bert.SpanFinder"] - found["bert.Bert"] == n * 2 * wide
    wide, layers = 512, 6
    once = n * 4 * wide**2 + 2 * n * n * wide  # one attention with its four projections
    blocks = layers * (3 * once + 2 * n * 8 * wide**2)
    assert found["transformer.Transformer"] == blocks + n * 37_000 * wide
    assert found["sequence.CharLSTM"] == n * (4 * 156 * (16 + 156) + 156 * 27)
    assert found["sequence.Tagger"] == n * (2 * 3 * 32 * (32 + 32) + 2 * 32 * 13)
    assert found["gan.Judge"] == 28**2 * 16 * 9 + 14**2 * 32 * 16 * 9 + 32 * 49 * 64 + 64 * 10
    assert all(found.values())
