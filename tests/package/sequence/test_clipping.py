"""Clipping gives torch's gradients, and says what it cannot clip."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from labnotes.sequence import clip_by_norm, clip_by_value, clipping


def test_the_examples_of_the_docstrings_run():
    found = doctest.testmod(clipping)
    assert found.attempted >= 4 and found.failed == 0


def gradients(seed, shapes, scale=1.0):
    """Parameters with a gradient each, in double precision."""
    draw = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]
    for p in made:
        p.grad = scale * torch.randn(p.shape, generator=draw, dtype=torch.float64)
    return made


SHAPES = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), SHAPES, st.floats(1e-3, 1e3))
def test_by_norm_is_torchs_for_any_shapes_and_limits(seed, shapes, limit):
    ours, theirs = gradients(seed, shapes), gradients(seed, shapes)
    norm = clip_by_norm([p.grad for p in ours], limit)
    expected = nn.utils.clip_grad_norm_(theirs, limit)
    torch.testing.assert_close(norm, expected)
    for one, other in zip(ours, theirs):
        # torch adds 1e-6 to the norm before it divides.
        torch.testing.assert_close(one.grad, other.grad, rtol=2e-6 / min(1.0, float(norm)), atol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), SHAPES, st.floats(1e-3, 1e3))
def test_by_value_is_torchs_for_any_shapes_and_limits(seed, shapes, limit):
    ours, theirs = gradients(seed, shapes), gradients(seed, shapes)
    clip_by_value([p.grad for p in ours], limit)
    nn.utils.clip_grad_value_(theirs, limit)
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=0)


def test_a_short_gradient_stays_as_it_is_to_the_last_bit():
    (p,) = gradients(0, [(3, 2)], scale=0.01)
    before = p.grad.clone()
    clip_by_norm([p.grad], 1.0)
    assert torch.equal(p.grad, before)


def test_by_norm_keeps_the_direction_and_by_value_does_not():
    one, other = torch.tensor([1.0, 10.0]), torch.tensor([1.0, 10.0])
    clip_by_norm([one], 1.0)
    clip_by_value([other], 1.0)
    torch.testing.assert_close(one[1] / one[0], torch.tensor(10.0))
    assert other.tolist() == [1.0, 1.0]


def test_a_gradient_of_zeros_stays_zero():
    zero = torch.zeros(3)
    assert clip_by_norm([zero], 1.0) == 0 and zero.tolist() == [0, 0, 0]


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
@pytest.mark.parametrize(
    "given, limit, words",
    [([], 1.0, "at least one"), (torch.ones(2), 1.0, "list"), ([None], 1.0, "backward"),
     ([torch.ones(2)], 0.0, "limit is 0"), ([torch.ones(2)], -1.0, "limit is -1"),
     ([torch.ones(2)], float("nan"), "limit is nan"), ([torch.ones(2)], float("inf"), "limit is inf")],
)  # fmt: skip
def test_what_cannot_be_clipped_is_refused(clip, given, limit, words):
    with pytest.raises(ValueError, match=words):
        clip(given, limit)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_length_that_is_not_finite_is_said_and_changes_nothing(bad):
    gradient, other = torch.tensor([1.0, bad]), torch.ones(2)
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        clip_by_norm([other, gradient], 1.0)
    assert other.tolist() == [1, 1] and gradient[0] == 1


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_a_gradient_that_is_no_tensor_is_refused(clip):
    with pytest.raises(ValueError, match="gradient 1 is of list: give tensors"):
        clip([torch.ones(2), [1.0]], 1.0)
