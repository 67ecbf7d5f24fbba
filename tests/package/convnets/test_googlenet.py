"""Our GoogLeNet against torchvision's, published counts, and plain torch operations."""

import doctest
import importlib
import itertools

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from labnotes.convnets import (
    GoogLeNetOutputs,
    Inception,
    googlenet,
    googlenet_2014,
    googlenet_small,
    small_inception,
)

module = importlib.import_module("labnotes.convnets.googlenet")


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def torchvisions(**options) -> nn.Module:
    """torchvision's net, with weights and running statistics of a useful size at random."""
    torch.manual_seed(0)
    net = torchvision.models.googlenet(init_weights=False, **options)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    return net


def ours_with(theirs: nn.Module, **options) -> nn.Module:
    with torch.device("meta"):
        ours = googlenet(num_classes=10, **options)
    ours.load_state_dict({k: v.clone() for k, v in theirs.state_dict().items()}, assign=True)
    return ours


def test_torchvisions_state_dict_gives_torchvisions_logits_at_all_three_classifiers():
    theirs = torchvisions(num_classes=10, aux_logits=True)
    ours, images = ours_with(theirs), torch.randn(2, 3, 96, 96)
    for model in (ours, theirs):
        model.eval()
    with torch.no_grad():
        got, expected = ours(images), theirs(images)
        assert expected.std() > 1e-2  # else agreement would say nothing
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
        found = []
        for model in (ours, theirs):
            torch.manual_seed(1)  # dropout
            found.append(model.train()(images))
    assert found[0]._fields == found[1]._fields
    for got, expected in zip(*found, strict=True):
        assert expected.std() > 1e-2
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    theirs.load_state_dict(ours.state_dict())


def test_the_input_can_be_transformed_as_for_torchvisions_weights():
    theirs = torchvisions(num_classes=10, aux_logits=False, transform_input=True).eval()
    ours = ours_with(theirs, aux_logits=False, transform_input=True).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-5)


def test_a_map_of_3x3_is_pooled_to_its_edge_as_in_torchvision():
    theirs = torchvisions(num_classes=10, aux_logits=False).eval()
    ours, images = ours_with(theirs, aux_logits=False).eval(), torch.randn(2, 3, 48, 48)
    maps = []  # of 24x24, 12x12, 6x6, 3x3 and, rounded up, 2x2
    ours.maxpool4.register_forward_hook(lambda m, given, out: maps.extend([*given, out]))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-5)
    assert [part.shape[2:] for part in maps] == [(3, 3), (2, 2)]


def test_parameter_counts_are_the_published_ones():
    weights = torchvision.models.GoogLeNet_Weights.DEFAULT.meta
    with torch.device("meta"):
        assert parameters(googlenet(aux_logits=False)) == weights["num_params"] == 6_624_904
        assert parameters(googlenet()) == 13_004_888
        # those of BVLC's model for Caffe, without and with its auxiliary classifiers
        assert parameters(googlenet_2014(aux_logits=False)) == 6_998_552
        assert parameters(googlenet_2014()) == 13_378_280


