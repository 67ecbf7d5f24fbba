"""Checkers for the exercises of the chapter gan/conditional."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("conditional.loss_of_pairs")
def loss_of_pairs(answer: Callable) -> Iterator[Case]:
    """``answer(real, made, mismatched)``: logits of three kinds of pairs -> a tensor, one number.

    Expected: the mean of -log D for real pairs, and half the mean of -log(1 - D) for each other.
    """
    for real, made, mismatched, hint in [
        ([0.0], [0.0], [0.0], "log 2 for the real pair, half of log 2 for each other: 1.386"),
        ([2.0], [-1.0], [0.5], "-log D is log(1 + e^-logit), -log(1 - D) is log(1 + e^logit)"),
        ([0.0], [3.0], [-3.0], "both other kinds should be refused"),
        ([1.0, -1.0], [0.5], [2.0, 0.0, -1.0], "take the mean of each kind by itself"),
        ([1000.0], [-1000.0], [1000.0], "log(1 + e^x) is x for large x: use softplus"),
        ([-1000.0], [1000.0], [-1000.0], "log(1 + e^x) is x for large x: use softplus"),
    ]:
        expected = _mean(-x for x in real) + (_mean(made) + _mean(mismatched)) / 2
        yield Case(
            call=f"loss_of_pairs(tensor({real}), tensor({made}), tensor({mismatched}))",
            got=answer(*(torch.tensor(logits) for logits in (real, made, mismatched))),
            expected=torch.tensor(expected),
            tolerance=1e-5,
            hint=hint,
        )


def _mean(logits) -> float:
    """The mean of log(1 + e^x)."""
    values = [max(x, 0.0) + math.log1p(math.exp(-abs(x))) for x in logits]
    return sum(values) / len(values)


@checker("conditional.hard_choice")
def hard_choice(answer: Callable) -> Iterator[Case]:
    """``answer(scores, temperature)``: (..., classes) -> one-hot vectors with a soft gradient.

    Expected: 1 at the largest score; the gradient of softmax(scores / temperature).
    """
    draw = torch.Generator().manual_seed(0)
    for scores, temperature, hint in [
        (torch.tensor([1.0, 3.0, 2.0]), 1.0, "the largest score is chosen"),
        (torch.tensor([[0.5, -1.0], [-2.0, 0.0]]), 0.5, "each row has a choice of its own"),
        (torch.randn(2, 3, 4, generator=draw), 2.0, "classes are the last axis, however many axes"),
    ]:
        yield from _choice(answer, scores, temperature, hint, draw)


def _choice(
    answer: Callable, scores: Tensor, temperature: float, hint: str, draw: torch.Generator
) -> Iterator[Case]:
    classes = scores.shape[-1]
    rows = scores.reshape(-1, classes).tolist()
    expected = torch.zeros(len(rows), classes)
    for n, row in enumerate(rows):
        expected[n, row.index(max(row))] = 1
    asked = scores.clone().requires_grad_()
    got = answer(asked, temperature)
    call = f"hard_choice({_show(scores)}, {temperature})"
    value = got.detach() if isinstance(got, Tensor) else got
    yield Case(call=call, got=value, expected=expected.view_as(scores), tolerance=1e-5, hint=hint)

    weights = torch.randn(scores.shape, generator=draw)
    slopes = torch.zeros(len(rows), classes)
    for n, (row, w) in enumerate(zip(rows, weights.reshape(-1, classes).tolist(), strict=True)):
        exps = [math.exp((s - max(row)) / temperature) for s in row]
        p = [e / sum(exps) for e in exps]
        mean = sum(a * b for a, b in zip(p, w, strict=True))
        slopes[n] = torch.tensor([a * (b - mean) / temperature for a, b in zip(p, w, strict=True)])
    yield Case(
        call=f"the gradient of ({call} * weights).sum() in the scores",
        got=_gradient(got, asked, weights),
        expected=slopes.view_as(scores),
        tolerance=1e-5,
        hint="backwards it is softmax(scores / temperature): hard + soft - soft.detach()",
    )


def _gradient(got, asked: Tensor, weights: Tensor) -> Tensor | None:
    """The gradient in `asked`, None where none comes through."""
    if not got.requires_grad:
        return None
    return torch.autograd.grad((got * weights).sum(), asked, allow_unused=True)[0]


def _show(x: Tensor) -> str:
    return f"tensor({x.tolist()})" if x.numel() <= 6 else f"<tensor {tuple(x.shape)}>"
