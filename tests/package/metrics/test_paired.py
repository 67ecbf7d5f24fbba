"""labnotes.metrics.paired against SciPy."""

import doctest

import pytest
import torch
from scipy.stats import binomtest

import labnotes.metrics.paired as module
from labnotes.metrics.paired import mcnemar, paired_bootstrap


def answers(seed, n=300, rate=0.7):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(n, generator=draw) < rate


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("seed", range(8))
def test_mcnemar_is_the_binomial_test_of_the_disagreements(seed):
    first, second = answers(seed, rate=0.5 + seed / 20), answers(seed + 100)
    found = mcnemar(first, second)
    n = found.only_first + found.only_second
    assert n == int((first != second).sum())
    assert found.p_value == pytest.approx(binomtest(found.only_first, n).pvalue, abs=1e-12)


def test_equal_answers_are_not_distinguishable():
    assert mcnemar(answers(0), answers(0)).p_value == 1
    assert paired_bootstrap(answers(0), answers(0)) == (0, 0)


def test_mcnemar_stands_ten_thousand_examples():
    right = torch.ones(10_000, dtype=torch.bool)
    assert mcnemar(right, ~right).p_value == 0 or mcnemar(right, ~right).p_value < 1e-300


def test_bootstrap_has_the_spread_of_the_normal_approximation():
    first, second = answers(1, 4000), answers(2, 4000, 0.6)
    d = first.double() - second.double()
    low, high = paired_bootstrap(first, second)
    half = 1.96 * d.std().item() / 4000**0.5
    assert low == pytest.approx(d.mean().item() - half, abs=0.1 * half)
    assert high == pytest.approx(d.mean().item() + half, abs=0.1 * half)


def test_swapping_turns_the_signs_round():
    first, second = answers(3), answers(4, rate=0.5)
    low, high = paired_bootstrap(first, second)
    assert paired_bootstrap(second, first) == pytest.approx((-high, -low))
    one, other = mcnemar(first, second), mcnemar(second, first)
    assert (one.only_first, one.p_value) == (other.only_second, other.p_value)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mcnemar(torch.ones(3), torch.ones(3)), "one bool for each example"),
        (lambda: mcnemar(answers(0), answers(0, 5)), "must answer the same"),
        (lambda: paired_bootstrap(answers(0), answers(1), resamples=3), "100 or more"),
        (lambda: paired_bootstrap(answers(0), answers(1), level=95), "between 0 and 1"),
    ],
)
def test_wrong_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
