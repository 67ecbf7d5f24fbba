"""The checkers of the chapter convnets/vgg take right answers and no wrong ones."""

import copy
import math

import pytest
import torch
from torch import nn

from labnotes.exercises import check


def vgg_parameters(counts, in_channels, num_classes, bias=True, grid=7):
    total, inside = 0, in_channels
    for count, outside in zip(counts, (64, 128, 256, 512, 512)):
        for _ in range(count):
            total += 9 * inside * outside + outside * bias
            inside = outside
    for inside, outside in ((512 * grid**2, 4096), (4096, 4096), (4096, num_classes)):
        total += inside * outside + outside * bias
    return total


@torch.no_grad()
def deepen(block, change=None):
    *layers, pooling = copy.deepcopy(block)
    channels = layers[0].out_channels
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    conv.weight.zero_()
    conv.bias.zero_()
    for channel in range(channels):
        conv.weight[channel, channel, 1, 1] = 1
    return nn.Sequential(*layers, (change and change(conv)) or conv, nn.ReLU(), pooling)


def changed(change):
    def wrong(block):
        with torch.no_grad():
            return deepen(block, change)

    return wrong


def test_right_answers_pass(capsys):
    assert check("vgg.parameters", vgg_parameters)
    assert check("vgg.deepen", deepen)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("write it")

    assert not check("vgg.parameters", stub)
    assert not check("vgg.deepen", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda *a: 0,
        lambda *a: float("nan"),
        lambda *a: vgg_parameters(*a) + 1,
        lambda *a: vgg_parameters(*a, bias=False),
        lambda *a: vgg_parameters(*a, grid=14),  # forgets the last pooling
        lambda counts, i, c: vgg_parameters(counts, 3, c),  # always colour
        lambda counts, i, c: vgg_parameters(counts, i, 1000),
        lambda counts, i, c: vgg_parameters((1, 1, 2, 2, 2), i, c),  # always net A
        lambda *a: torch.tensor(vgg_parameters(*a)),
        lambda *a: float(vgg_parameters(*a)) / 1e6,
        lambda *a: float(vgg_parameters(*a)),
        lambda counts, i, c: vgg_parameters(counts, i, c) - 4097 * c,  # no last layer
    ],
)
def test_wrong_counts_fail(wrong, capsys):
    assert not check("vgg.parameters", wrong)
    assert "✗" in capsys.readouterr().out


def beside_the_middle(conv):
    conv.weight.copy_(conv.weight.roll(1, 3))


def all_maps_to_all(conv):
    conv.weight[:, :, 1, 1] = 1


def shares_weights(block):
    new = deepen(block)
    return nn.Sequential(*list(block)[:-1], *list(new)[-3:])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda block: None,
        lambda block: block,
        lambda block: copy.deepcopy(block),
        lambda block: nn.Sequential(*list(deepen(block))[:-1]),  # no pooling
        lambda block: nn.Sequential(*list(deepen(block))[:-2], block[-1]),  # no ReLU
        lambda block: nn.Sequential(*list(block), *list(deepen(block))[-3:-1]),  # behind pooling
        lambda block: nn.Sequential(*list(deepen(block))[-3:]),  # the new layers alone
        shares_weights,
        changed(lambda conv: nn.init.zeros_(conv.weight) is None),
        changed(lambda conv: nn.init.constant_(conv.weight, math.nan) is None),
        changed(lambda conv: nn.init.constant_(conv.bias, 1.0) is None),
        changed(lambda conv: conv.reset_parameters()),
        changed(lambda conv: conv.weight.neg_() is None),
        changed(beside_the_middle),
        changed(all_maps_to_all),
        changed(lambda conv: nn.Conv2d(conv.in_channels, conv.out_channels, 3)),
        changed(lambda conv: nn.Conv2d(conv.in_channels, conv.out_channels, 1)),
        changed(lambda conv: conv.double()),
    ],
)
def test_wrong_layers_fail(wrong, capsys):
    assert not check("vgg.deepen", wrong)
    assert "✗" in capsys.readouterr().out