def test_multiplications_are_torchvisions_published_ones():
    with torch.device("meta"):
        model, image = googlenet(aux_logits=False).eval(), torch.empty(1, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert counter.get_total_flops() / 2e9 == pytest.approx(1.498, abs=5e-4)


#: Outputs and millions of multiply-adds of the paper's table 1.
TABLE = {
    "conv3": ((192, 56, 56), 360),
    "inception3a": ((256, 28, 28), 128),
    "inception3b": ((480, 28, 28), 304),
    "inception4a": ((512, 14, 14), 73),
    "inception4b": ((512, 14, 14), 88),
    "inception4c": ((512, 14, 14), 100),
    "inception4d": ((528, 14, 14), 119),
    "inception4e": ((832, 14, 14), 170),
    "inception5b": ((1024, 7, 7), 71),
}


def test_the_published_net_has_the_shapes_and_the_operations_of_the_papers_table_1():
    found = {}

    def note(name):
        def hook(_, inputs, output):
            kernels = [
                m.weight for m in net.get_submodule(name).modules() if isinstance(m, nn.Conv2d)
            ]
            macs = sum(k.numel() for k in kernels) * output[0, 0].numel()
            found[name] = (tuple(output.shape[1:]), macs)

        return hook

    with torch.device("meta"):
        net, image = googlenet_2014().eval(), torch.empty(1, 3, 224, 224)
    for name in [*TABLE, "conv2"]:
        net.get_submodule(name).register_forward_hook(note(name))
    net(image)
    found["conv3"] = (found["conv3"][0], found["conv3"][1] + found["conv2"][1])  # one row there
    for name, (shape, millions) in TABLE.items():
        assert found[name][0] == shape
        assert found[name][1] / 1e6 == pytest.approx(millions, abs=0.7), name


def test_the_published_heads_pool_14x14_to_4x4_and_the_weights_fit_both_forms():
    with torch.device("meta"):
        net = googlenet_2014().train()
        outputs = net(torch.empty(2, 3, 224, 224))
        plain = googlenet(kernel5=5, batch_norm=False)
        assert {k: v.shape for k, v in plain.state_dict().items()} == {
            k: v.shape for k, v in net.state_dict().items()
        }
    assert [o.shape for o in outputs] == [(2, 1000)] * 3
    pooled = net.aux1.pool(torch.randn(1, 1, 14, 14))
    assert pooled.shape == (1, 1, 4, 4)


def test_the_published_poolings_have_windows_of_3_and_5():
    with torch.device("meta"):
        net = googlenet_2014()
    x = torch.randn(1, 2, 14, 14)  # table 1: max pool 3x3/2; section 5: average pool 5x5/3
    assert torch.equal(net.maxpool4(x), F.max_pool2d(x, 3, 2, ceil_mode=True))
    for head in (net.aux1, net.aux2):
        torch.testing.assert_close(head.pool(x), F.avg_pool2d(x, 5, 3))


def test_the_published_net_normalizes_after_its_first_and_before_its_second_pooling():
    torch.manual_seed(0)
    net = googlenet_2014(10, aux_logits=False).eval()
    with torch.no_grad():  # a response that the normalization changes, and biases
        net.conv1.conv.weight.mul_(30)
        net.conv3.conv.weight.mul_(3)
        for layer in (net.conv1, net.conv2, net.conv3):
            nn.init.normal_(layer.conv.bias)
    found = []
    net.inception3a.register_forward_hook(lambda _, inputs, __: found.append(inputs[0]))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        net(image)
        # Figure 3: conv 7x7, pool, LRN, conv 1x1, conv 3x3, LRN, pool.
        w = net.state_dict()
        x = F.conv2d(image, w["conv1.conv.weight"], w["conv1.conv.bias"], 2, 3).relu()
        x = F.local_response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 5, 1e-4, 0.75, 1.0)
        x = F.conv2d(x, w["conv2.conv.weight"], w["conv2.conv.bias"]).relu()
        x = F.conv2d(x, w["conv3.conv.weight"], w["conv3.conv.bias"], padding=1).relu()
        before = F.max_pool2d(F.local_response_norm(x, 5, 1e-4, 0.75, 1.0), 3, 2, ceil_mode=True)
        after = F.local_response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 5, 1e-4, 0.75, 1.0)
    assert (before - after).abs().max() > 1e-2  # the place matters
    torch.testing.assert_close(found[0], before, rtol=1e-4, atol=1e-4)


def drawn(module: nn.Module, kinds=(nn.Conv2d, nn.Linear)):
    """Layers with their first weights, at most 20,000 of each."""
    for layer in module.modules():
        if isinstance(layer, kinds):
            yield layer, layer.weight.detach().flatten()[:20_000].numpy()


