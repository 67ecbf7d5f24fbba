"""Checkers for the exercises of the chapter optimization/schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from labnotes.exercises import Case, checker


@checker("schedules.inverse_root")
def inverse_root(answer: Callable) -> Iterator[Case]:
    """``answer(step, warmup)`` -> the factor of Vaswani et al. (2017), equation 3.

    Expected: the equation in steps from 1, divided by its largest value, which is searched for.
    """
    for warmup in (1, 4, 100):
        n = np.arange(1, 3 * warmup + 6)
        published = np.minimum(n**-0.5, n * float(warmup) ** -1.5)
        for step in sorted({0, warmup // 2, warmup - 1, warmup, 3 * warmup + 4}):
            yield Case(
                f"inverse_root(step={step}, warmup={warmup})",
                answer(step, warmup),
                float(published[step] / published.max()),
                tolerance=1e-9,
                hint="n = step + 1; the two branches meet at n = warmup, where the factor is 1",
            )


@checker("schedules.best_rates")
def best_rates(answer: Callable) -> Iterator[Case]:
    """``answer(curvature, noise, distance, steps)`` -> list of rates.

    Expected: the lowest of the three points' parabola through the next mean squared distances,
    which NumPy fits.
    """
    for curvature, noise, distance, steps in (
        (1.0, 1.0, 4.0, 1),
        (1.0, 1.0, 4.0, 4),
        (2.0, 1.0, 4.0, 3),
        (1.0, 3.0, 4.0, 3),
        (0.5, 0.2, 10.0, 6),
    ):
        yield Case(
            f"best_rates(curvature={curvature}, noise={noise}, distance={distance}, steps={steps})",
            _as_list(answer(curvature, noise, distance, steps)),
            _searched(curvature, noise, distance, steps),
            tolerance=1e-6,
            hint="after a step D is (1 - rate h)^2 D + rate^2 noise^2: the noise is a deviation, "
            "and each rate needs the D that the step before has left",
        )


def _as_list(got):
    return got.tolist() if isinstance(got, (np.ndarray, torch.Tensor)) else got


def _searched(curvature: float, noise: float, distance: float, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        tried = np.array([0.0, 0.5, 1.0]) / curvature
        after = (1 - tried * curvature) ** 2 * distance + (tried * noise) ** 2
        parabola = np.poly1d(np.polyfit(tried, after, 2))
        rates.append(float(parabola.deriv().roots[0]))
        distance = float(parabola(rates[-1]))
    return rates
