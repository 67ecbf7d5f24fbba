"""Our densely connected networks against torchvision's and the paper's tables."""

import doctest
import math

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import (
    densenet,
    densenet121,
    densenet161,
    densenet169,
    densenet201,
    densenet_small,
)
from labnotes.convnets.densenet import DenseBlock, DenseLayer, Transition

NETS = {121: densenet121, 161: densenet161, 169: densenet169, 201: densenet201}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def pair(depth: int, **options) -> tuple[nn.Module, nn.Module]:
    """torchvision's net with random weights and statistics, and ours with the same."""
    torch.manual_seed(depth)
    theirs = getattr(torchvision.models, f"densenet{depth}")(num_classes=10)
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    with torch.device("meta"):
        ours = NETS[depth](num_classes=10, **options)
    ours.load_state_dict({k: v.clone() for k, v in theirs.state_dict().items()}, assign=True)
    return ours, theirs


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("memory_efficient", [False, True])
def test_torchvisions_state_dict_gives_torchvisions_logits(mode, memory_efficient):
    ours, theirs = pair(121, memory_efficient=memory_efficient)
    images = torch.randn(2, 3, 64, 64)
    for model in (ours, theirs):
        model.train(mode == "train")
    with torch.no_grad():
        got, expected = ours(images), theirs(images)
    assert expected.std() > 1e-3  # else agreement would say nothing
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    theirs.load_state_dict(ours.state_dict())  # it goes back as well


@pytest.mark.parametrize("depth", NETS)
def test_names_shapes_and_counts_are_torchvisions(depth):
    with torch.device("meta"):
        ours, theirs = NETS[depth](), getattr(torchvision.models, f"densenet{depth}")()
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (ours, theirs)]
    assert shapes[0] == shapes[1] and list(shapes[0]) == list(shapes[1])
    assert parameters(ours) == parameters(theirs)


def test_recomputing_changes_no_gradient_and_moves_the_running_means_twice():
    torch.manual_seed(0)
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
    plain = densenet_small(in_channels=3, depth=16, growth_rate=4, bottleneck=True, compression=0.5)
    thrifty = densenet_small(
        in_channels=3,
        depth=16,
        growth_rate=4,
        bottleneck=True,
        compression=0.5,
        memory_efficient=True,
    )
    thrifty.load_state_dict(plain.state_dict())
    for model in (plain, thrifty):
        F.cross_entropy(model(images), labels).backward()
    for (name, a), b in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    once, twice = (m.features.denseblock1.denselayer1.norm1.running_mean for m in (plain, thrifty))
    torch.testing.assert_close(twice, 1.9 * once)  # 1 - 0.9**2 against 1 - 0.9


def test_a_layer_that_recomputes_learns_from_images_too_which_carry_no_gradient():
    torch.manual_seed(0)
    images = torch.randn(2, 6, 5, 5)
    plain, thrifty = DenseLayer(6, 3), DenseLayer(6, 3, memory_efficient=True)
    thrifty.load_state_dict(plain.state_dict())
    for layer in (plain, thrifty):
        layer([images]).square().sum().backward()
    torch.testing.assert_close(thrifty.conv1.weight.grad, plain.conv1.weight.grad)


@pytest.mark.parametrize(
    ("depth", "growth", "bc", "millions"),
    [
        (40, 12, False, 1.0), (100, 12, False, 7.0), (100, 24, False, 27.2),
        (100, 12, True, 0.8), (250, 24, True, 15.3), (190, 40, True, 25.6),
    ],
)  # fmt: skip
def test_the_nets_for_small_images_have_the_parameters_of_table_2(depth, growth, bc, millions):
    with torch.device("meta"):
        net = densenet_small(
            in_channels=3,
            depth=depth,
            growth_rate=growth,
            bottleneck=bc,
            compression=0.5 if bc else 1.0,
        )
    assert round(parameters(net) / 1e6, 1) == millions


@pytest.mark.parametrize("depth", NETS)
def test_every_depth_passes_its_options_on(depth):
    with torch.device("meta"):
        net = NETS[depth](7, 2, memory_efficient=True)
    assert all(layer.memory_efficient for layer in net.modules() if isinstance(layer, DenseLayer))
    assert net.features.conv0.in_channels == 2 and net.classifier.out_features == 7


