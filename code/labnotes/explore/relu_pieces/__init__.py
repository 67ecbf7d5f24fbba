"""The explorer of straight pieces: place the hinges of a few ReLUs and see which curve they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.foundations.pieces import Pieces, best_slopes, through_points
from labnotes.plot import BLUE, GREY, ORANGE

HERE = Path(__file__).parent
LEFT, RIGHT, GAP = -3.0, 3.0, 0.1  # the axis, and how near two hinges may come
MOST = 10  # units
CURVES = {"wave": "wave", "zigzag": "zigzag", "bump": "bump", "step": "steep step"}
CORNERS = ([-3.0, -1.5, 0.0, 1.0, 3.0], [0.0, 1.0, -1.0, 0.5, -0.5])  # of the zigzag


@dataclass
class Fitted:
    """The curve of the present hinges, and the root mean square error of each number of units."""

    pieces: Pieces
    error: float
    even_errors: list[float]  # of 1, 2, ... units, their hinges spread evenly


def grid() -> Tensor:
    """Where the error is measured, (121,)."""
    return torch.arange(121, dtype=torch.float64) / 20 + LEFT


def curve(kind: str, x: Tensor) -> Tensor:
    """The curve that is to be met, at `x`.

    Raises
    ------
    ValueError
        If `kind` is not a name of `CURVES`.
    """
    if kind == "wave":
        return torch.sin(1.5 * x)
    if kind == "zigzag":
        return through_points(*(torch.tensor(c, dtype=x.dtype) for c in CORNERS))(x)
    if kind == "bump":
        return torch.exp(-1.5 * x**2)
    if kind == "step":
        return torch.tanh(5 * x)
    raise ValueError(f"curve is {kind!r}: give one of {', '.join(CURVES)}")


def even_hinges(units: int) -> list[float]:
    """Hinges at equal distances, the first at the left end."""
    tenths = (10 * (LEFT + k * (RIGHT - LEFT) / units) for k in range(units))
    return [math.floor(t + 0.5) / 10 for t in tenths]  # a half goes up, as in JavaScript


def error_of(kind: str, hinges: list[float]) -> tuple[Pieces, float]:
    """The best curve with these hinges, and its root mean square error on the grid."""
    x = grid()
    y = curve(kind, x)
    pieces = best_slopes(torch.tensor(hinges, dtype=x.dtype), x, y)
    return pieces, (pieces(x) - y).square().mean().sqrt().item()


class ReluPiecesExplorer(Explorer):
    """A curve, and the best that a hidden layer of ReLUs with hinges in given places makes of it.

    Parameters
    ----------
    curve
        A name of `CURVES`.
    hinges
        One to ten places from -3 to 2.9, ascending, at least 0.1 apart; the first is -3, so that
        its unit gives the curve its first slope.
    selected
        The hinge that the controls move; the first is fixed.

    Raises
    ------
    ValueError
        If the hinges are not like this, or `selected` is none of them.
    """

    _esm = with_shared(HERE / "relu_pieces.js")
    _css = HERE / "relu_pieces.css"

    curve = traitlets.Enum(list(CURVES), "zigzag").tag(sync=True)
    hinges = traitlets.List(
        traitlets.Float(), [-3.0, -1.0, 1.0], minlen=1, maxlen=MOST,
    ).tag(sync=True)  # fmt: skip
    selected = traitlets.Int(1, min=0).tag(sync=True)
    names = traitlets.Dict(CURVES).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        _check_hinges(self.hinges)
        if self.selected >= max(2, len(self.hinges)):
            raise ValueError(f"selected is {self.selected}: there are {len(self.hinges)} hinges")

    def result(self) -> Fitted:
        """The curve and the errors of the present state."""
        pieces, error = error_of(self.curve, self.hinges)
        even = [error_of(self.curve, even_hinges(n))[1] for n in range(1, MOST + 1)]
        return Fitted(pieces, error, even)

    def describe(self) -> str:
        places = ", ".join(f"{hinge:g}" for hinge in self.hinges)
        return (
            f"Explorer of straight pieces. The curve is a {CURVES[self.curve]}; {len(self.hinges)} "
            f"ReLUs with hinges at {places} come near it with a root mean square error of "
            f"{self.result().error:.3f}."
        )

    def still_svg(self) -> str:
        fitted, x = self.result(), grid()
        dots = "".join(
            '<circle cx="{}" cy="{}" r="7" fill="{}"/>'.format(*_place(hinge, y), ORANGE)
            for hinge, y in zip(self.hinges, fitted.pieces(fitted.pieces.hinges).tolist())
        )
        # A light card of its own: a picture does not know the page's theme.
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 340" width="640" '
            'height="340" role="img" font-family="sans-serif" font-size="14" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            f'<rect x="0.5" y="0.5" width="639" height="339" rx="6" fill="#ffffff" stroke="{GREY}"/>'
            f'<path d="M20 150h600" stroke="#c8ccd1"/>'
            f'<path d="{_line(x, curve(self.curve, x))}" fill="none" stroke="{GREY}" stroke-width="5"/>'
            f'<path d="{_line(x, fitted.pieces(x))}" fill="none" stroke="{BLUE}" stroke-width="2.5"/>'
            f'{dots}<text x="20" y="322">grey: the curve · blue: {len(self.hinges)} ReLUs, root '
            f"mean square error {fitted.error:.3f} · orange: hinges</text></svg>"
        )


def _place(x: float, y: float) -> tuple[str, str]:
    """A point in the pixels of the picture."""
    return f"{20 + 100 * (x - LEFT):.1f}", f"{150 - 85 * y:.1f}"


def _line(x: Tensor, y: Tensor) -> str:
    """The path through the points."""
    return "M" + "L".join(" ".join(_place(*p)) for p in zip(x.tolist(), y.tolist()))


def _check_hinges(hinges: list[float]) -> None:
    near = any(b - a < GAP - 1e-9 for a, b in zip(hinges, hinges[1:]))
    if hinges[0] != LEFT or near or hinges[-1] > RIGHT - GAP + 1e-9:
        raise ValueError(
            f"hinges are {hinges}: give ascending places from {LEFT:g} to {RIGHT - GAP:g}, at least "
            f"{GAP:g} apart, the first {LEFT:g}"
        )
