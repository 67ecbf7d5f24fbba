"""The checkers of the chapter convnets/googlenet take right answers and no wrong ones."""

import pytest
import torch
from torch import nn

from labnotes.exercises import check


def block_cost(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj, size):
    weights = in_channels * (ch1x1 + ch3x3red + ch5x5red + pool_proj)
    weights += 9 * ch3x3red * ch3x3 + 25 * ch5x5red * ch5x5
    return weights, weights * size**2


class FactorizedPath(nn.Module):
    def __init__(self, in_channels, reduced, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, reduced, 1)
        self.conv2 = nn.Conv2d(reduced, channels, 3, padding=1)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = torch.relu(conv(x))
        return x


class Stub(nn.Module):
    def __init__(self, *sizes):
        raise NotImplementedError("write the path")


def variant(forward=FactorizedPath.forward, init=None):
    """The right path with another forward pass (and other layers)."""

    class Wrong(FactorizedPath):
        def __init__(self, in_channels, reduced, channels):
            super().__init__(in_channels, reduced, channels)
            if init:
                init(self, in_channels, reduced, channels)

    Wrong.forward = forward
    return Wrong


def no_bias(path, i, r, c):
    path.conv1 = nn.Conv2d(i, r, 1, bias=False)


def unpadded(path, i, r, c):
    path.conv3 = nn.Conv2d(c, c, 3)


def dilated(path, i, r, c):
    path.conv3 = nn.Conv2d(c, c, 3, padding=2, dilation=2)


def circular(path, i, r, c):
    path.conv3 = nn.Conv2d(c, c, 3, padding=1, padding_mode="circular")


def reduced_last(path, i, r, c):
    path.conv2, path.conv3 = nn.Conv2d(r, r, 3, padding=1), nn.Conv2d(r, c, 3, padding=1)


def right(path, x):
    return FactorizedPath.forward(path, x)


def test_right_answers_pass(capsys):
    assert check("googlenet.block_cost", block_cost)
    assert check("googlenet.factorized_path", FactorizedPath)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("count them")

    assert not check("googlenet.block_cost", stub)
    assert not check("googlenet.factorized_path", Stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda *n: (0, 0),
        lambda *n: (float("nan"), float("nan")),
        lambda *n: block_cost(*n)[0],
        lambda *n: list(block_cost(*n)),
        lambda *n: block_cost(*n)[::-1],
        lambda *n: (block_cost(*n)[0] + 1, block_cost(*n)[1]),
        lambda *n: (block_cost(*n)[0], 2 * block_cost(*n)[1]),  # multiplications and additions
        lambda *n: (block_cost(*n)[0], block_cost(*n)[0] * n[-1]),
        lambda *n: (block_cost(*n)[0], block_cost(*n)[0]),
        # torchvision's 3x3 in the third path
        lambda *n: tuple(v - 16 * n[4] * n[5] * f for v, f in zip(block_cost(*n), (1, n[7] ** 2))),
        # no reduction
        lambda i, a, b, c, d, e, f, s: (i * (a + 9 * c + 25 * e),) * 2,
        # the projection forgotten
        lambda *n: tuple(v - n[0] * n[6] * f for v, f in zip(block_cost(*n), (1, n[7] ** 2))),
        # biases counted
        lambda *n: (block_cost(*n)[0] + sum(n[1:7]), block_cost(*n)[1]),
        lambda *n: tuple(torch.tensor(v) for v in block_cost(*n)),
        lambda *n: tuple(map(str, block_cost(*n))),
        lambda *n: tuple(map(float, block_cost(*n))),
        lambda *n: None,
    ],
)
def test_wrong_counts_fail(wrong, capsys):
    assert not check("googlenet.block_cost", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        variant(lambda path, x: path.conv3(path.conv2(path.conv1(x)))),
        variant(lambda path, x: path.conv3(path.conv2(path.conv1(x).relu()).relu())),  # no last
        variant(lambda path, x: path.conv3(path.conv2(path.conv1(x)).relu()).relu()),
        variant(lambda path, x: path.conv3(path.conv2(path.conv1(x).relu())).relu()),
        variant(lambda path, x: torch.zeros_like(right(path, x))),
        variant(lambda path, x: right(path, x) * float("nan")),
        variant(lambda path, x: right(path, x).flatten(1)),
        variant(lambda path, x: right(path, x).double()),
        variant(lambda path, x: right(path, x) + x[:, :1]),
        variant(lambda path, x: right(path, x) * 1.01),
        variant(lambda path, x: None),
        variant(init=no_bias),
        variant(init=unpadded),
        variant(init=dilated),
        variant(init=circular),
        variant(init=reduced_last),
        variant(init=lambda path, i, r, c: FactorizedPath.__init__(path, 4, 2, 3)),  # its own sizes
        variant(lambda path, x: nn.functional.leaky_relu(path.conv3(path.conv2(path.conv1(x))))),
        lambda i, r, c: lambda x: x,
        lambda i, r, c: None,
        lambda i, r, c: nn.Conv2d(i, c, 5, padding=2),
    ],
)
def test_wrong_paths_fail(wrong, capsys):
    assert not check("googlenet.factorized_path", wrong)
    assert "✗" in capsys.readouterr().out
