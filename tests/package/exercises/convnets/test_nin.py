"""The checkers of the chapter convnets/nin take right answers and no wrong ones."""

import pytest
import torch
from torch import nn

from labnotes.exercises import check


def pool(maps):
    return maps.mean((2, 3))


def head(linear, channels, height, width, padding=0, bias=True, change=lambda w: w):
    conv = nn.Conv2d(channels, linear.out_features, (height, width), padding=padding)
    with torch.no_grad():
        conv.weight.copy_(change(linear.weight.view(conv.weight.shape)))
        conv.bias.copy_(linear.bias if bias else 0 * linear.bias)
    return conv


def test_right_answers_pass(capsys):
    assert check("nin.global_average_pool", pool)
    assert check(
        "nin.global_average_pool", lambda m: nn.AdaptiveAvgPool2d(1)(m).squeeze(3).squeeze(2)
    )
    assert check("nin.convolutional_head", head)
    assert capsys.readouterr().out.count("✓") == 3


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("average them")

    assert not check("nin.global_average_pool", stub)
    assert not check("nin.convolutional_head", stub)
    assert capsys.readouterr().out.count("not written yet. average them") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: m.sum((2, 3)),  # the usual misconception
        lambda m: m.amax((2, 3)),
        lambda m: m.mean((2, 3), keepdim=True),
        lambda m: m.mean((1, 2, 3)),
        lambda m: m.mean(3),
        lambda m: m.mean((0, 1)),
        lambda m: m.sum((2, 3)) / 4,  # right for 2x2 alone
        lambda m: m.sum((2, 3)) / m.shape[2] ** 2,  # right for squares alone
        lambda m: m.sum((2, 3)) / (m.shape[2] * m.shape[3] - 1),
        lambda m: m.mean((2, 3)).softmax(1),
        lambda m: pool(m.relu()),
        lambda m: torch.zeros(m.shape[:2]),
        lambda m: pool(m) * float("nan"),
        lambda m: pool(m).double(),
        lambda m: pool(m).tolist(),
        lambda m: None,
    ],
)
def test_wrong_pooling_fails(wrong, capsys):
    assert not check("nin.global_average_pool", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda linear, *size: linear,
        lambda linear, *size: nn.Sequential(nn.Flatten(), linear),
        lambda *a: head(*a, bias=False),
        lambda *a: head(*a, padding=1),
        lambda *a: head(*a, change=lambda w: w.flip(3)),
        lambda *a: head(*a, change=lambda w: w * 0),
        lambda *a: head(*a, change=lambda w: w * float("nan")),
        lambda *a: head(*a, change=lambda w: w.transpose(2, 3).reshape(w.shape)),
        lambda linear, c, h, w: nn.Conv2d(c, linear.out_features, (h, w)),  # its own weights
        lambda linear, c, h, w: nn.Conv2d(c, linear.out_features, 1),
        lambda *a: head(*a).double(),
        lambda linear, c, h, w: head(linear, c, w, h),
        lambda linear, c, h, w: nn.Conv2d(1, linear.out_features, (h, w)),
        lambda linear, c, h, w: head(
            linear, c, h, w, change=lambda k: k.reshape(-1, h, w, c).permute(0, 3, 1, 2)
        ),  # channels last
        lambda *a: None,
    ],
)
def test_wrong_heads_fail(wrong, capsys):
    assert not check("nin.convolutional_head", wrong)
    assert "✗" in capsys.readouterr().out
