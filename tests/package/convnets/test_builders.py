"""One way to build a network: ``name(num_classes, in_channels, *, options)``."""

import inspect

import pytest
import torch
from torch import nn

from labnotes import convnets
from labnotes.train.recipes import RECIPES

KEYWORD = inspect.Parameter.KEYWORD_ONLY
BUILDERS = [
    name
    for name in convnets.__all__
    if inspect.isfunction(getattr(convnets, name))
    and "num_classes" in inspect.signature(getattr(convnets, name)).parameters
]
#: Called by position from outside the book too, as torchvision's are by name.
FIXED = {"small_input", "shortcut", "stride_in"}


def parameters(name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(getattr(convnets, name)).parameters)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_takes_classes_then_channels_then_options_by_name(name):
    found = parameters(name)
    assert list(found)[:2] == ["num_classes", "in_channels"]
    kinds = {p.kind for n, p in found.items() if n not in {"num_classes", "in_channels"} | FIXED}
    assert kinds <= {KEYWORD}
    assert all(p.default is not inspect.Parameter.empty for p in found.values())


@pytest.mark.parametrize("name", BUILDERS)
def test_small_forms_are_for_ten_classes_of_grey_images_the_others_for_imagenet(name):
    found = parameters(name)
    small = name.endswith("_small") or name.startswith("lenet")
    defaults = (found["num_classes"].default, found["in_channels"].default)
    assert defaults == ((10, 1) if small else (1000, 3))


SIZES = ("num_classes", "in_channels", "width", "image_size")
ASKED = [(name, size) for name in BUILDERS for size in SIZES if size in parameters(name)]


@pytest.mark.parametrize(("name", "size"), ASKED)
def test_a_builder_names_the_size_that_is_not_positive(name, size):
    with pytest.raises(ValueError, match=f"{size} is 0"), torch.device("meta"):
        getattr(convnets, name)(**{size: 0})


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_makes_a_network_for_these_classes_and_channels(name):
    options = {"output": "linear"} if name == "lenet5" else {}
    with torch.device("meta"):
        net = getattr(convnets, name)(7, 2, **options)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    last = layers[-1].weight
    assert layers[0].weight.shape[1] == 2 and len(last) == 7


def test_there_are_builders_of_every_architecture():
    assert len(BUILDERS) >= 25


def test_the_recipes_build_with_builders_of_the_package():
    assert {recipe.build.__name__ for recipe in RECIPES.values()} <= set(BUILDERS)
    for recipe in RECIPES.values():
        assert set(recipe.options) <= set(parameters(recipe.build.__name__))
        assert recipe.fixed_size <= ("image_size" in parameters(recipe.build.__name__))


def test_every_small_form_can_be_trained_from_the_command_line():
    small = {name for name in BUILDERS if name.endswith("_small") or name == "lenet"}
    assert {recipe.build.__name__ for recipe in RECIPES.values()} == small
