"""Checkers for the exercises of the chapter convnets/vgg."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.convnets import vgg
from labnotes.convnets.vgg import CONFIGS
from labnotes.exercises import Case, attempt, checker


@checker("vgg.parameters")
def parameters(answer: Callable) -> Iterator[Case]:
    """``answer(counts, in_channels, num_classes)`` -> int: all parameters of a VGG net.

    Expected: those of :func:`labnotes.convnets.vgg`, counted on the meta device.
    """
    hints = (
        "each convolution has 9 * in * out weights and out biases; the first of a block reads the "
        "channels of the block before it",
        "the first linear layer reads 512 * 7 * 7 numbers; every linear layer has biases too",
    )
    cases = [("A", 3, 1000), ("B", 3, 1000), ("D", 3, 1000), ("E", 3, 1000), ("A", 1, 10)]
    for config, in_channels, num_classes in cases:
        with torch.device("meta"):
            net = vgg(num_classes, in_channels, config=config)
        yield Case(
            call=f"vgg_parameters({CONFIGS[config]}, {in_channels}, {num_classes})",
            got=answer(CONFIGS[config], in_channels, num_classes),
            expected=sum(p.numel() for p in net.parameters()),
            tolerance=0,
            hint=" ".join(hints),
        )


@checker("vgg.as_convolution")
def as_convolution(answer: Callable) -> Iterator[Case]:
    """``answer(linear, channels)`` -> nn.Conv2d: the layer that slides `linear` over a larger map.

    Expected: the linear layer on the flattened map, and on every window of a larger one.
    """
    draw = torch.Generator().manual_seed(0)
    for channels, side, outputs in ((1, 2, 1), (2, 3, 4), (5, 1, 3)):
        linear = nn.Linear(channels * side * side, outputs)
        with torch.no_grad():
            for p in linear.parameters():
                p.copy_(torch.randint(-3, 4, p.shape, generator=draw).float())
        before = linear.weight.detach().clone()
        conv = answer(linear, channels)
        name = f"as_convolution(nn.Linear({linear.in_features}, {outputs}), {channels})"
        yield Case(
            call=f"type(...).__name__, kernel size and padding of {name}",
            got=(type(conv).__name__, _pair(conv, "kernel_size"), _pair(conv, "padding")),
            expected=("Conv2d", (side, side), (0, 0)),
            hint="the kernel is as large as the map that the linear layer reads, without padding",
        )
        maps = torch.randint(-3, 4, (2, channels, side, side), generator=draw).float()
        with torch.no_grad():
            yield Case(
                call=f"{name} on a map of {channels} x {side} x {side}, flattened",
                got=_flat(attempt(conv, maps)),
                expected=linear(maps.flatten(1)),
                tolerance=1e-5,
                hint="flatten puts channel after channel and row after row: reshape the weights to "
                "(outputs, channels, side, side), and copy the bias",
            )
            large = torch.randint(-3, 4, (1, channels, side + 1, side + 2), generator=draw).float()
            windows = [
                linear(large[:, :, y : y + side, x : x + side].flatten(1))
                for y in range(2)
                for x in range(3)
            ]
            yield Case(
                call=f"{name} on a map of {channels} x {side + 1} x {side + 2}",
                got=attempt(conv, large),
                expected=torch.stack(windows, -1).reshape(1, outputs, 2, 3),
                tolerance=1e-5,
                hint="stride 1: one result for every place of the window",
            )
        yield Case(
            call=f"the weights of the linear layer after {name}",
            got=linear.weight.detach().clone(),
            expected=before,
            hint="leave the linear layer as it is",
        )


def _pair(layer, name: str):
    value = getattr(layer, name, None)
    return (value, value) if isinstance(value, int) else value


def _flat(output):
    return output.flatten(1) if isinstance(output, torch.Tensor) and output.dim() > 1 else output
