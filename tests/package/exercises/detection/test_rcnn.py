"""The checkers of the chapter detection/rcnn take right answers and no wrong ones."""

import math

import torch
from torch.nn.functional import grid_sample

from labnotes.detection.regions import _bands

from ..planted import answers


def bands(first, last, parts, up=math.ceil, down=math.floor, one=1):
    length = (last - first + one) / parts
    return [(first + down(i * length), first + up((i + 1) * length)) for i in range(parts)]


def bilinear(features, x, y, clamp=True, swap=False):
    height, width = features.shape
    if swap:
        x, y = y, x
    if clamp:
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    i, j = min(math.floor(max(y, 0)), height - 2), min(math.floor(max(x, 0)), width - 2)
    v, u = y - i, x - j
    a, b = features[i, j : j + 2].tolist(), features[i + 1, j : j + 2].tolist()
    return (1 - v) * ((1 - u) * a[0] + u * a[1]) + v * ((1 - u) * b[0] + u * b[1])


def of_torch(features, x, y):
    height, width = features.shape
    grid = torch.tensor([[[[2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1]]]]).to(features)
    found = grid_sample(features[None, None], grid, padding_mode="border", align_corners=True)
    return found.item()


TestCheckers = answers(
    "rcnn",
    right={
        "bands": [
            bands,
            lambda a, b, n: _bands(a, b, n, 100),
            lambda *a: [list(b) for b in bands(*a)],
        ],
        "bilinear": [bilinear, of_torch],
    },
    wrong={
        "bands": {
            "both rounded down": lambda *a: bands(*a, up=math.floor),
            "both rounded": lambda *a: bands(*a, up=round, down=round),
            "the last is left out": lambda *a: bands(*a, one=0),
            "ends included": lambda *a: [(x, y - 1) for x, y in bands(*a)],
            "counted from the region": lambda a, b, n: [(x - a, y - a) for x, y in bands(a, b, n)],
            "not rounded": lambda *a: bands(*a, up=float, down=float),
            "one cell": lambda *a: bands(*a)[:1],
            "nothing": lambda *a: None,
        },
        "bilinear": {
            "x and y changed": lambda *a: bilinear(*a, swap=True),
            "the nearest": lambda f, x, y: f[min(max(round(y), 0), 3), min(max(round(x), 0), 4)].item(),
            "one size of map": lambda f, x, y: bilinear(f, min(max(x, 0), 4), min(max(y, 0), 3), False),
            "no clamp": lambda *a: bilinear(*a, clamp=False),
            "half a cell off": lambda f, x, y: bilinear(f, x - 0.5, y - 0.5),
            "a tensor": lambda *a: torch.tensor([bilinear(*a)]),
            "zero": lambda *a: 0.0,
            "NaN": lambda *a: float("nan"),
            "nothing": lambda *a: None,
        },
    },
)  # fmt: skip
