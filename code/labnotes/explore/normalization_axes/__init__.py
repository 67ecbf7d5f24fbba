"""Normalization explorer: which numbers of a batch share a mean and a variance with which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import traitlets

from labnotes.explore.base import Explorer, with_shared
from labnotes.normalization import batch_norm, group_norm, instance_norm, layer_norm
from labnotes.plot import BLUE, INK, ORANGE

HERE = Path(__file__).parent
KINDS = {
    "batch": "batch normalization",
    "layer": "layer normalization",
    "group": "group normalization",
    "instance": "instance normalization",
}
MOVED = 0.005  # a change that two decimals show

#: 3 samples of 4 channels of 2 x 3 positions; each channel has a level of its own.
BLOCK = [
    [[[1, 2, 4], [0, 3, 2]], [[6, 8, 5], [9, 7, 7]], [[0, 1, -1], [0, 0, 1]], [[-3, -5, -2], [-4, -3, -1]]],
    [[[3, 5, 2], [4, 4, 6]], [[2, 4, 3], [5, 1, 3]], [[1, 0, 2], [-1, 1, 0]], [[-6, -4, -5], [-2, -3, -4]]],
    [[[0, -1, 1], [2, 0, 1]], [[4, 6, 8], [5, 7, 6]], [[-2, 0, -1], [1, -1, 0]], [[-1, -2, 0], [-3, -1, -2]]],
]  # fmt: skip


@dataclass
class Reading:
    """What the chosen unit has: the places it is normalized with, and its numbers.

    `members` are places in the flattened block, (N, C, H, W). They are empty where running
    averages take the place of the batch's own statistics.
    """

    members: list[int]
    mean: float
    var: float
    x: float
    x_hat: float


class NormalizationAxesExplorer(Explorer):
    """A block (N, C, H, W) of numbers, a choice of normalization, and a unit whose set lights up.

    Parameters
    ----------
    block : list
        Nested lists of numbers, (N, C, H, W).
    kind : str
        "batch", "layer", "group" or "instance".
    groups : int
        For group normalization: a divisor of C.
    training : bool
        False: batch normalization uses the running averages.
    unit : list of int
        The chosen unit, [n, c, h, w] from 0.
    sample, scale : int, float
        All numbers of this sample (from 0) are multiplied by `scale`, from 0.5 to 3.
    running_mean, running_var : list of float
        One number a channel.
    shows : str
        What the drawing writes into its cells: the input "x", or the result "x_hat".

    Raises
    ------
    ValueError
        If the numbers do not fit each other.

    Examples
    --------
    >>> explorer = NormalizationAxesExplorer(kind="instance", unit=[1, 0, 0, 0])
    >>> explorer.reading().members, explorer.reading().mean
    ([24, 25, 26, 27, 28, 29], 4.0)
    """

    _esm = with_shared(HERE / "normalization_axes.js")
    _css = HERE / "normalization_axes.css"

    block = traitlets.List(BLOCK).tag(sync=True)
    kind = traitlets.Enum(list(KINDS), "batch").tag(sync=True)
    groups = traitlets.Int(2, min=1).tag(sync=True)
    training = traitlets.Bool(True).tag(sync=True)
    unit = traitlets.List(traitlets.Int(min=0), [0, 1, 0, 1], minlen=4, maxlen=4).tag(sync=True)
    sample = traitlets.Int(2, min=0).tag(sync=True)
    scale = traitlets.Float(1.0, min=0.5, max=3.0).tag(sync=True)
    running_mean = traitlets.List(traitlets.Float(), [2.0, 5.0, 0.0, -3.0]).tag(sync=True)
    running_var = traitlets.List(traitlets.Float(min=0), [4.0, 4.0, 1.0, 2.0]).tag(sync=True)
    shows = traitlets.Enum(["x", "x_hat"], "x").tag(sync=True)
    eps = traitlets.Float(1e-5, min=0).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        shape = tuple(self._numbers().shape)
        if len(shape) != 4 or 0 in shape:
            raise ValueError(f"block has the shape {shape}: give (N, C, H, W)")
        if any(place >= length for place, length in zip(self.unit, shape)):
            raise ValueError(f"unit is {self.unit}, the block has the shape {shape}: count from 0")
        if self.sample >= shape[0]:
            raise ValueError(f"sample is {self.sample}, the block has {shape[0]}: count from 0")
        if shape[1] % self.groups:
            raise ValueError(f"groups is {self.groups}: give a divisor of {shape[1]} channels")
        if not len(self.running_mean) == len(self.running_var) == shape[1]:
            raise ValueError(f"give running_mean and running_var {shape[1]} numbers, one a channel")

    def _numbers(self) -> torch.Tensor:
        return torch.tensor(self.block, dtype=torch.float64)

    def x(self) -> torch.Tensor:
        """The block with its scaled sample, (N, C, H, W)."""
        x = self._numbers()
        x[self.sample] *= self.scale
        return x

    def x_hat(self) -> torch.Tensor:
        """The normalized block, (N, C, H, W), by the package's own functions."""
        return self._normalized(self.x())

    def moved(self) -> list[int]:
        """Places in the flattened block whose result is not what it was before scaling."""
        change = (self.x_hat() - self._normalized(self._numbers())).abs().flatten()
        return (change > MOVED).nonzero().flatten().tolist()

    def reading(self) -> Reading:
        """Set, mean, variance and result of the chosen unit."""
        x, unit = self.x(), tuple(self.unit)
        places = torch.arange(x.numel()).reshape(x.shape)
        n, c = unit[:2]
        if self.kind == "batch":
            chosen = places[:, c]
        elif self.kind == "layer":
            chosen = places[n]
        elif self.kind == "group":
            size = x.shape[1] // self.groups
            chosen = places[n, c // size * size :][:size]
        else:
            chosen = places[n, c]
        members = chosen.flatten().tolist()
        if self.kind == "batch" and not self.training:
            members, mean, var = [], self.running_mean[c], self.running_var[c]
        else:
            values = x.flatten()[members]
            mean, var = values.mean().item(), values.var(correction=0).item()
        return Reading(members, mean, var, x[unit].item(), self.x_hat()[unit].item())

    def _normalized(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "batch":
            averages = {
                name: torch.tensor(getattr(self, name), dtype=torch.float64)
                for name in ("running_mean", "running_var")
            }
            return batch_norm(x, **averages, training=self.training, eps=self.eps)
        if self.kind == "layer":
            return layer_norm(x, tuple(x.shape[1:]), eps=self.eps)
        if self.kind == "group":
            return group_norm(x, self.groups, eps=self.eps)
        return instance_norm(x, eps=self.eps)

    def describe(self) -> str:
        found, shape = self.reading(), self._numbers().shape
        n, c, h, w = (place + 1 for place in self.unit)
        whose = (
            f"{len(found.members)} numbers share mean {found.mean:.2f} and variance {found.var:.2f}"
            if found.members
            else f"the running averages are mean {found.mean:.2f} and variance {found.var:.2f}"
        )
        return (
            f"A block of {shape[0]} samples by {shape[1]} channels of {shape[2]} by {shape[3]} "
            f"numbers under {KINDS[self.kind]}. For the unit in sample {n}, channel {c}, row {h}, "
            f"column {w}, {whose}; {found.x:g} becomes {found.x_hat:.2f}."
        )

    def still_svg(self) -> str:
        found, values = self.reading(), self.x() if self.shows == "x" else self.x_hat()
        (samples, channels, rows, columns), cell, left, top = values.shape, 32, 66, 24
        members, moved = set(found.members), set(self.moved())
        wide, tall = columns * cell + 10, rows * 24 + 10
        cells, texts = [], []
        for place, value in enumerate(values.flatten().tolist()):
            n, c, h, w = (int(i) for i in torch.unravel_index(torch.tensor(place), values.shape))
            x, y = left + c * wide + w * cell, top + n * tall + h * 24
            fill = f'fill="{BLUE}" fill-opacity="0.3"' if place in members else 'fill="none"'
            edge = f'stroke="{INK}"'
            if [n, c, h, w] == list(self.unit):
                edge = f'stroke="{BLUE}" stroke-width="3"'
            cells.append(f'<rect x="{x}" y="{y}" width="{cell}" height="24" {fill} {edge}/>')
            if place in moved:
                cells.append(f'<path d="M{x} {y}h9l-9 9z" fill="{ORANGE}"/>')
            text = f"{value:g}" if float(value).is_integer() else f"{value:.1f}"
            texts.append(
                f'<text x="{x + cell / 2:g}" y="{y + 16}" text-anchor="middle">'
                f"{text.replace('-', '−')}</text>"
            )
        heads = [
            f'<text x="{left + c * wide}" y="16">channel {c + 1}</text>' for c in range(channels)
        ]
        heads += [
            f'<text x="2" y="{top + n * tall + rows * 12 + 4}">sample {n + 1}</text>'
            for n in range(samples)
        ]
        width, height = left + channels * wide, top + samples * tall
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
            f'font-size="12"><title>{self.describe()}</title>{"".join(cells)}'
            f'<g fill="{INK}">{"".join(texts + heads)}</g></svg>'
        )