def test_first_weights_have_the_deviation_of_torchvision_or_of_he_without_normalization():
    torch.manual_seed(0)
    for _, weights in drawn(googlenet(10)):  # torchvision cuts at two, so far out that none is cut
        assert stats.kstest(weights, stats.norm(0, 0.01).cdf).pvalue > 1e-4
    for layer, weights in drawn(googlenet_2014(10)):
        deviation = (2 / layer.weight[0].numel()) ** 0.5
        assert stats.kstest(weights, stats.norm(0, deviation).cdf).pvalue > 1e-4
        assert not layer.bias.any()
    for layer, weights in drawn(googlenet_small(width=64, batch_norm=False), nn.Conv2d):
        deviation = (2 / layer.weight[0].numel()) ** 0.5
        assert stats.kstest(weights, stats.norm(0, deviation).cdf).pvalue > 1e-4
        assert not layer.bias.any()


def test_the_small_nets_auxiliary_classifiers_are_as_wide_as_its_first_stage():
    with torch.device("meta"):
        net = googlenet_small(7, width=32, blocks=(1, 2, 1), aux_logits=True)
    for head, maps in ((net.aux1, 32), (net.aux2, 64)):  # after the first and the third block
        assert head.conv.conv.weight.shape == (32, maps, 1, 1)
        assert head.fc1.weight.shape == (64, 32 * 4 * 4)
        assert head.fc2.weight.shape == (7, 64)


