"""Checkers for the exercises of the chapter sequences/rnn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("rnn.gradients_back")
def gradients_back(answer: Callable) -> Iterator[Case]:
    """``answer(w, states, last)`` -> the gradients by all states ``(T, n)``.

    Expected: what autograd gives for the unrolled network.
    """
    for n, steps, hint in (
        (1, 2, "one unit, two steps: the second gradient is last, the first w (1 - h_2^2) last"),
        (3, 1, "with one step there is no way back: the gradient by h_1 is `last`"),
        (3, 2, "the transposed matrix leads back, and the slope is that of the later state"),
        (4, 6, "each step takes the gradient of the step after it, with that step's slopes"),
    ):
        draw = torch.Generator().manual_seed(10 * n + steps)
        w, inputs = torch.randn(n, n, generator=draw), torch.randn(steps, n, generator=draw)
        last = torch.randn(n, generator=draw)
        h, states = torch.zeros(n), []
        for x in inputs:
            h = torch.tanh(w @ h + x).requires_grad_()
            states.append(h)
        expected = torch.stack(torch.autograd.grad(h @ last, states))
        known = torch.stack(states).detach()
        yield Case(
            f"gradients_back(w, states, last) with {n} units and {steps} steps, in float32",
            answer(w.clone(), known.clone(), last.clone()),
            expected,
            tolerance=1e-5,
            hint=hint,
        )


@checker("rnn.with_radius")
def with_radius(answer: Callable) -> Iterator[Case]:
    """``answer(w, radius)`` -> a multiple of `w`.

    Expected: for matrices whose spectral radius is known by construction, ``w`` times the factor.
    """
    draw = torch.Generator().manual_seed(0)
    shear = torch.tensor([[0.5, 8.0], [0.0, 0.25]], dtype=torch.float64)
    turn = torch.tensor([[0.0, -3.0], [3.0, 0.0]], dtype=torch.float64)
    spiral = torch.tensor([[3.0, -4.0], [4.0, 3.0]], dtype=torch.float64)
    negative = torch.diag(torch.tensor([1.0, -4.0, 2.0], dtype=torch.float64))
    base = torch.randn(4, 4, generator=draw, dtype=torch.float64)
    mixed = base @ torch.diag(torch.tensor([3.0, 1.0, 0.5, -2.0]).double()) @ base.inverse()
    for name, w, known, hint in (
        ("a diagonal of 1, -4, 2", negative, 4.0, "it is the largest absolute value that counts"),
        ("a quarter turn times 3", turn, 3.0, "eigenvalues 3i and -3i: take .abs(), not .real"),
        ("a turn and a stretch", spiral, 5.0, "eigenvalues 3 + 4i and 3 - 4i: .abs() gives 5"),
        ("a shear", shear, 0.5, "eigenvalues, not singular values: the norm is another number"),
        ("a 4x4 matrix with eigenvalues 3, 1, 0.5, -2", mixed, 3.0, "scale by radius / its own"),
    ):
        for radius in (1.0, 0.9):
            yield Case(
                f"with_radius(w, {radius}) for {name}",
                answer(w.clone(), radius),
                w * (radius / known),
                tolerance=1e-8,
                hint=hint,
            )
