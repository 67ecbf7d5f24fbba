"""The checkers of attention/self-attention take right answers and refuse the usual wrong ones."""

import numpy as np
import torch

from labnotes.attention.positions import RelativeBias, sinusoidal
from labnotes.exercises import check

from ..planted import answers


def turned(n, d, start=0, base=10000.0, exponent=2.0):
    """The encoding as real and imaginary parts of e^(i angle)."""
    angles = np.outer(np.arange(start, start + n), base ** (-exponent * np.arange(d // 2) / d))
    turns = np.exp(1j * angles)
    return torch.from_numpy(np.stack([turns.imag, turns.real], -1).reshape(n, d)).float()


def package_scores(bias, n):
    m = len(bias) // 2
    if m == 0:
        return bias.expand(n, n)
    layer = RelativeBias(1, m).requires_grad_(False)
    layer.bias.copy_(bias[None])
    return layer(n, n)[0]


def toeplitz(bias, n, sign=1, shift=0):
    m = len(bias) // 2
    where = torch.arange(n)
    distance = sign * (where[None] - where[:, None]) + shift
    return bias[distance.clamp(-m, m) + m]


def zero_beyond(bias, n):
    m = len(bias) // 2
    where = torch.arange(n)
    return toeplitz(bias, n) * ((where[None] - where[:, None]).abs() <= m)


TestSelfAttention = answers(
    "self_attention",
    right={
        "position_matrix": [turned, sinusoidal, lambda n, d, s: turned(s + n, d)[s:]],
        "relative_scores": [toeplitz, package_scores],
    },
    wrong={
        "position_matrix": {
            "zeros": lambda n, d, s: torch.zeros(n, d),
            "nan": lambda n, d, s: torch.full((n, d), torch.nan),
            "sines first, then cosines": lambda n, d, s: torch.cat(
                [turned(n, d, s)[:, ::2], turned(n, d, s)[:, 1::2]], 1
            ),
            "cosines in even columns": lambda n, d, s: (
                turned(n, d, s).unflatten(1, (-1, 2)).flip(2).flatten(1)
            ),
            "positions from 1": lambda n, d, s: turned(n, d, s + 1),
            "start forgotten": lambda n, d, s: turned(n, d),
            "a table of 64 rows": lambda n, d, s: turned(64, d)[s : s + n],
            "half the exponent": lambda n, d, s: turned(n, d, s, exponent=1.0),
            "base 1000": lambda n, d, s: turned(n, d, s, base=1000.0),
            "growing frequencies": lambda n, d, s: turned(n, d, s, base=1e-4),
            "transposed": lambda n, d, s: turned(n, d, s).T,
            "minus sine": lambda n, d, s: (
                turned(n, d, s) * torch.tensor([-1.0, 1.0]).repeat(d // 2)
            ),
            "float64": lambda n, d, s: turned(n, d, s).double(),
            "a list": lambda n, d, s: turned(n, d, s).tolist(),
        },
        "relative_scores": {
            "zeros": lambda b, n: torch.zeros(n, n),
            "nan": lambda b, n: torch.full((n, n), torch.nan),
            "query minus key": lambda b, n: toeplitz(b, n, sign=-1),
            "one off": lambda b, n: toeplitz(b, n, shift=1),
            "zero beyond m": zero_beyond,
            "distance without its sign": lambda b, n: (
                toeplitz(b, n).triu() + toeplitz(b, n).triu(1).T
            ),
            "not clipped, wrapped": lambda b, n: b[
                (torch.arange(n)[None] - torch.arange(n)[:, None] + len(b) // 2) % len(b)
            ],
            "the first row everywhere": lambda b, n: toeplitz(b, n)[:1].expand(n, n),
            "one row": lambda b, n: toeplitz(b, n)[0],
            "a head too many": lambda b, n: toeplitz(b, n)[None],
            "softmax too": lambda b, n: toeplitz(b, n).softmax(-1),
            "float64": lambda b, n: toeplitz(b, n).double(),
        },
    },
)


def test_an_answer_that_spoils_its_input_cannot_spoil_what_is_expected():
    def spoil(bias, n):
        return bias.zero_().expand(n) + torch.zeros(n, 1)

    assert check("self_attention.relative_scores", spoil) is False