def path_by_hand(x, layers, pool=False):
    if pool:
        x = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-float("inf")), 3, stride=1)
    for layer in layers:
        kernel = layer.conv.weight
        x = F.conv2d(x, kernel, layer.conv.bias, padding=kernel.shape[-1] // 2).clamp(min=0)
    return x


@pytest.mark.parametrize("kernel5", [3, 5])
def test_a_block_is_its_four_paths_in_order(kernel5):
    torch.manual_seed(0)
    block = Inception(6, 3, 4, 5, 2, 4, 2, kernel5, batch_norm=False).double()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    expected = torch.cat(
        [
            path_by_hand(x, [block.branch1]),
            path_by_hand(x, block.branch2),
            path_by_hand(x, block.branch3),
            path_by_hand(x, [block.branch4[1]], pool=True),
        ],
        1,
    )
    assert block.out_channels == 14 and expected.shape == (2, 14, 7, 5)
    torch.testing.assert_close(block(x), expected)


def test_a_block_reads_the_neighbourhood_of_its_largest_window():
    x = torch.randn(1, 4, 11, 11, requires_grad=True)
    for kernel5 in (3, 5, 7):
        block = Inception(4, 2, 2, 2, 4, 64, 2, kernel5).eval()
        (grad,) = torch.autograd.grad(block(x)[..., 5, 5].sum(), x)
        seen = (grad != 0).any(1)[0].nonzero()
        assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [kernel5] * 2


def test_a_small_block_has_the_proportions_of_3a():
    with torch.device("meta"):
        ours, theirs = small_inception(192, 256), Inception(192, 64, 96, 128, 16, 32, 32)
    assert str(ours) == str(theirs)


def test_the_small_net_puts_its_classifiers_where_googlenet_does():
    net = googlenet_small(width=16, blocks=(2, 5, 2), aux_logits=True)
    assert net.aux_after == (3, 6)  # 4a and 4d
    seen = []
    for block in net.blocks:
        block.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    for side in (28, 32):
        seen.clear()
        outputs = net.train()(torch.randn(2, 1, side, side))
        assert [o.shape for o in outputs] == [(2, 10)] * 3
        sides = (side, side // 2, side // 4)
        assert seen == [
            (16 * 2**s, sides[s], sides[s])
            for s, count in enumerate((2, 5, 2))
            for _ in range(count)
        ]
    assert net.eval()(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_each_classifier_of_the_small_net_reaches_the_blocks_below_it_alone():
    net = googlenet_small(width=16, blocks=(1, 2, 1), aux_logits=True, batch_norm=False)
    outputs = net.train()(torch.randn(2, 1, 16, 16))
    reached = {}
    for name, logits in outputs._asdict().items():
        net.zero_grad()
        logits.square().sum().backward(retain_graph=True)
        reached[name] = [block.get_parameter(next(iter(dict(block.named_parameters())))).grad
                         is not None for block in net.blocks]  # fmt: skip
    assert net.aux_after == (1, 3)
    assert reached == {
        "logits": [True] * 4,
        "aux_logits2": [True, True, True, False],
        "aux_logits1": [True, False, False, False],
    }


def test_another_block_can_be_put_in():
    net = googlenet_small(width=8, block=lambda i, o: nn.Conv2d(i, o, 1), blocks=(2, 1))
    assert [type(m).__name__ for m in net.blocks] == ["Conv2d", "Conv2d", "Sequential"]
    assert net(torch.zeros(2, 1, 9, 9)).shape == (2, 10)


def test_the_signal_keeps_its_size_without_normalization():
    torch.manual_seed(0)
    with torch.no_grad():
        small = googlenet_small(width=32, blocks=(2, 5, 2), batch_norm=False).eval()
        big = googlenet_2014(10, aux_logits=False).eval()
        assert 0.02 < small(torch.randn(8, 1, 14, 14)).std() < 20
        assert 0.02 < big(torch.randn(2, 3, 96, 96)).std() < 20


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: googlenet(num_classes=0), "num_classes is 0: give a positive integer"),
        (lambda: googlenet(in_channels=2.0), "in_channels is 2.0"),
        (lambda: googlenet(kernel5=4), "kernel5 is 4: give an odd window"),
        (lambda: googlenet(in_channels=1, transform_input=True), "in_channels is 1"),
        (lambda: Inception(8, 0, 1, 1, 1, 1, 1), "ch1x1 is 0"),
        (lambda: Inception(8, 1, 1, 1, 1, True, 1), "ch5x5 is True"),
        (lambda: small_inception(8, 0), "out_channels is 0"),
        (lambda: small_inception(0, 16), "in_channels is 0"),
        (lambda: small_inception(8, 24), "out_channels is 24: give a multiple of 16"),
        (lambda: googlenet_small(width=8), "out_channels is 8"),
        (lambda: googlenet_small(width=-16), "width is -16"),
        (lambda: googlenet_small(blocks=(1, 0)), "blocks is 0"),
        (lambda: googlenet_small(blocks=()), r"blocks is \(\): give at least 1 in all"),
        (lambda: googlenet_small(blocks=(1, 1), aux_logits=True), "give at least 3 in all"),
    ],
)
def test_an_impossible_net_is_refused_with_the_reason(build, text):
    with pytest.raises(ValueError, match=text):
        with torch.device("meta"):
            build()


SIZES = dict(
    in_channels=8, ch1x1=1, ch3x3red=1, ch3x3=1, ch5x5red=1, ch5x5=1, pool_proj=1, kernel5=5
)


@pytest.mark.parametrize("name", SIZES)
def test_a_block_names_the_size_that_is_not_positive(name):
    with pytest.raises(ValueError, match=f"{name} is 0: give a positive integer"):
        Inception(**(SIZES | {name: 0}))


def test_without_auxiliary_classifiers_training_gives_logits_alone():
    for aux, training in itertools.product((False, True), repeat=2):
        net = googlenet_small(width=16, aux_logits=aux).train(training)
        outputs = net(torch.randn(2, 1, 16, 16))
        assert isinstance(outputs, GoogLeNetOutputs) == (aux and training)


def test_the_examples_in_the_docstrings_run():
    results = [
        doctest.testmod(importlib.import_module(f"labnotes.convnets.{name}"))
        for name in ("googlenet", "auxiliary")
    ]
    assert all(r.attempted and not r.failed for r in results)
