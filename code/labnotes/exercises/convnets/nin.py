"""Checkers for the exercises of the chapter convnets/nin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.exercises import Case, attempt, checker


@checker("nin.global_average_pool")
def global_average_pool(answer: Callable) -> Iterator[Case]:
    """``answer(maps)`` with maps (batch, classes, h, w) -> logits (batch, classes).

    Expected: torch's own adaptive average pooling.
    """
    small = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, -4.0]]]])
    yield Case(
        call="global_average_pool(torch.tensor([[[[1., 2.], [3., 6.]], [[0., 0.], [0., -4.]]]]))",
        got=answer(small.clone()),
        expected=torch.tensor([[3.0, -1.0]]),
        hint="the mean of each map, not its sum; the result has the shape (batch, classes)",
    )
    draw = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 1, 1), (2, 3, 5, 5), (4, 10, 8, 6), (3, 2, 1, 7)):
        maps = torch.randn(shape, generator=draw)
        yield Case(
            call=f"global_average_pool(maps), maps of shape {shape}",
            got=answer(maps.clone()),
            expected=nn.functional.adaptive_avg_pool2d(maps, 1).flatten(1),
            tolerance=1e-5,
            hint="take the mean over the two last axes alone, whatever their sizes",
        )


@checker("nin.convolutional_head")
def convolutional_head(answer: Callable) -> Iterator[Case]:
    """``answer(linear, channels, height, width)`` -> nn.Conv2d that does what `linear` does.

    Expected: `linear` on every flattened window of (channels, height, width).
    """
    draw = torch.Generator().manual_seed(0)
    for channels, height, width, outputs in (
        (1, 1, 1, 1),
        (1, 2, 2, 3),
        (3, 2, 4, 5),
        (10, 3, 3, 10),
    ):
        linear = nn.Linear(channels * height * width, outputs)
        with torch.no_grad():
            for weight in linear.parameters():
                weight.copy_(torch.randn(weight.shape, generator=draw))
        head = answer(linear, channels, height, width)
        call = f"convolutional_head(linear, {channels}, {height}, {width})"
        yield Case(
            call=f"type({call}).__name__",
            got=type(head).__name__,
            expected="Conv2d",
            hint="make an nn.Conv2d and copy the weights into it",
        )
        for extra in (0, 3):
            maps = torch.randn(2, channels, height + extra, width + extra, generator=draw)
            with torch.no_grad():
                got = attempt(head, maps)
                patches = maps.unfold(2, height, 1).unfold(
                    3, width, 1
                )  # (2, c, rows, columns, h, w)
                patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3)
                expected = linear(patches).permute(0, 3, 1, 2)  # (2, outputs, rows, columns)
            yield Case(
                call=f"{call}(maps), maps of shape {tuple(maps.shape)}, "
                f"linear.weight of shape {tuple(linear.weight.shape)}",
                got=got,
                expected=expected.contiguous(),
                tolerance=1e-4,
                hint="the kernel is as large as the maps were, with no padding; linear.weight.view("
                "outputs, channels, height, width) is its weight; copy the bias too",
            )
