"""Checkers for the exercises of the chapter attention/translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from labnotes.exercises import Case, checker


@checker("translation.smoothed_loss")
def smoothed_loss(answer: Callable) -> Iterator[Case]:
    """``answer(logits, targets, smoothing, ignore)`` with (n, vocabulary) and (n,) -> the mean.

    Expected: torch's cross-entropy with ``label_smoothing`` and ``ignore_index``.
    """
    yield Case(
        call="smoothed_loss(torch.zeros(2, 4), torch.tensor([1, 3]), 0.1, 0)",
        got=answer(torch.zeros(2, 4), torch.tensor([1, 3]), 0.1, 0),
        expected=torch.tensor(4.0).log(),
        hint="where all logits are equal, every piece costs ln 4, however q is spread",
    )
    draw = torch.Generator().manual_seed(0)
    for smoothing, ignore in ((0.0, 0), (0.1, 0), (0.3, 2), (1.0, 5)):
        logits = 3 * torch.randn(8, 6, generator=draw)
        targets = torch.tensor([0, 1, 2, 3, 4, 5, ignore, 1])
        yield Case(
            call=f"smoothed_loss(logits, targets, {smoothing}, {ignore}), logits (8, 6)",
            got=answer(logits.clone(), targets.clone(), smoothing, ignore),
            expected=F.cross_entropy(
                logits, targets, ignore_index=ignore, label_smoothing=smoothing
            ),
            tolerance=1e-5,
            hint="the true token gets 1 - smoothing + smoothing / vocabulary, each other one "
            "smoothing / vocabulary; targets equal to ignore are in neither sum nor divisor",
        )


@checker("translation.cached_step")
def cached_step(answer: Callable) -> Iterator[Case]:
    """``answer(query, key, value, cache)`` -> the output of the newest position, and the cache.

    Expected: torch's attention of all positions at once under a causal mask.
    """
    draw = torch.Generator().manual_seed(0)
    for batch, steps, d in ((1, 1, 2), (2, 4, 3), (3, 6, 8)):
        q, k, v = (2 * torch.randn(batch, steps, d, generator=draw) for _ in range(3))
        whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (batch, steps, d)
        cache = None
        for t in range(steps):
            output, cache = _pair(answer(q[:, t].clone(), k[:, t].clone(), v[:, t].clone(), cache))
            yield Case(
                call=f"cached_step(query, key, value, cache) at step {t + 1} of {steps}, query, "
                f"key and value of shape {(batch, d)}",
                got=output,
                expected=whole[:, t],
                tolerance=1e-5,
                hint="divide by the square root of d, keep each key in line with its value, and "
                "let the newest position see itself as well",
            )


def _pair(found) -> tuple:
    """Output and cache; what is no such pair stands as the output, to be shown."""
    return found if isinstance(found, tuple) and len(found) == 2 else (found, None)
