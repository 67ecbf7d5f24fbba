"""The checkers of the chapter generalization/weight-decay take right answers and no wrong ones."""

import torch

from ..planted import answers


def step(w, g, v, lr, momentum, decay):
    v = momentum * v + g + decay * w
    return w - lr * v, v


def in_place(w, g, v, lr, momentum, decay):
    v = momentum * v + g + decay * w
    w -= lr * v
    return w, v


def towards(x, y, penalty, w0, n=None, sign=1):
    n, eye = n or len(x), torch.eye(x.shape[1], dtype=x.dtype)
    return torch.linalg.solve(x.T @ x / n + penalty * eye, x.T @ y / n + sign * penalty * w0)


TestWeightDecay = answers(
    "weight_decay",
    right={
        "step_with_momentum": [
            step,
            lambda w, g, v, lr, m, d: (
                (1 - lr * d) * w - lr * (m * v + g), m * v + g + d * w,
            ),
        ],
        "ridge_towards": [
            towards,
            lambda x, y, p, w0: w0 + towards(x, y - x @ w0, p, torch.zeros_like(w0)),
        ],
    },
    wrong={
        "step_with_momentum": {
            "decay beside the velocity": lambda w, g, v, lr, m, d: (
                (1 - lr * d) * w - lr * (m * v + g), m * v + g,
            ),
            "decay not times the rate": lambda w, g, v, lr, m, d: (
                (1 - d) * w - lr * (m * v + g), m * v + g + d * w,
            ),
            "upwards": lambda w, g, v, lr, m, d: (w + lr * step(w, g, v, 1, m, d)[1],
                                                 step(w, g, v, 1, m, d)[1]),
            "damped gradient": lambda w, g, v, lr, m, d: step(w, (1 - m) * g, v, lr, m, d),
            "no velocity given back": lambda *a: step(*a)[0],
            "old velocity used": lambda w, g, v, lr, m, d: (w - lr * v, step(w, g, v, lr, m, d)[1]),
            "in place": in_place,
            "zeros": lambda w, *_: (0 * w, 0 * w),
            "not a number": lambda *a: tuple(x * float("nan") for x in step(*a)),
        },
        "ridge_towards": {
            "towards zero": lambda x, y, p, w0: towards(x, y, p, 0 * w0),
            "away from it": lambda x, y, p, w0: towards(x, y, p, w0, sign=-1),
            "sum over rows": lambda x, y, p, w0: towards(x, y, p, w0, n=1),
            "no penalty": lambda x, y, p, w0: towards(x, y, 1e-9, w0),
            "w0 itself": lambda x, y, p, w0: w0,
            "doubled": lambda x, y, p, w0: towards(x, y, 2 * p, w0),
            "a column": lambda *a: towards(*a)[:, None],
            "single precision": lambda *a: towards(*a).float(),
            "zeros": lambda x, y, p, w0: 0 * w0,
        },
    },
)  # fmt: skip
