"""Checkers for the exercises of the chapter segmentation/transposed-convolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("transposed_convolution.write_out")
def write_out(answer: Callable) -> Iterator[Case]:
    """``answer(x, kernel, stride, padding)`` with maps (h, w), (a, b) -> the enlarged map.

    Expected: torch's own transposed convolution.
    """
    x = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    yield Case(
        call="write_out(x, x, stride=1, padding=0), x = torch.tensor([[0., 1.], [2., 3.]])",
        got=answer(x.clone(), x.clone(), 1, 0),
        expected=torch.tensor([[0.0, 0.0, 1.0], [0.0, 4.0, 6.0], [4.0, 12.0, 9.0]]),
        hint="each input adds the kernel, times its value, at its own place; overlaps are added",
    )
    draw = torch.Generator().manual_seed(0)
    for size, kernel, stride, padding in (
        ((2, 2), (2, 2), 2, 0),
        ((2, 2), (2, 2), 1, 1),
        ((3, 2), (3, 4), 2, 1),
        ((4, 5), (2, 3), 3, 0),
        ((1, 6), (5, 3), 2, 1),
    ):
        x = torch.randn(size, generator=draw)
        w = torch.randn(kernel, generator=draw)
        theirs = F.conv_transpose2d(x[None, None], w[None, None], None, stride, padding)[0, 0]
        yield Case(
            call=f"write_out(x, kernel, {stride}, {padding}), shapes {size} and {kernel}",
            got=answer(x.clone(), w.clone(), stride, padding),
            expected=theirs.contiguous(),
            tolerance=1e-5,
            hint="input (i, j) starts to write at (i * stride, j * stride); padding takes rows and "
            "columns off all four edges at the end",
        )


@checker("transposed_convolution.joint_kernel")
def joint_kernel(answer: Callable) -> Iterator[Case]:
    """``answer(kernel, stride)`` -> the kernel of the transposed convolution that does both steps.

    Expected: nearest-neighbour enlarging and torch's convolution, read off a single lit pixel.
    """
    draw = torch.Generator().manual_seed(0)
    for (rows, columns), stride in (((1, 1), 2), ((3, 3), 2), ((3, 3), 3), ((2, 4), 2)):
        kernel = torch.randn(rows, columns, generator=draw)
        dot = torch.zeros(1, 1, 9, 9)
        dot[..., 4, 4] = 1
        large = F.interpolate(dot, scale_factor=stride)
        y = F.conv2d(large, kernel[None, None])[0, 0]  # what one input pixel becomes
        top, left = (4 * stride - size + 1 for size in (rows, columns))
        expected = y[top : top + stride + rows - 1, left : left + stride + columns - 1]
        yield Case(
            call=f"joint_kernel(kernel, {stride}), kernel of the shape {(rows, columns)}",
            got=answer(kernel.clone(), stride),
            expected=expected.contiguous(),
            tolerance=1e-5,
            hint="enlarging copies a pixel to stride x stride places, and each of these is read "
            "with every weight: the shape is (stride + rows - 1, stride + columns - 1), and the "
            "weights come out turned by half a turn",
        )
