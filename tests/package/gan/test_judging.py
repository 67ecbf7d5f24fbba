"""The judge: its features lead to its probabilities, and it judges pictures one by one."""

import doctest

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.gan import judging
from labnotes.gan.judging import Judge, seen


@pytest.fixture
def judge():
    torch.manual_seed(0)
    return Judge(7, 12).eval()


def test_its_probabilities_are_those_of_its_layers_in_one_chain(judge):
    x = torch.randn(5, 1, 28, 28)
    chain = nn.Sequential(*judge.features, judge.decide, nn.Softmax(1))
    features, chances = seen(judge, x, batch=2)
    torch.testing.assert_close(chances, chain(x).detach())
    torch.testing.assert_close(features, judge.features(x).detach())
    torch.testing.assert_close(judge(x).softmax(1).detach(), chances)
    assert features.shape == (5, 12) and (features >= 0).all() and not features.requires_grad


def test_its_features_are_those_of_two_convolutions_and_maxima_written_out(judge):
    x = torch.randn(3, 1, 28, 28)
    first, second, last = (layer for layer in judge.features if hasattr(layer, "weight"))
    maps = F.conv2d(x, first.weight, first.bias, padding=1).relu()
    maps = maps.unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1))  # (., 16, 14, 14)
    maps = F.conv2d(maps, second.weight, second.bias, padding=1).relu()
    maps = maps.unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1))  # (., 32, 7, 7)
    expected = F.linear(maps.flatten(1), last.weight, last.bias).relu()
    torch.testing.assert_close(judge.features(x), expected)


def test_parts_and_neighbours_change_nothing(judge):
    x = torch.randn(9, 1, 28, 28)
    torch.testing.assert_close(seen(judge, x, batch=4), seen(judge, x))
    torch.testing.assert_close(seen(judge, x[3:4])[1], seen(judge, x)[1][3:4])


def test_a_judge_in_training_mode_and_no_pictures_are_refused(judge):
    with pytest.raises(ValueError, match=r"call judge.eval\(\)"):
        seen(judge.train(), torch.zeros(2, 1, 28, 28))
    for none in (0, 1, 28, 28), (28, 28), (2, 3, 28, 28), (2, 1, 32, 32), (2, 28, 28):
        with pytest.raises(ValueError, match="pictures have the shape"):
            seen(judge.eval(), torch.zeros(none))
    with pytest.raises(ValueError, match="uint8: give numbers from -1 to 1"):
        seen(judge, torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(judging).failed == 0
