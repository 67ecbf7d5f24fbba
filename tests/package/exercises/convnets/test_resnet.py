"""The checkers of the chapter convnets/resnet take right answers and no wrong ones."""

import pytest
import torch
from torch import nn

from labnotes.exercises import check


def block_parameters(in_channels, channels, shortcut):
    count = 9 * in_channels * channels + 9 * channels * channels + 4 * channels
    if shortcut == "C" or (shortcut == "B" and in_channels != channels):
        count += in_channels * channels + 2 * channels
    return count


class PreActivationBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def residual(self, x):
        x = self.conv1(torch.relu(self.bn1(x)))
        return self.conv2(torch.relu(self.bn2(x)))

    def forward(self, x):
        return x + self.residual(x)


class PreActivationStub(nn.Module):
    def __init__(self, channels):
        raise NotImplementedError("write the block")


def variant(forward, init=None):
    """The right block with another forward pass (and other layers)."""

    class Wrong(PreActivationBlock):
        def __init__(self, channels):
            super().__init__(channels)
            if init:
                init(self, channels)

    Wrong.forward = forward
    return Wrong


def post_activation(block, x):
    h = torch.relu(block.bn1(block.conv1(x)))
    return torch.relu(x + block.bn2(block.conv2(h)))


def with_bias(block, channels):
    block.conv1 = nn.Conv2d(channels, channels, 3, padding=1)


def two_channels(block, channels):
    PreActivationBlock.__init__(block, 2)


def without_scale(block, channels):
    block.bn1 = nn.BatchNorm2d(channels, affine=False)


def over_groups(block, channels):
    block.bn1 = nn.GroupNorm(1, channels)


def dilated(block, channels):
    block.conv2 = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, bias=False)


def test_right_answers_pass(capsys):
    assert check("resnet.block_parameters", block_parameters)
    assert check("resnet.pre_activation", PreActivationBlock)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("count them")

    assert not check("resnet.block_parameters", stub)
    assert not check("resnet.pre_activation", PreActivationStub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda i, c, s: 0,
        lambda i, c, s: float("nan"),
        lambda i, c, s: block_parameters(i, c, s) + 1,
        lambda i, c, s: block_parameters(i, c, "none"),  # forgets projections
        lambda i, c, s: block_parameters(i, c, "C"),  # projects everywhere
        lambda i, c, s: block_parameters(i, c, "none" if s == "C" else s),
        lambda i, c, s: block_parameters(i, c, s) - 4 * c,  # forgets batch normalization
        lambda i, c, s: block_parameters(i, c, s) + 2 * c,  # counts biases
        lambda i, c, s: block_parameters(c, c, s),  # the first convolution reads in_channels
        lambda i, c, s: torch.tensor(block_parameters(i, c, s)),
        lambda i, c, s: str(block_parameters(i, c, s)),
        lambda i, c, s: float(block_parameters(i, c, s)),
        lambda i, c, s: block_parameters(i, c, "B" if s == "A" else s),
        lambda i, c, s: block_parameters(i, c, s) + 4 * c,  # counts running statistics
    ],
)
def test_wrong_counts_fail(wrong, capsys):
    assert not check("resnet.block_parameters", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        variant(post_activation),
        variant(lambda block, x: torch.relu(x + block.residual(x))),
        variant(lambda block, x: block.residual(x)),
        variant(lambda block, x: x),
        variant(lambda block, x: torch.zeros_like(x)),
        variant(lambda block, x: x * float("nan")),
        variant(lambda block, x: (x + block.residual(x)).flatten(1)),
        variant(lambda block, x: (x + block.residual(x)).double()),
        variant(lambda block, x: torch.relu(x) + block.residual(x)),
        variant(lambda block, x: block.bn1(x) + block.residual(x)),
        variant(lambda block, x: x + block.conv2(block.bn2(block.conv1(block.bn1(x))))),
        variant(lambda block, x: x + 0.99 * block.residual(x)),
        variant(lambda block, x: None),
        variant(PreActivationBlock.forward, with_bias),
        variant(PreActivationBlock.forward, two_channels),
        variant(PreActivationBlock.forward, without_scale),
        variant(PreActivationBlock.forward, over_groups),
        variant(PreActivationBlock.forward, dilated),
        variant(lambda block, x: x.relu_() + block.residual(x)),  # changes x before the sum
        variant(lambda block, x: 2 * x + block.residual(x)),
        variant(
            lambda block, x: x + block.conv1(block.bn2(block.conv2(block.bn1(x).relu())).relu())
        ),
        lambda channels: lambda x: x,
        lambda channels: None,
        lambda channels: nn.Conv2d(channels, channels, 3, padding=1),
    ],
)
def test_wrong_blocks_fail(wrong, capsys):
    assert not check("resnet.pre_activation", wrong)
    assert "✗" in capsys.readouterr().out
