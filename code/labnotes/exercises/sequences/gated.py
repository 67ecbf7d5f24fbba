"""Checkers of the chapter on GRU and LSTM."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker
from labnotes.sequence import lstm_step


@checker("gated.forget_bias")
def forget_bias(answer: Callable) -> Iterator[Case]:
    for steps, share, hint in (
        (1, 0.5, "one step, one half: the sigmoid of 0"),
        (1, 0.9, "one step: the sigmoid of the bias is the share itself"),
        (2, 0.25, "after two steps the gate has been multiplied twice"),
        (100, 0.5, "the gate is share ** (1 / steps); the bias is what its sigmoid came from"),
        (200, 1 / math.e, "about the logarithm of the steps"),
        (10, 0.0001, "a bias may be negative"),
        (1000, 0.99, "close to 1 the gate needs a large bias"),
    ):
        # ln share = -steps * ln(1 + e^-b)
        expected = -math.log(math.expm1(-math.log(share) / steps))
        yield Case(f"forget_bias({steps}, {share})", answer(steps, share), expected, hint=hint)


@checker("gated.coupled_step")
def coupled_step(answer: Callable) -> Iterator[Case]:
    far = 50.0  # opens or shuts a gate
    for f, g, o, h, c, hint in (
        (far, 0.5, far, 0.0, 0.7, "an open forget gate keeps the cell and lets nothing in"),
        (-far, 0.5, far, 0.3, 0.7, "a shut forget gate replaces the cell by tanh g"),
        (0.0, 0.0, -far, 0.3, 0.7, "a shut output gate shows nothing, and the cell stays"),
        (0.5, -1.0, 0.2, 0.3, -1.5, "h is o * tanh(c), of the new cell"),
    ):
        read = torch.tensor([[f, g, o]])
        state = (torch.tensor([[h]]), torch.tensor([[c]]))
        call = f"coupled_step({read.tolist()}, zeros, (h={h}, c={c}))"
        yield _step_case(answer, call, read, torch.zeros(1, 3), state, hint)
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        read, recalled = torch.randn(2, 3, 12, generator=draw)
        state = tuple(torch.randn(2, 3, 4, generator=draw))
        call = "coupled_step(read (3, 12), recalled (3, 12), (h (3, 4), c (3, 4)))"
        yield _step_case(answer, call, read, recalled, state, "read and recalled are added")


def _step_case(answer, call, read, recalled, state, hint) -> Case:
    got = answer(read.clone(), recalled.clone(), tuple(s.clone() for s in state))
    # The package's LSTM with i = 1 - f: sigmoid(-x) is 1 - sigmoid(x).
    f, g, o = (read + recalled).chunk(3, -1)
    expected = lstm_step(torch.cat([-f, f, g, o], -1), torch.zeros(1), state)
    return Case(call, got, expected, tolerance=1e-5, hint=hint)
