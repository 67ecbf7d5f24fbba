"""Checkers for the exercises of the chapter attention/benchmark."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

from labnotes.exercises import Case, checker

Sentences = list[list[str]]


@checker("benchmark.unknown_share")
def unknown_share(answer: Callable) -> Iterator[Case]:
    """``answer(train, test)``, lists of lists of words -> the share of unknown running words."""
    known = [["a", "dog", "runs"], ["The", "dogs", "sleep"], ["a", "cat"]]
    for test, expected, hint in (
        ([["a", "bird", "sings"]], 2 / 3, "bird and sings are in no sentence of train"),
        (
            [["a", "bird", "and", "a", "bird"], ["a", "dog"], ["a"]],
            3 / 8,
            "running words: bird counts twice, and all 8 words of test are the divisor, "
            "whichever sentence they stand in",
        ),
        ([["dog", "run", "the"]], 2 / 3, "whole words count, as they stand: run is not in runs"),
        ([["cat", "cat"], [], ["dogs"]], 0.0, "all of these words are in train"),
        ([["birds", "sing"]], 1.0, "none of these words is in train"),
        ([], 0.0, "without a word in test, give 0.0"),
        ([[], []], 0.0, "without a word in test, give 0.0"),
    ):
        yield _share(answer, known, test, expected, hint)
    yield _share(answer, [], [["a"], ["b", "c"]], 1.0, "an empty train knows no word")
    draw = random.Random(0)
    for size in (5, 20):
        train, test = _drawn(draw, size, "abcdefghijklm"), _drawn(draw, size, "ghijklmnopqr")
        counts = Counter(word for sentence in test for word in sentence)
        known_words = {word for sentence in train for word in sentence}
        missing = sum(counts[word] for word in counts.keys() - known_words)
        yield _share(
            answer, train, test, missing / counts.total(), "count words of test, not of train"
        )


def _share(answer: Callable, train: Sentences, test: Sentences, expected: float, hint: str) -> Case:
    got = answer(_copy(train), _copy(test))
    return Case(f"unknown_share({train}, {test})", got, expected, hint=hint)


@checker("benchmark.nearest")
def nearest(answer: Callable) -> Iterator[Case]:
    """``answer(query, sentences)`` -> the place of the sentence with the highest Jaccard index."""
    for query, sentences, expected, hint in (
        ("a dog", ["the sun", "a cat", "a dog runs"], 2, "the answer is a place, counted from 0"),
        (
            "a dog runs",
            ["a dog runs and a cat sleeps by the tree", "a dog sits"],
            1,
            "divide by the words that either of the two has: 3/9 is less than 2/4",
        ),
        (
            "a man in a red hat",
            ["a man", "a man in a blue hat"],
            1,
            "the divisor is the union: 2/5 is less than 4/6",
        ),
        (
            "a a dog",
            ["a a dog runs", "dog a"],
            1,
            "of sets: a word counts once, however often it stands, and order plays no role",
        ),
        (
            "a dog",
            ["a cat", "a dog a dog a dog a dog"],
            1,
            "of sets: the union of these words with the query has two words",
        ),
        ("a dog", ["the sun", "dog a", "a dog"], 1, "of equals the first one"),
        ("a dog", ["the sun", "the moon"], 0, "where no word agrees all are equal: the first one"),
    ):
        yield _place(answer, query.split(), [s.split() for s in sentences], expected, hint)
    draw = random.Random(0)
    for size in (5, 20, 20):
        query, *sentences = _drawn(draw, size + 1, "abcdefgh")
        indices = [_jaccard(query, sentence) for sentence in sentences]
        expected = indices.index(max(indices))
        yield _place(
            answer, query, sentences, expected, "|A and B| / |A or B|, the first of equals"
        )


def _place(
    answer: Callable, query: list[str], sentences: Sentences, expected: int, hint: str
) -> Case:
    got = answer(list(query), _copy(sentences))
    return Case(f"nearest({query}, {sentences})", got, expected, hint=hint)


def _jaccard(first: list[str], second: list[str]) -> Fraction:
    """Exact: two that are equal must not differ by a rounding error."""
    return Fraction(
        len([w for w in set(first) if w in second]), len(dict.fromkeys([*first, *second]))
    )


def _copy(sentences: Sentences) -> Sentences:
    return [list(sentence) for sentence in sentences]


def _drawn(draw: random.Random, size: int, words: str) -> Sentences:
    return [draw.choices(words, k=draw.randint(1, 6)) for _ in range(size)]
