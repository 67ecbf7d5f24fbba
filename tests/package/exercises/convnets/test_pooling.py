"""The checkers of the chapter convnets/pooling take right answers and no wrong ones."""

import pytest
import torch
from torch.nn import functional as F

from labnotes.exercises import check


def global_average(x):
    return x.mean(dim=(2, 3))


def max_pool_backward(x, grad):
    b, c, h, w = x.shape
    cut = x.reshape(b, c, h // 2, 2, w // 2, 2).transpose(3, 4)
    winner = F.one_hot(cut.flatten(4).argmax(-1), 4)
    shares = (winner * grad[..., None]).unflatten(-1, (2, 2))
    return shares.transpose(3, 4).reshape(b, c, h, w).to(x.dtype)


def shared_among_ties(x, grad):
    up = F.interpolate(F.max_pool2d(x, 2), scale_factor=2) == x
    count = F.interpolate(4 * F.avg_pool2d(up.float(), 2), scale_factor=2)
    return up * F.interpolate(grad, scale_factor=2) / count


def test_right_answers_pass(capsys):
    assert check("pooling.global_average", global_average)
    assert check("pooling.max_pool_backward", max_pool_backward)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("take the mean")

    assert not check("pooling.global_average", stub)
    assert not check("pooling.max_pool_backward", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: torch.zeros(x.shape[:2]),
        lambda x: torch.full(x.shape[:2], float("nan")),
        lambda x: x.sum((2, 3)),
        lambda x: x.amax((2, 3)),
        lambda x: x.mean((2, 3), keepdim=True),
        lambda x: x.mean((1, 2)),
        lambda x: x.sum((2, 3)) / x.shape[2] ** 2,
        lambda x: x.mean((2, 3)).double(),
        lambda x: x.mean((2, 3)).int(),
        lambda x: x.flatten(2).median(-1).values,
        lambda x: x[..., 0].mean(-1),
        lambda x: (x.mean((2, 3)) * 100).round() / 100,
        lambda x: None,
    ],
)
def test_wrong_means_are_found(wrong):
    assert not check("pooling.global_average", wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, grad: torch.zeros_like(x),
        lambda x, grad: x * float("nan"),
        lambda x, grad: grad,
        lambda x, grad: F.interpolate(grad, scale_factor=2),
        lambda x, grad: F.interpolate(grad, scale_factor=2) / 4,
        lambda x, grad: -max_pool_backward(x, grad),
        lambda x, grad: max_pool_backward(x, torch.ones_like(grad)),
        lambda x, grad: max_pool_backward(x.abs(), grad),
        lambda x, grad: max_pool_backward(x.flip(-1), grad).flip(-1),
        shared_among_ties,
        lambda x, grad: (
            (F.interpolate(F.max_pool2d(x, 2), scale_factor=2) == x)
            * F.interpolate(grad, scale_factor=2)
        ),  # to each of several largest values
        lambda x, grad: max_pool_backward(x.flip(-1, -2), grad.flip(-1, -2)).flip(-1, -2),  # last
        lambda x, grad: max_pool_backward(x.mT, grad.mT).mT,  # the first, column by column
        lambda x, grad: max_pool_backward(x, grad) * x,
        lambda x, grad: max_pool_backward(x, grad).double(),
        lambda x, grad: max_pool_backward(x, grad).flatten(1),
        lambda x, grad: None,
    ],
)
def test_wrong_gradients_are_found(wrong):
    assert not check("pooling.max_pool_backward", wrong)
