"""The optimizer explorer: six optimizers walk over one of four landscapes, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

import contourpy
import numpy as np
import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.optim import SGD, Adagrad, Adam, RMSprop
from labnotes.plot import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION

Place = list[float]  # x and y

HERE = Path(__file__).parent
MOST = 200  # steps
BEYOND = 10  # a walk ends where it is so many times farther out than the map reaches


@dataclass(frozen=True)
class Surface:
    """A landscape: its name, its height, how far the map reaches to each side, where to start."""

    name: str
    height: Callable[[Tensor, Tensor], Tensor]
    reach: tuple[float, float]
    start: tuple[float, float]


SURFACES = {
    "ravine": Surface("a ravine", lambda x, y: 0.1 * x**2 + 2 * y**2, (6, 3), (-5, -2)),
    "saddle": Surface("a saddle", lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4, (3, 1.5), (-2.5, 0.02)),
    "wells": Surface(
        "two wells", lambda x, y: (x**2 / 4 - 1) ** 2 - 0.15 * x + y**2 / 2, (4, 2), (-3.6, 1.2)
    ),
    "plateau": Surface(
        "a plateau", lambda x, y: 1 - torch.exp(-(x**2 + 2 * y**2) / 4), (6, 3), (-4.5, 1.5)
    ),
}  # fmt: skip

#: Each optimizer by the learning rate and one number beta: what it keeps of earlier steps.
OPTIMIZERS = {
    "sgd": lambda lr, beta: partial(SGD, lr=lr),
    "momentum": lambda lr, beta: partial(SGD, lr=lr, momentum=beta),
    "nesterov": lambda lr, beta: partial(SGD, lr=lr, momentum=beta, nesterov=beta > 0),
    "adagrad": lambda lr, beta: partial(Adagrad, lr=lr),
    "rmsprop": lambda lr, beta: partial(RMSprop, lr=lr, alpha=beta),
    "adam": lambda lr, beta: partial(Adam, lr=lr, betas=(beta, 0.999)),
}
NAMES = {
    "sgd": "gradient descent", "momentum": "momentum", "nesterov": "Nesterov",
    "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam",
}  # fmt: skip
COLORS = dict(zip(OPTIMIZERS, (PURPLE, BLUE, SKY, ORANGE, GREEN, VERMILION)))


class OptimizersExplorer(Explorer):
    """Optimizers side by side on the map of a landscape: choose them, their rate, where they start.

    Parameters
    ----------
    surface : str
        A name of `SURFACES`.
    chosen : list of str
        Names of `OPTIMIZERS`.
    learning_rate : float
        Of all of them, from 0.001 to 1.
    beta : float
        What momentum, Nesterov and Adam keep of earlier gradients and RMSprop of their squares,
        from 0 to 0.99.
    steps : int
        From 0 to 200.
    start : list of float
        x and y; by default the landscape's own.

    Raises
    ------
    ValueError
        If an optimizer is unknown, a number is NaN, or `start` lies outside of the map.
    """

    _esm = with_shared(HERE / "optimizers.js")
    _css = HERE / "optimizers.css"

    surface = traitlets.Enum(list(SURFACES), "ravine").tag(sync=True)
    chosen = traitlets.List(traitlets.Unicode(), ["sgd", "momentum", "adam"]).tag(sync=True)
    learning_rate = traitlets.Float(0.1, min=0.001, max=1.0).tag(sync=True)
    beta = traitlets.Float(0.9, min=0.0, max=0.99).tag(sync=True)
    steps = traitlets.Int(40, min=0, max=MOST).tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.Dict(NAMES).tag(sync=True)
    surfaces = traitlets.Dict({key: s.name for key, s in SURFACES.items()}).tag(sync=True)
    colors = traitlets.Dict(COLORS).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if not self.start:
            self.start = list(SURFACES[self.surface].start)
        unknown = [name for name in self.chosen if name not in OPTIMIZERS]
        if unknown:
            raise ValueError(f"unknown optimizer {unknown[0]!r}: there are {', '.join(OPTIMIZERS)}")
        if math.isnan(self.learning_rate + self.beta):
            raise ValueError(
                f"learning_rate is {self.learning_rate} and beta {self.beta}: give two numbers"
            )
        reach = SURFACES[self.surface].reach
        if len(self.start) != 2 or not all(abs(p) <= r for p, r in zip(self.start, reach)):
            raise ValueError(
                f"start is {self.start}: the map reaches from {-reach[0]} to {reach[0]} and from "
                f"{-reach[1]} to {reach[1]}"
            )

    def height_at(self, place: Place) -> float:
        """The loss at a place."""
        return SURFACES[self.surface].height(*torch.tensor(place, dtype=torch.float64)).item()

    def walk(self, name: str) -> list[Place]:
        """The places that an optimizer visits, the start first; it ends far outside of the map."""
        surface = SURFACES[self.surface]
        place = torch.tensor(self.start, dtype=torch.float64, requires_grad=True)
        optimizer = OPTIMIZERS[name](self.learning_rate, self.beta)([place])
        found = [place.tolist()]
        for _ in range(self.steps):
            optimizer.zero_grad()
            surface.height(*place).backward()
            optimizer.step()
            found.append(place.tolist())
            if any(not abs(p) <= BEYOND * r for p, r in zip(found[-1], surface.reach)):
                break
        return found

    def grid(self, columns: int = 101) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Across ``(columns,)``, up ``(rows,)`` and the heights ``(rows, columns)`` of the map."""
        surface = SURFACES[self.surface]
        x, y = (np.linspace(-r, r, n) for r, n in zip(surface.reach, (columns, columns // 2 + 1)))
        height = surface.height(torch.tensor(x), torch.tensor(y)[:, None]).numpy()
        return x, y, height

    def levels(self) -> list[float]:
        """The heights whose contour lines are drawn, closer together near the lowest."""
        height = self.grid()[2]
        low, high = height.min(), height.max()
        return [float(low + (high - low) * (k / 9) ** 2) for k in range(1, 9)]

    def describe(self) -> str:
        ends = ", ".join(
            f"{NAMES[n]} at a loss of {self.height_at(self.walk(n)[-1]):.3g}" for n in self.chosen
        )
        return (
            f"Optimizer explorer. The contour lines of {SURFACES[self.surface].name}, and on it the "
            f"paths of {self.steps} steps with the learning rate {self.learning_rate:g}: {ends}."
        )  # fmt: skip

    def still_svg(self) -> str:
        reach = SURFACES[self.surface].reach

        def line(places, closed="") -> str:
            spots = [
                f"{320 + 300 * max(-3, min(3, p[0] / reach[0])):.1f} "
                f"{170 - 150 * max(-3, min(3, p[1] / reach[1])):.1f}" for p in places
            ]  # fmt: skip
            return f"M{'L'.join(spots)}{closed}"

        contours = contourpy.contour_generator(*self.grid())
        rings = "".join(line(ring) for level in self.levels() for ring in contours.lines(level))
        walks = {name: self.walk(name) for name in self.chosen}
        paths = "".join(
            f'<path d="{line(w)}" stroke="{COLORS[n]}" stroke-width="2"/>'
            f'<path d="{"".join(line([p]) + "h0" for p in w)}" stroke="{COLORS[n]}" '
            'stroke-width="5" stroke-linecap="round"/>' for n, w in walks.items()
        )  # fmt: skip
        texts = "".join(
            f'<path d="M20 {346 + 20 * i}h24" stroke="{COLORS[n]}" stroke-width="4"/>'
            f'<text x="52" y="{350 + 20 * i}">{NAMES[n]}: loss {self.height_at(w[-1]):.3g} after '
            f"{len(w) - 1} steps</text>" for i, (n, w) in enumerate(walks.items())
        )  # fmt: skip
        high = 346 + 20 * len(walks)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {high}" width="640" '
            f'height="{high}" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            # A light card of its own: a picture does not know the page's theme.
            f'<rect x="0.5" y="0.5" width="639" height="{high - 1}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/><clipPath id="map"><path d="M20 20H620V320H20Z"/></clipPath>'
            f'<path d="M20 20H620V320H20Z" stroke="{INK}" fill="none"/><g clip-path="url(#map)" '
            f'fill="none"><path d="{rings}" stroke="{GREY}"/>{paths}</g>{texts}</svg>'
        )
