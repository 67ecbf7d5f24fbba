"""Checkers for the exercises of the chapter pretraining/fine-tuning-bert."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("fine_tuning_bert.f1_score")
def f1_score(answer: Callable) -> Iterator[Case]:
    """``answer(predicted, true)`` with two lists of zeros and ones -> F1 of class 1, a float.

    Expected: the harmonic mean of precision and recall, counted pair by pair.
    """
    lists = [([1, 1, 0, 0], [1, 0, 1, 0]), ([0, 0, 0], [0, 0, 0]), ([0, 0, 0], [1, 0, 1]),
             ([1, 1, 1], [0, 0, 0]), ([1, 0, 1], [1, 0, 1])]  # fmt: skip
    draw = torch.Generator().manual_seed(0)
    for n, share in ((20, 0.2), (50, 0.7), (200, 0.5)):
        drawn = (torch.rand(2, n, generator=draw) < share).long()
        lists.append(tuple(drawn.tolist()))
    for predicted, true in lists:
        pairs = list(zip(predicted, true))
        right, missed, invented = (pairs.count(p) for p in ((1, 1), (0, 1), (1, 0)))
        count = 2 * right + missed + invented
        yield Case(
            call=f"f1_score(torch.tensor({_short(predicted)}), torch.tensor({_short(true)}))",
            got=answer(torch.tensor(predicted), torch.tensor(true)),
            expected=2 * right / count if count else 0.0,
            hint="class 0 that is rightly named counts nowhere; with no 1 on either side it is 0.0",
        )


@checker("fine_tuning_bert.tags_of_words")
def tags_of_words(answer: Callable) -> Iterator[Case]:
    """``answer(scores, places, count)`` with (pieces, classes) -> the class of each word, a list.

    Expected: the place of the largest score, found one piece at a time.
    """
    yield Case(
        call="tags_of_words(torch.eye(4)[[0, 2, 3, 1]], [1, 3], 2)",
        got=answer(torch.eye(4)[[0, 2, 3, 1]], [1, 3], 2),
        expected=[2, 1],
        hint="row 2 is the second piece of the first word, and says nothing about a word",
    )
    draw = torch.Generator().manual_seed(0)
    for pieces, places, count in ((5, [1, 2, 3], 3), (9, [1, 2, 5, 7], 6), (4, [2], 2)):
        scores = torch.randn(pieces, 5, generator=draw)
        rows = [scores[place].tolist() for place in places]
        yield Case(
            call=f"tags_of_words(scores, {places}, {count}), scores ({pieces}, 5)",
            got=answer(scores.clone(), list(places), count),
            expected=[row.index(max(row)) for row in rows] + [0] * (count - len(places)),
            hint="one number for each word; words beyond the places were cut off and get 0",
        )


def _short(numbers: list[int]) -> str:
    return str(numbers) if len(numbers) < 10 else f"[{numbers[0]}, {numbers[1]}, ...]"
