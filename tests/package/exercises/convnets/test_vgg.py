"""The checkers of the chapter convnets/vgg take right answers and no wrong ones."""

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


def as_convolution(linear, channels, side=None, **options):
    side = side or math.isqrt(linear.in_features // channels)
    conv = nn.Conv2d(channels, linear.out_features, side, **options)
    conv.weight.data = linear.weight.data.reshape(-1, channels, side, side).clone()
    conv.bias.data = linear.bias.data.clone()
    return conv


def changed(change):
    def wrong(linear, channels):
        conv = as_convolution(linear, channels)
        return change(conv, linear) or conv

    return wrong


def test_right_answers_pass(capsys):
    assert check("vgg.parameters", vgg_parameters)
    assert check("vgg.as_convolution", as_convolution)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("write it")

    assert not check("vgg.parameters", stub)
    assert not check("vgg.as_convolution", stub)
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


def transpose(conv, linear):
    conv.weight.data = conv.weight.data.transpose(2, 3).contiguous()


def channels_last_order(conv, linear):
    out, channels, side, _ = conv.weight.shape
    conv.weight.data = linear.weight.data.reshape(out, side, side, channels).permute(0, 3, 1, 2)


def flipped(conv, linear):
    conv.weight.data = conv.weight.data.flip(2, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda linear, channels: linear,
        lambda linear, channels: None,
        lambda linear, channels: as_convolution(linear, channels, padding=1),
        lambda linear, channels: as_convolution(linear, channels, stride=2),
        lambda linear, channels: nn.Conv2d(channels, linear.out_features, 1),
        changed(lambda conv, linear: nn.init.zeros_(conv.weight) is None),
        changed(lambda conv, linear: nn.init.constant_(conv.weight, math.nan) is None),
        changed(lambda conv, linear: nn.init.zeros_(conv.bias) is None),
        changed(lambda conv, linear: nn.init.zeros_(linear.weight) is None),
        changed(transpose),
        changed(channels_last_order),
        changed(flipped),
        changed(lambda conv, linear: conv.double()),
        lambda linear, channels: nn.Sequential(as_convolution(linear, channels)),
        lambda linear, channels: lambda x: as_convolution(linear, channels)(x),
        lambda linear, channels: nn.Conv2d(linear.in_features, linear.out_features, 1),
        lambda linear, channels: nn.Conv2d(channels, linear.out_features, 7),
    ],
)
def test_wrong_layers_fail(wrong, capsys):
    assert not check("vgg.as_convolution", wrong)
    assert "✗" in capsys.readouterr().out
