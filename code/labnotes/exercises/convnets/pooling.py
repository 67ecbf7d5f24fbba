"""Checkers for the exercises of the chapter convnets/pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("pooling.global_average")
def global_average(answer: Callable) -> Iterator[Case]:
    """``answer(x)`` -> ``(batch, channels)``: the mean of each map, as adaptive_avg_pool2d."""
    draw = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 1, 1), (2, 3, 4, 4), (3, 2, 5, 7), (1, 4, 1, 6)):
        x = torch.randn(shape, generator=draw)
        yield Case(
            call=f"global_average(x), x of shape {shape}",
            got=answer(x.clone()),
            expected=F.adaptive_avg_pool2d(x, 1).flatten(1),
            tolerance=1e-5,
            hint="a mean, not a sum, over height and width, which need not be equal",
        )


@checker("pooling.max_pool_backward")
def max_pool_backward(answer: Callable) -> Iterator[Case]:
    """``answer(x, grad)`` -> as x: what autograd gives for F.max_pool2d(x, 2)."""
    draw = torch.Generator().manual_seed(1)
    examples = [
        (
            "one window",
            torch.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]),
            "all of the gradient goes to the largest value",
        ),
        (
            "one window with a tie",
            torch.tensor([[[[1.0, 4.0], [4.0, 2.0]]]]),
            "of equal largest values the first one, row by row, gets all of it",
        ),
        (
            "negative values",
            -1 - torch.rand(1, 2, 4, 4, generator=draw),
            "the largest of negative values is the one nearest to zero",
        ),
        (
            "more windows than one",
            torch.randn(2, 3, 4, 6, generator=draw),
            "put each share back where its value lies: height and width may differ",
        ),
    ]
    for what, x, hint in examples:
        grad = torch.randn(F.max_pool2d(x, 2).shape, generator=draw)
        leaf = x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(F.max_pool2d(leaf, 2), leaf, grad)
        yield Case(
            call=f"max_pool_backward(x, grad), {what}, x of shape {tuple(x.shape)}",
            got=answer(x.clone(), grad.clone()),
            expected=expected,
            tolerance=1e-6,
            hint=hint,
        )