def test_small_images_keep_their_size_in_the_first_block_and_are_halved_twice():
    with torch.device("meta"):
        net, sides = densenet_small(depth=10, bottleneck=True, memory_efficient=True), []
        for layer in (net.features.conv0, *(m for m in net.modules() if isinstance(m, DenseBlock))):
            layer.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
        net(torch.empty(2, 1, 32, 32))
    assert sides == [32, 32, 16, 8]
    assert all(layer.memory_efficient for layer in net.modules() if isinstance(layer, DenseLayer))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_the_depth_counts_the_layers_with_weights(bottleneck):
    with torch.device("meta"):
        net = densenet_small(in_channels=3, depth=40, growth_rate=12, bottleneck=bottleneck)
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in net.modules()) == 40


@pytest.mark.parametrize(("growth", "theta"), [(5, 0.5), (12, 0.3), (4, 1.0)])
def test_a_transition_keeps_the_floor_of_theta_times_its_maps(growth, theta):
    with torch.device("meta"):
        net = densenet_small(
            depth=10, growth_rate=growth, compression=theta
        )  # two layers in each block
    maps = 16
    for transition in (m for m in net.modules() if isinstance(m, Transition)):
        maps += 2 * growth
        kept = math.floor(maps * theta)  # section 3, "Compression"
        assert transition.conv.weight.shape == (kept, maps, 1, 1)
        maps = kept
    assert net.classifier.in_features == maps + 2 * growth


def test_an_odd_number_of_maps_is_halved_downwards():
    with torch.device("meta"):
        net = densenet_small(depth=7, growth_rate=5, compression=0.5)
    shapes = [tuple(m.conv.weight.shape[:2]) for m in net.modules() if isinstance(m, Transition)]
    assert shapes == [(10, 21), (7, 15)]


@pytest.mark.parametrize(
    ("bottleneck", "compression", "first"),
    [(False, 1.0, 16), (True, 1.0, 16), (False, 0.5, 16), (True, 0.5, 24)],
)
def test_only_bottlenecks_with_compression_start_from_twice_the_growth_rate(
    bottleneck, compression, first
):
    with torch.device("meta"):
        net = densenet_small(depth=16, bottleneck=bottleneck, compression=compression)
    assert net.features.conv0.out_channels == first


def test_a_bottleneck_has_four_times_the_growth_rate():
    layer = DenseLayer(24, 12)
    assert layer.conv1.weight.shape == (48, 24, 1, 1)
    assert layer.conv2.weight.shape == (12, 48, 3, 3)


def test_weights_start_normal_with_variance_2_over_fan_in_and_no_bias():
    torch.manual_seed(0)
    net = densenet_small(depth=16, growth_rate=24, bottleneck=True, compression=0.5)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            expected = stats.norm(0, (2 / layer.weight[0].numel()) ** 0.5).cdf
            assert stats.kstest(layer.weight.detach().flatten().numpy(), expected).pvalue > 1e-4
    assert not net.classifier.bias.any() and net.classifier.weight.any()


def test_a_block_is_torch_cat_of_its_input_and_what_each_layer_adds():
    torch.manual_seed(1)
    block = DenseBlock(3, 5, 2, bottleneck=0).eval()
    x = torch.randn(2, 5, 4, 4)
    whole = x
    for layer in block.children():
        weight = layer.conv1.weight
        whole = torch.cat([whole, F.conv2d(layer.norm1(whole).relu(), weight, padding=1)], 1)
    torch.testing.assert_close(block(x), whole)
    assert torch.equal(block(x)[:, :5], x)


def test_the_small_form_takes_grey_images():
    net = densenet_small(depth=10, growth_rate=4, num_classes=7)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 7)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda: densenet_small(in_channels=3, depth=41),
            "depth is 41: give 3n.4 layers, such as 7, 10, 13, 22",
        ),
        (lambda: densenet_small(in_channels=3, depth=40.0), "depth is 40.0"),
        (
            lambda: densenet_small(in_channels=3, depth=22, bottleneck=True, compression=0),
            "compression is 0",
        ),
        (
            lambda: densenet_small(in_channels=3, depth=7, growth_rate=0),
            "growth_rate is 0: give a positive integer",
        ),
        (lambda: densenet121(num_classes=-1), "num_classes is -1"),
        (lambda: DenseLayer(8, 4, bottleneck=0, memory_efficient=True), "memory_efficient"),
    ],
)
def test_what_cannot_be_built_is_refused(build, said):
    with pytest.raises(ValueError, match=said):
        build()


def test_the_examples_run():
    assert doctest.testmod(densenet).failed == 0
