"""Checkers for the exercises of the chapter convnets/googlenet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import Inception, cost
from labnotes.exercises import Case, attempt, checker, shapes_of


@checker("googlenet.block_cost")
def block_cost(answer: Callable) -> Iterator[Case]:
    """``answer(in_channels, six numbers of channels, size)`` -> (weights, multiply-adds).

    Expected: those of :class:`labnotes.convnets.Inception`, counted.
    """
    hints = (
        "six convolutions: 1x1 to ch1x1; 1x1 to ch3x3red, 3x3 from there; 1x1 to ch5x5red, 5x5 "
        "from there; 1x1 to pool_proj, which reads all of in_channels after the pooling",
        "every weight is used once at each of the size * size positions",
    )
    for channels, size in (
        ((1, 1, 1, 1, 1, 1, 1), 1),
        ((1, 1, 1, 1, 1, 1, 1), 2),
        ((2, 3, 5, 7, 11, 13, 17), 3),
        ((192, 64, 96, 128, 16, 32, 32), 28),
        ((832, 384, 192, 384, 48, 128, 128), 7),
    ):
        with torch.device("meta"):
            block = Inception(*channels)
        weights = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))
        macs = cost(block, (channels[0], size, size)).multiplications
        yield Case(
            call=f"block_cost({', '.join(map(str, channels))}, size={size})",
            got=answer(*channels, size),
            expected=(weights, macs),
            tolerance=0,
            hint=hints[size > 1 and channels[0] == 1],
        )


@checker("googlenet.factorized_path")
def factorized_path(answer: Callable) -> Iterator[Case]:
    """``answer(in_channels, reduced, channels)`` -> module with conv1, conv2, conv3.

    Expected: 1x1, 3x3, 3x3 convolutions with bias, a ReLU after each, in functional calls.
    """
    yield _layers(answer(4, 2, 3), 4, 2, 3)
    path = answer(1, 1, 1)
    yield _layers(path, 1, 1, 1)
    with torch.no_grad():
        for parameter in path.parameters():
            parameter.fill_(float(parameter.dim() == 4))  # kernels of ones, no bias
    dot = torch.zeros(1, 1, 7, 7)
    dot[..., 3, 3] = 1
    yield Case(
        call="where path(dot) is above 0, for kernels of ones and a dot in the middle of 7x7",
        got=_positive(attempt(path, dot)),
        expected=F.pad(torch.ones(1, 1, 5, 5), (1, 1, 1, 1)) > 0,
        hint="two 3x3 windows in a row see 5x5, and padding=1 keeps height and width",
    )
    draw = torch.Generator().manual_seed(0)
    for inputs, reduced, channels, shape in (
        (2, 1, 3, (4, 5)),
        (5, 4, 2, (7, 3)),
        (3, 6, 4, (1, 1)),
    ):
        path = answer(inputs, reduced, channels)
        yield _layers(path, inputs, reduced, channels)
        with torch.no_grad():
            for parameter in path.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draw))
        x = torch.randn(3, inputs, *shape, generator=draw)
        with torch.no_grad():
            expected = _expected(path, x)
            got = attempt(path, x.clone())
        yield Case(
            call=f"path(x), x of shape {tuple(x.shape)}, weights at random",
            got=got,
            expected=expected,
            tolerance=1e-4,
            hint="conv1, ReLU, conv2, ReLU, conv3, ReLU",
        )


def _layers(path: object, inputs: int, reduced: int, channels: int) -> Case:
    """The path has the layers that the other cases reach for, and no others."""
    return Case(
        call=f"{{name: shape of each parameter of FactorizedPath({inputs}, {reduced}, {channels})}}",
        got=shapes_of(path),
        expected={
            "conv1.weight": (reduced, inputs, 1, 1),
            "conv1.bias": (reduced,),
            "conv2.weight": (channels, reduced, 3, 3),
            "conv2.bias": (channels,),
            "conv3.weight": (channels, channels, 3, 3),
            "conv3.bias": (channels,),
        },
        hint="a module with the attributes conv1, conv2, conv3, nn.Conv2d with bias",
    )


def _positive(output):
    return output > 0 if isinstance(output, torch.Tensor) else output


def _expected(path: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer, padding in ((path.conv1, 0), (path.conv2, 1), (path.conv3, 1)):
        x = F.conv2d(x, layer.weight, layer.bias, padding=padding).relu()
    return x
