"""The checkers of the chapter convnets/lenet take right answers and no wrong ones."""

import pytest
import torch
from torch.nn import functional as F

from labnotes.exercises import check


def parameters(channels, classes, size, bias=1, side=None):
    side = ((size // 2) - 4) // 2 if side is None else side(size)
    convolutions = 6 * (25 * channels + bias) + 16 * (150 + bias)
    linear = 120 * (16 * side * side + bias) + 84 * (120 + bias) + classes * (84 + bias)
    return convolutions, linear


def squash(a):
    return 1.7159 * torch.tanh(2 / 3 * a)


def subsample(x, coefficient, bias):
    sums = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
    return squash(coefficient[:, None, None] * sums + bias[:, None, None])


def per_map(x, numbers):
    return numbers[:, None, None] * x


def test_right_answers_pass(capsys):
    assert check("lenet.parameters", parameters)
    assert check("lenet.subsample", subsample)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("first find the height")

    assert not check("lenet.parameters", stub)
    assert not check("lenet.subsample", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda i, c, s: (0, 0),
        lambda i, c, s: (float("nan"), float("nan")),
        lambda i, c, s: sum(parameters(i, c, s)),
        lambda i, c, s: list(parameters(i, c, s)),
        lambda i, c, s: parameters(i, c, s)[::-1],
        lambda i, c, s: parameters(i, c, s, bias=0),
        lambda i, c, s: parameters(1, c, s),  # grey pictures only
        lambda i, c, s: parameters(i, 10, s),
        lambda i, c, s: parameters(i, c, 28),
        lambda i, c, s: parameters(i, c, s, side=lambda s: (s - 4) // 4),  # no padding
        lambda i, c, s: parameters(i, c, s, side=lambda s: round((s / 2 - 4) / 2)),
        lambda i, c, s: parameters(i, c, s, side=lambda s: s // 4),
        lambda i, c, s: (parameters(i, c, s)[0] + 1, parameters(i, c, s)[1]),
        lambda i, c, s: tuple(map(float, parameters(i, c, s + 2))),
        lambda i, c, s: tuple(map(float, parameters(i, c, s))),
        lambda i, c, s: parameters(i, c, s, side=lambda s: ((s + 1) // 2 - 4) // 2),  # rounds up
        lambda i, c, s: (parameters(i, c, s)[0] + 1516 - 2416, parameters(i, c, s)[1]),  # 1998's
        lambda i, c, s: tuple(map(torch.tensor, parameters(i, c, s))),
        lambda i, c, s: None,
    ],
)
def test_wrong_counts_fail(wrong, capsys):
    assert not check("lenet.parameters", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, c, b: torch.zeros_like(subsample(x, c, b)),
        lambda x, c, b: subsample(x, c, b) * float("nan"),
        lambda x, c, b: subsample(x, c, b)[:, :1],
        lambda x, c, b: subsample(x, c, b).flatten(),
        lambda x, c, b: subsample(x, c, b).double(),
        lambda x, c, b: subsample(x, c / 4, b),  # the mean for the sum
        lambda x, c, b: squash(per_map(F.max_pool2d(x, 2), c) + b[:, None, None]),
        lambda x, c, b: per_map(4 * F.avg_pool2d(x, 2), c) + b[:, None, None],  # no tanh
        lambda x, c, b: torch.tanh(per_map(4 * F.avg_pool2d(x, 2), c) + b[:, None, None]),
        lambda x, c, b: squash(per_map(4 * F.avg_pool2d(x, 2), c)) + b[:, None, None],
        lambda x, c, b: squash(per_map(4 * F.avg_pool2d(x, 2, stride=1), c) + b[:, None, None]),
        lambda x, c, b: subsample(x, c[:1].expand_as(c), b),  # one coefficient for all
        lambda x, c, b: subsample(x, c, -b),
        lambda x, c, b: subsample(x, b, c),
        lambda x, c, b: squash(per_map(4 * F.avg_pool2d(x, 2) + b[:, None, None], c)),
        lambda x, c, b: torch.relu(per_map(4 * F.avg_pool2d(x, 2), c) + b[:, None, None]),
        lambda x, c, b: subsample(x.roll(1, -1), c, b),
        lambda x, c, b: subsample(x, c, b).tolist(),
        lambda x, c, b: None,
    ],
)
def test_wrong_subsamplings_fail(wrong, capsys):
    assert not check("lenet.subsample", wrong)
    assert "✗" in capsys.readouterr().out
