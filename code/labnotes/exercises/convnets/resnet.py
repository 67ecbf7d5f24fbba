"""Checkers for the exercises of the chapter convnets/resnet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import BasicBlock
from labnotes.exercises import Case, attempt, checker, shapes_of


@checker("resnet.block_parameters")
def block_parameters(answer: Callable) -> Iterator[Case]:
    """``answer(in_channels, channels, shortcut)`` -> int: the parameters of a basic block.

    Expected: those of :class:`labnotes.convnets.BasicBlock`, counted. It has stride 1 where the
    number of channels stays, and stride 2 where it changes.
    """
    hints = {
        "none": "two convolutions without bias, and a scale and a shift for each channel of each "
        "batch normalization",
        "A": "zero padding has no parameters",
        "B": "a projection only where the channels change: a 1x1 convolution and its batch "
        "normalization",
        "C": "a projection in every block",
    }
    for inputs, channels in ((1, 1), (2, 3), (16, 16), (16, 32), (64, 128), (512, 512)):
        for shortcut in ("none", "A", "B", "C"):
            stride = 1 if inputs == channels else 2
            block = BasicBlock(inputs, channels, stride, shortcut=shortcut)
            yield Case(
                call=f"block_parameters({inputs}, {channels}, {shortcut!r})",
                got=answer(inputs, channels, shortcut),
                expected=sum(p.numel() for p in block.parameters()),
                tolerance=0,
                hint=hints[shortcut],
            )


@checker("resnet.pre_activation")
def pre_activation(answer: Callable) -> Iterator[Case]:
    """``answer(channels)`` -> module with bn1, conv1, bn2, conv2: a pre-activation block.

    Expected: x + conv2(relu(bn2(conv1(relu(bn1(x)))))), in functional calls.
    """
    block = answer(2)
    yield _layers(block, 2)
    with torch.no_grad():
        block.conv2.weight.zero_()
    yield Case(
        call="block(x) with conv2's weights all zero: nothing is added to x",
        got=attempt(block, torch.tensor([[[[-1.0]], [[2.0]]], [[[3.0]], [[-4.0]]]])),
        expected=torch.tensor([[[[-1.0]], [[2.0]]], [[[3.0]], [[-4.0]]]]),
        hint="nothing comes after the sum, so that negative numbers pass",
    )
    draw = torch.Generator().manual_seed(0)
    for channels, size in ((1, 3), (3, 4), (5, 6)):
        block = answer(channels)
        yield _layers(block, channels)
        with torch.no_grad():
            for weight in block.parameters():
                weight.copy_(torch.randn(weight.shape, generator=draw))
        x = torch.randn(4, channels, size, size, generator=draw)
        yield Case(
            call=f"block(x) in training, x of shape {tuple(x.shape)}, weights at random",
            got=attempt(block, x.clone()),
            expected=_expected(block, x),
            tolerance=1e-4,
            hint="the order is bn1, relu, conv1, bn2, relu, conv2, and then the sum with x itself",
        )


def _layers(block: object, channels: int) -> Case:
    """The block has the layers that the other cases reach for, and no others."""
    kernel, vector = (channels, channels, 3, 3), (channels,)
    norms = {f"bn{n}.{name}": vector for n in (1, 2) for name in ("weight", "bias")}
    return Case(
        call="{name: shape of each parameter of PreActivationBlock(%d)}" % channels,
        got=shapes_of(block),
        expected=norms | {"conv1.weight": kernel, "conv2.weight": kernel},
        hint="a module with the attributes bn1, conv1, bn2, conv2; the convolutions are 3x3 with "
        "bias=False, the batch normalizations nn.BatchNorm2d(channels)",
    )


@torch.no_grad()
def _expected(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h = x
    for norm, conv in ((block.bn1, block.conv1), (block.bn2, block.conv2)):
        h = F.batch_norm(h, None, None, norm.weight, norm.bias, training=True)
        h = F.conv2d(h.relu(), conv.weight, padding=1)
    return x + h
