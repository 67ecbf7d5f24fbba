"""Right and wrong answers to the exercises of foundations/mlp."""

import numpy as np
import torch
from torch.nn import functional as F

from ..planted import answers


def hat(x, left, top, right):
    up, down = (x - left) / (top - left), (right - x) / (right - top)
    return torch.minimum(up, down).clamp(min=0)


def three_relus(x, left, top, right, last=None):
    up, down = 1 / (top - left), 1 / (right - top)
    last = down if last is None else last
    return up * F.relu(x - left) - (up + down) * F.relu(x - top) + last * F.relu(x - right)


def count_dead(pre):
    return len(pre.T) - int((pre.amax(0) > 0).sum())


def backward(x, labels, w2, hidden, logits, batch=None, wrong=""):
    d = {}
    one_hot = torch.eye(logits.shape[1])[labels]
    d["logits"] = (logits.softmax(1) - one_hot) / (batch or len(x))
    d["w2"] = torch.einsum("bc,bh->ch", d["logits"], hidden)
    d["b2"] = d["logits"].sum(0)
    d["hidden"] = torch.einsum("bc,ch->bh", d["logits"], w2)
    slope = {"relu": (hidden > 0).float(), "sigmoid": hidden * (1 - hidden)}
    d["pre"] = d["hidden"] * slope.get(wrong, 1 - hidden * hidden)
    d["w1"] = torch.einsum("bh,bi->hi", d["pre"], x)
    d["b1"] = d["pre"].mean(0) if wrong == "mean" else d["pre"].sum(0)
    if wrong == "missing":
        del d["b1"]
    if wrong == "turned":
        d["w2"] = d["w2"].T
    return d


TestMlp = answers(
    "mlp",
    right={
        "hat": [hat, three_relus],
        "count_dead": [count_dead, lambda pre: int((pre <= 0).all(0).sum())],
        "backward": [backward],
    },
    wrong={
        "hat": {
            "zeros": lambda x, *corners: torch.zeros_like(x),
            "nan": lambda x, *corners: torch.full_like(x, torch.nan),
            "wrong shape": lambda x, *corners: hat(x, *corners).flatten()[:1],
            "wrong dtype": lambda x, *corners: hat(x, *corners).double(),
            "goes on below 0": lambda x, *corners: three_relus(x, *corners, last=0),
            "height of the width": lambda x, a, b, c: (b - a) * hat(x, a, b, c),
            "top in the middle": lambda x, a, b, c: hat(x, a, (a + c) / 2, c),
            "numpy": lambda x, *corners: np.interp(x, corners, (0, 1, 0)),
        },
        "count_dead": {
            "zero": lambda pre: 0,
            "nan": lambda pre: float("nan"),
            "a tensor": lambda pre: (pre <= 0).all(0).sum(),
            "zero counts as alive": lambda pre: int((pre < 0).all(0).sum()),
            "off for one example": lambda pre: int((pre <= 0).any(0).sum()),
            "examples instead of units": lambda pre: int((pre <= 0).all(1).sum()),
            "the living": lambda pre: int((pre > 0).any(0).sum()),
            "one more": lambda pre: count_dead(pre) + 1,
        },
        "backward": {
            "zeros": lambda *a: {k: torch.zeros_like(v) for k, v in backward(*a).items()},
            "nan": lambda *a: {k: v * torch.nan for k, v in backward(*a).items()},
            "no dict": lambda *a: tuple(backward(*a).values()),
            "wrong dtype": lambda *a: {k: v.double() for k, v in backward(*a).items()},
            "a sum over the batch": lambda *a: backward(*a, batch=1),
            "off by one": lambda *a: backward(*a, batch=len(a[0]) + 1),
            "the derivative of ReLU": lambda *a: backward(*a, wrong="relu"),
            "that of sigmoid": lambda *a: backward(*a, wrong="sigmoid"),
            "a mean for the bias": lambda *a: backward(*a, wrong="mean"),
            "a gradient is missing": lambda *a: backward(*a, wrong="missing"),
            "a matrix is turned": lambda *a: backward(*a, wrong="turned"),
            "the sign is wrong": lambda *a: {k: -v for k, v in backward(*a).items()},
        },
    },
)
