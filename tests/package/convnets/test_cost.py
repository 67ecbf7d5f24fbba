"""Counted costs against torchvision's and the literature's numbers, and against by-hand sums."""

import doctest
import sys

import pytest
import torch
import torchvision
from torch import nn

from labnotes.convnets import cost, densenet_small, saved_bytes
from labnotes.convnets import resnet50 as our_resnet50
from labnotes.convnets.cost import Cost

MODELS = torchvision.models


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("alexnet", MODELS.AlexNet_Weights), ("vgg16", MODELS.VGG16_Weights),
        ("googlenet", MODELS.GoogLeNet_Weights), ("resnet18", MODELS.ResNet18_Weights),
        ("resnet50", MODELS.ResNet50_Weights), ("densenet121", MODELS.DenseNet121_Weights),
    ],
)  # fmt: skip
def test_parameters_and_multiplications_are_those_that_torchvision_publishes(name, weights):
    published = weights.IMAGENET1K_V1.meta
    options = {"init_weights": False} if name in ("googlenet", "vgg16") else {}
    if name == "googlenet":
        options["aux_logits"] = False
    with torch.device("meta"):
        model = getattr(MODELS, name)(**options)
    found = cost(model)
    assert found.parameters == published["num_params"]
    assert found.multiplications / 1e9 == pytest.approx(published["_ops"], abs=0.002)


def test_resnet50_has_the_activations_of_the_literature():
    # 11.1 million in Radosavovic et al. (2020), without the 1,000 of the linear layer.
    with torch.device("meta"):
        assert cost(our_resnet50()).activations / 1e6 == pytest.approx(11.1, abs=0.05)


def test_counting_prints_nothing(capfd):
    cost(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1)), (3, 4, 4))
    assert capfd.readouterr() == ("", "")


def test_counting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert cost(model, (1, 5, 5)) == Cost(18 + 2 + 4, 9 * 2 * 9, 18)
    assert model.training and not model[0]._forward_hooks
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_an_image_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="does not take an image of 1x8x8"):
        cost(nn.Conv2d(3, 4, 3), (1, 8, 8))


def test_a_linear_layer_keeps_its_input_and_a_relu_its_output():
    images = torch.zeros(5, 7)
    model = nn.Sequential(nn.Linear(7, 3), nn.ReLU(), nn.Linear(3, 2))
    # The two inputs of the linear layers; the ReLU's output is the second of them.
    assert saved_bytes(model, images) == 4 * (5 * 7 + 5 * 3)


def test_recomputation_keeps_less_and_frozen_networks_keep_nothing():
    images = torch.randn(2, 3, 16, 16)
    plain = densenet_small(in_channels=3, depth=40, growth_rate=4, bottleneck=True)
    thrifty = densenet_small(
        in_channels=3, depth=40, growth_rate=4, bottleneck=True, memory_efficient=True
    )
    assert saved_bytes(thrifty, images) < 0.6 * saved_bytes(plain, images)
    assert saved_bytes(plain.requires_grad_(False), images) == 0


def test_the_examples_run():
    assert doctest.testmod(sys.modules["labnotes.convnets.cost"]).failed == 0
