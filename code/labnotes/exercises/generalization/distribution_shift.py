"""Checkers for the exercises of the chapter generalization/distribution-shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("distribution_shift.rescale")
def rescale(answer: Callable) -> Iterator[Case]:
    """``answer(probabilities, old, new)`` -> probabilities under other shares.

    Expected: Bayes' rule in worlds of which the densities of the classes are known.
    """
    hint = (
        "each answer p(y | x) holds the old share p(y) of its class as a factor: take that out, put "
        "the new share in, and see whether a row still sums to 1"
    )
    half = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    yield Case(
        "rescale([[0.5, 0.5], [0.9, 0.1]], old=[0.5, 0.5], new=[0.1, 0.9])",
        answer(half.clone(), torch.tensor([0.5, 0.5]), torch.tensor([0.1, 0.9])),
        torch.tensor([[0.1, 0.9], [0.5, 0.5]]),
        hint=hint,
    )
    x = torch.linspace(-3, 3, 7)[:, None]
    for centres, old, new in (
        ([-1.0, 1.0], [0.25, 0.75], [0.6, 0.4]),
        ([-2.0, 0.0, 1.5], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0]),
    ):
        looks = (-((x - torch.tensor(centres)) ** 2) / 2).exp()  # (rows, classes), up to a factor
        old, new = torch.tensor(old), torch.tensor(new)
        yield Case(
            f"rescale(probabilities, {_said(old)}, {_said(new)}), bell curves at {centres}, 7 rows",
            answer(_bayes(looks, old), old.clone(), new.clone()),
            _bayes(looks, new),
            tolerance=1e-5,
            hint=hint,
        )


@checker("distribution_shift.estimate_shares")
def estimate_shares(answer: Callable) -> Iterator[Case]:
    """``answer(probabilities, old, rounds)`` -> the shares of the classes after the rounds.

    Expected: the same sums, class by class, with Python's own numbers.
    """
    sure = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    yield Case(
        "estimate_shares([[1, 0], [1, 0], [0, 1], [1, 0]], old=[0.5, 0.5], rounds=1)",
        answer(sure.clone(), torch.tensor([0.5, 0.5]), 1),
        torch.tensor([0.75, 0.25]),
        hint="a model that is sure needs no correction: the shares are those of its answers",
    )
    draw = torch.Generator().manual_seed(0)
    for rounds in (0, 1, 2, 3, 5):
        probabilities = torch.rand(6, 3, generator=draw) + 0.05
        probabilities = probabilities / probabilities.sum(1, keepdim=True)
        old = torch.tensor([0.2, 0.3, 0.5])
        yield Case(
            f"estimate_shares(probabilities, old={_said(old)}, rounds={rounds}), 6 rows, 3 classes",
            answer(probabilities.clone(), old.clone(), rounds),
            _rounds(probabilities, old, rounds),
            tolerance=1e-5,
            hint="each round rescales the first answers by shares / old, never those of the last "
            "round, and takes the mean over the rows",
        )


def _said(shares: Tensor) -> list[float]:
    return [round(share, 2) for share in shares.tolist()]


def _bayes(looks: Tensor, shares: Tensor) -> Tensor:
    joint = looks * shares
    return joint / joint.sum(1, keepdim=True)


def _rounds(probabilities: Tensor, old: Tensor, rounds: int) -> Tensor:
    rows, first = probabilities.tolist(), old.tolist()
    shares = list(first)
    for _ in range(rounds):
        sums = [0.0] * len(first)
        for row in rows:
            parts = [p * s / o for p, s, o in zip(row, shares, first)]
            for c, part in enumerate(parts):
                sums[c] += part / sum(parts)
        shares = [s / len(rows) for s in sums]
    return torch.tensor(shares)
