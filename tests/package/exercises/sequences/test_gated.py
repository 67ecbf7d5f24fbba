"""The checkers of the chapter on GRU and LSTM accept right answers and nothing else."""

import math

import torch

from ..planted import answers


def bias(steps, share):
    gate = share ** (1 / steps)
    return math.log(gate / (1 - gate))


def coupled(read, recalled, state, keep=lambda f: 1 - f):
    h, c = state
    f, g, o = (read + recalled).chunk(3, -1)
    f = torch.sigmoid(f)
    new = f * c + keep(f) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


def swapped(read, recalled, state):
    order = [[part.chunk(3, -1)[i] for i in (0, 2, 1)] for part in (read, recalled)]
    return coupled(*(torch.cat(parts, -1) for parts in order), state)


def of_the_old_cell(read, recalled, state):
    _, new = coupled(read, recalled, state)
    o = (read + recalled).chunk(3, -1)[2]
    return torch.sigmoid(o) * torch.tanh(state[1]), new


TestGated = answers(
    "gated",
    {"forget_bias": [bias], "coupled_step": [coupled]},
    {
        "forget_bias": {
            "zero": lambda n, s: 0.0,
            "nan": lambda n, s: math.nan,
            "the gate": lambda n, s: s ** (1 / n),
            "minus": lambda n, s: -bias(n, s),
            "one step": lambda n, s: bias(1, s),
            "a step too many": lambda n, s: bias(n + 1, s),
            "the logarithm of the steps": lambda n, s: math.log(n) if n > 1 else bias(n, s),
            "text": lambda n, s: str(bias(n, s)),
        },
        "coupled_step": {
            "zeros": lambda r, q, s: (torch.zeros_like(s[0]), torch.zeros_like(s[1])),
            "nan": lambda r, q, s: (s[0] * math.nan, s[1] * math.nan),
            "the input gate is f": lambda r, q, s: coupled(r, q, s, keep=lambda f: f),
            "the input gate is open": lambda r, q, s: coupled(r, q, s, keep=torch.ones_like),
            "g and o exchanged": swapped,
            "the recalled left out": lambda r, q, s: coupled(r, 0 * q, s),
            "cell and state exchanged": lambda r, q, s: coupled(r, q, s)[::-1],
            "shows the old cell": of_the_old_cell,
            "double precision": lambda r, q, s: tuple(t.double() for t in coupled(r, q, s)),
            "the hidden state alone": lambda r, q, s: coupled(r, q, s)[0],
        },
    },
)
