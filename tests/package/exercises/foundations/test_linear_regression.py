"""The checkers of the chapter foundations/linear-regression take right answers and no wrong ones."""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from ..planted import answers


def scaled(train, other, rows=None, unbiased=False, floor=0.0, dim=0):
    rows = train if rows is None else rows
    mean, std = rows.mean(dim), rows.std(dim, unbiased=unbiased)
    std = torch.where(std > floor, std, torch.ones_like(std))
    return (train - mean) / std, (other - mean) / std


def by_scikit_learn(train, other):
    scaler = StandardScaler().fit(train.double().numpy())
    return tuple(
        torch.from_numpy(scaler.transform(part.double().numpy()).astype(np.float32))
        for part in (train, other)
    )


def in_place(train, other):
    found = scaled(train, other)
    train -= train.mean(0)
    return found


def epoch(
    X, y, w, b, order, size, lr, factor=2.0, share=None, drop=False, keep=False, inplace=False
):
    start, updates = (w, b), 0
    for chosen in order.split(size):
        if drop and len(chosen) < size:
            continue
        now = start if keep else (w, b)
        e = X[chosen] @ now[0] + now[1] - y[chosen]
        n = len(chosen) if share is None else share(X, size)
        w, b = w - lr * factor * e @ X[chosen] / n, b - lr * factor * e.sum() / n
        updates += 1
    if inplace:
        start[0].copy_(w)
    return w, b, updates


def changed(change):
    return lambda *a: change(*epoch(*a))


def both_from_the_new(X, y, w, b, order, size, lr):
    """The bias is moved along the slope at the weight that was moved already."""
    for chosen in order.split(size):
        w = w - 2 * lr * (X[chosen] @ w + b - y[chosen]) @ X[chosen] / len(chosen)
        b = b - 2 * lr * (X[chosen] @ w + b - y[chosen]).mean()
    return w, b, len(order.split(size))


TestAnswers = answers(
    "linear_regression",
    right={"standardize": [scaled, by_scikit_learn], "sgd_epoch": [epoch]},
    wrong={
        "standardize": {
            "each by its own": lambda a, b: (scaled(a, a)[0], scaled(b, b)[1]),
            "by both together": lambda a, b: scaled(a, b, torch.cat([a, b])),
            "by the other": lambda a, b: scaled(a, b, b),
            "unbiased": lambda a, b: scaled(a, b, unbiased=True),
            "a constant column becomes nan": lambda a, b: scaled(a, b, floor=-1.0),
            "one number for the whole table": lambda a, b: (
                (a - a.mean()) / a.std(unbiased=False),
                (b - a.mean()) / a.std(unbiased=False),
            ),
            "not divided": lambda a, b: (a - a.mean(0), b - a.mean(0)),
            "not shifted": lambda a, b: (a / a.std(0), b / a.std(0)),
            "variance": lambda a, b: (
                (a - a.mean(0)) / a.var(0, unbiased=False).clamp(min=1e-9),
                (b - a.mean(0)) / a.var(0, unbiased=False).clamp(min=1e-9),
            ),
            "the first alone": lambda a, b: scaled(a, b)[0],
            "the wrong way round": lambda a, b: scaled(a, b)[::-1],
            "a list": lambda a, b: list(scaled(a, b)),
            "doubles": lambda a, b: tuple(p.double() for p in scaled(a, b)),
            "zeros": lambda a, b: (torch.zeros_like(a), torch.zeros_like(b)),
            "nan": lambda a, b: tuple(p * float("nan") for p in scaled(a, b)),
            "changes its arguments": in_place,
        },
        "sgd_epoch": {
            "no factor 2": lambda *a: epoch(*a, factor=1.0),
            "uphill": lambda *a: epoch(*a, factor=-2.0),
            "sums": lambda *a: epoch(*a, share=lambda X, size: 1),
            "by the batch size also where the batch is smaller": lambda *a: epoch(
                *a, share=lambda X, size: size
            ),
            "by all rows": lambda *a: epoch(*a, share=lambda X, size: len(X)),
            "drops the last batch": lambda *a: epoch(*a, drop=True),
            "all slopes at the start": lambda *a: epoch(*a, keep=True),
            "its own order": lambda X, y, w, b, order, size, lr: epoch(
                X, y, w, b, torch.arange(len(y)), size, lr
            ),
            "one batch": lambda X, y, w, b, order, size, lr: epoch(X, y, w, b, order, len(y), lr),
            "the bias from the new weight": both_from_the_new,
            "counts rows": lambda *a: (*epoch(*a)[:2], len(a[4])),
            "counts one too many": changed(lambda w, b, n: (w, b, n + 1)),
            "a column": changed(lambda w, b, n: (w[:, None], b, n)),
            "bias with a dimension": changed(lambda w, b, n: (w, b[None], n)),
            "bias left alone": lambda *a: (epoch(*a)[0], a[3], epoch(*a)[2]),
            "zeros": changed(lambda w, b, n: (0 * w, 0 * b, n)),
            "nan": changed(lambda w, b, n: (w * float("nan"), b, n)),
            "a float": changed(lambda w, b, n: (w, b, float(n))),
            "two": changed(lambda w, b, n: (w, b)),
            "changes its arguments": lambda *a: epoch(*a, inplace=True),
        },
    },
)
