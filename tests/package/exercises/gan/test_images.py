"""The checkers of the chapter gan/images take right answers and no wrong ones."""

import torch
import torch.nn.functional as F

from ..planted import answers


def faded(small, large, alpha):
    return (1 - alpha) * small.repeat_interleave(2, 2).repeat_interleave(2, 3) + alpha * large


def torchs(small, large, alpha, mode="nearest"):
    return torch.lerp(F.interpolate(small, scale_factor=2, mode=mode), large, alpha)


def kernel(x, y, power=3, scale=True):
    return (x @ y.T / (x.shape[1] if scale else 1) + 1) ** power


def distance(x, y, own=False, twice=2, mean=True, **how):
    def inside(k):
        n = len(k)
        if own:
            return k.mean()
        return (k.sum() - k.diagonal().sum()) / (n * (n - 1) if mean else n * n)

    mixed = kernel(x, y, **how).mean()
    return inside(kernel(x, x, **how)) + inside(kernel(y, y, **how)) - twice * mixed


TestImages = answers(
    "images",
    right={"fade_in": [faded, torchs], "kernel_distance": [distance]},
    wrong={
        "fade_in": {
            "the shares swapped": lambda s, b, a: faded(s, b, 1 - a),
            "bilinear": lambda s, b, a: torchs(s, b, a, "bilinear"),
            "tiled, not enlarged": lambda s, b, a: torch.lerp(s.repeat(1, 1, 2, 2), b, a),
            "added": lambda s, b, a: faded(s, b, 0.0) + a * b,
            "the old one alone": lambda s, b, a: faded(s, b, 0.0),
            "rows only": lambda s, b, a: s.repeat_interleave(2, 2),
            "zeros": lambda s, b, a: torch.zeros_like(b),
            "nan": lambda s, b, a: torch.full_like(b, torch.nan),
        },
        "kernel_distance": {
            "with each point's pair with itself": lambda x, y: distance(x, y, own=True),
            "divided by all pairs": lambda x, y: distance(x, y, mean=False),
            "mixed once": lambda x, y: distance(x, y, twice=1),
            "not divided by d": lambda x, y: distance(x, y, scale=False),
            "squared": lambda x, y: distance(x, y, power=2),
            "the root of it": lambda x, y: distance(x, y).abs().sqrt(),
            "sign": lambda x, y: -distance(x, y),
            "zeros": lambda x, y: torch.tensor(0.0),
            "nan": lambda x, y: torch.tensor(torch.nan),
            "a plain number": lambda x, y: distance(x, y).item(),
            "another shape": lambda x, y: distance(x, y)[None],
        },
    },
)
