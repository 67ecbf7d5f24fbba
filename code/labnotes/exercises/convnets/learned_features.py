"""Checkers for the exercises of the chapter convnets/learned-features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("learned_features.cell_histogram")
def cell_histogram(answer: Callable) -> Iterator[Case]:
    """``answer(down, right, bins)`` -> (bins,), the mean votes of one cell."""
    draw = torch.Generator().manual_seed(0)
    cells = [
        (torch.tensor([[0.0]]), torch.tensor([[2.0]]), 9),
        (torch.tensor([[3.0]]), torch.tensor([[4.0]]), 9),  # 36.9 degrees, length 5
        (torch.tensor([[-3.0]]), torch.tensor([[-4.0]]), 9),  # the opposite direction: the same
        (torch.tensor([[3.0, 0.0]]), torch.tensor([[-4.0, 0.0]]), 9),  # 143.1; a pixel without vote
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), 4),
        *(
            (torch.randn(4, 4, generator=draw), torch.randn(4, 4, generator=draw), b)
            for b in (9, 6)
        ),
    ]
    for down, right, bins in cells:
        yield Case(
            call=f"cell_histogram(down={down.tolist()}, right={right.tolist()}, bins={bins})",
            got=answer(down.clone(), right.clone(), bins),
            expected=_votes(down, right, bins),
            tolerance=1e-5,
            hint="each pixel adds the length of its gradient to the bin of its angle, taken from "
            "0 to 180 degrees; then divide by the number of pixels",
        )


def _votes(down: torch.Tensor, right: torch.Tensor, bins: int) -> torch.Tensor:
    """Pixel by pixel, with no tensor operation that could share a mistake."""
    votes = [0.0] * bins
    for d, r in zip(down.flatten().tolist(), right.flatten().tolist()):
        degrees = math.degrees(math.atan2(d, r)) % 180
        votes[min(int(degrees * bins / 180), bins - 1)] += math.hypot(d, r) / down.numel()
    return torch.tensor(votes)


@checker("learned_features.overtakes")
def overtakes(answer: Callable) -> Iterator[Case]:
    """``answer(sizes, first, second)`` -> the size from which on the second is surely ahead."""
    low, high = [50.0, 52.0, 51.0], [60.0, 58.0, 59.0]
    touching = [52.0, 55.0, 56.0]  # its worst seed is as good as the best of `low`: not ahead
    mixed = [49.0, 58.0, 59.0]  # better on average only
    for sizes, first, second in (
        ([100], [low], [high]),
        ([100], [high], [low]),
        ([100, 1000], [low, low], [mixed, high]),
        ([100, 1000, 10_000], [high, low, low], [low, high, high]),
        ([100, 1000, 10_000], [low, high, low], [high, low, high]),  # ahead, behind, ahead again
        ([100, 1000, 10_000], [low, low, low], [high, high, mixed]),
        ([100, 1000], [low, low], [touching, high]),
        ([100, 1000, 10_000], [high, low, low], [low, high, touching]),  # only in the middle
        ([3, 7, 20, 90], [high, high, low, low], [low, mixed, mixed, high]),
    ):
        yield Case(
            call=f"overtakes({sizes}, {first}, {second})",
            got=answer(list(sizes), [list(x) for x in first], [list(x) for x in second]),
            expected=_overtaken(sizes, first, second),
            hint="at that size and at every larger one the worst seed of the second must be above "
            "the best seed of the first; None if this does not hold at the largest size",
        )


def _overtaken(sizes: list[int], first: list[list[float]], second: list[list[float]]):
    """By definition, size by size."""
    for place, size in enumerate(sizes):
        if all(
            b > a for one, other in zip(first[place:], second[place:]) for a in one for b in other
        ):
            return size
    return None
