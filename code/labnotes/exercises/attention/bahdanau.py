"""Checkers for the exercises of the chapter attention/bahdanau."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from labnotes.exercises import Case, checker


def _numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@checker("bahdanau.context")
def context(answer: Callable) -> Iterator[Case]:
    """``answer(query, keys, outputs, hidden, W_q, w)`` -> context (batch, n).

    Expected: torch's attention, with the scores as its mask.
    """
    query, outputs = torch.zeros(1, 2), torch.tensor([[[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]]])
    keys, hidden = torch.zeros(1, 3, 2), torch.tensor([[False, False, True]])
    yield Case(
        call="context(torch.zeros(1, 2), torch.zeros(1, 3, 2), torch.tensor([[[1., 0.], [3., 4.], "
        "[9., 9.]]]), torch.tensor([[False, False, True]]), torch.eye(2), torch.ones(2))",
        got=answer(query, keys, outputs.clone(), hidden.clone(), torch.eye(2), torch.ones(2)),
        expected=torch.tensor([[2.0, 2.0]]),
        hint="all scores are equal, so the context is the mean of the outputs that are no padding",
    )
    for seed, (batch, steps, n, d) in enumerate([(3, 5, 4, 2), (4, 4, 4, 4), (1, 2, 3, 6)]):
        query, keys = _numbers(batch, n, seed=seed), _numbers(batch, steps, d, seed=10 + seed)
        outputs, W_q = _numbers(batch, steps, n, seed=20 + seed), _numbers(d, n, seed=30 + seed)
        w = 2 * _numbers(d, seed=40 + seed)
        hidden = torch.arange(steps) >= torch.arange(1, batch + 1).clamp(max=steps)[:, None]
        scores = torch.einsum(
            "d,bsd->bs", w, (torch.einsum("dn,bn->bd", W_q, query)[:, None] + keys).tanh()
        )
        mask = scores.masked_fill(hidden, -torch.inf)[:, None]  # (batch, 1, steps)
        expected = F.scaled_dot_product_attention(
            torch.zeros(batch, 1, n), torch.zeros(batch, steps, n), outputs, attn_mask=mask
        )
        yield Case(
            call=f"context(...) with batch {batch}, S = {steps}, n = {n}, d = {d}",
            got=answer(*(x.clone() for x in (query, keys, outputs, hidden, W_q, w))),
            expected=expected[:, 0],
            hint="the softmax runs over the source tokens of each row, after padding got -inf; "
            "the query is projected by W_q, the keys are not projected again",
        )


@checker("bahdanau.by_words")
def by_words(answer: Callable) -> Iterator[Case]:
    """``answer(weights, source_words, target_words)`` -> (target words, source words).

    Expected: products with matrices that say which piece belongs to which word.
    """
    weights = torch.tensor([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])
    yield Case(
        call="by_words(torch.tensor([[.25, .25, .5], [.5, .25, .25]]), [0, 0, 1], [0, 0])",
        got=answer(weights.clone(), [0, 0, 1], [0, 0]),
        expected=torch.tensor([[0.625, 0.375]]),
        hint="the first source word has two pieces: 0.5 in the first row and 0.75 in the second, "
        "and the mean of both rows is 0.625",
    )
    for source, target in (
        ([0, 1, 2, 3], [0, 1, 2]),
        ([0, 1, 1, 1, 2], [0, 0, 0, 1, 2, 2]),
        ([0, 0], [0, 1, 1]),
    ):
        weights = (2 * _numbers(len(target), len(source), seed=len(source))).softmax(1)
        rows, columns = (F.one_hot(torch.tensor(owner)).float() for owner in (target, source))
        yield Case(
            call=f"by_words(weights, {source}, {target})",
            got=answer(weights.clone(), list(source), list(target)),
            expected=rows.T / rows.sum(0)[:, None] @ weights @ columns,
            hint="add over the pieces of a source word, average over those of a target word",
        )
