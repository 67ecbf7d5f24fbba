"""LeNet-5 against its paper, LeNet against d2l's, both against functional calls."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.signal import correlate2d
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import lenet, lenet5
from labnotes.convnets.lenet import (
    C3_TABLE,
    Distances,
    PartialConv2d,
    Subsampling,
    digit_codes,
    scaled_tanh,
)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_every_layer_has_the_trainable_parameters_that_the_paper_counts():
    paper = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}
    net = lenet5()
    assert {name: parameters(layer) for name, layer in net.named_children()} == paper
    assert parameters(net) == 60_000


def test_the_connections_are_the_340908_of_the_paper():
    """A connection is an input of a unit, its bias included; codes are connections too."""
    units = {"c1": 28 * 28, "s2": 14 * 14 * 5 / 2, "c3": 100, "s4": 25 * 5 / 2, "c5": 1, "f6": 1}
    net = lenet5()
    found = {name: parameters(getattr(net, name)) * n for name, n in units.items()}
    paper = {"c1": 122_304, "s2": 5880, "c3": 151_600, "s4": 2000, "c5": 48_120, "f6": 10_164}
    assert found == paper
    assert sum(found.values()) + net.output.codes.numel() == 340_908


def test_the_table_of_c3_is_the_one_that_the_paper_describes():
    ring = [{i % 6 for i in range(first, first + 3)} for first in range(6)]
    ring += [{i % 6 for i in range(first, first + 4)} for first in range(6)]
    assert [set(row) for row in C3_TABLE[:12]] == ring
    pairs = [set(range(6)) - {i, i + 3} for i in range(3)]  # all but two that face each other
    assert sorted(map(sorted, C3_TABLE[12:15])) == sorted(map(sorted, pairs))
    assert set(C3_TABLE[15]) == set(range(6))
    # Column by column, as it is printed: rows of the table are the maps of S2.
    printed = [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    rows = ["".join("X" if i in row else "." for row in C3_TABLE) for i in range(6)]
    assert rows == printed


def test_shapes_through_lenet5_are_those_of_figure_2():
    net, seen = lenet5(), []
    for layer in net.children():
        layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    net(torch.randn(2, 1, 32, 32))
    assert seen == [
        *((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)),
    ]


def test_lenet5_is_what_the_paper_says_in_loops():
    torch.manual_seed(0)
    net = lenet5().double()
    image = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    w = {name: p.detach().numpy() for name, p in net.named_parameters()}
    maps = squash([valid(image[0].numpy(), w["c1.weight"][i]) + w["c1.bias"][i] for i in range(6)])
    maps = squash(halved(maps, w["s2.coefficient"], w["s2.bias"]))
    out, number = [], 0
    for j, row in enumerate(C3_TABLE):
        kernels = w["c3.weight"][number : number + len(row)]
        out.append(valid([maps[i] for i in row], kernels) + w["c3.bias"][j])
        number += len(row)
    assert number == len(w["c3.weight"])
    maps = squash(halved(squash(out), w["s4.coefficient"], w["s4.bias"]))
    c5 = squash([valid(maps, w["c5.weight"][i])[0, 0] + w["c5.bias"][i] for i in range(120)])
    f6 = squash(w["f6.weight"] @ c5 + w["f6.bias"])
    expected = [-((f6 - code) ** 2).sum() for code in digit_codes().double().numpy()]
    np.testing.assert_allclose(net(image)[0].detach().numpy(), expected, rtol=1e-10)


def valid(maps, kernels):
    return sum(correlate2d(m, k, mode="valid") for m, k in zip(maps, kernels, strict=True))


def halved(maps, coefficients, biases):
    sums = [m[::2, ::2] + m[1::2, ::2] + m[::2, 1::2] + m[1::2, 1::2] for m in maps]
    return [c * s + b for s, c, b in zip(sums, coefficients, biases, strict=True)]


def squash(maps):
    return 1.7159 * np.tanh(2 / 3 * np.array(maps))


def test_a_partial_convolution_is_the_full_one_with_zeros_and_learns_no_zero():
    torch.manual_seed(0)
    part, x = PartialConv2d(6, C3_TABLE, 5), torch.randn(3, 6, 9, 9)
    full = nn.Conv2d(6, 16, 5)
    mask = torch.tensor([[i in row for i in range(6)] for row in C3_TABLE])
    with torch.no_grad():
        full.weight.copy_(part.dense_weight())
        full.bias.copy_(part.bias)
        assert (full.weight[~mask] == 0).all() and (full.weight[mask] != 0).all()
    for layer in (part, full):
        layer(x).square().sum().backward()
    torch.testing.assert_close(part(x), full(x))
    torch.testing.assert_close(part.weight.grad, full.weight.grad[mask], rtol=1e-4, atol=1e-3)


def test_subsampling_by_a_quarter_is_average_pooling():
    x = torch.randn(2, 3, 8, 6)
    torch.testing.assert_close(Subsampling(3)(x), F.avg_pool2d(x, 2))


def test_the_scaled_tanh_has_the_properties_of_appendix_a():
    x = torch.linspace(-50, 50, 101, dtype=torch.float64, requires_grad=True)
    y = scaled_tanh(x)
    torch.testing.assert_close(y, torch.tanh(x * 2 / 3) * 1.7159)
    assert abs(scaled_tanh(torch.tensor(1.0)).item() - 1) < 1e-4
    assert y.abs().max().item() == pytest.approx(1.7159)
    a = torch.linspace(0.5, 1.5, 1001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(scaled_tanh(a).sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), a)
    assert abs(a[second.abs().argmax()].item() - 1) < 0.02  # it bends most at 1


def test_the_codes_are_ten_different_pictures():
    codes = digit_codes()
    assert codes.shape == (10, 84) and set(codes.flatten().tolist()) == {-1.0, 1.0}
    different = (codes[:, None] != codes).sum(2)
    assert different[~torch.eye(10, dtype=torch.bool)].min() >= 4


def test_cross_entropy_of_minus_distances_is_equation_9_without_its_constant():
    torch.manual_seed(0)
    codes, f6 = 0.3 * torch.randn(10, 84), 0.3 * torch.randn(5, 84)
    labels = torch.arange(5)
    y = ((f6[:, None] - codes) ** 2).sum(2)
    expected = (y[labels, labels] + torch.log(torch.exp(-y).sum(1))).mean()
    torch.testing.assert_close(F.cross_entropy(Distances(codes)(f6), labels), expected)


def test_first_weights_of_lenet5_lie_within_2_4_over_fan_in():
    torch.manual_seed(0)
    net = lenet5(output="linear")
    for weight, fan_in in [(net.c1.weight, 25), (net.c5.weight, 400), (net.f6.weight, 120)]:
        assert 0.9 * 2.4 / fan_in < weight.abs().max() <= 2.4 / fan_in
    start = 0
    for row in C3_TABLE:
        reach = 2.4 / (25 * len(row))
        kernels = net.c3.weight[start : start + len(row)]
        assert 0.9 * reach < kernels.abs().max() <= reach
        start += len(row)


def test_every_number_of_lenet5_starts_uniform_within_2_4_over_its_inputs():
    torch.manual_seed(0)
    nets = [lenet5(output="linear") for _ in range(40)]  # for S2 has but twelve numbers
    inputs = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120, "output": 84}
    for name, fan_in in inputs.items():
        reach = 2.4 / fan_in
        for kind, _ in getattr(nets[0], name).named_parameters():
            drawn = torch.cat([getattr(net, name).get_parameter(kind).flatten() for net in nets])
            between = stats.uniform(-reach, 2 * reach).cdf
            found = drawn.detach()[:10_000].numpy()
            assert stats.kstest(found, between).pvalue > 1e-4, (name, kind)
            most = (1 - 20 / len(drawn)) * reach  # e^-10 is the chance to stay within it
            assert most < drawn.max() <= reach and -reach <= drawn.min() < -most, (name, kind)
    inputs = torch.tensor([25 * len(row) for row in C3_TABLE])  # of the maps of C3
    maps = torch.tensor([j for j, row in enumerate(C3_TABLE) for _ in row])  # of the 60 kernels
    biases = torch.cat([net.c3.bias * inputs / 2.4 for net in nets])
    kernels = nets[0].c3.weight.flatten(1) * inputs[maps, None] / 2.4
    for found in (biases, kernels.flatten()):
        assert stats.kstest(found.detach().numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_the_output_may_be_linear_or_of_other_codes():
    assert parameters(lenet5(output="linear")) == 60_850
    x = torch.randn(2, 1, 32, 32)
    assert lenet5(num_classes=26, output="linear")(x).shape == (2, 26)
    assert lenet5(num_classes=3, codes=torch.ones(3, 84))(x).shape == (2, 3)
    assert lenet5(in_channels=3)(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_lenet5_learns_four_images_by_heart():
    torch.manual_seed(0)
    net, x, y = lenet5(), torch.randn(4, 1, 32, 32), torch.tensor([3, 1, 4, 5])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert (net(x).argmax(1) == y).all()


def test_the_layers_and_logits_of_lenet_are_those_of_d2l():
    import d2l.torch as d2l

    torch.manual_seed(0)
    theirs, ours = d2l.LeNet(), lenet()
    x = torch.randn(4, 1, 28, 28)
    theirs.net(x)  # its layers learn their sizes here
    theirs.net.apply(d2l.init_cnn)
    weighted = [layer for layer in theirs.net if hasattr(layer, "weight")]
    mine = [ours.conv1, ours.conv2, ours.fc1, ours.fc2, ours.fc3]
    for a, b in zip(mine, weighted, strict=True):
        a.load_state_dict(b.state_dict())
    seen = []
    for layer in (*mine, ours.pool):
        layer.register_forward_hook(lambda _, __, out: seen.append(out))
    got, expected, h = ours(x), [], x
    for layer in theirs.net:
        h = layer(h)
        if hasattr(layer, "weight") or isinstance(layer, nn.AvgPool2d):
            expected.append(h)
    assert len(seen) == len(expected) == 7
    for a, b in zip(seen, expected, strict=True):
        torch.testing.assert_close(a, b)
    assert got.std() > 1e-3
    torch.testing.assert_close(got, theirs.net(x))
    assert parameters(ours) == parameters(theirs.net) == 61_706


def test_parameters_of_lenet_are_mostly_in_its_linear_layers():
    net = lenet()
    counts = {name: parameters(layer) for name, layer in net.named_children()}
    assert counts["conv1"] + counts["conv2"] == 2572
    assert counts["fc1"] + counts["fc2"] + counts["fc3"] == 59_134


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_every_form_of_lenet_is_its_functional_calls(activation, pooling):
    torch.manual_seed(1)
    net, x = lenet(7, 3, activation=activation, pooling=pooling), torch.randn(2, 3, 28, 28)
    act = getattr(torch, activation)
    pool = F.avg_pool2d if pooling == "avg" else F.max_pool2d
    w = net.state_dict()
    h = pool(act(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2)), 2)
    h = pool(act(F.conv2d(h, w["conv2.weight"], w["conv2.bias"])), 2).flatten(1)
    for name in ("fc1", "fc2"):
        h = act(F.linear(h, w[f"{name}.weight"], w[f"{name}.bias"]))
    torch.testing.assert_close(net(x), F.linear(h, w["fc3.weight"], w["fc3.bias"]))


def test_weights_of_lenet_start_by_the_rule_of_glorot_and_bengio():
    torch.manual_seed(0)
    for layer, fan_in, fan_out in [(lenet().fc1, 400, 120), (lenet().conv2, 150, 400)]:
        reach = (6 / (fan_in + fan_out)) ** 0.5
        assert 0.99 * reach < layer.weight.abs().max() <= reach
        between = stats.uniform(-reach, 2 * reach).cdf
        assert stats.kstest(layer.weight.detach().flatten().numpy(), between).pvalue > 1e-4
    net = lenet()
    for layer in (net.conv1, net.conv2, net.fc1, net.fc2, net.fc3):
        assert (layer.bias == 0).all()


@pytest.mark.parametrize("side", [12, 28, 29, 32, 64])
def test_lenet_can_be_built_for_other_sizes(side):
    assert lenet(image_size=side)(torch.randn(1, 1, side, side)).shape == (1, 10)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: lenet(num_classes=0), "num_classes is 0"),
        (lambda: lenet(in_channels=1.0), "in_channels is 1.0"),
        (lambda: lenet(activation="gelu"), "activation is 'gelu': give one of 'sigmoid', 'tanh'"),
        (lambda: lenet(pooling="sum"), "pooling is 'sum': give one of 'avg', 'max'"),
        (lambda: lenet(image_size=11), "image_size is 11"),
        (lambda: lenet()(torch.zeros(1, 1, 32, 32)), r"reads \(batch, 1, 28, 28\)"),
        (lambda: lenet()(torch.zeros(1, 28, 28)), r"images are \(1, 28, 28\)"),
        (lambda: lenet5()(torch.zeros(1, 1, 28, 28)), r"reads \(batch, 1, 32, 32\)"),
        (lambda: lenet5(num_classes=26), r"shape \(26, 84\), or output='linear'"),
        (lambda: lenet5(codes=torch.ones(10, 80)), r"codes are \(10, 80\)"),
        (lambda: lenet5(output="softmax"), "output is 'softmax'"),
        (lambda: lenet5(num_classes=-1), "num_classes is -1"),
        (lambda: PartialConv2d(2, ((0, 2),), 3), r"row 0 of the table is \(0, 2\)"),
        (lambda: PartialConv2d(2, ((0,), ()), 3), "row 1 of the table"),
        (lambda: PartialConv2d(2, ((0, 0),), 3), "row 0 of the table"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(act, text):
    with pytest.raises(ValueError, match=text):
        act()


def test_a_lenet_can_be_built_on_the_meta_device_and_saved():
    with torch.device("meta"):
        assert parameters(lenet5()) == 60_000
    a, b = lenet5(), lenet5()
    b.load_state_dict(a.state_dict())
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(a(x), b(x))


def test_the_examples_in_the_docstrings_run():
    module = importlib.import_module("labnotes.convnets.lenet")  # the name is the function's too
    result = doctest.testmod(module)
    assert result.attempted >= 5 and result.failed == 0
