"""Checkers for the exercises of the chapter attention/self-attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("self_attention.position_matrix")
def position_matrix(answer: Callable) -> Iterator[Case]:
    """``answer(n, d, start=0)`` -> (n, d), the sinusoidal encoding of positions from `start`.

    Expected: sines and cosines of Python's math, one number at a time.
    """
    for n, d, start, hint in (
        (1, 2, 0, "position 0 has sin 0 = 0 in even columns and cos 0 = 1 in odd ones"),
        (2, 4, 0, "a sine and its cosine stand side by side: columns 0 and 1, 2 and 3"),
        (5, 6, 0, "column 2j turns by 10000 ** (-2j / d) a step: 1 in columns 0 and 1"),
        (3, 8, 7, "the first row is position start, the last one start + n - 1"),
        (2, 4, 300, "any position has a row: compute it, no table ends there"),
    ):
        yield Case(
            call=f"position_matrix({n}, {d}, {start})",
            got=answer(n, d, start),
            expected=torch.tensor([_clocks(i, d) for i in range(start, start + n)]),
            tolerance=1e-5,
            hint=hint,
        )


def _clocks(position: int, d: int) -> list[float]:
    row = []
    for j in range(d // 2):
        angle = position / 10000 ** (2 * j / d)
        row += [math.sin(angle), math.cos(angle)]
    return row


@checker("self_attention.relative_scores")
def relative_scores(answer: Callable) -> Iterator[Case]:
    """``answer(bias, n)`` -> (n, n), row i, column j the number of distance j - i, clipped.

    Expected: the numbers looked up one pair at a time.
    """
    draw = torch.Generator().manual_seed(0)
    for bias, n, hint in (
        (torch.tensor([-1.0, 0.0, 1.0]), 2,
         "the middle number is that of distance 0; key 1 for query 0 is at distance +1"),
        (torch.tensor([-1.0, 0.0, 1.0]), 4, "what is farther than m takes the number at the end"),
        (torch.tensor([5.0]), 3, "with m = 0 all pairs share one number"),
        (torch.randn(7, generator=draw), 6, "key minus query: rows are queries, columns keys"),
        (torch.randn(9, generator=draw), 3, "a short sequence uses the numbers in the middle"),
    ):  # fmt: skip
        yield Case(
            call=f"relative_scores({_show(bias)}, {n})",
            got=answer(bias.clone(), n),
            expected=_looked_up(bias, n),
            hint=hint,
        )


def _looked_up(bias: Tensor, n: int) -> Tensor:
    numbers = bias.tolist()
    m = len(numbers) // 2
    return torch.tensor([[numbers[max(-m, min(m, j - i)) + m] for j in range(n)] for i in range(n)])


def _show(bias: Tensor) -> str:
    """Few numbers in full, more by shape."""
    if bias.numel() <= 3:
        return f"tensor({bias.tolist()})"
    return f"<tensor {tuple(bias.shape)}>"
