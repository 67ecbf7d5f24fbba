"""Checkers of the chapter that goes from text to numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

from labnotes.exercises import Case, checker


@checker("text.roll_out")
def roll_out(answer: Callable) -> Iterator[Case]:
    fixed = [
        ([1.0], 0.0, [3.0], 2, [3.0, 3.0], "one weight of 1 repeats the last value"),
        ([0.5], 1.0, [4.0], 3, [3.0, 2.5, 2.25], "the second prediction begins with the first"),
        ([-1.0, 2.0], 0.0, [1.0, 2.0], 3, [3.0, 4.0, 5.0], "the oldest value has the first weight"),
        ([1.0, 1.0], 0.0, [1.0, 1.0], 0, [], "no step, no prediction"),
    ]
    for weights, bias, window, k, expected, hint in fixed:
        yield _rolled(answer, weights, bias, window, k, expected, hint)
    draw = random.Random(0)
    for tau in (1, 2, 3, 5):
        weights = [draw.uniform(-0.5, 0.5) for _ in range(tau)]
        window = [draw.uniform(-1, 1) for _ in range(tau)]
        bias, series = draw.uniform(-1, 1), [*window]
        for t in range(7):
            series.append(bias + sum(w * series[t + i] for i, w in enumerate(weights)))
        yield _rolled(answer, weights, bias, window, 7, series[tau:], "the window slides by one")
    window = [1.0, 2.0]
    answer([0.0, 1.0], 0.0, window, 3)
    yield Case("roll_out([0.0, 1.0], 0.0, window, 3), then window", window, [1.0, 2.0],
               hint="the caller's list must stay as it was: work on a copy")  # fmt: skip


def _rolled(answer, weights, bias, window, k, expected, hint) -> Case:
    call = f"roll_out({weights}, {bias}, {window}, {k})"
    return Case(call, answer(list(weights), bias, list(window), k), expected, hint=hint)


@checker("text.pair_counts")
def pair_counts(answer: Callable) -> Iterator[Case]:
    fixed = [
        ({"low": 5}, "a word that occurs five times counts five times"),
        ({"low": 5, "lot": 2}, "a pair is counted over all words"),
        ({"banana": 1}, "a pair may stand in a word more than once"),
        ({"aaa": 2}, "overlapping pairs count, too: a a a has two"),
        ({"a": 3}, "a word of one symbol has no pair"),
        ({}, "no words, no pairs: an empty dictionary"),
    ]
    draw = random.Random(0)
    drawn = ["".join(draw.choices("abc", k=draw.randint(1, 7))) for _ in range(12)]
    for words, hint in [*fixed, ({word: draw.randint(1, 9) for word in drawn}, "")]:
        cut = {tuple(word): n for word, n in words.items()}
        yield _counted(answer, cut, hint)
    yield _counted(answer, {("es", "t", "</w>"): 4}, "symbols may have several characters")


def _counted(answer, words: dict, hint: str) -> Case:
    every = [(pair, n) for symbols, n in words.items() for pair in pairwise(symbols)]
    expected = {pair: sum(n for p, n in every if p == pair) for pair, _ in every}
    got = answer(dict(words))
    got = sorted(got.items()) if isinstance(got, dict) else got
    return Case(f"pair_counts({words})", got, sorted(expected.items()), hint=hint)
