"""Checkers for the exercises of the chapter convnets/densenet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.convnets.densenet import DenseLayer
from labnotes.exercises import Case, checker


@checker("densenet.layer_parameters")
def layer_parameters(answer: Callable) -> Iterator[Case]:
    """``answer(in_channels, growth_rate, bottleneck)`` -> int, as counted in a real layer."""
    for channels, growth, bottleneck in (
        (1, 1, 0), (16, 12, 0), (5, 3, 0), (1, 1, 4), (64, 32, 4), (7, 5, 2), (3, 2, 1),
    ):  # fmt: skip
        layer = DenseLayer(channels, growth, bottleneck)
        yield Case(
            call=f"layer_parameters({channels}, {growth}, {bottleneck})",
            got=answer(channels, growth, bottleneck),
            expected=sum(p.numel() for p in layer.parameters()),
            tolerance=0,
            hint="a BN has a scale and a shift for each channel that it READS; the convolutions "
            "have no bias; with bottleneck 0 there is no 1x1 convolution",
        )


@checker("densenet.dense_forward")
def dense_forward(answer: Callable) -> Iterator[Case]:
    """``answer(layers, x)`` -> x and all new maps, joined along the channels."""
    x = torch.tensor([[[[5.0]]]])
    layers = [lambda maps: maps.sum(1, keepdim=True) + 1] * 3
    yield Case(
        call="dense_forward([sum + 1, sum + 1, sum + 1], x), x = 5",
        got=answer(layers, x.clone()),
        expected=torch.tensor([5.0, 6, 12, 24]).reshape(1, 4, 1, 1),
        hint="each layer reads the input AND all maps made before it; the input comes first",
    )
    yield Case(
        call="dense_forward([], x): no layer",
        got=answer([], x.clone()),
        expected=x,
        hint="with no layer the input is all there is",
    )
    draw = torch.Generator().manual_seed(0)
    for channels, growths in ((2, (3, 1)), (1, (2, 2, 2)), (4, (1,))):
        convolutions, wide = [], channels
        for growth in growths:
            convolution = nn.Conv2d(wide, growth, 3, padding=1)
            with torch.no_grad():
                for weight in convolution.parameters():
                    weight.copy_(torch.randn(weight.shape, generator=draw))
            convolutions.append(convolution)
            wide += growth
        x = torch.randn(2, channels, 4, 5, generator=draw)
        yield Case(
            call=f"dense_forward of {len(growths)} convolutions, x of shape {tuple(x.shape)}",
            got=answer(convolutions, x.clone()),
            expected=_expected(convolutions, x),
            tolerance=1e-4,
            hint="join along dim=1, in the order input, first layer, second layer, ...",
        )


def _expected(convolutions: list[nn.Conv2d], x: torch.Tensor) -> torch.Tensor:
    """Written out map by map, with sums over the sources instead of a concatenation."""
    maps = [x]
    for convolution in convolutions:
        weights = convolution.weight.detach().split([m.shape[1] for m in maps], dim=1)
        new = sum(F.conv2d(m, w, padding=1) for m, w in zip(maps, weights, strict=True))
        maps.append(new + convolution.bias.detach()[:, None, None])
    return torch.cat(maps, 1)
