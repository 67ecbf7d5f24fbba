"""The attention explorer: move a query among keys, watch the weights and what they pool."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.attention import AdditiveAttention, masked_softmax
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import COLORS, GREY

Point = list[float]  # x and y

HERE = Path(__file__).parent
SCORES = {
    "scaled": "scaled dot product, q·k / √2",
    "dot": "dot product, q·k",
    "additive": "additive, tanh(q₁ + k₁) + tanh(q₂ + k₂)",
    "gaussian": "Gaussian kernel, −‖q − k‖² / 2",
}


@dataclass
class Pooled:
    """What a query gets: a score and a weight for each key, and the pooled value."""

    scores: list[float]
    weights: list[float]
    output: float


def score_keys(kind: str, query: Point, keys: list[Point]) -> list[float]:
    """The score of a two-dimensional query against each key, in float64.

    Raises
    ------
    ValueError
        If `kind` is not a name of `SCORES`.
    """
    q = torch.tensor(query, dtype=torch.float64)  # (2,)
    k = torch.tensor(keys, dtype=torch.float64)  # (keys, 2)
    if kind == "scaled":
        return (k @ q / math.sqrt(2)).tolist()
    if kind == "dot":
        return (k @ q).tolist()
    if kind == "additive":
        layer = additive_layer()
        hidden = torch.tanh(layer.W_q(q) + layer.W_k(k))  # (keys, 2)
        return layer.w_v(hidden).squeeze(-1).tolist()
    if kind == "gaussian":
        return (-((q - k) ** 2).sum(-1) / 2).tolist()
    raise ValueError(f"score is {kind!r}: give one of {', '.join(SCORES)}")


def additive_layer() -> AdditiveAttention:
    """The additive attention whose matrices are identities and whose last weights are ones."""
    layer = (
        AdditiveAttention(query_size=2, key_size=2, hidden_size=2).double().requires_grad_(False)
    )
    layer.W_q.weight.copy_(torch.eye(2))
    layer.W_k.weight.copy_(torch.eye(2))
    layer.w_v.weight.fill_(1.0)
    return layer


class AttentionScoringExplorer(Explorer):
    """A query and a few keys in the plane, each key with a value: weights and output live.

    Parameters
    ----------
    query : list of float
        x and y, from -3 to 3.
    key_points : list of list of float
        Likewise, at least one.
    values : list of float
        A number for each key.
    score : str
        A name of `SCORES`.
    temperature : float
        What the scores are divided by before the softmax, from 0.1 to 10.
    valid_len : int
        How many of the keys count; all unless given.

    Raises
    ------
    ValueError
        If there are not as many values as keys, or `valid_len` is larger.
    """

    _esm = with_shared(HERE / "attention_scoring.js")
    _css = HERE / "attention_scoring.css"

    query = traitlets.List(traitlets.Float(), [1.1, 0.2], minlen=2, maxlen=2).tag(sync=True)
    key_points = traitlets.List(  # "keys" is a name of ipywidgets' own
        traitlets.List(traitlets.Float(), minlen=2, maxlen=2),
        [[2.3, 1.2], [0.5, 2.2], [-1.8, 0.9], [-0.8, -1.9], [1.4, -1.2]],
        minlen=1,
    ).tag(sync=True)
    values = traitlets.List(traitlets.Float(), [10.0, 20.0, 30.0, 40.0, 50.0]).tag(sync=True)
    score = traitlets.Enum(list(SCORES), "scaled").tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True)
    valid_len = traitlets.Int(min=0).tag(sync=True)
    selected = traitlets.Int(0, min=0).tag(sync=True)  # what the sliders move: 0 the query, i key i
    names = traitlets.Dict(SCORES).tag(sync=True)

    @traitlets.default("valid_len")
    def _all_keys(self) -> int:
        return len(self.key_points)

    def __init__(self, **traits):
        super().__init__(**traits)
        if len(self.values) != len(self.key_points):
            raise ValueError(
                f"there are {len(self.key_points)} keys and {len(self.values)} values: "
                "each key needs its value"
            )
        if self.valid_len > len(self.key_points):
            raise ValueError(
                f"valid_len is {self.valid_len}: there are {len(self.key_points)} keys"
            )

    def result(self) -> Pooled:
        """Scores, weights and output of the present state."""
        scores = score_keys(self.score, self.query, self.key_points)
        scaled = torch.tensor(scores, dtype=torch.float64) / self.temperature
        weights = masked_softmax(scaled.view(1, 1, -1), torch.tensor([self.valid_len])).flatten()
        output = weights @ torch.tensor(self.values, dtype=torch.float64)
        return Pooled(scores, weights.tolist(), output.item())

    def describe(self) -> str:
        pooled = self.result()
        weights = ", ".join(f"{weight:.2f}" for weight in pooled.weights)
        return (
            f"Attention explorer. A query at ({self.query[0]:g}, {self.query[1]:g}) among "
            f"{len(self.key_points)} keys in the plane, score: {SCORES[self.score]}, temperature "
            f"{self.temperature:g}. Weights of the keys: {weights}. Output {pooled.output:.1f}."
        )

    def still_svg(self) -> str:
        pooled, place = self.result(), lambda p: (150 + 45 * p[0], 160 - 45 * p[1])
        x, y = place(self.query)
        plane = ['<path d="M15 160h270M150 25v270" stroke="#c8ccd1"/>']
        heads = [("320", "key"), ("376", "score"), ("436", "weight"), ("586", "value")]
        rows = [f'<text x="{left}" y="40">{head}</text>' for left, head in heads]
        for i, (key, value) in enumerate(zip(self.key_points, self.values, strict=True)):
            kx, ky = place(key)
            weight, row = pooled.weights[i], 66 + 26 * i
            colour = COLORS["key"] if i < self.valid_len else COLORS["mask"]
            plane.append(
                f'<path d="M{x:.1f} {y:.1f}L{kx:.1f} {ky:.1f}" stroke="{colour}" '
                f'stroke-width="{12 * weight:.1f}" stroke-opacity="0.55"/>'
                f'<circle cx="{kx:.1f}" cy="{ky:.1f}" r="10" fill="{colour}"/>'
                f'<text x="{kx:.1f}" y="{ky + 4.5:.1f}" text-anchor="middle">{i + 1}</text>'
            )
            rows.append(
                f'<text x="328" y="{row}">{i + 1}</text>'
                f'<text x="410" y="{row}" text-anchor="end">{pooled.scores[i]:.2f}</text>'
                f'<text x="436" y="{row}">{weight:.2f}</text>'
                f'<rect x="474" y="{row - 11}" width="{max(1, 104 * weight):.1f}" height="13" fill="{colour}"/>'
                f'<text x="624" y="{row}" text-anchor="end">{value:g}</text>'
            )
        row = 66 + 26 * len(self.key_points) + 8
        rows.append(
            f'<text x="320" y="{row}" font-weight="bold">output {pooled.output:.1f}</text>'
            f'<text x="320" y="{row + 24}">{escape(SCORES[self.score])}</text>'
        )
        plane.append(
            f'<rect x="{x - 9:.1f}" y="{y - 9:.1f}" width="18" height="18" rx="3" '
            f'fill="{COLORS["query"]}"/><text x="{x:.1f}" y="{y + 4:.1f}" fill="#fff" '
            'text-anchor="middle">q</text>'
        )
        height = max(320, row + 44)
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" width="640" '
            f'height="{height}" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            f'<rect x="0.5" y="0.5" width="639" height="{height - 1}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/>{"".join(plane)}{"".join(rows)}</svg>'
        )
