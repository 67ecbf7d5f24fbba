"""The checkers of the chapter generalization/dropout take right answers and no wrong ones."""

import torch
from torch import nn

from ..planted import answers


def channels(maps, p, shape=2, scale=True, keep=None):
    keep = 1 - p if keep is None else keep
    mask = torch.rand(*maps.shape[:shape], *[1] * (4 - shape)) < keep
    return maps * mask / (1 - p if scale else 1)


def penalty(x, w, p, factor=None):
    return (p / (1 - p) if factor is None else factor) * (w**2 * (x**2).sum(0)).sum()


TestDropout = answers(
    "dropout",
    right={
        "channel_dropout": [channels, lambda maps, p: nn.Dropout2d(p).train()(maps)],
        "dropout_penalty": [penalty, lambda x, w, p: p / (1 - p) * ((x * w) ** 2).sum()],
    },
    wrong={
        "channel_dropout": {
            "single pixels": lambda maps, p: nn.functional.dropout(maps, p),
            "rows": lambda maps, p: channels(maps, p, shape=3),
            "one mask for the batch": lambda maps, p: maps * channels(torch.ones(1, maps.shape[1], 1, 1), p),
            "whole examples": lambda maps, p: channels(maps, p, shape=1),
            "not scaled": lambda maps, p: channels(maps, p, scale=False),
            "p is kept": lambda maps, p: channels(maps, p, keep=p or 1.0),
            "the identity": lambda maps, p: maps,
            "scaled without a mask": lambda maps, p: maps / (1 - p),
            "zeros": lambda maps, p: 0 * maps,
            "not a number": lambda maps, p: maps * float("nan"),
            "one map": lambda maps, p: channels(maps, p)[0],
        },
        "dropout_penalty": {
            "p alone": lambda x, w, p: penalty(x, w, p, p),
            "the other way round": lambda x, w, p: penalty(x, w, p, (1 - p) / p) + 0 * w.sum(),
            "no data": lambda x, w, p: p / (1 - p) * (w**2).sum(),
            "square of the sum": lambda x, w, p: p / (1 - p) * ((x @ w) ** 2).sum(),
            "sum squared": lambda x, w, p: p / (1 - p) * (w**2 * x.sum(0) ** 2).sum(),
            "mean over rows": lambda x, w, p: penalty(x, w, p) / len(x),
            "absolute weights": lambda x, w, p: p / (1 - p) * (w.abs() * (x**2).sum(0)).sum(),
            "by column": lambda x, w, p: p / (1 - p) * w**2 * (x**2).sum(0),
            "zero": lambda x, w, p: 0 * w.sum(),
            "not a number": lambda x, w, p: penalty(x, w, p) * float("nan"),
        },
    },
)  # fmt: skip
