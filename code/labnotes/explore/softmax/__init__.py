"""The softmax explorer: set logits and temperature, read probabilities, loss and gradient."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor
from torch.nn import functional as F

from labnotes.explore.base import Explorer, with_shared
from labnotes.foundations.softmax import cross_entropy, softmax
from labnotes.plot import BLUE, GREEN, GREY, VERMILION

HERE = Path(__file__).parent
REACH = 10  # logits go from -10 to 10
LOSSES = {
    "cross_entropy": "cross-entropy",
    "squared": "squared error of the probabilities",
    "twice": "cross-entropy after softmax twice",
}


@dataclass
class Judged:
    """What the logits of one example come to."""

    probabilities: list[float]
    loss: float
    gradient: list[float]  # of the loss, by each logit


def judge(logits: list[float], label: int, temperature: float, loss: str) -> Judged:
    """Probabilities, loss and gradient of one example, in float64.

    Raises
    ------
    ValueError
        If `loss` is not a name of `LOSSES`.
    """
    z = torch.tensor([logits], dtype=torch.float64, requires_grad=True)  # (1, classes)
    target = torch.tensor([label])
    value = _loss(loss, z / temperature, target)
    (gradient,) = torch.autograd.grad(value, z)
    probabilities = softmax(z.detach() / temperature)
    return Judged(probabilities[0].tolist(), value.item(), gradient[0].tolist())


def _loss(name: str, scaled: Tensor, target: Tensor) -> Tensor:
    if name == "cross_entropy":
        return cross_entropy(scaled, target)
    if name == "squared":
        return (softmax(scaled) - F.one_hot(target, scaled.shape[1])).square().sum()
    if name == "twice":
        return cross_entropy(softmax(scaled), target)
    raise ValueError(f"loss is {name!r}: give one of {', '.join(LOSSES)}")


class SoftmaxExplorer(Explorer):
    """A few logits of one example, a label and a temperature: what softmax and loss make of them.

    Parameters
    ----------
    logits : list of float
        From -10 to 10, two or more.
    names : list of str
        Of the classes.
    label : int
        The number of the right class.
    temperature : float
        What the logits are divided by before the softmax, from 0.1 to 10.
    loss : str
        A name of `LOSSES`.

    Raises
    ------
    ValueError
        If there are not as many names as logits, a logit is out of range, or the label is no class.
    """

    _esm = with_shared(HERE / "softmax.js")
    _css = HERE / "softmax.css"

    logits = traitlets.List(traitlets.Float(), [3.0, 1.0, -3.0], minlen=2).tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), ["shirt", "coat", "bag"]).tag(sync=True)
    label = traitlets.Int(1, min=0).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True)
    loss = traitlets.Enum(list(LOSSES), "cross_entropy").tag(sync=True)
    losses = traitlets.Dict(LOSSES).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if len(self.names) != len(self.logits):
            raise ValueError(
                f"there are {len(self.logits)} logits and {len(self.names)} names: give each "
                "class its name"
            )
        if not all(-REACH <= z <= REACH for z in self.logits):
            raise ValueError(f"logits are {self.logits}: give numbers from {-REACH} to {REACH}")
        if self.label >= len(self.logits):
            raise ValueError(f"label is {self.label}: there are {len(self.logits)} classes")

    def result(self) -> Judged:
        """Probabilities, loss and gradient of the present state."""
        return judge(self.logits, self.label, self.temperature, self.loss)

    def describe(self) -> str:
        found = self.result()
        parts = ", ".join(
            f"{name} {z:g} gives {p:.3f}"
            for name, z, p in zip(self.names, self.logits, found.probabilities, strict=True)
        )
        return (
            f"Softmax explorer. Logits and probabilities at temperature {self.temperature:g}: "
            f"{parts}. The label is {self.names[self.label]}; loss ({LOSSES[self.loss]}) "
            f"{found.loss:.3f}."
        )

    def still_svg(self) -> str:
        found, rows = self.result(), []
        for i, name in enumerate(self.names):
            z, p, g = self.logits[i], found.probabilities[i], found.gradient[i]
            y = 62 + 48 * i
            mark = " (label)" if i == self.label else ""
            rows.append(
                f'<text x="16" y="{y}" font-weight="bold">{escape(name)}{mark}</text>'
                f'<text x="200" y="{y}" text-anchor="end">{z:.1f}</text>'
                f'<text x="220" y="{y}">{p:.3f}</text><text x="424" y="{y}">{g:+.3f}</text>'
                f"{_bar(108, 9.2 * z, y, GREY)}{_bar(220, 184 * p, y, BLUE)}"
                f"{_bar(516, 92 * max(-1, min(1, g)), y, VERMILION if g > 0 else GREEN)}"
            )
        bottom = 62 + 48 * len(self.names)
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {bottom + 16}" width="640" '
            f'height="{bottom + 16}" role="img" font-family="sans-serif" font-size="13" '
            f'fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="0.5" y="0.5" width="639" height="{bottom + 15}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/><text x="16" y="30">logit</text><text x="220" y="30">probability'
            f'</text><text x="424" y="30">gradient</text>{"".join(rows)}'
            f'<text x="16" y="{bottom}">temperature {self.temperature:g}, '
            f"{escape(LOSSES[self.loss])}: loss {found.loss:.3f}</text></svg>"
        )


def _bar(origin: float, length: float, y: float, colour: str) -> str:
    """A bar under a row's words, from its origin to the right, or to the left if negative."""
    left = min(origin, origin + length)
    return (
        f'<rect x="{left:.1f}" y="{y + 8}" width="{max(1, abs(length)):.1f}" height="12" '
        f'fill="{colour}"/>'
    )
