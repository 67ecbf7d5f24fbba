"""The checkers of the chapter convnets/compare take right answers and no wrong ones."""

import math

import pytest

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


@pytest.mark.parametrize(
    "wrong",
    [
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


@pytest.mark.parametrize(
    "wrong",
    [
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
