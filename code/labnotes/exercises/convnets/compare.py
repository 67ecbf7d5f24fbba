"""Checkers for the exercises of the chapter convnets/compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker
from labnotes.metrics.paired import mcnemar


@checker("compare.verdict")
def verdict(answer: Callable) -> Iterator[Case]:
    """``answer(first, second, labels)`` -> "first", "second" or "not distinguishable"."""
    # Examples where only the first, only the second, both, and neither is right. For 13 and 4 the
    # exact test finds a difference, and the chi-square test with its correction does not.
    for b, c, both, neither in (
        (6, 0, 4, 2), (5, 0, 4, 2), (0, 6, 0, 0), (0, 0, 5, 5), (20, 9, 0, 3), (20, 8, 30, 3),
        (9, 21, 500, 80), (40, 30, 10, 200), (1, 9, 1, 1), (60, 40, 0, 0), (61, 39, 100, 0),
        (13, 4, 5, 1),
    ):  # fmt: skip
        labels = torch.arange(b + c + both + neither) % 4
        first, second = labels.clone(), labels.clone()
        first[b : b + c] += 1
        second[:b] += 1
        if neither:  # wrong in different ways: a disagreement that says nothing about who is right
            first[-neither:] += 1
            second[-neither:] += 2
        p = mcnemar(first == labels, second == labels).p_value
        better = "first" if b > c else "second"
        yield Case(
            call=f"verdict(first, second, labels): only the first right {b} times, only the "
            f"second {c} times, both {both}, neither {neither}",
            got=answer(first.clone(), second.clone(), labels.clone()),
            expected=better if p < 0.05 else "not distinguishable",
            hint="count only examples where exactly one is right; double the smaller tail of n "
            f"fair coins, at most 1 (here p = {p:.4f}); distinguishable means p < 0.05",
        )


@checker("compare.holm")
def holm(answer: Callable) -> Iterator[Case]:
    """``answer(p_values)`` -> Holm's adjusted p-values, in the order given."""
    for p_values in (
        [0.01], [0.01, 0.02], [0.02, 0.01], [0.01, 0.04, 0.03], [0.5, 0.6, 0.9], [0.03, 0.03],
        [0.001, 0.2, 0.012, 0.013, 0.04],
    ):  # fmt: skip
        yield Case(
            call=f"holm({p_values})",
            got=answer(list(p_values)),
            expected=_adjusted(p_values),
            tolerance=1e-9,
            hint="the smallest times m, the next times m - 1, …; never smaller than one before it, "
            "never above 1; given back in the order in which they came",
        )


def _adjusted(p_values: list[float]) -> list[float]:
    """By definition: the least level at which the step-down procedure rejects each."""
    m, found = len(p_values), []
    for mine in p_values:
        before = [p for p in p_values if p <= mine]
        found.append(min(1.0, max((m - sum(q < p for q in p_values)) * p for p in before)))
    return found
