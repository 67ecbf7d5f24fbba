"""Checkers for the exercises of the chapter attention/multi-head."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("multi_head.split_heads")
def split_heads(answer: Callable) -> Iterator[Case]:
    """``answer(x, heads)``: (batch, n, d) -> (batch, heads, n, d / heads).

    Expected: head i has the i-th slice of each word's features, copied number by number.
    """
    draw = torch.Generator().manual_seed(0)
    words = torch.tensor([[[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]])
    yield _split_case(
        answer, words, 2, "head 0 has the features 1 2, 5 6 and 9 10 of the three words"
    )
    yield _split_case(answer, words, 1, "one head has all features, and still an axis of its own")
    yield _split_case(answer, words, 4, "with four heads each has one feature of every word")
    yield _split_case(
        answer, torch.randn(2, 4, 8, generator=draw), 4,
        "(batch, n, d) to (batch, n, heads, d / heads) first, then swap the axes 1 and 2",
    )  # fmt: skip
    yield _split_case(
        answer, torch.randn(3, 2, 6, generator=draw), 2,
        "head i has neighbouring features, the first d / heads for head 0, not every second one",
    )  # fmt: skip


def _split_case(answer: Callable, x: Tensor, heads: int, hint: str) -> Case:
    batch, n, d = x.shape
    width = d // heads
    expected = torch.zeros(batch, heads, n, width)
    for b, words in enumerate(x.tolist()):
        for place, features in enumerate(words):
            for number, feature in enumerate(features):
                expected[b, number // width, place, number % width] = feature
    return Case(
        call=f"split_heads({_show(x)}, {heads})",
        got=answer(x.clone(), heads),
        expected=expected,
        hint=hint,
    )


@checker("multi_head.next_token")
def next_token(answer: Callable) -> Iterator[Case]:
    """``answer(q, k, v, cache)``: output (batch, heads, 1, d_k) and the cache with the new token.

    Expected: scaled dot-product attention of the new token to all tokens, one head after the
    other; head i uses the keys and values of group i // (heads / groups).
    """
    for (batch, heads, groups, t, d), hint in [
        ((1, 1, 1, 2, 1), "the new token's own key and value count too"),
        ((1, 2, 2, 3, 4), "as many groups as heads: this is multi-head attention, divided by √d_k"),
        ((1, 4, 1, 3, 2), "one group: all heads use the same keys and values"),
        ((2, 4, 2, 3, 4), "heads of a group stand side by side, 0 0 1 1: repeat_interleave"),
        ((2, 6, 2, 1, 3), "heads / groups copies of each group, here three"),
        ((2, 4, 2, 0, 3), "before the first token the cache is empty"),
    ]:
        yield from _token_cases(answer, batch, heads, groups, t, d, hint)


def _token_cases(answer, batch, heads, groups, t, d, hint: str) -> Iterator[Case]:
    draw = torch.Generator().manual_seed(0)
    q = torch.randn(batch, heads, 1, d, generator=draw)
    keys, values = torch.randn(2, batch, groups, t + 1, d, generator=draw)
    expected = torch.zeros(batch, heads, 1, d)
    for b in range(batch):
        for head in range(heads):
            group = head * groups // heads
            scores = [
                sum(x * y for x, y in zip(q[b, head, 0].tolist(), key, strict=True)) / math.sqrt(d)
                for key in keys[b, group].tolist()
            ]
            exps = [math.exp(s - max(scores)) for s in scores]
            for e, value in zip(exps, values[b, group], strict=True):
                expected[b, head, 0] += e / sum(exps) * value
    cache = (keys[:, :, :t].clone(), values[:, :, :t].clone())
    call = f"next_token(q {tuple(q.shape)}, k and v {tuple(keys[:, :, t:].shape)}, a cache of {t})"
    output, longer = _two(
        answer(q.clone(), keys[:, :, t:].clone(), values[:, :, t:].clone(), cache)
    )
    yield Case(call=call, got=output, expected=expected, tolerance=1e-5, hint=hint)
    for name, got, whole in zip(("keys", "values"), _two(longer), (keys, values), strict=True):
        yield Case(
            call=f"{call}, the {name} of the cache",
            got=got,
            expected=whole,
            hint="append the new token's behind the others, for each group once",
        )


def _two(pair) -> tuple:
    """`pair`, or something that no case accepts in the place of what is missing."""
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        return tuple(pair)
    return pair, None


def _show(x: Tensor) -> str:
    """Small tensors in full, larger ones by shape."""
    return f"tensor({x.tolist()})" if x.numel() <= 12 else f"<tensor {tuple(x.shape)}>"
