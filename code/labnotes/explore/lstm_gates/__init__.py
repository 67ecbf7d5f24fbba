"""The explorer of gates: sixteen steps of one LSTM cell, with its gates and candidates in the hand."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREEN, GREY, ORANGE
from labnotes.sequence.recurrent import lstm_step

HERE = Path(__file__).parent
STEPS = 16
PRESETS = {
    "hold": "Hold: let one candidate in, then shut the door",
    "fade": "Fade: the forget gate at 0.8",
    "count": "Count: all gates open",
    "empty": "Empty: forget at step 9, begin anew",
    "hide": "Hide: the output gate opens at step 12",
}


@dataclass
class CellOverTime:
    """The cell and what it shows, after each step; and the share of the first cell that is left."""

    cells: list[float]
    hidden: list[float]
    left: list[float]


def preset(name: str) -> dict[str, list[float]]:
    """Candidates g and gates i, f, o of a named example, sixteen of each.

    Raises
    ------
    ValueError
        If `name` is not a name of `PRESETS`.
    """
    if name not in PRESETS:
        raise ValueError(f"preset is {name!r}: give one of {', '.join(PRESETS)}")
    noise = [0.8, -0.5, 0.3, 0.6, -0.7, 0.2, -0.4, 0.9, 0.7, -0.6, 0.1, -0.3, 0.5, -0.8, 0.4, -0.2]
    always, at_first = [1.0] * STEPS, [1.0] + [0.0] * (STEPS - 1)
    found = {"g": noise, "i": at_first, "f": list(always), "o": list(always)}
    if name == "fade":
        found |= {"g": [1.0] + [0.0] * (STEPS - 1), "i": list(always), "f": [0.8] * STEPS}
    elif name in ("count", "empty"):
        found |= {"g": [0.0 if t % 3 == 2 else 1.0 for t in range(STEPS)], "i": list(always)}
        if name == "empty":
            found["f"][8] = 0.0
    elif name == "hide":
        found["o"] = [float(t >= 11) for t in range(STEPS)]
    return found


def over_time(g: list[float], i: list[float], f: list[float], o: list[float]) -> CellOverTime:
    """One cell that begins at 0, by the package's `lstm_step`.

    Parameters
    ----------
    g
        Candidates, after their tanh, from -1 to 1.
    i, f, o
        Gates, after their sigmoid, from 0 to 1.

    Raises
    ------
    ValueError
        If the four differ in length, or a number is out of its range.
    """
    _check_steps(g, i, f, o)
    gates = torch.tensor([i, f, o], dtype=torch.float64)
    candidates = torch.tensor(g, dtype=torch.float64)
    before_i, before_f, before_o = gates.logit()  # what the sigmoid turns into these gates
    read = torch.stack([before_i, before_f, candidates.atanh(), before_o], 1)  # (steps, 4)
    state = (torch.zeros(1, 1).double(), torch.zeros(1, 1).double())
    cells, hidden = [], []
    for now in read:
        state = lstm_step(now[None], torch.zeros(1, 4).double(), state)
        hidden.append(state[0].item())
        cells.append(state[1].item())
    left = torch.tensor([1.0, *f[1:]], dtype=torch.float64).cumprod(0).tolist()
    return CellOverTime(cells, hidden, left)


class LstmGatesExplorer(Explorer):
    """Sixteen steps of one LSTM cell: candidates and gates that the reader sets, the cell over time.

    Parameters
    ----------
    g
        Sixteen candidates, from -1 to 1.
    i, f, o
        Sixteen values from 0 to 1 of the input, the forget and the output gate.
    step
        The step that the sliders set, from 0.
    every
        Whether the sliders of the gates set all steps at once.

    Raises
    ------
    ValueError
        If there are not sixteen of each, or a number is out of its range.
    """

    _esm = with_shared(HERE / "lstm_gates.js")
    _css = HERE / "lstm_gates.css"

    g = traitlets.List(traitlets.Float(), preset("hold")["g"]).tag(sync=True)
    i = traitlets.List(traitlets.Float(), preset("hold")["i"]).tag(sync=True)
    f = traitlets.List(traitlets.Float(), preset("hold")["f"]).tag(sync=True)
    o = traitlets.List(traitlets.Float(), preset("hold")["o"]).tag(sync=True)
    step = traitlets.Int(0, min=0, max=STEPS - 1).tag(sync=True)
    every = traitlets.Bool(False).tag(sync=True)
    names = traitlets.Dict(PRESETS).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if len(self.g) != STEPS:
            raise ValueError(f"g has {len(self.g)} numbers: give {STEPS}")
        _check_steps(self.g, self.i, self.f, self.o)

    def result(self) -> CellOverTime:
        """The cell over the present gates."""
        return over_time(self.g, self.i, self.f, self.o)

    def describe(self) -> str:
        found = self.result()
        return (
            f"Explorer of an LSTM's gates. After {STEPS} steps the cell holds "
            f"{found.cells[-1]:.2f} and shows {found.hidden[-1]:.2f}; of the cell after the first "
            f"step {100 * found.left[-1]:.0f} % is left."
        )

    def still_svg(self) -> str:
        found = self.result()
        most = max(1.2, *map(abs, found.cells))
        zero, tall = 210, 75

        def bar(t, value, width, color):
            top, high = zero - tall * max(value, 0) / most, tall * abs(value) / most
            return (
                f'<rect x="{x_of(t) - width / 2:.1f}" y="{top:.1f}" width="{width}" '
                f'height="{high:.1f}" fill="{color}"/>'
            )

        gates = "".join(
            f'<rect x="{x_of(t) - 14}" y="{30 + 24 * row}" width="28" height="18" fill="{color}" '
            f'fill-opacity="{value:.2f}" stroke="{GREY}"/>'
            for row, (values, color) in enumerate(
                ((self.i, ORANGE), (self.f, GREEN), (self.o, BLUE))
            )
            for t, value in enumerate(values)
        )
        labels = "".join(
            f'<text x="14" y="{44 + 24 * row}">{name}</text>'
            for row, name in enumerate(("input", "forget", "output"))
        )
        bars = "".join(bar(t, v, 14, BLUE) for t, v in enumerate(found.hidden))
        line = " ".join(
            f"{x_of(t):.1f},{zero - tall * v / most:.1f}" for t, v in enumerate(found.cells)
        )
        # A light card of its own: a picture does not know the page's theme.
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 330" width="640" '
            'height="330" role="img" font-family="sans-serif" font-size="14" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            f'<rect x="0.5" y="0.5" width="639" height="329" rx="6" fill="#ffffff" stroke="{GREY}"/>'
            f'{labels}{gates}{bars}<path d="M70 {zero}H630" stroke="#c8ccd1"/>'
            f'<polyline points="{line}" fill="none" stroke="{GREEN}" stroke-width="3"/>'
            '<text x="14" y="315">rows: gates, full colour is open · green: the cell · blue: what '
            "is shown</text></svg>"
        )


def x_of(t: int) -> float:
    """Where a step stands in the still picture, in pixels."""
    return 90 + 34.5 * t


def _check_steps(g: list[float], i: list[float], f: list[float], o: list[float]) -> None:
    if not g or len({len(g), len(i), len(f), len(o)}) != 1:
        raise ValueError(
            f"g, i, f and o have {len(g)}, {len(i)}, {len(f)} and {len(o)} numbers: give as many "
            "of each, one for every step"
        )
    if not all(-1 <= v <= 1 for v in g):
        raise ValueError(f"candidates g are {g}: give numbers from -1 to 1")
    for name, gate in (("i", i), ("f", f), ("o", o)):
        if not all(0 <= v <= 1 for v in gate):
            raise ValueError(f"gate {name} is {gate}: give numbers from 0 to 1")
