"""The checkers of the chapter convnets/compare take right answers and no wrong ones."""

import math

import pytest
import torch

from labnotes.exercises import check


def verdict(first, second, labels, alpha=0.05):
    one, other = first == labels, second == labels
    b, c = int((one & ~other).sum()), int((other & ~one).sum())
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    if 2 * tail >= alpha:
        return "not distinguishable"
    return "first" if b > c else "second"


def holm(p_values):
    m, adjusted, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        least = max(least, (m - rank) * p_values[i])
        adjusted[i] = min(1.0, least)
    return adjusted


def test_right_answers_pass(capsys):
    assert check("compare.verdict", verdict) and check("compare.holm", holm)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("count")

    assert not check("compare.verdict", stub) and not check("compare.holm", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


def all_differences(first, second, labels):
    n, b = int((first != second).sum()), int(((first == labels) & (first != second)).sum())
    tail = sum(math.comb(n, k) for k in range(min(b, n - b) + 1)) / 2**n
    better = "first" if b > n - b else "second"
    return "not distinguishable" if 2 * tail >= 0.05 else better


def by_probability(p_value):
    """A verdict with another probability of the two counts, each of which has its advocates."""

    def wrong(first, second, labels):
        b = int(((first == labels) & (second != labels)).sum())
        c = int(((second == labels) & (first != labels)).sum())
        if b + c == 0 or p_value(b, c, len(labels)) >= 0.05:
            return "not distinguishable"
        return "first" if b > c else "second"

    return wrong


def beyond(z):
    return math.erfc(z / math.sqrt(2))


def tail(b, c, smallest):
    return sum(math.comb(b + c, k) for k in range(smallest)) / 2 ** (b + c)


@pytest.mark.parametrize(
    "wrong",
    [
        by_probability(lambda b, c, n: beyond(abs(b - c) / math.sqrt(b + c))),  # chi-square
        by_probability(lambda b, c, n: beyond((abs(b - c) - 1) / math.sqrt(b + c))),  # corrected
        by_probability(lambda b, c, n: beyond(abs(b - c) / math.sqrt(n / 2))),  # as if unpaired
        by_probability(lambda b, c, n: 2 * tail(b, c, min(b, c))),  # one case too few
        by_probability(lambda b, c, n: tail(b, c, min(b, c)) + tail(b, c, min(b, c) + 1)),  # mid-p
        lambda a, b, y: "",
        lambda a, b, y: [verdict(a, b, y)],
        lambda a, b, y: verdict(a, b, y) == "first",
        lambda a, b, y: verdict(a, b, y).capitalize(),
        lambda a, b, y: "not distinguishable",
        lambda a, b, y: "first" if (a == y).sum() > (b == y).sum() else "second",
        lambda a, b, y: verdict(a, b, y, 0.1),  # one tail only
        lambda a, b, y: verdict(b, a, y),
        lambda a, b, y: None,
        all_differences,
    ],
)
def test_wrong_verdicts_are_found(wrong):
    assert not check("compare.verdict", wrong)


def step_up(p_values, factor=lambda m, rank: m - rank):
    """From the largest to the smallest: Hochberg's procedure; with m / (rank + 1) the FDR's."""
    m, adjusted, least = len(p_values), [0.0] * len(p_values), 1.0
    order = sorted(range(m), key=lambda i: p_values[i])
    for rank in reversed(range(m)):
        least = min(least, factor(m, rank) * p_values[order[rank]])
        adjusted[order[rank]] = least
    return adjusted


def step_down(p_values, off=0, cap=1.0):
    m, adjusted, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        least = max(least, (m - rank + off) * p_values[i])
        adjusted[i] = min(cap, least)
    return adjusted


@pytest.mark.parametrize(
    "wrong",
    [
        step_up,
        lambda p: step_up(p, lambda m, rank: m / (rank + 1)),
        lambda p: step_down(p, off=-1),
        lambda p: step_down(p, off=1),
        lambda p: step_down(p, cap=math.inf),
        lambda p: [min(1.0, (len(p) - i) * x) for i, x in enumerate(p)],  # in the order given
        lambda p: [1 - (1 - x) ** len(p) for x in p],  # Sidak
        lambda p: holm(p)[:-1],
        lambda p: tuple(holm(p)),
        lambda p: torch.tensor(holm(p)),
        lambda p: [str(x) for x in holm(p)],
        lambda p: p,
        lambda p: [0.0] * len(p),
        lambda p: [float("nan")] * len(p),
        lambda p: [min(1.0, len(p) * x) for x in p],  # Bonferroni
        lambda p: sorted(holm(p)),
        lambda p: [min(1.0, (len(p) - sorted(p).index(x)) * x) for x in p],  # may fall
    ],
)
def test_wrong_adjustments_are_found(wrong):
    assert not check("compare.holm", wrong)
