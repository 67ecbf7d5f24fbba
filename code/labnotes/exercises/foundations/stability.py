"""Checkers for the exercises of the chapter foundations/stability."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("stability.keeping_gain")
def keeping_gain(answer: Callable) -> Iterator[Case]:
    """``answer(activation)`` -> the gain, a float.

    Expected: closed forms, and for tanh the integral to six digits. The tolerance leaves room for
    an answer that draws a million numbers.
    """
    cases = (
        ("identity", lambda z: z, 1.0),
        ("ReLU", torch.relu, nn.init.calculate_gain("relu")),
        ("abs", torch.abs, 1.0),
        ("lambda z: 3 * z", lambda z: 3 * z, 1 / 3),
        ("leaky ReLU, slope 0.5", lambda z: F.leaky_relu(z, 0.5), (2 / 1.25) ** 0.5),
        ("tanh", torch.tanh, 1.592537),
        ("lambda z: z + 1", lambda z: z + 1, 0.5**0.5),
    )
    for name, activation, expected in cases:
        yield Case(
            call=f"keeping_gain(activation), the activation: {name}",
            got=answer(activation),
            expected=expected,
            tolerance=0.004,
            hint="one over the root of the mean of activation(z) squared, z normal with mean 0 "
            "and standard deviation 1; a plain float (.item())",
        )


@checker("stability.distinct_units")
def distinct_units(answer: Callable) -> Iterator[Case]:
    """``answer(incoming, outgoing)`` -> how many units differ in their weights, an int.

    Expected: the size of a set of the units' weights.
    """
    draw = torch.Generator().manual_seed(0)
    free_in, free_out = torch.randn(6, 3, generator=draw), torch.randn(2, 6, generator=draw)
    copies = torch.tensor([0, 0, 1, 2, 1, 0])  # unit 0 three times, unit 1 twice, unit 2 once
    crossed = torch.tensor([[0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 0, 0]])
    cases = (
        ("all weights equal", torch.full((4, 3), 0.1), torch.full((2, 4), 0.1)),
        ("equal incoming, random outgoing weights", torch.full((6, 3), 0.1), free_out),
        ("random incoming, equal outgoing weights", free_in, torch.full((2, 6), 0.1)),
        ("random weights", free_in, free_out),
        ("copies of three units", free_in[copies], free_out[:, copies]),
        ("copies in the incoming weights alone", free_in[copies], free_out),
        ("copies coming in, others going out", free_in[crossed[0]], free_out[:, crossed[1]]),
        ("as many outputs as inputs", free_in[copies], torch.ones(3, 6)),
        ("as many outputs as units", free_in[copies], torch.eye(6)[:, copies]),
        ("one unit", torch.zeros(1, 5), torch.zeros(4, 1)),
    )
    for what, incoming, outgoing in cases:
        units = zip(incoming.tolist(), outgoing.T.tolist())
        yield Case(
            call=f"distinct_units(incoming, outgoing): {what}, shapes {tuple(incoming.shape)} and "
            f"{tuple(outgoing.shape)}",
            got=answer(incoming.clone(), outgoing.clone()),
            expected=len({(*ins, *outs) for ins, outs in units}),
            hint="two units stay copies only if all their weights agree, those that come in (a row "
            "of incoming) and those that go out (a column of outgoing); give an int",
        )
