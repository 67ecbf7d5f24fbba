"""Checkers for the exercises of the chapter sequences/beam-search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


def _log_probabilities(rows: int, columns: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=draw).log_softmax(1)


@checker("beam_search.beam_step")
def beam_step(answer: Callable) -> Iterator[Case]:
    """``answer(scores, log_probabilities, width)`` -> (scores, beginnings, tokens), best first.

    Expected: all candidates written down one by one and sorted.
    """
    scores = torch.tensor([-1.0, -2.0])
    rows = torch.tensor([[-3.0, -0.5, -4.0], [-0.25, -3.5, -1.0]])
    yield Case(
        call="beam_step(torch.tensor([-1., -2.]), torch.tensor([[-3., -0.5, -4.], "
        "[-0.25, -3.5, -1.]]), 3)",
        got=answer(scores.clone(), rows.clone(), 3),
        expected=(
            torch.tensor([-1.5, -2.25, -3.0]),
            torch.tensor([0, 1, 1]),
            torch.tensor([1, 0, 2]),
        ),
        hint="the best of all 2 * 3 sums, -1 - 0.5, comes first; candidate number 4 of the flat "
        "list grew from beginning 4 // 3 by token 4 % 3",
    )
    for k, vocabulary, width in ((1, 5, 2), (4, 7, 4), (3, 2, 6)):
        scores = _log_probabilities(1, k, k)[0]
        rows = _log_probabilities(k, vocabulary, 10 + k)
        line = [(scores[i] + rows[i, j], i, j) for i, j in product(range(k), range(vocabulary))]
        best = sorted(line, key=lambda c: -c[0].item())[:width]
        yield Case(
            call=f"beam_step(scores, log_probabilities, {width}) with {k} beginnings and "
            f"{vocabulary} tokens",
            got=answer(scores.clone(), rows.clone(), width),
            expected=(
                torch.stack([c[0] for c in best]),
                *(torch.tensor([c[n] for c in best]) for n in (1, 2)),
            ),
            hint="the candidates of all beginnings stand in one line: not the best of each row",
        )


@checker("beam_search.best_path")
def best_path(answer: Callable) -> Iterator[Case]:
    """``answer(log_start, log_transition, length)`` -> tokens, a list of ints.

    Expected: the best of all sequences.
    """
    start = torch.tensor([0.6, 0.4]).log()
    move = torch.tensor([[0.5, 0.5], [0.1, 0.9]]).log()
    yield Case(
        call="best_path(torch.tensor([0.6, 0.4]).log(), torch.tensor([[0.5, 0.5], [0.1, 0.9]])"
        ".log(), 3)",
        got=answer(start.clone(), move.clone(), 3),
        expected=[1, 1, 1],
        hint="0.4 * 0.9 * 0.9 is more than 0.6 * 0.5 * 0.9: the best first token is not the most "
        "probable one",
    )
    late = torch.tensor([[0.24, 0.24, 0.24, 0.24, 0.04]] * 4 + [[0.01, 0.01, 0.01, 0.01, 0.96]])
    many = torch.tensor([[0.96, 0.01, 0.01, 0.01, 0.01]] + [[0.01, 0.96, 0.01, 0.01, 0.01]] * 4)
    for what, first, move, hint in (
        ("whose best first token is the rarest", [0.4, 0.3, 0.2, 0.06, 0.04], late,
         "keep a beginning for every last token, however improbable, and not a few of the best"),
        ("in which many paths meet", [0.3, 0.175, 0.175, 0.175, 0.175], many,
         "of the paths that meet in a token keep the best one, and do not add them up"),
    ):  # fmt: skip
        start, move = torch.tensor(first).log(), move.log()
        yield Case(
            call=f"best_path(log_start, log_transition, 4) with 5 tokens, {what}",
            got=answer(start.clone(), move.clone(), 4),
            expected=_best_of_all(start, move, 4),
            hint=hint,
        )
    for vocabulary, length in ((2, 1), (3, 4), (4, 5), (5, 2)):
        start = _log_probabilities(1, vocabulary, vocabulary)[0]
        move = _log_probabilities(vocabulary, vocabulary, 20 + vocabulary)
        yield Case(
            call=f"best_path(log_start, log_transition, {length}) with {vocabulary} tokens",
            got=answer(start.clone(), move.clone(), length),
            expected=_best_of_all(start, move, length),
            hint="remember for each last token which token came before it, and go back from the "
            "best last one",
        )


def _best_of_all(start: Tensor, move: Tensor, length: int) -> list[int]:
    def score(path):
        return (start[path[0]] + sum(move[a, b] for a, b in pairwise(path))).item()

    return list(max(product(range(len(start)), repeat=length), key=score))
