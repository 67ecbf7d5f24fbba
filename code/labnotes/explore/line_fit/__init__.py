"""The line explorer: move weight and bias over the loss, then let gradient descent go on."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.foundations.linear_regression import (
    Parameters,
    gradient_descent,
    least_absolute_line,
    mae,
    mae_gradient,
    mse,
    mse_gradient,
    normal_equations,
)
from labnotes.plot import BLUE, GREEN, GREY, INK, ORANGE, VERMILION

Place = list[float]  # weight and bias

HERE = Path(__file__).parent
LOSSES = {"squared": "mean squared error", "absolute": "mean absolute error"}
FUNCTIONS = {"squared": (mse, mse_gradient), "absolute": (mae, mae_gradient)}
WEIGHTS, BIASES = (-1.0, 3.0), (-2.0, 4.0)  # what the sliders and the map reach
STEPS = 25  # of the button that takes many


class LineFitExplorer(Explorer):
    """A line among points beside the map of its loss: by hand first, then by gradient descent.

    Parameters
    ----------
    x, y : list of float
        The points, at least two different `x`; by default nine points, one of them far off.
    weight, bias : float
        Where the reader begins, from -1 to 3 and from -2 to 4.
    loss : str
        A name of `LOSSES`.
    learning_rate : float
        From 0.01 to 1.

    Raises
    ------
    ValueError
        If there are not as many `y` as `x`, or all `x` are equal.
    """

    _esm = with_shared(HERE / "line_fit.js")
    _css = HERE / "line_fit.css"

    x = traitlets.List(
        traitlets.Float(), [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], minlen=2
    ).tag(sync=True)
    y = traitlets.List(traitlets.Float(), [-0.8, -0.1, 0.5, 1.2, 1.5, 2.5, 2.8, 6.0, 4.3]).tag(
        sync=True
    )
    weight = traitlets.Float(-0.5, min=WEIGHTS[0], max=WEIGHTS[1]).tag(sync=True)
    bias = traitlets.Float(3.0, min=BIASES[0], max=BIASES[1]).tag(sync=True)
    loss = traitlets.Enum(list(LOSSES), "squared").tag(sync=True)
    learning_rate = traitlets.Float(0.1, min=0.01, max=1.0).tag(sync=True)
    # Where gradient descent has been since the reader last moved by hand; the last is "here".
    path = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    names = traitlets.Dict(LOSSES).tag(sync=True)
    reach = traitlets.List([list(WEIGHTS), list(BIASES)]).tag(sync=True)
    many = traitlets.Int(STEPS).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if len(self.x) != len(self.y):
            raise ValueError(
                f"there are {len(self.x)} x and {len(self.y)} y: each point needs both"
            )
        if len(set(self.x)) < 2:
            raise ValueError("all points have one x: a line needs two different ones")

    @property
    def here(self) -> Place:
        """Weight and bias of the line that is drawn."""
        return list(self.path[-1]) if self.path else [self.weight, self.bias]

    def _points(self) -> tuple[Tensor, Tensor]:
        x, y = (torch.tensor(values, dtype=torch.float64) for values in (self.x, self.y))
        return x[:, None], y

    def loss_at(self, place: Place) -> float:
        """The loss of the line with this weight and bias."""
        return FUNCTIONS[self.loss][0](*self._points(), *_parameters(place)).item()

    def slope_at(self, place: Place) -> Place:
        """The derivatives of the loss there, by weight and by bias."""
        return _place(FUNCTIONS[self.loss][1](*self._points(), *_parameters(place)))

    def descend(self, place: Place, steps: int) -> list[Place]:
        """The places that gradient descent visits from `place` on, `place` first."""
        return [
            _place(p)
            for p in gradient_descent(
                *self._points(), _parameters(place), lr=self.learning_rate, steps=steps,
                gradient=FUNCTIONS[self.loss][1],
            )
        ]  # fmt: skip

    def best(self) -> Place:
        """Weight and bias with the smallest loss (of several, one)."""
        inputs, targets = self._points()
        if self.loss == "squared":
            return _place(normal_equations(inputs, targets))
        return _place(least_absolute_line(inputs[:, 0], targets))

    def levels(self) -> list[float]:
        """The losses whose contour lines are drawn: between the best and the worst on the map."""
        low = self.loss_at(self.best())
        high = max(self.loss_at([w, b]) for w in WEIGHTS for b in BIASES)
        return [low + (high - low) * (k / 9) ** 2 for k in range(1, 9)]

    def ring(self, level: float, angles: int = 90) -> list[Place]:
        """A contour line: the loss is convex, so each ray from the best place meets it once."""
        best, spans = self.best(), [WEIGHTS[1] - WEIGHTS[0], BIASES[1] - BIASES[0]]
        found = []
        for k in range(angles):
            turn = 2 * math.pi * k / angles
            way = [math.cos(turn) * spans[0], math.sin(turn) * spans[1]]
            near, far = 0.0, 1.0
            while self.loss_at(_along(best, far, way)) < level:
                far *= 2
            for _ in range(24):
                middle = (near + far) / 2
                if self.loss_at(_along(best, middle, way)) < level:
                    near = middle
                else:
                    far = middle
            found.append(_along(best, far, way))
        return found

    def describe(self) -> str:
        best = self.best()
        return (
            f"Line explorer. {len(self.x)} points and the line {_rule(self.here)}, "
            f"{LOSSES[self.loss]} {self.loss_at(self.here):.2f}; beside it the contour lines of "
            f"the loss over weight and bias. The smallest loss is {self.loss_at(best):.2f}, at "
            f"weight {best[0]:.2f} and bias {best[1]:.2f}."
        )

    def still_svg(self) -> str:
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 290" width="640" '
            'height="290" role="img" font-family="sans-serif" font-size="12" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            # A light card of its own: a picture does not know the page's theme.
            f'<rect x="0.5" y="0.5" width="639" height="289" rx="6" fill="#ffffff" stroke="{GREY}"/>'
            f"{self._still_line()}{self._still_map()}</svg>"
        )

    def _still_line(self) -> str:
        (weight, bias), ends = self.here, (min(self.x), max(self.x))
        low, high = min(self.y) - 0.7, max(self.y) + 0.7

        def at(x: float, y: float) -> str:
            across = 40 + 250 * (x - ends[0]) / (ends[1] - ends[0])
            return f"{across:.1f} {230 - 200 * (y - low) / (high - low):.1f}"

        guesses = [weight * x + bias for x in self.x]
        errors = "".join(f"M{at(x, y)}L{at(x, g)}" for x, y, g in zip(self.x, self.y, guesses))
        dots = "".join(f"M{at(x, y)}h0" for x, y in zip(self.x, self.y))
        line = f"M{at(ends[0], weight * ends[0] + bias)}L{at(ends[1], weight * ends[1] + bias)}"
        return (
            f'<path d="M30 236H300" stroke="{INK}" fill="none"/>'
            f'<path d="{errors}" stroke="{VERMILION}" stroke-width="2" fill="none"/>'
            f'<path d="{line}" stroke="{BLUE}" stroke-width="3" fill="none"/>'
            f'<path d="{dots}" stroke="{INK}" stroke-width="8" stroke-linecap="round"/>'
            f'<text x="30" y="258">{_rule(self.here)}</text>'
            f'<text x="30" y="276">{LOSSES[self.loss]} {self.loss_at(self.here):.2f}</text>'
        )

    def _still_map(self) -> str:
        def at(place: Place) -> str:
            parts = [(p - a) / (b - a) for p, (a, b) in zip(place, (WEIGHTS, BIASES))]
            return f"{350 + 260 * parts[0]:.1f} {230 - 210 * parts[1]:.1f}"

        rings = "".join(f"M{'L'.join(map(at, self.ring(level, 45)))}Z" for level in self.levels())
        path = "".join(f"M{at(place)}h0" for place in self.path)
        best, here = at(self.best()), at(self.here)
        return (
            '<clipPath id="map"><path d="M350 20H610V230H350Z"/></clipPath>'
            f'<path d="M350 20H610V230H350Z" stroke="{INK}" fill="none"/><g clip-path="url(#map)" '
            f'fill="none"><path d="{rings}" stroke="{GREY}"/>'
            f'<path d="{path}" stroke="{ORANGE}" stroke-width="6" stroke-linecap="round"/>'
            f'<path d="M{best}m-6 -6l12 12m0 -12l-12 12" stroke="{GREEN}" stroke-width="3"/>'
            f'<path d="M{here}h0" stroke="{BLUE}" stroke-width="14" stroke-linecap="round"/></g>'
            f'<text x="350" y="248">weight {WEIGHTS[0]:g} to {WEIGHTS[1]:g}, '
            f"bias {BIASES[0]:g} to {BIASES[1]:g} upwards</text>"
            '<text x="350" y="268">blue: the line on the left; green: the smallest loss</text>'
        )


def _parameters(place: Place) -> Parameters:
    return Parameters(*(torch.tensor(p, dtype=torch.float64) for p in ([place[0]], place[1])))


def _place(found: Parameters) -> Place:
    return [found.weight.item(), found.bias.item()]


def _rule(place: Place) -> str:
    return f"y = {place[0]:.2f} x {'-' if place[1] < 0 else '+'} {abs(place[1]):.2f}"


def _along(start: Place, part: float, way: Place) -> Place:
    return [start[0] + part * way[0], start[1] + part * way[1]]
