"""Checkers for the exercises of the chapter vision/style-transfer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("style_transfer.gram_matrix")
def gram_matrix(answer: Callable) -> Iterator[Case]:
    """``answer(features)``, (batch, channels, h, w) -> (batch, channels, channels).

    Expected: sums written as loops.
    """
    small = torch.tensor([[[[2.0, 0.0]], [[1.0, 3.0]]]])
    yield Case(
        call="gram_matrix(torch.tensor([[[[2., 0.]], [[1., 3.]]]]))",
        got=answer(small.clone()),
        expected=torch.tensor([[[2.0, 1.0], [1.0, 5.0]]]),
        hint="entry (i, j) is the mean over the places of channel i times channel j",
    )
    draw = torch.Generator().manual_seed(0)
    for shape in ((1, 1, 1, 1), (2, 3, 4, 4), (3, 2, 2, 5), (2, 4, 1, 3)):
        features = torch.randn(shape, generator=draw)
        batch, channels, height, width = shape
        expected = torch.zeros(batch, channels, channels)
        for b in range(batch):
            for i in range(channels):
                for j in range(channels):
                    product = features[b, i] * features[b, j]
                    expected[b, i, j] = product.sum() / (height * width)
        yield Case(
            call=f"gram_matrix(features), features of shape {shape}",
            got=answer(features.clone()),
            expected=expected,
            tolerance=1e-5,
            hint="each picture of the batch has a matrix of its own; divide by height times width",
        )


@checker("style_transfer.adaptive_instance_norm")
def adaptive_instance_norm(answer: Callable) -> Iterator[Case]:
    """``answer(content, style)`` -> content with the mean and spread of each channel of style.

    Expected: torch's instance normalization, scaled and shifted.
    """
    draw = torch.Generator().manual_seed(0)
    for shape, other, (spread_of_content, spread_of_style) in (
        ((1, 1, 2, 2), (2, 2), (2, 3)),
        ((1, 2, 3, 3), (4, 5), (2, 3)),
        ((3, 4, 5, 2), (2, 3), (2, 3)),
        ((2, 3, 4, 4), (6, 6), (2, 3)),
        # nearly flat, where it matters that 1e-5 is added, and where
        ((1, 2, 4, 3), (3, 4), (1e-3, 3)),
        ((1, 2, 4, 3), (3, 4), (2, 1e-3)),
    ):
        content = spread_of_content * torch.randn(shape, generator=draw) + 1
        style = spread_of_style * torch.randn(*shape[:2], *other, generator=draw) - 2
        flat = style.flatten(2)
        spread = (flat.var(2, correction=0) + 1e-5).sqrt()[:, :, None, None]
        expected = F.instance_norm(content) * spread + flat.mean(2)[:, :, None, None]
        yield Case(
            call=f"adaptive_instance_norm(content, style), shapes {shape} and {tuple(style.shape)}",
            got=answer(content.clone(), style.clone()),
            expected=expected,
            tolerance=1e-4,
            hint="mean and variance over the places, for each picture and channel; the variance "
            "divides by the number of places, and 1e-5 is added to it before the root",
        )
