"""Receptive-field explorer: build a stack of layers, pick an output unit, see what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import traitlets

from labnotes.convnets.receptive_field import (
    Layer,
    ReceptiveField,
    output_size,
    path_counts,
    receptive_field,
)
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, INK

HERE = Path(__file__).parent


class ReceptiveFieldExplorer(Explorer):
    """One axis of a stack of layers, drawn map above map; each unit stands over its field's middle.

    Parameters
    ----------
    layers
        :class:`labnotes.convnets.Layer` objects, or dicts of their four numbers; by default three
        3x3 layers that keep the size.
    input_size
        Pixels along the axis.
    unit
        The output unit whose inputs are lit.

    Examples
    --------
    >>> explorer = ReceptiveFieldExplorer([Layer(3, padding=1), Layer(2, stride=2)], unit=3)
    >>> explorer.field
    ReceptiveField(size=4, jump=2, start=-1)
    """

    _esm = with_shared(HERE / "receptive_field.js")
    _css = HERE / "receptive_field.css"

    layers = traitlets.List(traitlets.Dict()).tag(sync=True)
    input_size = traitlets.Int(24).tag(sync=True)
    unit = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        layers: Sequence[Layer | dict] | None = None,
        input_size: int = 24,
        unit: int | None = None,
    ):
        stack = [Layer(3, padding=1)] * 3 if layers is None else [_layer(one) for one in layers]
        units = output_size(stack, input_size)
        unit = units // 2 if unit is None else unit
        if not 0 <= unit < units:
            raise ValueError(
                f"unit is {unit}, these layers leave {units} of {input_size} pixels: give 0 to {units - 1}"
            )
        super().__init__(layers=[asdict(one) for one in stack], input_size=input_size, unit=unit)

    @property
    def stack(self) -> list[Layer]:
        """The layers as they stand now, also after the reader changed them."""
        return [_layer(one) for one in self.layers]

    @property
    def field(self) -> ReceptiveField:
        """The receptive field of the layers as they stand now."""
        return receptive_field(self.stack)

    def describe(self) -> str:
        first, last = self.field.interval(self.unit)
        return (
            f"A drawing of {len(self.layers)} layers over {self.input_size} input pixels: output unit {self.unit} "
            f"sees pixels {first} to {last}, a receptive field of size {self.field.size}."
        )

    def still_svg(self) -> str:
        stack, cell, gap = self.stack, 16, 46
        levels = range(len(stack) + 1)  # the input is level 0
        field = [receptive_field(stack[:level]) for level in levels]
        units = [output_size(stack[:level], self.input_size) for level in levels]
        lit = [path_counts(stack[level:], self.unit, units[level]) for level in levels]

        def place(level: int, unit: int) -> tuple[float, float]:
            """Over the middle of the unit's field."""
            middle = float(field[level].centre) + unit * field[level].jump
            return (middle + 0.5) * cell, 24 + (len(stack) - level) * gap

        lines, cells, labels = [], [], []
        for level in levels:
            name = (
                "input"
                if level == 0
                else "output"
                if level == len(stack)
                else f"after layer {level}"
            )
            labels.append(
                f'<text x="2" y="{place(level, 0)[1] - 6:g}">{name}: {units[level]}</text>'
            )
            most = max(lit[level].values(), default=1)
            for unit in range(units[level]):
                x, y = place(level, unit)
                share = lit[level].get(unit, 0) / most
                fill = (
                    f'fill="{BLUE}" fill-opacity="{0.35 + 0.65 * share:.2f}"'
                    if share
                    else 'fill="none"'
                )
                cells.append(
                    f'<rect x="{x - 7:g}" y="{y:g}" width="14" height="14" rx="2" {fill}/>'
                )
                below = (
                    path_counts(stack[level - 1 : level], unit, units[level - 1])
                    if level and share
                    else {}
                )
                for to_x, to_y in (place(level - 1, u) for u in below):
                    lines.append(f'<line x1="{x:g}" y1="{y + 14:g}" x2="{to_x:g}" y2="{to_y:g}"/>')
        width, height = self.input_size * cell, place(0, 0)[1] + 20
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" font-family="sans-serif" font-size="12">'
            f"<title>{self.describe()}</title>"
            f'<g stroke="{BLUE}" stroke-opacity="0.4">{"".join(lines)}</g>'
            f'<g stroke="{INK}">{"".join(cells)}</g><g fill="{INK}">{"".join(labels)}</g></svg>'
        )


def _layer(one: Layer | dict) -> Layer:
    return one if isinstance(one, Layer) else Layer(**one)
