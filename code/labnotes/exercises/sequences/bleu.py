"""Checkers of the chapter on BLEU."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from labnotes.exercises import Case, checker
from labnotes.metrics import bleu as package_bleu
from labnotes.metrics import clipped_precision as package_precision


@checker("bleu.clipped_precision")
def clipped_precision(answer: Callable) -> Iterator[Case]:
    fixed = [
        ("a b", ["a b"], 1, 1.0, "every word of the candidate is in the reference"),
        ("a b b c d", ["a b c d e f"], 1, 4 / 5, "divide by the n-grams of the candidate"),
        ("a b b c d", ["a b c d e f"], 2, 3 / 4, "ab, bb, bc, cd: four bigrams, one is unknown"),
        (
            "a b b c d",
            ["a b c d e f"],
            3,
            1 / 3,
            "abb, bbc, bcd: only the last is in the reference",
        ),
        ("a b b c d", ["a b c d e f"], 4, 0.0, "no match is precision 0, not an error"),
        (
            "the the the the the the the",
            ["the cat is on the mat", "there is a cat on the mat"],
            1,
            2 / 7,
            "an n-gram matches at most as often as it occurs in one reference",
        ),
        (
            "a a a",
            ["a b", "b a"],
            1,
            1 / 3,
            "take the largest count of any one reference, not the sum",
        ),
        ("a b", ["b a"], 2, 0.0, "the order inside an n-gram matters"),
        ("a", ["a b c"], 2, 0.0, "a candidate shorter than n has no n-gram: give 0.0"),
    ]
    for candidate, references, n, expected, hint in fixed:
        yield _precision_case(
            answer, candidate.split(), [r.split() for r in references], n, expected, hint
        )
    generator = random.Random(0)
    for _ in range(20):
        candidate, *references = (
            [generator.choice("abc") for _ in range(generator.randint(3, 9))] for _ in range(3)
        )
        n = generator.randint(1, 3)
        expected = package_precision(candidate, references, n)
        yield _precision_case(answer, candidate, references, n, expected, "")


def _precision_case(answer, candidate, references, n, expected, hint) -> Case:
    call = f"clipped_precision({candidate}, {references}, {n})"
    got = answer(list(candidate), [list(r) for r in references], n)
    return Case(call, got, expected, hint=hint)


@checker("bleu.bleu_from_counts")
def bleu_from_counts(answer: Callable) -> Iterator[Case]:
    fixed = [
        ((4, 3, 2, 1), (4, 3, 2, 1), 4, 4, 1.0, "all n-grams match and the length is right"),
        (
            (4, 3),
            (5, 4),
            5,
            5,
            math.sqrt(3 / 5),
            "the geometric mean takes the N-th root, here N = 2",
        ),
        (
            (3, 2, 1),
            (3, 2, 1),
            3,
            6,
            math.exp(-1),
            "the brevity penalty exp(1 - r/c) multiplies the mean",
        ),
        (
            (4, 2),
            (8, 4),
            8,
            4,
            1 / 2,
            "a longer candidate is not rewarded: the penalty is at most 1",
        ),
        ((3, 0), (5, 4), 5, 5, 0.0, "one order without a match makes the product 0: no log of 0"),
        ((1, 0), (1, 0), 1, 1, 0.0, "an order without n-grams counts as precision 0"),
    ]
    for matches, totals, c, r, expected, hint in fixed:
        yield _counts_case(answer, matches, totals, c, r, expected, hint)
    generator = random.Random(1)
    for _ in range(10):
        candidate, reference = (
            [generator.choice("ab") for _ in range(generator.randint(5, 12))] for _ in range(2)
        )
        score = package_bleu(candidate, [reference])
        yield _counts_case(
            answer, score.matches, score.totals, len(candidate), len(reference), score.score, ""
        )


def _counts_case(answer, matches, totals, c, r, expected, hint) -> Case:
    call = f"bleu_from_counts({list(matches)}, {list(totals)}, {c}, {r})"
    return Case(call, answer(list(matches), list(totals), c, r), expected, hint=hint)
