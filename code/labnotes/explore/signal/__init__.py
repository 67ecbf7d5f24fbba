"""Signal explorer: how large a signal is after each layer, and the gradient that comes back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import traitlets
from torch import nn

from labnotes.explore.base import Explorer, with_shared
from labnotes.foundations.stability import ACTIVATIONS, Sizes, expected_sizes, layer_sizes
from labnotes.plot import BLUE, INK, ORANGE

HERE = Path(__file__).parent
BATCH = 16  # examples that are sent through
MODULES = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def normals(seed: int, start: int, count: int) -> torch.Tensor:
    """Normal random numbers `start`, `start` + 1, ... of a seed, the same as the script's.

    The generator is mulberry32, a hash of a counter, so that any stretch can be drawn; two uniform
    numbers give one normal number by the formula of Box and Muller.
    """
    places = np.arange(2 * start, 2 * (start + count), dtype=np.uint32)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^32
        a = np.uint32(seed) + (places + np.uint32(1)) * np.uint32(0x6D2B79F5)
        t = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
        t = (t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))) ^ t
        t = t ^ (t >> np.uint32(14))
    uniform = (t.astype(np.float64) + 0.5) / 2**32
    first, second = uniform[::2], uniform[1::2]
    return torch.from_numpy(np.sqrt(-2 * np.log(first)) * np.cos(2 * math.pi * second))


class SignalExplorer(Explorer):
    """Sizes of signal and gradient by layer: a formula's curve and a drawn network's dots.

    Parameters
    ----------
    activation : str
        "identity", "relu", "tanh" or "sigmoid".
    gain : float
        The standard deviation of a weight times the root of the width, from 0.1 to 5.
    depth, width : int
        From 2 to 40 layers of 4 to 64 units.
    seed : int
        Draws the weights.
    layer : int
        The layer whose numbers are written out, from 1.

    Raises
    ------
    ValueError
        If `layer` is not one of the layers.
    traitlets.TraitError
        If another number or name is out of its range.

    Examples
    --------
    >>> explorer = SignalExplorer(activation="identity", gain=1.0, depth=3)
    >>> [round(size, 3) for size in explorer.expected().signal]
    [1.0, 1.0, 1.0]
    """

    _esm = with_shared(HERE / "signal.js")
    _css = HERE / "signal.css"

    activation = traitlets.Enum(list(ACTIVATIONS), "relu").tag(sync=True)
    gain = traitlets.Float(1.0, min=0.1, max=5.0).tag(sync=True)
    depth = traitlets.Int(30, min=2, max=40).tag(sync=True)
    width = traitlets.Int(64, min=4, max=64).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    layer = traitlets.Int(1, min=1, max=40).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if self.layer > self.depth:
            raise ValueError(
                f"layer is {self.layer}, there are {self.depth}: give 1 to {self.depth}"
            )

    def expected(self) -> Sizes:
        """The sizes by the formulas for wide layers."""
        return expected_sizes(self.depth, self.gain, self.activation)

    def measured(self) -> Sizes:
        """The sizes in the drawn network, by autograd."""
        rows, square = BATCH * self.width, self.width**2
        x = normals(self.seed, 0, rows).view(BATCH, self.width)
        back = normals(self.seed, rows, rows).view(BATCH, self.width)  # dL/dh of the last layer
        layers = []
        for number in range(self.depth):
            linear = nn.Linear(self.width, self.width, bias=False, dtype=torch.float64)
            drawn = normals(self.seed, 2 * rows + number * square, square)
            with torch.no_grad():
                linear.weight.copy_(drawn.view_as(linear.weight) * self.gain / self.width**0.5)
            layers += [linear, MODULES[self.activation]()]
        return layer_sizes(nn.Sequential(*layers), x, lambda h: (h * back).sum())

    def describe(self) -> str:
        found = self.measured()
        return (
            f"Size of signal and gradient in a network of {self.depth} layers of {self.width} units "
            f"with {self.activation} and a gain of {self.gain:g}: after the last layer the signal "
            f"has {found.signal[-1]:.1e} times the size of the input, back at the first layer the "
            f"gradient has {found.gradient[0]:.1e} times its size."
        )

    def still_svg(self) -> str:
        expected, found = self.expected(), self.measured()
        every = expected.signal + expected.gradient + found.signal + found.gradient
        logs = [math.log10(v) for v in every if v > 0]
        low, high = min(-2, math.floor(min(logs))), max(2, math.ceil(max(logs)))

        def x(layer: int) -> float:
            return 60 + (layer - 1) * 560 / (self.depth - 1)

        def y(value: float) -> float:
            power = math.log10(value) if value > 0 else low
            return 20 + (high - power) * 240 / (high - low)

        parts = [
            f'<path d="M60 {y(10.0**p):.1f}H620" stroke="{INK}" stroke-opacity="0.4"/>'
            f'<text x="52" y="{y(10.0**p) + 4:.1f}" text-anchor="end">1e{p}</text>'
            for p in (low, 0, high)
        ]
        for name, color in (("signal", BLUE), ("gradient", ORANGE)):
            line = " ".join(
                f"{x(n):.1f},{y(v):.1f}" for n, v in enumerate(getattr(expected, name), 1)
            )
            parts.append(f'<polyline points="{line}" fill="none" stroke="{color}"/>')
            parts += [
                f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3.5" fill="{color}"/>'
                for n, v in enumerate(getattr(found, name), 1)
            ]
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 310" width="640" height="310" '
            f'role="img" font-family="sans-serif" font-size="13" fill="{INK}">'
            f"<title>{self.describe()}</title>{''.join(parts)}"
            '<text x="60" y="282">layer 1</text>'
            f'<text x="620" y="282" text-anchor="end">layer {self.depth}</text>'
            f'<text x="60" y="302">blue: signal, orange: gradient; lines: formula, dots: drawn '
            "network</text></svg>"
        )
