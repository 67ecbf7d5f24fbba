"""Checkers for the exercises of the chapter optimization/landscape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("landscape.escape_direction")
def escape_direction(answer: Callable) -> Iterator[Case]:
    """``answer(gradient, hessian)`` -> unit vector along the lowest curvature, not uphill.

    Expected: NumPy's eigenvector, turned downhill. Where the gradient is zero either sign will do.
    """
    for gradient, hessian, hint in (
        ([-1.0, 0.0], [[-2.0, 0.0], [0.0, 3.0]], "lowest means most negative: column 0 of eigh"),
        ([1.0, 0.0], [[-2.0, 0.0], [0.0, 3.0]], "gradient @ direction must not be positive"),
        ([2.0, -1.0], [[4.0, 1.0], [1.0, 0.5]], "a positive lowest curvature counts as well"),
        ([0.0, 0.0], [[0.0, -2.0], [-2.0, 0.0]], "at a critical point either sign will do"),
        ([0.3, -0.2, 0.5], _SADDLE, "eigenvectors are the columns of eigh's matrix, not its rows"),
    ):
        gradient, hessian = torch.tensor(gradient).double(), torch.tensor(hessian).double()
        given = [gradient.clone(), hessian.clone()]
        got = answer(*given)
        call = f"escape_direction({gradient.tolist()}, {hessian.tolist()})"
        expected = _downhill(gradient, hessian)
        if not gradient.any() and _is_opposite(got, expected):
            got = -got
        yield Case(call, got, expected, tolerance=1e-8, hint=hint)
        yield Case(
            f"the tensors that were given, after {call}",
            given,
            [gradient, hessian],
            hint="do not change the arguments",
        )


_SADDLE = [[1.0, 2.0, 0.5], [2.0, -1.0, 0.0], [0.5, 0.0, 3.0]]


def _downhill(gradient: Tensor, hessian: Tensor) -> Tensor:
    way = torch.from_numpy(np.linalg.eigh(hessian.numpy())[1][:, 0].copy())
    return -way if gradient @ way > 0 else way


def _is_opposite(got, expected: Tensor) -> bool:
    """Whether `got` is the same direction with the other sign."""
    if type(got) is not Tensor or (got.shape, got.dtype) != (expected.shape, expected.dtype):
        return False
    return torch.allclose(-got, expected, rtol=1e-8, atol=1e-8)


@checker("landscape.chord_violation")
def chord_violation(answer: Callable) -> Iterator[Case]:
    """``answer(loss, v, w, s)`` -> the loss on the way less the chord.

    Expected: for a quadratic loss, -s (1 - s) times its value at v - w; the rest by hand. A fourth
    power takes care that this shortcut is not the answer.
    """

    def bowl(w):
        return w @ w

    yield Case(
        "chord_violation(lambda w: w @ w, [0.], [2.], 0.5)",
        answer(bowl, torch.tensor([0.0]), torch.tensor([2.0]), 0.5),
        torch.tensor(-1.0),  # 1 on the way, the chord is at 2
        hint="the loss at the middle is 1, the chord is at (0 + 4) / 2",
    )
    yield Case(
        "chord_violation(lambda w: w @ w, [0.], [2.], 0.25)",
        answer(bowl, torch.tensor([0.0]), torch.tensor([2.0]), 0.25),
        torch.tensor(-0.75),  # 0.25 on the way, the chord is at 1
        hint="s is the share of the way from v: (1 - s) v + s w, on the chord too",
    )
    yield Case(
        "chord_violation(lambda w: -(w @ w), [0.], [2.], 0.25)",
        answer(lambda w: -bowl(w), torch.tensor([0.0]), torch.tensor([2.0]), 0.25),
        torch.tensor(0.75),
        hint="a function that rises above its chord gives a positive number",
    )
    yield Case(
        "chord_violation(lambda w: (w**4).sum(), [0.], [2.], 0.25)",
        answer(lambda w: (w**4).sum(), torch.tensor([0.0]), torch.tensor([2.0]), 0.25),
        torch.tensor(-3.9375),  # 0.5**4 on the way, the chord is at 0.25 * 16
        hint="it has to be right for every loss, not only for squares",
    )
    draw = torch.Generator().manual_seed(0)
    for s in (0.0, 0.3, 1.0):
        v, w = torch.randn(2, 3, generator=draw, dtype=torch.float64)
        before = v.clone(), w.clone()
        yield Case(
            f"chord_violation(lambda w: w @ w, {before[0].tolist()}, {before[1].tolist()}, {s})",
            answer(bowl, v, w, s),
            torch.tensor(
                -s * (1 - s) * float(np.sum((before[0] - before[1]).numpy() ** 2))
            ).double(),
            tolerance=1e-6,
            hint="0 at both ends",
        )
