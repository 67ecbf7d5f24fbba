"""Checkers for the exercises of the chapter scale/many-gpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("many_gpus.average_gradients")
def average_gradients(answer: Callable) -> Iterator[Case]:
    """``answer(gradients, sizes)`` -> the gradient of the whole batch.

    Expected: that of the mean of (w - t)^2 / 2 over all targets t at once, by autograd.
    """
    draw = torch.Generator().manual_seed(0)
    hints = {
        (2, 2): "parts of equal size: the plain average",
        (3, 1): "a part of three examples counts three times as much as one of one",
        (2, 0): "an empty part says nothing: leave it out (0 times NaN is NaN)",
        (0, 1, 4): "an empty part says nothing: leave it out (0 times NaN is NaN)",
    }
    for sizes in ((2, 2), (3, 1), (5, 3, 8), (2, 0), (0, 1, 4), (1,)):
        targets = torch.randn(sum(sizes), 3, generator=draw)
        parts = targets.split(list(sizes))
        yield Case(
            call=f"average_gradients(gradients, {list(sizes)})",
            got=answer([_gradient(part) for part in parts], list(sizes)),
            expected=_gradient(targets),
            tolerance=1e-5,
            hint=hints.get(tuple(sizes), "each part counts by its share of all examples"),
        )


def _gradient(targets: torch.Tensor) -> torch.Tensor:
    w = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    loss = ((w - targets) ** 2 / 2).sum(1).mean()  # NaN where there is no target
    loss.backward()
    return w.grad if len(targets) else torch.full((3,), float("nan"))


@checker("many_gpus.butterfly")
def butterfly(answer: Callable) -> Iterator[Case]:
    """``answer(vectors)`` -> (what each process holds, numbers that each has sent).

    Expected: torch's sum over all vectors, everywhere, and the length times log2 of their number.
    """
    draw = torch.Generator().manual_seed(1)
    for processes, length in ((2, 1), (1, 3), (2, 4), (4, 3), (8, 5), (16, 2)):
        vectors = [torch.randint(-9, 10, (length,), generator=draw) for _ in range(processes)]
        kept = [vector.clone() for vector in vectors]
        got = answer(vectors)
        yield Case(
            call=f"butterfly({[v.tolist() for v in kept]})",
            got=got,
            expected=(
                [torch.stack(kept).sum(0)] * processes,
                length * (processes.bit_length() - 1),
            ),
            hint="all processes exchange at the same time: compute a round from what everybody "
            "held before it, and send a whole vector a round",
        )
        yield Case(
            call="the vectors that you were given, afterwards",
            got=vectors,
            expected=kept,
            hint="a += b changes the caller's tensor: write a + b",
        )
