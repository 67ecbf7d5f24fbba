"""The outputs of layers are those that torchvision reads, and gradients flow to the picture."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from labnotes.style import layer_outputs

TWICE = nn.ReLU()


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3)
    )


@pytest.mark.parametrize("name", ["squeezenet1_1", "vgg11", "mobilenet_v2"])
def test_layers_are_those_that_torchvision_reads_from_its_own_networks(name):
    torch.manual_seed(0)
    net = getattr(torchvision.models, name)().features.eval()
    x, layers = torch.randn(2, 3, 64, 48), ["2", "4", "7"]
    theirs = create_feature_extractor(net, {k: k for k in layers})(x)
    ours = layer_outputs(net, x, reversed(layers))
    assert list(ours) == layers
    for k in layers:
        torch.testing.assert_close(ours[k], theirs[k], rtol=0, atol=0)


def test_a_relu_that_works_in_place_does_not_change_what_was_read_before_it():
    net, x = small(), torch.randn(1, 3, 8, 8)
    found = layer_outputs(net, x, ["0", "1"])
    torch.testing.assert_close(found["0"], net[0](x), rtol=0, atol=0)
    assert (found["0"] < 0).any() and (found["1"] >= 0).all()


def test_the_gradient_reaches_the_picture_from_every_layer():
    net, x = small().requires_grad_(False), torch.randn(1, 3, 8, 8, requires_grad=True)
    for name, out in layer_outputs(net, x, ["0", "1", "3"]).items():
        (gradient,) = torch.autograd.grad(out.square().sum(), x, retain_graph=True)
        wanted = torch.func.grad(lambda p, n=int(name): net[: n + 1](p).square().sum())(x.detach())
        torch.testing.assert_close(gradient, wanted)


def test_layers_after_the_last_one_wanted_are_not_run():
    class Never(nn.Module):
        def forward(self, x):
            raise AssertionError("run")

    net = nn.Sequential(nn.ReLU(), Never())
    assert list(layer_outputs(net, torch.ones(1), "0")) == ["0"]
    with pytest.raises(AssertionError, match="run"):
        layer_outputs(net, torch.ones(1), ["1"])


@pytest.mark.parametrize(
    ("net", "layers", "said"),
    [
        (nn.Conv2d(3, 4, 3), ["0"], "net is Conv2d: give its layers in order"),
        (small(), ["9"], "no layer is named 9: give some of 0, 1, 2, 3"),
        (small(), ["0", "relu"], "no layer is named relu"),
        (small(), [], "layers is empty: give some of 0, 1, 2, 3"),
        (small(), [0], "no layer is named 0: give some of 0"),
        (nn.Sequential(TWICE, nn.Conv2d(3, 4, 3), TWICE), ["1"], "net has 3 places for 2 layers"),
    ],
)
def test_bad_arguments_are_refused_in_words(net, layers, said):
    with pytest.raises(ValueError, match=said):
        layer_outputs(net, torch.zeros(1, 3, 8, 8), layers)


def test_what_is_no_tensor_is_refused_in_words():
    with pytest.raises(ValueError, match="x is str: give a tensor that the first layer reads"):
        layer_outputs(small(), "owl", ["0"])
