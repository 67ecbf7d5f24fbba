"""The checkers of the BLEU chapter accept right answers and nothing else."""

import math
from collections import Counter

import pytest

from labnotes.exercises import check
from labnotes.metrics import clipped_precision


def grams(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def own_precision(candidate, references, n):
    """An answer that shares no code with the package."""
    have = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
    if not have:
        return 0.0
    best = {g: max(grams(r, n)[g] for r in references) for g in set(have)}
    return sum(min(have.count(g), best[g]) for g in set(have)) / len(have)


def own_score(matches, totals, candidate_length, reference_length):
    if 0 in matches:
        return 0.0
    product = math.prod(m / t for m, t in zip(matches, totals, strict=True)) ** (1 / len(matches))
    return min(1.0, math.exp(1 - reference_length / candidate_length)) * product


def unclipped(candidate, references, n):
    known = set().union(*(grams(r, n) for r in references))
    have = grams(candidate, n)
    return sum(c for g, c in have.items() if g in known) / max(1, have.total())


def summed(candidate, references, n):
    allowed = sum((grams(r, n) for r in references), Counter())
    have = grams(candidate, n)
    return (have & allowed).total() / max(1, have.total())


def recall(candidate, references, n):
    have = grams(candidate, n)
    return max((have & grams(r, n)).total() / max(1, grams(r, n).total()) for r in references)


def distinct(candidate, references, n):
    have = set(grams(candidate, n))
    return len(have & set().union(*(grams(r, n) for r in references))) / max(1, len(have))


RIGHT = [
    ("bleu.clipped_precision", clipped_precision),
    ("bleu.clipped_precision", own_precision),
    ("bleu.bleu_from_counts", own_score),
]

WRONG = {
    "bleu.clipped_precision": {
        "zeros": lambda c, r, n: 0.0,
        "nan": lambda c, r, n: math.nan,
        "a pair": lambda c, r, n: (own_precision(c, r, n), 1),
        "text": lambda c, r, n: str(own_precision(c, r, n)),
        "a percentage": lambda c, r, n: 100 * own_precision(c, r, n),
        "n is off by one": lambda c, r, n: own_precision(c, r, n + 1),
        "not clipped": unclipped,
        "clipped at the sum over references": summed,
        "recall": recall,
        "distinct n-grams": distinct,
        "best reference alone": lambda c, r, n: max(own_precision(c, [x], n) for x in r),
        "mean over references": lambda c, r, n: sum(own_precision(c, [x], n) for x in r) / len(r),
        "references joined": lambda c, r, n: own_precision(c, [sum(r, [])], n),
        "in any order": lambda c, r, n: own_precision(sorted(c), [sorted(x) for x in r], n),
        "divided by the words": lambda c, r, n: (
            own_precision(c, r, n) * max(0, len(c) - n + 1) / len(c)
        ),
        "first reference only": lambda c, r, n: own_precision(c, r[:1], n),
        "all n-grams but the last": lambda c, r, n: own_precision(c[:-1], r, n),
    },
    "bleu.bleu_from_counts": {
        "zeros": lambda m, t, c, r: 0.0,
        "nan": lambda m, t, c, r: math.nan,
        "smoothed": lambda m, t, c, r: own_score([a + 1 for a in m], [b + 1 for b in t], c, r),
        "all orders in one": lambda m, t, c, r: own_score([sum(m)], [sum(t)], c, r),
        "fourth root": lambda m, t, c, r: own_score(m, t, c, r) ** (len(m) / 4),
        "ratio of lengths": lambda m, t, c, r: min(1.0, c / r) * own_score(m, t, 1, 1),
        "root of the penalty": lambda m, t, c, r: (
            min(1.0, math.exp(1 - r / c)) ** (1 / len(m)) * own_score(m, t, 1, 1)
        ),
        "text": lambda m, t, c, r: str(own_score(m, t, c, r)),
        "a pair": lambda m, t, c, r: (own_score(m, t, c, r), c),
        "no root": lambda m, t, c, r: own_score(m, t, c, r) ** len(m),
        "arithmetic mean": lambda m, t, c, r: (
            sum(a / max(b, 1) for a, b in zip(m, t, strict=True)) / len(m)
        ),
        "no penalty": lambda m, t, c, r: own_score(m, t, 1, 1),
        "lengths exchanged": lambda m, t, c, r: own_score(m, t, r, c),
        "long ones rewarded": lambda m, t, c, r: math.exp(1 - r / c) * own_score(m, t, 1, 1),
        "log of zero": lambda m, t, c, r: math.exp(
            sum(math.log(a / b) for a, b in zip(m, t, strict=True)) / len(m)
        ),
        "the notes' exponents": lambda m, t, c, r: (
            min(1.0, math.exp(1 - r / c))
            * math.prod(
                (a / max(b, 1)) ** 0.5**n for n, (a, b) in enumerate(zip(m, t, strict=True), 1)
            )
        ),
    },
}


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_passes(name, answer, capsys):
    assert check(name, answer)
    assert "checks pass" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(n, f, id=f"{n}: {what}") for n, bad in WRONG.items() for what, f in bad.items()],
)
def test_a_wrong_answer_fails_and_says_why(name, answer, capsys):
    assert not check(name, answer)
    printed = capsys.readouterr().out
    assert printed.startswith("✗") and ("expected" in printed or "raised" in printed)


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_stub_fails_kindly(name, capsys):
    def stub(*arguments):
        raise NotImplementedError("Count first, then clip.")

    assert not check(name, stub)
    assert "not written yet. Count first, then clip." in capsys.readouterr().out


def test_an_answer_that_changes_its_arguments_cannot_spoil_later_cases(capsys):
    def destructive(candidate, references, n):
        result = own_precision(candidate, references, n)
        candidate.clear()
        references.clear()
        return result

    assert check("bleu.clipped_precision", destructive)
