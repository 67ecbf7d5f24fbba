"""Checkers for the exercises of the chapter gan/images."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from labnotes.exercises import Case, checker


@checker("images.fade_in")
def fade_in(answer: Callable) -> Iterator[Case]:
    """``answer(small, large, alpha)`` with (n, 1, s, s) and (n, 1, 2s, 2s) -> (n, 1, 2s, 2s).

    Expected: torch's nearest neighbour enlargement of `small`, mixed with `large`.
    """
    small, large = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.zeros(1, 1, 4, 4)
    yield Case(
        call="fade_in(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.zeros(1, 1, 4, 4), 0.0)",
        got=answer(small.clone(), large.clone(), 0.0),
        expected=F.interpolate(small, scale_factor=2, mode="nearest"),
        hint="at alpha 0 the picture is the small one, each pixel repeated two by two",
    )
    draw = torch.Generator().manual_seed(0)
    for alpha, n, side in ((1.0, 1, 2), (0.25, 3, 7), (0.6, 2, 14)):
        small = torch.randn(n, 1, side, side, generator=draw)
        large = torch.randn(n, 1, 2 * side, 2 * side, generator=draw)
        old = F.interpolate(small, scale_factor=2, mode="nearest")
        yield Case(
            call=f"fade_in(small, large, {alpha}) with {tuple(small.shape)} and "
            f"{tuple(large.shape)}",
            got=answer(small.clone(), large.clone(), alpha),
            expected=torch.lerp(old, large, alpha),
            tolerance=1e-5,
            hint="alpha is the share of the new, large picture; the rest is the enlarged old one",
        )


@checker("images.kernel_distance")
def kernel_distance(answer: Callable) -> Iterator[Case]:
    """``answer(x, y)`` with features (n, d) and (m, d) -> the unbiased squared distance.

    Expected: the means over all pairs, counted one by one.
    """
    x, y = torch.tensor([[1.0], [0.0]]), torch.tensor([[2.0], [2.0]])
    yield Case(
        call="kernel_distance(torch.tensor([[1.0], [0.0]]), torch.tensor([[2.0], [2.0]]))",
        got=answer(x.clone(), y.clone()),
        expected=torch.tensor(1.0 + 125.0 - 28.0),
        tolerance=1e-5,
        hint="k(1, 0) = 1, k(2, 2) = 125, and the mean of k(1, 2) = 27 and k(0, 2) = 1 is 14",
    )
    draw = torch.Generator().manual_seed(0)
    for n, m, d in ((3, 3, 2), (5, 8, 4), (9, 4, 16)):
        x, y = torch.randn(n, d, generator=draw), 1 + torch.randn(m, d, generator=draw)
        yield Case(
            call=f"kernel_distance(x, y) with x of shape {(n, d)} and y of shape {(m, d)}",
            got=answer(x.clone(), y.clone()),
            expected=torch.tensor(_one_by_one(x.tolist(), y.tolist())),
            tolerance=1e-4,
            hint="divide the product by d, leave each point's pair with itself out of both sums "
            "over one set, and take the mixed mean twice",
        )


def _one_by_one(x: list[list[float]], y: list[list[float]]) -> float:
    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def inside(points):
        pairs = [kernel(a, b) for i, a in enumerate(points) for j, b in enumerate(points) if i != j]
        return sum(pairs) / len(pairs)

    mixed = [kernel(a, b) for a in x for b in y]
    return inside(x) + inside(y) - 2 * sum(mixed) / len(mixed)
