"""What may be drawn, against the logits processors of transformers and the definitions."""

import math

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from labnotes.sequence import sampling_distribution


def distributions(rows=40, size=12, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(rows, size, generator=draw, dtype=torch.float64)).softmax(-1)


def theirs(probabilities, temperature=1.0, top_k=None, top_p=None):
    """transformers' processors in the order in which its `generate` applies them."""
    logits = TemperatureLogitsWarper(float(temperature))(None, probabilities.log())
    if top_k is not None:
        logits = TopKLogitsWarper(top_k)(None, logits)
    if top_p is not None:
        logits = TopPLogitsWarper(top_p)(None, logits)
    return logits.softmax(-1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [None, 1, 4, 12])
@pytest.mark.parametrize("top_p", [None, 0.2, 0.6, 0.95, 1.0])
def test_it_is_what_transformers_draws_from(temperature, top_k, top_p):
    p = distributions()
    found = sampling_distribution(p, temperature, top_k, top_p)
    torch.testing.assert_close(found, theirs(p, temperature, top_k, top_p), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.sum(-1), torch.ones(40, dtype=torch.float64))


def test_the_nucleus_is_the_smallest_set_that_holds_the_share():
    p = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
    for share, kept in ((0.3, [1]), (0.5, [1, 3]), (0.75, [1, 2, 3]), (0.95, [0, 1, 2, 3])):
        expected = [p[i].item() / p[kept].sum().item() if i in kept else 0.0 for i in range(4)]
        assert sampling_distribution(p, top_p=share).tolist() == pytest.approx(expected)


def test_a_share_that_is_reached_exactly_is_enough():
    assert sampling_distribution(torch.tensor([0.25, 0.5, 0.25]), top_p=0.5).tolist() == [0, 1, 0]


def test_of_equally_likely_tokens_exactly_k_stay():
    assert sampling_distribution(torch.full((4,), 0.25), top_k=2).tolist() == [0.5, 0.5, 0, 0]


def test_temperatures_have_their_limits_and_nothing_overflows():
    p = torch.tensor([0.0, 0.6, 0.4])
    assert sampling_distribution(p, 1e-3).tolist() == [0, 1, 0]
    assert sampling_distribution(p, 1e6).tolist() == pytest.approx([0, 0.5, 0.5], abs=1e-5)
    torch.testing.assert_close(sampling_distribution(p), p)
    before = p.clone()
    sampling_distribution(p, 2.0, 1, 0.5)
    assert torch.equal(p, before)


@pytest.mark.parametrize(
    ("probabilities", "options", "says"),
    [
        (torch.tensor([1.0, 2.0]), {}, "sums to 3"),
        (torch.tensor([1.5, -0.5]), {}, "negative"),
        (torch.tensor([math.nan, 1.0]), {}, "sums to nan"),
        (torch.tensor([0, 1]), {}, "torch.int64: give a tensor of floats"),
        ([0.5, 0.5], {}, "list: give a tensor"),
        (torch.zeros(2, 0), {}, r"shape \(2, 0\)"),
        (torch.tensor([0.5, 0.5]), {"temperature": 0}, "temperature is 0: .*top_k=1"),
        (torch.tensor([0.5, 0.5]), {"temperature": math.nan}, "temperature is nan"),
        (torch.tensor([0.5, 0.5]), {"top_k": 0}, "top_k is 0"),
        (torch.tensor([0.5, 0.5]), {"top_p": 0.0}, "top_p is 0"),
        (torch.tensor([0.5, 0.5]), {"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_bad_input_is_refused_in_words(probabilities, options, says):
    with pytest.raises(ValueError, match=says):
        sampling_distribution(probabilities, **options)
