"""The curve explorer: a polynomial through noisy points, and its error on fresh ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.generalization.model_selection import polynomial_features
from labnotes.generalization.weight_decay import LinearModel, ridge
from labnotes.plot import BLUE, GREY, INK, VERMILION

HERE = Path(__file__).parent
DEGREES, POINTS = 15, 40  # the most of each
SAMPLES = 5  # sets of noise to choose from
PENALTIES = (0.0, *(10.0**k for k in range(-8, 2)))
GRID = 201  # places at which the curve is compared with the truth


@dataclass(frozen=True)
class Errors:
    """Root mean squared errors of one curve.

    Attributes
    ----------
    train : float
        On the points that it was fitted to.
    fresh : float
        Expected for a fresh point anywhere on the axis, with noise of its own.
    """

    train: float
    fresh: float


def truth(x: Tensor) -> Tensor:
    """The curve from which the points come."""
    return torch.sin(math.pi * x)


def places(count: int = POINTS) -> list[float]:
    """Where the points lie: multiples of the golden section, evenly spread for every count."""
    golden = (math.sqrt(5) - 1) / 2
    return [round(2 * (i * golden % 1) - 1, 6) for i in range(1, count + 1)]


def noises() -> list[list[float]]:
    """Standard normal numbers, for each sample one a point."""
    draw = torch.Generator().manual_seed(0)
    drawn = torch.randn(SAMPLES, POINTS, generator=draw, dtype=torch.float64)
    return [[round(v, 6) for v in row] for row in drawn.tolist()]


class FitCurveExplorer(Explorer):
    """Noisy points of a sine, the polynomial fitted to them, and its error on fresh points.

    Parameters
    ----------
    degree : int
        Of the polynomial, from 1 to 15.
    penalty : float
        Of the ridge regression, one of `PENALTIES`; with 0 and more parameters than points, the
        fit has the shortest weight vector.
    points : int
        From 5 to 40.
    noise : float
        Standard deviation of the noise in the points, from 0 to 1.
    sample : int
        Which of five sets of noise.

    Raises
    ------
    ValueError
        If the penalty is none of the list.
    """

    _esm = with_shared(HERE / "fit_curve.js")
    _css = HERE / "fit_curve.css"

    degree = traitlets.Int(9, min=1, max=DEGREES).tag(sync=True)
    penalty = traitlets.Float(0.0).tag(sync=True)
    points = traitlets.Int(12, min=5, max=POINTS).tag(sync=True)
    noise = traitlets.Float(0.3, min=0.0, max=1.0).tag(sync=True)
    sample = traitlets.Int(0, min=0, max=SAMPLES - 1).tag(sync=True)
    penalties = traitlets.List(traitlets.Float(), list(PENALTIES)).tag(sync=True)
    places = traitlets.List(traitlets.Float(), places()).tag(sync=True)
    noises = traitlets.List(traitlets.List(traitlets.Float()), noises()).tag(sync=True)
    reach = traitlets.Dict({"degrees": DEGREES, "points": POINTS, "grid": GRID}).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if self.penalty not in self.penalties:
            raise ValueError(f"penalty is {self.penalty}: give one of {self.penalties}")

    def data(self) -> tuple[Tensor, Tensor]:
        """The points, ``(points,)`` twice."""
        x, drawn = (
            torch.tensor(values[: self.points], dtype=torch.float64)
            for values in (self.places, self.noises[self.sample])
        )
        return x, truth(x) + self.noise * drawn

    def model(self, degree: int) -> LinearModel:
        """The polynomial of this degree, as a linear model of the powers from x on."""
        x, y = self.data()
        return ridge(polynomial_features(x, degree)[:, 1:], y, self.penalty)

    def values(self, degree: int, x: Tensor) -> Tensor:
        """The polynomial of this degree at `x`."""
        return self.model(degree)(polynomial_features(x, degree)[:, 1:])

    def errors(self, degree: int) -> Errors:
        """The errors of the polynomial of this degree."""
        x, y = self.data()
        grid = axis()
        off = (self.values(degree, grid) - truth(grid)).square().mean().item()
        train = (self.values(degree, x) - y).square().mean().item()
        return Errors(math.sqrt(train), math.sqrt(off + self.noise**2))

    def best(self) -> int:
        """The degree with the least error on fresh points."""
        return min(range(1, DEGREES + 1), key=lambda degree: self.errors(degree).fresh)

    def describe(self) -> str:
        now, best = self.errors(self.degree), self.best()
        return (
            f"Curve explorer. {self.points} points of a sine with noise {self.noise:g}, and a "
            f"polynomial of degree {self.degree} with penalty {self.penalty:g}: root mean squared "
            f"error {now.train:.2f} on these points and {now.fresh:.2f} on fresh ones. The best "
            f"degree on fresh points is {best}, with {self.errors(best).fresh:.2f}."
        )

    def still_svg(self) -> str:
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" width="640" '
            'height="300" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            # A light card of its own: a picture does not know the page's theme.
            f'<rect x="0.5" y="0.5" width="639" height="299" rx="6" fill="#ffffff" stroke="{GREY}"/>'
            f"{self._still_curve()}{self._still_errors()}</svg>"
        )

    def _still_curve(self) -> str:
        grid, (x, y) = axis(), self.data()

        def line(values: Tensor) -> str:
            held = values.clamp(-2.5, 2.5).tolist()
            return "M" + "L".join(_place(*point) for point in zip(grid.tolist(), held))

        dots = "".join(
            f"M{_place(*point)}h0" for point in zip(x.tolist(), y.clamp(-2.5, 2.5).tolist())
        )
        now = self.errors(self.degree)
        return (
            f'<path d="{line(truth(grid))}" fill="none" stroke="{GREY}" stroke-width="4"/>'
            f'<path d="{line(self.values(self.degree, grid))}" fill="none" stroke="{BLUE}" '
            'stroke-width="2.5"/>'
            f'<path d="{dots}" stroke="{INK}" stroke-width="8" stroke-linecap="round"/>'
            f'<text x="25" y="258">grey: the truth · blue: degree {self.degree}</text>'
            f'<text x="25" y="280">error {now.train:.2f} on the points, {now.fresh:.2f} on fresh '
            "ones</text>"
        )

    def _still_errors(self) -> str:
        found = [self.errors(degree) for degree in range(1, DEGREES + 1)]

        def line(values: list[float]) -> str:
            return "M" + "L".join(
                f"{360 + 17 * d:.1f} {_level(value):.1f}" for d, value in enumerate(values, 1)
            )

        here = 360 + 17 * self.degree
        return (
            f'<path d="M370 20V230H620" stroke="{INK}" fill="none"/>'
            f'<path d="M{here} 20V230" stroke="{INK}" stroke-dasharray="3 3"/>'
            f'<path d="{line([e.train for e in found])}" fill="none" stroke="{BLUE}" '
            'stroke-width="2.5"/>'
            f'<path d="{line([e.fresh for e in found])}" fill="none" stroke="{VERMILION}" '
            'stroke-width="2.5"/>'
            '<text x="350" y="258">blue: error on the points, red: on fresh ones,</text>'
            f'<text x="350" y="280">degrees 1 to {DEGREES}; 0.01 to 100 upwards, logarithmic</text>'
        )


def axis() -> Tensor:
    """The places at which curves are drawn and compared, ``(GRID,)`` from -1 to 1."""
    return torch.arange(GRID, dtype=torch.float64) * 2 / (GRID - 1) - 1


def _place(x: float, y: float) -> str:
    return f"{170 + 145 * x:.1f} {125 - 44 * y:.1f}"


def _level(error: float) -> float:
    """The height of an error, from 0.01 (at 230) to 100 (at 20)."""
    return 125 - 52.5 * math.log10(min(max(error, 0.01), 100.0))
