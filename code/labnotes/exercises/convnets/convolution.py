"""Checkers for the exercises of the chapter convnets/convolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("convolution.output_size")
def output_size(answer: Callable) -> Iterator[Case]:
    """``answer(n, kernel, stride, padding, dilation)`` -> int: outputs along one axis.

    Expected: the shape that torch's convolution makes, 0 where it refuses.
    """
    settings = [
        ((5, 3, 1, 0, 1), "the kernel starts at places 0, 1, 2: one more than it can move"),
        ((5, 3, 1, 1, 1), "padding is added at both ends"),
        ((7, 3, 2, 0, 1), "divide by the stride how far the kernel can move, then add one"),
        ((6, 3, 2, 0, 1), "a step that would go over the edge is not made: round down"),
        ((224, 11, 4, 1, 1), "round down, and only then add one"),
        ((7, 3, 1, 0, 2), "with dilation d the kernel spans d * (kernel - 1) + 1 pixels"),
        ((28, 5, 3, 2, 3), "dilation and stride together"),
        ((1, 1, 1, 0, 1), "one pixel, one place"),
        ((9, 1, 2, 0, 3), "a kernel of one place has no gaps to dilate"),
        ((4, 3, 1, 0, 2), "a kernel that spans more than the padded image gives 0"),
        ((1, 4, 1, 0, 1), "a kernel that spans more than the padded image gives 0"),
        ((2, 5, 3, 1, 1), "a kernel that spans more than the padded image gives 0"),
    ]
    for numbers, hint in settings:
        yield Case(
            call=f"output_size({', '.join(map(str, numbers))})",
            got=answer(*numbers),
            expected=_torchs_size(*numbers),
            tolerance=0,
            hint=hint,
        )


def _torchs_size(n: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    line, taps = torch.empty(1, 1, n, device="meta"), torch.empty(1, 1, kernel, device="meta")
    try:
        return F.conv1d(line, taps, None, stride, padding, dilation).shape[-1]
    except RuntimeError:  # it does not fit
        return 0


@checker("convolution.correlate_channels")
def correlate_channels(answer: Callable) -> Iterator[Case]:
    """``answer(x, weight)``: (in, h, w) and (out, in, kh, kw) -> (out, h - kh + 1, w - kw + 1).

    Expected: torch's convolution of a batch of one.
    """
    x, weight = torch.arange(9.0).reshape(1, 3, 3), torch.arange(4.0).reshape(1, 1, 2, 2)
    yield Case(
        call="correlate_channels(x, weight) with x = [[[0 to 8]]], weight = [[[[0, 1], [2, 3]]]]",
        got=answer(x.clone(), weight.clone()),
        expected=torch.tensor([[[19.0, 25.0], [37.0, 43.0]]]),
        hint='one channel in, one out: cross-correlation as in "By hand", without a flip',
    )
    draw = torch.Generator().manual_seed(0)
    cases = [
        ((2, 4, 4), (1, 2, 3, 3), "the slices of all input channels are added into one map"),
        ((1, 5, 4), (3, 1, 2, 2), "each output channel has its own kernel"),
        ((3, 6, 5), (2, 3, 3, 2), "rows and columns of the kernel may differ"),
        ((3, 4, 4), (3, 3, 1, 1), "a 1x1 kernel mixes channels at each place"),
    ]
    for shape, kernels, hint in cases:
        x = torch.randn(shape, generator=draw)
        weight = torch.randn(kernels, generator=draw)
        yield Case(
            call=f"correlate_channels(x, weight), random, of shapes {shape} and {kernels}",
            got=answer(x.clone(), weight.clone()),
            expected=F.conv2d(x[None], weight)[0],
            tolerance=1e-4,
            hint=hint,
        )
