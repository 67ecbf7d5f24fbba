"""The RoIAlign explorer: what two kinds of pooling read in a region of a feature map."""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.detection.regions import _bands, _half_away, roi_align, roi_pool
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREY, ORANGE

DARK_ORANGE = "#936600"  # the same colour for letters, which need more contrast than lines

HERE = Path(__file__).parent
SIDE, CELL = 8, 36  # cells of the map, and how large one is drawn
GAP, VALUE = 26, 40  # above the values, and how large one of them is drawn
FEATURES = [
    [0, 1, 1, 2, 1, 0, 0, 1], [1, 2, 4, 5, 3, 1, 0, 0], [1, 4, 7, 8, 6, 2, 1, 0],
    [2, 5, 8, 9, 7, 3, 1, 1], [1, 3, 6, 7, 5, 2, 3, 2], [0, 1, 2, 3, 2, 4, 6, 3],
    [1, 0, 1, 1, 3, 6, 8, 5], [0, 1, 0, 0, 2, 3, 5, 4],
]  # fmt: skip


class RoIAlignExplorer(Explorer):
    """A region over a map of 8x8 features, and what RoI pooling and RoIAlign make of it.

    Parameters
    ----------
    features : list of list of float
        The map, eight rows of eight.
    region : list of float
        ``[x1, y1, x2, y2]`` in cells of the map, within 0 and 8.
    output : int
        Cells of the result along each side, 1 to 3.
    ratio : int
        RoIAlign's points per cell of the result along each side, 1 to 3.
    aligned : bool
        Whether a feature stands in the middle of its cell (RoIAlign).
    shown : str
        Whose cells are drawn in the map: "align" or "pool".

    Raises
    ------
    ValueError
        If the map is not 8x8, or the region is upside down or not within it.
    """

    _esm = with_shared(HERE / "roi_align.js")
    _css = HERE / "roi_align.css"

    features = traitlets.List(traitlets.List(traitlets.Float()), FEATURES).tag(sync=True)
    region = traitlets.List(
        traitlets.Float(), [1.3, 0.6, 5.7, 4.2], minlen=4, maxlen=4
    ).tag(sync=True)  # fmt: skip
    output = traitlets.Int(2, min=1, max=3).tag(sync=True)
    ratio = traitlets.Int(2, min=1, max=3).tag(sync=True)
    aligned = traitlets.Bool(True).tag(sync=True)
    shown = traitlets.Enum(["align", "pool"], "align").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if len(self.features) != SIDE or any(len(row) != SIDE for row in self.features):
            raise ValueError(f"the map has {len(self.features)} rows: give 8 rows of 8 numbers")
        x1, y1, x2, y2 = self.region
        if not (0 <= x1 < x2 <= SIDE and 0 <= y1 < y2 <= SIDE):
            raise ValueError(
                f"region is {self.region}: give x1 < x2 and y1 < y2 within 0 and {SIDE}"
            )

    def _inputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.tensor(self.features, dtype=torch.float64)[None, None]
        return features, torch.tensor([[0.0, *self.region]], dtype=torch.float64)

    def pooled(self) -> list[list[float]]:
        """What RoI pooling gives: the largest feature of each cell."""
        return roi_pool(*self._inputs(), self.output)[0, 0].tolist()

    def read(self) -> list[list[float]]:
        """What RoIAlign gives: the mean of the points of each cell."""
        found = roi_align(*self._inputs(), self.output, 1.0, self.ratio, self.aligned)
        return found[0, 0].tolist()

    def describe(self) -> str:
        pool, align = (
            "; ".join(" ".join(f"{v:.2f}" for v in row) for row in table)
            for table in (self.pooled(), self.read())
        )
        x1, y1, x2, y2 = self.region
        return (
            f"RoIAlign explorer. A region from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g}) over a map of "
            f"8x8 features. RoI pooling gives {pool}; RoIAlign gives {align}."
        )

    def still_svg(self) -> str:
        x1, y1, x2, y2 = (v * CELL for v in self.region)
        parts = [
            f'<text x="{(j + 0.5) * CELL:g}" y="{(i + 0.5) * CELL + 5:g}" text-anchor="middle">'
            f"{value:g}</text>"
            for i, row in enumerate(self.features)
            for j, value in enumerate(row)
        ]
        lines = "".join(
            f"M{k * CELL} 0V{SIDE * CELL}M0 {k * CELL}H{SIDE * CELL}" for k in range(SIDE + 1)
        )
        parts.append(f'<path d="{lines}" stroke="{GREY}" fill="none" stroke-width="0.6"/>')
        parts += [
            f'<rect x="{a * CELL}" y="{c * CELL}" width="{(b - a) * CELL}" '
            f'height="{(d - c) * CELL}" fill="none" stroke="{ORANGE}" stroke-width="2"/>'
            for c, d in self._cells(1)
            for a, b in self._cells(0)
        ]
        parts.append(
            f'<rect x="{x1:g}" y="{y1:g}" width="{x2 - x1:g}" height="{y2 - y1:g}" fill="none" '
            f'stroke="{BLUE}" stroke-width="3"/>'
        )
        top = SIDE * CELL + GAP
        tables = (("RoI pooling", self.pooled(), DARK_ORANGE), ("RoIAlign", self.read(), BLUE))
        for k, (name, table, colour) in enumerate(tables):
            left = k * 150
            parts.append(f'<text x="{left}" y="{top - 8}" fill="{colour}">{name}</text>')
            parts += [
                f'<text x="{left + j * VALUE}" y="{top + 16 + i * 22}">{value:.2f}</text>'
                for i, row in enumerate(table)
                for j, value in enumerate(row)
            ]
        wide, tall = SIDE * CELL + 12, top + 3 * 22 + 12
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 {wide} {tall}" '
            f'width="{wide}" height="{tall}" role="img" font-family="sans-serif" font-size="13" '
            f'fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="-5" y="-5" width="{wide - 2}" height="{tall - 2}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/>{"".join(parts)}</svg>'
        )

    def _cells(self, axis: int) -> list[tuple[int, int]]:
        """Where the cells of RoI pooling begin and end, along x (0) or y (1)."""
        first, last = (_half_away(self.region[k]) for k in (axis, axis + 2))
        return _bands(first, last, self.output, SIDE)
