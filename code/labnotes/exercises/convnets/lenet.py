"""Checkers for the exercises of the chapter convnets/lenet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.convnets import lenet
from labnotes.convnets.lenet import Subsampling, scaled_tanh
from labnotes.exercises import Case, checker


@checker("lenet.parameters")
def parameters(answer: Callable) -> Iterator[Case]:
    """``answer(in_channels, num_classes, image_size)`` -> (int, int): convolutions, linear layers.

    Expected: those of :func:`labnotes.convnets.lenet`, counted.
    """
    for channels, classes, size in (
        *((1, 10, 28), (1, 7, 28), (3, 10, 28), (1, 10, 32), (3, 100, 29), (2, 5, 31), (1, 2, 12)),
    ):
        with torch.device("meta"):
            net = lenet(classes, channels, image_size=size)
        yield Case(
            call=f"lenet_parameters({channels}, {classes}, {size})",
            got=answer(channels, classes, size),
            expected=(_count(net, nn.Conv2d), _count(net, nn.Linear)),
            tolerance=0,
            hint="every output channel has one bias; the first linear layer reads 16 maps of "
            "side ((image_size // 2) - 4) // 2; return two integers",
        )


def _count(net: nn.Module, kind: type) -> int:
    return sum(p.numel() for m in net.modules() if isinstance(m, kind) for p in m.parameters())


@checker("lenet.subsample")
def subsample(answer: Callable) -> Iterator[Case]:
    """``answer(x, coefficient, bias)`` -> the paper's subsampling layer, the scaled tanh included.

    Expected: :class:`labnotes.convnets.lenet.Subsampling` and ``scaled_tanh``.
    """
    one, none = torch.ones(1), torch.zeros(1)
    yield _subsample_case(
        answer,
        torch.tensor([[[[0.1, 0.2], [0.3, 0.4]]]]),
        one,
        none,
        "one square whose sum is 1: the scaled tanh of 1 is 1",
    )
    yield _subsample_case(
        answer,
        torch.tensor([[[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 8.0]]]]),
        0.25 * one,
        -one,
        "squares do not overlap; the bias comes before the tanh",
    )
    draw = torch.Generator().manual_seed(0)
    for shape in ((2, 3, 4, 6), (3, 2, 2, 8)):
        x = torch.randn(shape, generator=draw)
        coefficient, bias = torch.randn(2, shape[1], generator=draw)
        yield _subsample_case(
            answer, x, coefficient, bias, "each channel has its own coefficient and bias"
        )


def _subsample_case(answer, x, coefficient, bias, hint) -> Case:
    layer = Subsampling(len(bias))
    with torch.no_grad():
        layer.coefficient.copy_(coefficient)
        layer.bias.copy_(bias)
        expected = scaled_tanh(layer(x))
    got = answer(x.clone(), coefficient.clone(), bias.clone())
    shown = f"x of shape {tuple(x.shape)}" if x.numel() > 8 else f"x = {x.tolist()}"
    return Case(
        call=f"subsample(x, coefficient {coefficient.tolist()}, bias {bias.tolist()}), {shown}",
        got=got,
        expected=expected,
        tolerance=1e-5,
        hint=hint,
    )
