"""Explorer of convolution arithmetic: pick an output, see which inputs make it, with what weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import traitlets

from labnotes.convnets.convolution import (
    conv2d,
    conv_output_size,
    conv_transpose2d,
    conv_transpose_output_size,
)
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREEN, INK, ORANGE

HERE = Path(__file__).parent
LARGEST = {"input": 8, "kernel": 5}

# Small whole numbers to follow in one's head; a smaller input or kernel is the top left corner.
IMAGE = [
    [1, 2, 0, 3, 1, 0, 2, 1],
    [0, 1, 3, 1, 2, 2, 0, 1],
    [2, 0, 1, 2, 0, 1, 3, 0],
    [1, 3, 2, 0, 1, 2, 1, 2],
    [0, 1, 1, 2, 3, 0, 1, 1],
    [2, 2, 0, 1, 1, 3, 0, 2],
    [1, 0, 2, 3, 0, 1, 2, 0],
    [3, 1, 0, 1, 2, 0, 1, 1],
]
KERNEL = [
    [1, 0, -1, 2, 1],
    [2, 1, 0, -1, 1],
    [-1, 1, 2, 0, -2],
    [0, -2, 1, 1, 0],
    [1, 2, -1, 0, 1],
]


def contributions(
    outputs: int,
    inputs: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    transposed: bool = False,
) -> list[list[tuple[int, int]]]:
    """For each output along an axis: the inputs it reads, each with the weight it meets.

    Parameters
    ----------
    outputs, inputs
        Their numbers along the axis.
    kernel, stride, padding, dilation
        As for :class:`labnotes.convnets.Layer`.
    transposed
        Those of the transposed convolution: an input writes to outputs, and an output adds up what
        was written to it.

    Returns
    -------
    list of list of (int, int)
        Input and place in the kernel, both from 0. Inputs outside ``0 ... inputs - 1`` are padding,
        which a transposed convolution does not have.

    Examples
    --------
    >>> contributions(2, 4, kernel=3, stride=2, padding=1)
    [[(-1, 0), (0, 1), (1, 2)], [(1, 0), (2, 1), (3, 2)]]
    >>> contributions(5, 2, kernel=3, stride=2, transposed=True)
    [[(0, 0)], [(0, 1)], [(1, 0), (0, 2)], [(1, 1)], [(1, 2)]]
    """
    if not transposed:
        return [
            [(unit * stride - padding + tap * dilation, tap) for tap in range(kernel)]
            for unit in range(outputs)
        ]
    found = []
    for unit in range(outputs):
        steps = [(unit + padding - tap * dilation, tap) for tap in range(kernel)]
        reads = [(step // stride, tap) for step, tap in steps if step % stride == 0]
        found.append([(at, tap) for at, tap in reads if 0 <= at < inputs])
    return found


class ConvArithmeticExplorer(Explorer):
    """A convolution of one small map, or its transpose, with the sum behind each output written out.

    Parameters
    ----------
    input_size, kernel_size
        Sides of the map (1 to 8) and of the kernel (1 to 5).
    stride, padding, dilation
        As for :class:`labnotes.convnets.Layer`.
    transposed
        Show the transposed convolution.
    row, column
        The output whose inputs are lit; by default one near the middle.
    image, kernel
        Whole numbers to take instead of the explorer's own, as nested lists of at least
        `input_size` and `kernel_size` rows and columns; the top left corner is used.

    Raises
    ------
    ValueError
        If a size is out of range, nothing comes out, or the unit does not exist.

    Examples
    --------
    >>> explorer = ConvArithmeticExplorer(input_size=5, kernel_size=3, stride=2, padding=1)
    >>> explorer.output.shape
    torch.Size([3, 3])
    """

    _esm = with_shared(HERE / "conv_arithmetic.js")
    _css = HERE / "conv_arithmetic.css"

    image = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    kernel = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    input_size = traitlets.Int(5).tag(sync=True)
    kernel_size = traitlets.Int(3).tag(sync=True)
    stride = traitlets.Int(1).tag(sync=True)
    padding = traitlets.Int(0).tag(sync=True)
    dilation = traitlets.Int(1).tag(sync=True)
    transposed = traitlets.Bool(False).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        input_size: int = 5,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        transposed: bool = False,
        row: int | None = None,
        column: int | None = None,
        image: Sequence[Sequence[int]] | None = None,
        kernel: Sequence[Sequence[int]] | None = None,
    ):
        image = _square("image", IMAGE if image is None else image, input_size, LARGEST["input"])
        kernel = _square(
            "kernel", KERNEL if kernel is None else kernel, kernel_size, LARGEST["kernel"]
        )
        side = _output_side(input_size, kernel_size, stride, padding, dilation, transposed)
        units = {"row": row, "column": column}
        for name, value in units.items():
            units[name] = side // 2 if value is None else value
            if not 0 <= units[name] < side:
                raise ValueError(f"{name} is {value}, the output has {side}: give 0 to {side - 1}")
        super().__init__(
            image=image,
            kernel=kernel,
            input_size=input_size,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            transposed=transposed,
            **units,
        )

    @property
    def output_size(self) -> int:
        """Side of the output, as the controls stand now."""
        numbers = (self.stride, self.padding, self.dilation, self.transposed)
        return _output_side(self.input_size, self.kernel_size, *numbers)

    @property
    def output(self) -> torch.Tensor:
        """The whole output, (output_size, output_size), as the controls stand now."""
        x = torch.tensor(self.image, dtype=torch.float32)[: self.input_size, : self.input_size]
        w = torch.tensor(self.kernel, dtype=torch.float32)[: self.kernel_size, : self.kernel_size]
        layer = conv_transpose2d if self.transposed else conv2d
        numbers = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        return layer(x[None, None], w[None, None], **numbers)[0, 0]

    def terms(self) -> list[tuple[int, int, int, int]]:
        """What makes the chosen output: ``(input row, input column, kernel row, kernel column)``."""
        axis = contributions(
            self.output_size,
            self.input_size,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.transposed,
        )
        pairs = [(r, c) for r in axis[self.row] for c in axis[self.column]]
        return [(r, c, a, b) for (r, a), (c, b) in pairs]

    def describe(self) -> str:
        inside = [t for t in self.terms() if max(t[:2]) < self.input_size and min(t[:2]) >= 0]
        name = "transposed convolution" if self.transposed else "convolution"
        n, f, m = self.input_size, self.kernel_size, self.output_size
        return (
            f"A drawing of a {name} with a {f}×{f} kernel, stride {self.stride}, padding {self.padding}, "
            f"dilation {self.dilation}: from {n}×{n} inputs to {m}×{m} outputs. Output row {self.row}, "
            f"column {self.column} is made of {len(inside)} inputs and has the value "
            f"{self.output[self.row, self.column]:.0f}."
        )

    def still_svg(self) -> str:
        cell, edge = 26, 0 if self.transposed else self.padding
        n, f, m = self.input_size, self.kernel_size, self.output_size
        terms, output = self.terms(), self.output.round().int().tolist()
        weights = {(r, c): self.kernel[a][b] for r, c, a, b in terms}
        used = {(a, b) for _, _, a, b in terms}
        parts, left = [], 4

        def grid(title: str, side: int, first: int, look) -> None:
            nonlocal left
            parts.append(f'<text x="{left}" y="14" fill="{INK}">{title}</text>')
            for r in range(first, first + side):
                for c in range(first, first + side):
                    x, y = left + (c - first) * cell, 22 + (r - first) * cell
                    value, colour, extra, dashed = look(r, c)
                    fill = f'fill="{colour}" fill-opacity="0.3"' if colour else 'fill="none"'
                    dash = ' stroke-dasharray="3 3"' if dashed else ""
                    parts.append(
                        f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" stroke="{INK}" {fill}{dash}/>'
                        f'<text x="{x + 4}" y="{y + 16}" fill="{INK}">{_minus(value)}</text>{_corner(x, y, extra)}'
                    )
            left += side * cell + 24

        def of_input(r, c):
            inside = 0 <= r < n and 0 <= c < n
            value = self.image[r][c] if inside else 0
            return value, BLUE if (r, c) in weights else "", weights.get((r, c)), not inside

        grid(f"input {n}×{n}", n + 2 * edge, -edge, of_input)
        grid(
            f"kernel {f}×{f}",
            f,
            0,
            lambda a, b: (self.kernel[a][b], ORANGE if (a, b) in used else "", None, False),
        )
        chosen = (self.row, self.column)
        grid(
            f"output {m}×{m}",
            m,
            0,
            lambda r, c: (output[r][c], GREEN if (r, c) == chosen else "", None, False),
        )
        height = 30 + max(n + 2 * edge, f, m) * cell
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left} {height}" width="{left}" '
            f'height="{height}" role="img" font-family="sans-serif" font-size="12">'
            f"<title>{self.describe()}</title>{''.join(parts)}</svg>"
        )


def _output_side(size, kernel, stride, padding, dilation, transposed) -> int:
    count = conv_transpose_output_size if transposed else conv_output_size
    return count(size, kernel, stride, padding, dilation)


def _square(name: str, rows: Sequence[Sequence[int]], side: int, largest: int) -> list[list[int]]:
    if not isinstance(side, int) or not 1 <= side <= largest:
        raise ValueError(f"the side of the {name} is {side!r}: give 1 to {largest}")
    if len(rows) < side or min(len(row) for row in rows) < side:
        raise ValueError(
            f"{name} has fewer than {side} rows or columns: give more, or a smaller side"
        )
    return [[int(value) for value in row] for row in rows]


def _minus(value: int) -> str:
    return str(value).replace("-", "−")


def _corner(x: int, y: int, weight: int | None) -> str:
    if weight is None:
        return ""
    return (
        f'<text x="{x + 24}" y="{y + 24}" text-anchor="end" font-size="9" fill="{INK}">'
        f"×{_minus(weight)}</text>"
    )
