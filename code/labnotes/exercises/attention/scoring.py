"""Checkers for the exercises of the chapter attention/scoring."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("scoring.masked_softmax")
def masked_softmax(answer: Callable) -> Iterator[Case]:
    """``answer(scores, valid_lens)``: (batch, queries, keys), (batch,) -> (batch, queries, keys).

    Expected: the softmax over the first ``valid_lens[b]`` keys, one number at a time, and 0 on the
    others; a row with no valid key is all 0.
    """
    draw = torch.Generator().manual_seed(0)
    equal = torch.zeros(1, 1, 4)
    yield _masked_case(answer, equal, [4], "with nothing hidden it is the plain softmax")
    yield _masked_case(
        answer, equal, [2], "hidden keys get 0, and the others share the whole weight"
    )
    yield _masked_case(answer, torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]), [3, 1],
                       "each sequence has its own length: length 1 leaves key 0 alone")  # fmt: skip
    yield _masked_case(answer, torch.tensor([[[-5.0, -6.0, 0.0, 9.0]]]), [2],
                       "hide by a score far below all others, not by 0: 0 is larger than -5")  # fmt: skip
    yield _masked_case(answer, torch.tensor([[[-300.0, -301.0, 0.0]]]), [2],
                       "no fixed number like -100 is below all scores: torch.finfo knows the lowest")  # fmt: skip
    yield _masked_case(answer, torch.tensor([[[-3e30, -3e30, 0.0]]]), [2],
                       "no fixed number like -1e4 or -1e9 is below all scores either: take the "
                       "lowest of the dtype, torch.finfo(scores.dtype).min")  # fmt: skip
    yield _masked_case(answer, torch.randn(3, 2, 5, generator=draw), [1, 5, 3],
                       "the lengths belong to the batch: give them the shape (batch, 1, 1)")  # fmt: skip
    yield _masked_case(answer, torch.tensor([[[200.0, 199.0, 0.0]]]), [2],
                       "exp(200) is infinite in float32: let torch.softmax do it")  # fmt: skip
    yield _masked_case(answer, torch.randn(2, 2, 3, generator=draw), [0, 2],
                       "no valid key: the row is all 0, not NaN and not 1/3 each")  # fmt: skip
    half = torch.randn(2, 1, 4, generator=draw, dtype=torch.float64)
    yield _masked_case(answer, half, [3, 2], "keep the dtype of the scores")


def _masked_case(answer: Callable, scores: Tensor, lengths: list[int], hint: str) -> Case:
    expected = torch.zeros_like(scores)
    for b, row in enumerate(scores.tolist()):
        for q, numbers in enumerate(row):
            seen = numbers[: lengths[b]]
            total = sum(math.exp(s - max(seen)) for s in seen)
            for k, s in enumerate(seen):
                expected[b, q, k] = math.exp(s - max(seen)) / total
    return Case(
        call=f"masked_softmax_of_mine({_show(scores)}, torch.tensor({lengths}))",
        got=answer(scores.clone(), torch.tensor(lengths)),
        expected=expected,
        tolerance=1e-5,
        hint=hint,
    )


@checker("scoring.additive_score")
def additive_score(answer: Callable) -> Iterator[Case]:
    """``answer(queries, keys, W_q, W_k, w_v)``: (queries, a), (keys, b), (h, a), (h, b), (h,) -> (queries, keys).

    Expected: w_v . tanh(W_q q + W_k k) for every query and key, one number at a time.
    """
    draw = torch.Generator().manual_seed(0)
    one = torch.ones(1, 1)
    yield _additive_case(answer, one, one, one, one, torch.ones(1), "tanh(1 + 1) = 0.964")
    yield _additive_case(answer, one, one, one, one, torch.tensor([2.0]),
                         "w_v stands outside the tanh")  # fmt: skip
    for (n, m, a, b, h), hint in [
        ((2, 2, 3, 3, 4), "every query meets every key: (queries, 1, h) + (1, keys, h)"),
        ((2, 5, 3, 3, 4), "rows are queries, columns are keys"),
        ((3, 2, 20, 2, 8), "queries and keys may have different sizes: each has its own matrix"),
        ((1, 1, 2, 3, 1), "one query and one key still give a matrix: do not squeeze all of it"),
    ]:
        shapes = [(n, a), (m, b), (h, a), (h, b), (h,)]
        yield _additive_case(answer, *(torch.randn(s, generator=draw) for s in shapes), hint)


def _additive_case(answer, queries, keys, W_q, W_k, w_v, hint: str) -> Case:
    def score(q: list[float], k: list[float]) -> float:
        hidden = [
            math.tanh(_dot(from_q, q) + _dot(from_k, k))
            for from_q, from_k in zip(W_q.tolist(), W_k.tolist(), strict=True)
        ]
        return _dot(w_v.tolist(), hidden)

    inputs = (queries, keys, W_q, W_k, w_v)
    return Case(
        call=f"additive_score({', '.join(_show(t) for t in inputs)})",
        got=answer(*(t.clone() for t in inputs)),
        expected=torch.tensor([[score(q, k) for k in keys.tolist()] for q in queries.tolist()]),
        tolerance=1e-5,
        hint=hint,
    )


@checker("scoring.look_back")
def look_back(answer: Callable) -> Iterator[Case]:
    """``answer(x)``: (batch, steps, d) -> (batch, steps, d).

    Expected: scaled dot-product attention in which x gives queries, keys and values, and step t
    sees the steps 0 to t only, one number at a time.
    """
    draw = torch.Generator().manual_seed(0)
    steps = torch.tensor([[[1.0], [0.0], [0.0]]])
    yield _back_case(
        answer, steps, "step 0 sees itself alone, step 1 sees two steps, step 2 all three"
    )
    yield _back_case(answer, torch.tensor([[[2.0, -1.0]]]), "one step sees itself")
    yield _back_case(answer, torch.randn(1, 4, 3, generator=draw), "t + 1 keys for step t, not t")
    yield _back_case(answer, torch.randn(3, 5, 2, generator=draw),
                     "lengths per query have the shape (batch, steps), each batch entry the same")  # fmt: skip


def _back_case(answer: Callable, x: Tensor, hint: str) -> Case:
    expected = torch.zeros_like(x)
    for b, rows in enumerate(x.tolist()):
        for t, query in enumerate(rows):
            seen = rows[: t + 1]
            scores = [_dot(query, key) / math.sqrt(len(query)) for key in seen]
            exps = [math.exp(s - max(scores)) for s in scores]
            for exp, value in zip(exps, seen, strict=True):
                expected[b, t] += exp / sum(exps) * torch.tensor(value)
    return Case(
        call=f"look_back({_show(x)})",
        got=answer(x.clone()),
        expected=expected,
        tolerance=1e-5,
        hint=hint,
    )


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _show(tensor: Tensor) -> str:
    """Small tensors in full, larger ones by shape."""
    if tensor.numel() <= 8:
        return f"tensor({tensor.tolist()})"
    return f"<tensor {tuple(tensor.shape)}>"
