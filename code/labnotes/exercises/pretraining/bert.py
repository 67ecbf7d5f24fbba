"""Checkers for the exercises of the chapter pretraining/bert."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker

MASK = 4


@checker("bert.hide")
def hide(answer: Callable) -> Iterator[Case]:
    """``answer(ids, draws, fates, others, mask)`` -> inputs and where the network is asked.

    Expected: decided place by place, in plain Python.
    """
    draw = torch.Generator().manual_seed(0)
    small = torch.tensor([[2, 7, 8, 9, 10, 3]])
    never, always = torch.full((1, 6), 0.5), torch.full((1, 6), 0.1)
    fates = torch.tensor([[0.1, 0.1, 0.85, 0.95, 0.1, 0.85]])
    cases = [
        ("no draw is below 0.15", small, never, fates, small + 10),
        ("all draws are below 0.15, fates 0.1 0.1 0.85 0.95 0.1 0.85", small, always, fates,
         small + 10),
    ]  # fmt: skip
    for batch, length in ((1, 40), (3, 60)):
        ids = torch.randint(0, 30, (batch, length), generator=draw)
        draws, fates = (torch.rand(batch, length, generator=draw) for _ in range(2))
        others = torch.randint(5, 30, (batch, length), generator=draw)
        cases.append((f"random draws, ids {(batch, length)}", ids, draws * 0.3, fates, others))
    for name, ids, draws, fates, others in cases:
        inputs, chosen = _expected(ids, draws, fates, others)
        found = _pair(answer(ids.clone(), draws.clone(), fates.clone(), others.clone(), MASK))
        call = f"hide(ids, draws, fates, others, {MASK}): {name}"
        yield Case(
            call=f"{call}; chosen",
            got=found[1],
            expected=chosen,
            hint="a place is chosen if it holds a word (a number from 5 on) and its draw is below "
            "0.15; a word that stays is chosen as well",
        )
        yield Case(
            call=f"{call}; inputs",
            got=found[0],
            expected=inputs,
            hint="below 0.8 the mask, from 0.8 to below 0.9 the other word, from 0.9 on no change; "
            "and no change where nothing is chosen",
        )


@checker("bert.pair_row")
def pair_row(answer: Callable) -> Iterator[Case]:
    """``answer(a, b, length)`` -> token numbers, segments and mask of ``[CLS] a [SEP] b [SEP]``.

    Expected: computed here, with the lengths decided by counting.
    """
    cases = [([7, 8], [9], 8), ([7, 8], [9], 6), ([7, 8, 9, 10], [11, 12], 8)]
    cases += [([7, 8], [9, 10], 6), ([7] * 9, [8] * 9, 12), ([7], [9, 10, 11, 12, 13], 7)]
    for a, b, length in cases:
        ids, segments, mask = _row(a, b, length)
        found = answer(list(a), list(b), length)
        found = found if isinstance(found, tuple) and len(found) == 3 else (found, None, None)
        for name, got, expected in zip(
            ("ids", "segments", "mask"), found, (ids, segments, mask), strict=True
        ):
            yield Case(
                call=f"pair_row({a}, {b}, {length}); {name}",
                got=got,
                expected=expected,
                hint="[CLS] and the first [SEP] belong to a, the second [SEP] to b; the longer text "
                "loses its last token first, b where both are equally long",
            )


def _expected(ids, draws, fates, others) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, chosen = ids.clone(), torch.zeros_like(ids, dtype=torch.bool)
    for i in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            if ids[i, j] < 5 or draws[i, j] >= 0.15:
                continue
            chosen[i, j] = True
            if fates[i, j] < 0.8:
                inputs[i, j] = MASK
            elif fates[i, j] < 0.9:
                inputs[i, j] = others[i, j]
    return inputs, chosen


def _row(a, b, length) -> tuple[list[int], list[int], list[int]]:
    room = length - 3
    most = max(len(a), len(b))
    # The longest cut that fits: both to at most n tokens, then one more for a if there is room.
    n = next(n for n in range(most, -1, -1) if min(len(a), n) + min(len(b), n) <= room)
    first = min(len(a), n + (min(len(a), n + 1) + min(len(b), n) <= room))
    second = min(len(b), n)
    used = first + second + 3
    ids = [2, *a[:first], 3, *b[:second], 3]
    segments = [0] * (first + 2) + [1] * (second + 1)
    rest = [0] * (length - used)
    return ids + rest, segments + rest, [1] * used + rest


def _pair(found) -> tuple:
    """Inputs and chosen places; what is no such pair stands as the inputs, to be shown."""
    return found if isinstance(found, tuple) and len(found) == 2 else (found, None)
