"""Checkers for the exercises of the chapter generalization/model-selection."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("model_selection.stop_early")
def stop_early(answer: Callable) -> Iterator[Case]:
    """``answer(losses, patience)`` -> (kept, ran).

    Expected: what a search through all prefixes of the losses finds.
    """
    long = torch.Generator().manual_seed(0)
    drawn = [round(v, 2) for v in torch.rand(40, generator=long).tolist()]
    for losses, patience, hint in (
        ([3.0, 2.0, 1.0], 2, "the loss falls to the end: keep the last epoch, and run them all"),
        ([3.0, 1.0, 2.0, 4.0, 0.5], 2, "two epochs without a new lowest loss: stop, even if a "
         "lower one would come later"),
        ([3.0, 1.0, 2.0, 0.5, 4.0], 2, "a new lowest loss starts the count again"),
        ([2.0, 2.0, 2.0, 2.0], 2, "a loss that is only equal is no new lowest one; keep the first"),
        ([1.0, 2.0, 3.0], 1, "with patience 1 the first epoch that is no better ends it"),
        ([5.0], 3, "one epoch: keep 0, one has run"),
        (drawn, 7, "count epochs since the lowest loss so far, not since the last rise"),
    ):  # fmt: skip
        expected = _stopped(losses, patience)
        call = f"stop_early({losses}, patience={patience})"
        got = answer(list(losses), patience)
        yield Case(call, list(got) if isinstance(got, tuple) else got, expected, hint=hint)


def _stopped(losses: list[float], patience: int) -> list[int]:
    for ran in range(1, len(losses) + 1):
        lowest = losses[:ran].index(min(losses[:ran]))
        if ran - 1 - lowest >= patience:
            return [lowest, ran]
    return [losses.index(min(losses)), len(losses)]


@checker("model_selection.simplest_good_enough")
def simplest_good_enough(answer: Callable) -> Iterator[Case]:
    """``answer(errors)`` -> index of a setting, an int.

    Expected: the rule of Breiman and others, with means and spreads of Python's `statistics`.
    """
    draw = torch.Generator().manual_seed(1)
    tables = [
        ([[9.0, 9.0], [1.0, 3.0], [1.0, 2.8]], "one step back: its mean lies within one standard "
         "error of the lowest"),
        ([[5.0, 5.0], [1.0, 1.0], [3.0, 3.0]], "the best folds agree, the error is 0: take the best"),
        ([[2.5, 2.5], [9.0, 9.0], [1.0, 3.0]], "the simplest within reach counts, also when a "
         "worse one stands between"),
        ([[2.6, 2.6, 2.6, 2.6], [2.0, 2.0, 2.0, 3.0]], "standard error: the deviation, with folds - 1 "
         "below, over the root of the number of folds"),
        ([[2.29, 2.29, 2.29, 2.29, 2.29], [1.0, 2.0, 2.0, 2.0, 3.0]], "deviation with folds - 1 "
         "below the root, not folds"),
        ([[2.52, 2.52, 2.52, 2.52], [2.0, 2.0, 2.0, 3.0]], "divide the deviation by the root of the "
         "number of folds, not of folds - 1"),
        ([[1.0, 9.0], [4.0, 4.0]], "the deviation is that of the setting with the lowest mean"),
    ]  # fmt: skip
    tables.append(((torch.rand(8, 5, generator=draw) + 0.1).tolist(), "of random errors"))
    for rows, hint in tables:
        errors = torch.tensor(rows, dtype=torch.float64)
        shown = rows if len(rows) < 5 else "an (8, 5) table"
        yield Case(
            f"simplest_good_enough(errors={shown})", answer(errors.clone()), _rule(rows), hint=hint
        )


def _rule(rows: list[list[float]]) -> int:
    means = [statistics.fmean(row) for row in rows]
    best = means.index(min(means))
    reach = means[best] + statistics.stdev(rows[best]) / len(rows[best]) ** 0.5
    return next(i for i, mean in enumerate(means) if mean <= reach)
