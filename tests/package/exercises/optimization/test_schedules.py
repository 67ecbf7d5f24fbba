"""The checkers of the chapter optimization/schedules take right answers and no wrong ones."""

import math

import numpy as np
import torch

from ..planted import answers


def root(step, warmup):
    n = step + 1
    return min(n / warmup, math.sqrt(warmup / n))


def best(h, noise, v, steps, fixed=False, power=2, halve=1.0):
    rates = []
    for _ in range(steps):
        rates.append(halve * h * v / (h**2 * v + noise**power))
        if not fixed:
            v = (1 - rates[-1] * h) ** 2 * v + (rates[-1] * noise) ** 2
    return rates


TestSchedules = answers(
    "schedules",
    right={
        "inverse_root": [
            root,
            lambda t, a: math.sqrt(a) * min((t + 1) ** -0.5, (t + 1) * a**-1.5),
        ],
        "best_rates": [best, lambda *a: np.array(best(*a)), lambda *a: torch.tensor(best(*a))],
    },
    wrong={
        "inverse_root": {
            "steps from 0": lambda t, a: min(t / a, (a / max(t, 1)) ** 0.5),
            "the paper's scale": lambda t, a: min((t + 1) ** -0.5, (t + 1) * a**-1.5),
            "the larger of the two": lambda t, a: max((t + 1) / a, (a / (t + 1)) ** 0.5),
            "never falls": lambda t, a: min(1.0, (t + 1) / a),
            "falls like 1 / n": lambda t, a: min((t + 1) / a, a / (t + 1)),
            "begins at 1 / (warmup + 1)": lambda t, a: min((t + 1) / (a + 1), (a / (t + 1)) ** 0.5),
            "zero": lambda t, a: 0.0,
            "not a number": lambda t, a: math.nan,
        },
        "best_rates": {
            "one over the curvature": lambda h, s, v, n: [1 / h] * n,
            "curvature forgotten": lambda h, s, v, n: best(1.0, s, v, n),
            "noise forgotten": lambda h, s, v, n: best(h, 1.0, v, n),
            "noise as a variance": lambda h, s, v, n: best(h, s, v, n, power=1),
            "distance never updated": lambda h, s, v, n: best(h, s, v, n, fixed=True),
            "half of it": lambda h, s, v, n: best(h, s, v, n, halve=0.5),
            "one too many": lambda h, s, v, n: best(h, s, v, n + 1),
            "the last one": lambda h, s, v, n: best(h, s, v, n)[-1],
            "zeros": lambda h, s, v, n: [0.0] * n,
            "not a number": lambda h, s, v, n: [math.nan] * n,
        },
    },
)
