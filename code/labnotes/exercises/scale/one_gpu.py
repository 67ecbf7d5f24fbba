"""Checkers for the exercises of the chapter scale/one-gpu."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from labnotes.exercises import Case, checker


@checker("one_gpu.intensity")
def intensity(answer: Callable) -> Iterator[Case]:
    """``answer(batch, in_channels, out_channels, kernel, side, bytes_each)`` -> float.

    Expected: torch's count of the operations over the bytes of the three tensors.
    """
    for batch, inputs, outputs, kernel, side, each in (
        (1, 1, 1, 1, 1, 4), (32, 64, 64, 3, 14, 4), (32, 64, 64, 3, 14, 2), (2, 3, 8, 5, 6, 4),
        (4, 16, 2, 1, 7, 2),
    ):  # fmt: skip
        with torch.device("meta"):
            layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
            x = torch.zeros(batch, inputs, side, side)
        with FlopCounterMode(display=False) as counter:
            y = layer(x)
        moved = each * (x.numel() + y.numel() + layer.weight.numel())
        yield Case(
            call=f"intensity({batch}, {inputs}, {outputs}, {kernel}, {side}, {each})",
            got=answer(batch, inputs, outputs, kernel, side, each),
            expected=counter.get_total_flops() / moved,
            tolerance=1e-6,
            hint="a multiply-add is two operations; bytes of input, output and kernels, each once",
        )


@checker("one_gpu.to_bfloat16")
def to_bfloat16(answer: Callable) -> Iterator[Case]:
    """``answer(x)`` -> float32: what ``x.bfloat16().float()`` gives."""
    draw = torch.Generator().manual_seed(0)
    examples = [
        ("numbers that bfloat16 has", torch.tensor([0.0, 1.0, -2.5, 256.0]), "these stay"),
        ("257 and 258", torch.tensor([257.0, 258.0]), "the step is 2 here: 257 is a tie"),
        (
            "ties",
            torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, -1 - 3 * 2**-8]),
            "a tie goes to the neighbour whose last bit is 0",
        ),
        ("just above a tie", torch.tensor([1 + 2**-8 + 2**-20]), "the nearest one is above"),
        (
            "numbers at random",
            torch.randn(3, 50, generator=draw)
            * 10.0 ** torch.randint(-9, 9, (3, 50), generator=draw),
            "round to the nearest, do not cut off",
        ),
    ]
    for what, x, hint in examples:
        yield Case(
            call=f"to_bfloat16(x), {what}",
            got=answer(x.clone()),
            expected=x.bfloat16().float(),
            tolerance=0,
            hint=hint,
        )
