"""Pooling against torch's layers, and its relatives against what their papers promise."""

import doctest
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import BlurPool2d, SpatialTransformer, avg_pool2d, max_pool2d, pooling


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(4, 9)] * 2),
    size=st.integers(1, 4),
    stride=st.none() | st.integers(1, 4),
    data=st.data(),
)
def test_values_and_gradients_are_torchs(shape, size, stride, data):
    padding = data.draw(st.integers(0, size // 2))
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    for ours, theirs in ((max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)):
        got, expected = ours(x, size, stride, padding), theirs(x, size, stride, padding)
        torch.testing.assert_close(got, expected)
        weights = torch.randn_like(expected)
        one, two = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (got, expected))
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: max_pool2d(torch.zeros(3, 4, 4), 2), r"\(batch, channels, height, width\)"),
        (lambda: max_pool2d(torch.zeros(1, 1, 4, 4), 0), "size is 0"),
        (lambda: avg_pool2d(torch.zeros(1, 1, 4, 4), 2, padding=2), "padding is 2 .* give 0 to 1"),
        (lambda: avg_pool2d(torch.zeros(1, 1, 4, 2), 3), "no window of 3 fits into 4x2"),
    ],
)
def test_what_cannot_be_pooled_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_the_blur_is_the_binomial_filter_and_keeps_constants():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 10)
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    padded = nn.ReflectionPad2d(1)(x).reshape(6, 1, 10, 12)
    expected = F.conv2d(padded, kernel[None, None])[:, :, ::2, ::2].reshape(2, 3, 4, 5)
    torch.testing.assert_close(BlurPool2d(3)(x), expected)
    torch.testing.assert_close(
        BlurPool2d(2)(torch.full((1, 2, 6, 6), 3.0)), torch.full((1, 2, 3, 3), 3.0)
    )


def test_with_circular_edges_the_blur_moves_along_with_every_shift_that_its_stride_divides():
    torch.manual_seed(0)
    x, layer = torch.randn(2, 3, 8, 12), BlurPool2d(3, padding_mode="circular")
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    conv = nn.Conv2d(3, 3, 3, 2, 1, groups=3, bias=False, padding_mode="circular")
    conv.weight.data = kernel.expand(3, 1, 3, 3).clone()
    torch.testing.assert_close(layer(x), conv(x))
    torch.testing.assert_close(layer(x.roll(4, 3)), layer(x).roll(2, 3))
    assert (BlurPool2d(3)(x.roll(4, 3)) - BlurPool2d(3)(x).roll(2, 3)).abs().max() > 1e-3


def test_a_blur_with_zeros_at_its_edges_is_refused():
    with pytest.raises(ValueError, match="padding_mode is 'zeros': give one of reflect, circular"):
        BlurPool2d(3, padding_mode="zeros")


def test_the_blur_has_nothing_to_learn_or_to_save():
    assert not list(BlurPool2d(3).parameters()) and not BlurPool2d(3).state_dict()


def test_the_stride_of_the_blur_can_be_chosen():
    x = torch.randn(1, 2, 9, 12)
    every = BlurPool2d(2, stride=1)(x)
    assert every.shape == x.shape and torch.equal(BlurPool2d(2, stride=3)(x), every[..., ::3, ::3])


def test_blurring_before_subsampling_takes_the_highest_frequency_out():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert BlurPool2d(1)(stripes).abs().max() < 1e-6
    assert stripes[:, :, ::2, ::2].abs().min() == 1  # what plain subsampling makes of it


def test_a_transformer_can_turn_its_input_by_a_right_angle():
    layer = SpatialTransformer(1)
    with torch.no_grad():
        layer.theta.bias.copy_(torch.tensor([0.0, -1, 0, 1, 0, 0]))
    image = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(layer(image), image.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_a_transformer_finds_six_numbers_with_two_convolutions_and_two_linear_layers():
    torch.manual_seed(0)
    layer = SpatialTransformer(3, hidden=5)
    nn.init.normal_(layer.theta.weight, std=0.1)
    seen = []
    layer.theta.register_forward_hook(lambda _, __, out: seen.append(out))
    x, w = torch.rand(2, 3, 20, 14), layer.state_dict()
    layer(x)
    h = F.conv2d(x, w["look.0.weight"], w["look.0.bias"], stride=2, padding=2).relu()
    h = F.conv2d(h, w["look.2.weight"], w["look.2.bias"], stride=2, padding=2).relu()
    assert h.shape == (2, 10, 5, 4)
    h = F.adaptive_avg_pool2d(h, 4).flatten(1) @ w["look.6.weight"].T + w["look.6.bias"]
    expected = h.relu() @ w["theta.weight"].T + w["theta.bias"]  # (2, 6)
    assert h.shape[1] == 32 and w["look.0.weight"].shape == (5, 3, 5, 5)
    torch.testing.assert_close(seen[0], expected)


def test_a_transformer_learns_from_the_loss_behind_it():
    torch.manual_seed(0)
    layer = SpatialTransformer(1)
    F.mse_loss(layer(torch.rand(2, 1, 28, 28)), torch.rand(2, 1, 28, 28)).backward()
    assert layer.theta.bias.grad.abs().max() > 0 and math.isfinite(layer.theta.bias.grad.sum())


def test_the_examples_run():
    assert doctest.testmod(pooling).failed == 0
