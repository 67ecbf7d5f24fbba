"""Checkers for the exercises of the chapter gan/game."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("game.best_value")
def best_value(answer: Callable) -> Iterator[Case]:
    """``answer(p, q)``: the value of the game against the best discriminator, a float.

    Expected: the sum over the points, term by term, where a term with a probability 0 is 0.
    """
    for p, q, hint in (
        ([0.5, 0.5], [0.5, 0.5], "equal distributions give -log 4, with natural logarithms"),
        ([0.5, 0.5], [1.0, 0.0], "D is 1/3 at the first point, and 1 at the second"),
        ([0.8, 0.2], [0.2, 0.8], "both sums: p log D, and q log(1 - D)"),
        ([1.0, 0.0], [0.0, 1.0], "no point in common: D is never wrong, and the value is 0"),
        ([0.25, 0.25, 0.5, 0.0], [0.1, 0.6, 0.3, 0.0], "a point that neither makes adds 0, not nan"),
        ([0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.6, 0.0], "0 log 0 counts as 0: torch.xlogy"),
    ):  # fmt: skip
        yield Case(
            call=f"best_value(tensor({p}), tensor({q}))",
            got=answer(torch.tensor(p), torch.tensor(q)),
            expected=_value(p, q),
            tolerance=1e-5,
            hint=hint,
        )


def _value(p: list[float], q: list[float]) -> float:
    total = 0.0
    for a, b in zip(p, q, strict=True):
        total += a * math.log(a / (a + b)) if a else 0.0
        total += b * math.log(b / (a + b)) if b else 0.0
    return total


@checker("game.covered")
def covered(answer: Callable) -> Iterator[Case]:
    """``answer(samples, centres, std)``: the number of covered modes, an int.

    Expected: by loops over samples and centres.
    """
    two = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    near, far = torch.tensor([[0.0, 0.5]]), torch.tensor([[10.0, -0.5]])
    for samples, centres, std, hint in (
        (torch.cat([near, far]), two, 1.0, "one good sample at each of two centres covers both"),
        (near.repeat(9, 1), two, 1.0, "all samples at one centre: the other one is not covered"),
        (torch.cat([near, 5 + 0 * far]), two, 1.0, "a sample far from all centres is not good"),
        (torch.cat([near.repeat(19, 1), far]), two, 1.0,
         "one of 20 samples is less than a fifth of a mode's share, which is 10 here"),
        (torch.cat([near.repeat(18, 1), far, far]), two, 1.0, "a fifth of 10 is 2: at least"),
        (torch.cat([near.repeat(2, 1), 0 * far.repeat(20, 1) - 4]), two, 1.0,
         "the share is one of all samples, not of the good ones"),
        (torch.tensor([[2.0, 0.0], [2.9, 0.0], [10.0, 3.1]]), two, 1.0,
         "good means nearer than three std, in every direction"),
        (torch.tensor([[1.5, 0.0]]), torch.tensor([[0.0, 0.0], [4.0, 0.0]]), 1.0,
         "a sample counts for its nearest centre alone, even where it is near a second one"),
        (torch.tensor([[1.0], [1.1], [-1.0], [0.0]]), torch.tensor([[-1.0], [0.0], [1.0]]), 0.1,
         "points may have one coordinate"),
    ):  # fmt: skip
        yield Case(
            call=f"covered({_show(samples)}, tensor({centres.tolist()}), {std})",
            got=answer(samples.clone(), centres.clone(), std),
            expected=_covered(samples.tolist(), centres.tolist(), std),
            hint=hint,
        )


def _covered(samples: list, centres: list, std: float) -> int:
    counts = [0] * len(centres)
    for sample in samples:
        distances = [math.dist(sample, centre) for centre in centres]
        if min(distances) < 3 * std:
            counts[distances.index(min(distances))] += 1
    return sum(5 * count * len(centres) >= len(samples) for count in counts)


def _show(samples: torch.Tensor) -> str:
    """Few samples in full, many by shape."""
    return (
        f"tensor({samples.tolist()})" if len(samples) <= 4 else f"<tensor {tuple(samples.shape)}>"
    )
