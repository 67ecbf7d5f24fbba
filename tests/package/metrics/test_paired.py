"""labnotes.metrics.paired against SciPy."""

import doctest
import time

import pytest
import torch
from scipy.stats import binomtest, norm

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


@pytest.mark.parametrize("most", [0, 1, 17, 4900, 9999, 10_000])
def test_mcnemar_of_uneven_and_even_splits_is_scipys(most):
    right = torch.arange(20_000) < most
    found = mcnemar(right, ~right)
    assert (found.only_first, found.only_second) == (most, 20_000 - most)
    assert found.p_value == pytest.approx(binomtest(most, 20_000).pvalue, rel=1e-9, abs=0)


def test_mcnemar_of_forty_thousand_disagreements_takes_well_under_a_second():
    right = answers(5, 40_000, 0.49)
    start = time.process_time()
    found = mcnemar(right, ~right)
    assert time.process_time() - start < 0.5
    assert found.p_value == pytest.approx(binomtest(found.only_first, 40_000).pvalue, rel=1e-9)


def test_the_bootstrap_asks_no_accelerator_for_float64():
    """Apple's GPU has none: the answers go to the CPU before they become double."""

    class OnApple(torch.Tensor):
        def double(self):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

        def cpu(self):
            return torch.Tensor.cpu(self).as_subclass(torch.Tensor)

    first, second = answers(0), answers(1)
    there = paired_bootstrap(first.as_subclass(OnApple), second.as_subclass(OnApple))
    assert there == paired_bootstrap(first, second)


def test_bootstrap_has_the_spread_of_the_normal_approximation():
    first, second = answers(1, 4000), answers(2, 4000, 0.6)
    d = first.double() - second.double()
    low, high = paired_bootstrap(first, second)
    half = 1.96 * d.std().item() / 4000**0.5
    assert low == pytest.approx(d.mean().item() - half, abs=0.1 * half)
    assert high == pytest.approx(d.mean().item() + half, abs=0.1 * half)


def test_the_interval_holds_the_part_of_the_draws_that_is_asked_for():
    first, second = answers(1, 4000), answers(2, 4000, 0.6)
    d = first.double() - second.double()
    for level in (0.5, 0.99):
        half = norm.ppf((1 + level) / 2) * d.std().item() / 4000**0.5
        low, high = paired_bootstrap(first, second, level=level)
        assert (high - low) / 2 == pytest.approx(half, rel=0.15)


def test_the_same_seed_draws_the_same_test_sets():
    first, second = answers(1), answers(2, rate=0.6)
    once, again, other = (
        paired_bootstrap(first, second, resamples=100, seed=seed) for seed in (0, 0, 1)
    )
    assert once == again != other


def test_mcnemar_counts_who_alone_was_right():
    first = torch.tensor([1, 1, 1, 1, 0, 0, 0]).bool()
    second = torch.tensor([1, 0, 0, 0, 1, 0, 0]).bool()
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (3, 1)


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
        (lambda: mcnemar(answers(0)[:4], answers(0, 5)), "first has 4 examples, second has 5"),
        (lambda: paired_bootstrap(answers(0), answers(1), resamples=3), "100 or more"),
        (lambda: paired_bootstrap(answers(0), answers(1), resamples=99), "100 or more"),
        (lambda: paired_bootstrap(answers(0), answers(1), resamples=200.0), "100 or more"),
        (lambda: paired_bootstrap(answers(0), answers(1), level=95), "between 0 and 1"),
        (lambda: paired_bootstrap(answers(0), answers(1), level=0), "between 0 and 1"),
        (lambda: paired_bootstrap(answers(0), answers(1), level=1), "between 0 and 1"),
        (lambda: paired_bootstrap(answers(0), answers(0, 5)), "must answer the same"),
    ],
)
def test_wrong_arguments_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
