"""Checkers for the exercises of the chapter attention/transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from labnotes.exercises import Case, checker


@checker("transformer.pre_norm_block")
def pre_norm_block(answer: Callable) -> Iterator[Case]:
    """``answer(x, attention, network, norm1, norm2)``: (batch, length, d) to the same.

    Expected: numbers that can be followed by hand, then torch's layer with its own parts.
    """
    yield Case(
        call="pre_norm_block(torch.tensor([[[1.]]]), attention=lambda x: 2 * x, "
        "network=lambda x: x + 1, norm1=lambda x: x + 2, norm2=lambda x: 10 * x)",
        got=answer(
            torch.tensor([[[1.0]]]),
            lambda x: 2 * x,
            lambda x: x + 1,
            lambda x: x + 2,
            lambda x: 10 * x,
        ),
        expected=torch.tensor([[[78.0]]]),
        hint="1 + 2 * (1 + 2) = 7 comes out of the first sub-layer, 7 + (10 * 7 + 1) of the second: "
        "each norm is in front of its sub-layer, and the sum is not normalized",
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for batch, length in ((1, 3), (2, 5)):
            layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
            for norm in (layer.norm1, layer.norm2):
                nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
            layer.requires_grad_(False)
            x = torch.randn(batch, length, 8)
            yield Case(
                call=f"pre_norm_block(x, ...) with x of shape ({batch}, {length}, 8) and the parts "
                "of nn.TransformerEncoderLayer(8, 2, norm_first=True)",
                got=answer(x.clone(), _attention(layer), _network(layer), layer.norm1, layer.norm2),
                expected=layer(x),
                tolerance=1e-5,
                hint="the second sub-layer and its skip connection start from the first one's sum",
            )


def _attention(layer: nn.TransformerEncoderLayer) -> Callable:
    return lambda x: layer.self_attn(x, x, x, need_weights=False)[0]


def _network(layer: nn.TransformerEncoderLayer) -> Callable:
    return lambda x: layer.linear2(F.relu(layer.linear1(x)))


@checker("transformer.patches")
def patches(answer: Callable) -> Iterator[Case]:
    """``answer(images, size)``: (batch, channels, height, width) to (batch, patches, features).

    Expected: a picture of 16 numbers cut by hand, then `torch.nn.functional.unfold`.
    """
    small = torch.arange(16.0).reshape(1, 1, 4, 4)
    yield Case(
        call="patches(torch.arange(16.).reshape(1, 1, 4, 4), 2)",
        got=answer(small.clone(), 2),
        expected=torch.tensor([[[0.0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]]),
        hint="the first patch has the pixels 0, 1, 4, 5; the second stands to its right: 2, 3, 6, 7",
    )
    draw = torch.Generator().manual_seed(0)
    for shape, size in (((2, 3, 4, 6), 2), ((1, 2, 6, 3), 3), ((3, 1, 5, 5), 1)):
        images = torch.randn(shape, generator=draw)
        yield Case(
            call=f"patches(images, {size}) with images of shape {shape}",
            got=answer(images.clone(), size),
            expected=F.unfold(images, size, stride=size).mT.contiguous(),
            hint="split height and width into (patches, size) each, and bring the two axes of "
            "patches before the channels; height and width need not be equal",
        )
