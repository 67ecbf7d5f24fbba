"""The boxes explorer: how much two boxes overlap, and which of many boxes survive."""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.detection import box_iou
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREEN, GREY, ORANGE

Box = list[float]  # x1, y1, x2, y2 in pixels

HERE = Path(__file__).parent
WIDTH, HEIGHT = 320, 200
COLOURS = (BLUE, ORANGE)


def _boxes(default: list[Box]) -> traitlets.List:
    return traitlets.List(
        traitlets.List(traitlets.Float(), minlen=4, maxlen=4), default, minlen=1
    ).tag(sync=True)


class BoxesExplorer(Explorer):
    """Two boxes to move about, or scored boxes among which NMS chooses.

    Parameters
    ----------
    task : str
        "overlap": two boxes, and their IoU. "nms": non-maximum suppression step by step.
    pair : list of list of float
        The two boxes of the task "overlap", ``[x1, y1, x2, y2]`` within a picture of 320x200.
    selected : int
        Which of them the sliders change, 0 or 1.
    boxes, scores, labels : list
        For the task "nms": boxes, scores from 0 to 1, and classes 0 or 1.
    names : list of str
        The two classes.
    iou_threshold, score_threshold : float
        From 0 to 1.
    per_class : bool
        Whether a box is suppressed by boxes of its own class alone.
    step : int
        How many steps are shown.

    Raises
    ------
    ValueError
        If boxes, scores and labels differ in number, or a box is upside down.
    """

    _esm = with_shared(HERE / "boxes.js")
    _css = HERE / "boxes.css"

    task = traitlets.Enum(["overlap", "nms"], "overlap").tag(sync=True)
    size = traitlets.List(traitlets.Int(), [WIDTH, HEIGHT]).tag(sync=True)
    pair = traitlets.List(
        traitlets.List(traitlets.Float(), minlen=4, maxlen=4),
        [[40.0, 40.0, 160.0, 140.0], [80.0, 70.0, 200.0, 170.0]],
        minlen=2,
        maxlen=2,
    ).tag(sync=True)
    selected = traitlets.Int(1, min=0, max=1).tag(sync=True)
    boxes = _boxes([
        [20, 30, 140, 180], [30, 20, 150, 172], [12, 44, 128, 190], [60, 60, 110, 150],
        [120, 50, 236, 184], [128, 62, 244, 190], [100, 40, 210, 176], [218, 24, 304, 100],
        [226, 34, 312, 108],
    ])  # fmt: skip
    scores = traitlets.List(
        traitlets.Float(), [0.9, 0.75, 0.6, 0.3, 0.85, 0.7, 0.4, 0.65, 0.5]
    ).tag(sync=True)
    labels = traitlets.List(traitlets.Int(min=0, max=1), [0, 0, 0, 0, 1, 1, 0, 1, 1]).tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), ["dog", "cat"], minlen=2, maxlen=2).tag(sync=True)
    iou_threshold = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    score_threshold = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    per_class = traitlets.Bool(True).tag(sync=True)
    step = traitlets.Int(1, min=0).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        if not len(self.boxes) == len(self.scores) == len(self.labels):
            raise ValueError(
                f"there are {len(self.boxes)} boxes, {len(self.scores)} scores and "
                f"{len(self.labels)} labels: give one of each a box"
            )
        for x1, y1, x2, y2 in [*self.pair, *self.boxes]:
            if not (0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT):
                raise ValueError(
                    f"the box {[x1, y1, x2, y2]} is no box within {WIDTH}x{HEIGHT} pixels: give "
                    "x1 < x2 and y1 < y2"
                )

    def overlap(self) -> float:
        """The IoU of the two boxes."""
        one, other = torch.tensor(self.pair, dtype=torch.float64).split(1)
        return box_iou(one, other).item()

    def steps(self) -> list[tuple[int, list[int]]]:
        """The steps of NMS: the box that is kept, and those that go because they overlap it."""
        boxes = torch.tensor(self.boxes, dtype=torch.float64)
        table = box_iou(boxes, boxes)
        left = [i for i in range(len(boxes)) if self.scores[i] >= self.score_threshold]
        left.sort(key=lambda i: -self.scores[i])
        found = []
        while left:
            kept, rest = left[0], left[1:]
            gone = [i for i in rest if table[kept, i] > self.iou_threshold]
            if self.per_class:
                gone = [i for i in gone if self.labels[i] == self.labels[kept]]
            found.append((kept, gone))
            left = [i for i in rest if i not in gone]
        return found

    def describe(self) -> str:
        if self.task == "overlap":
            return (
                "Boxes explorer. Two boxes, A blue and B orange, of which the green part is "
                f"common: their intersection over union is {self.overlap():.3f}."
            )
        kept = ", ".join(str(i + 1) for i, _ in self.steps())
        return (
            f"Boxes explorer. Of {len(self.boxes)} scored boxes around {' and '.join(self.names)} "
            f"non-maximum suppression at a threshold of {self.iou_threshold:g} keeps {kept}."
        )

    def still_svg(self) -> str:
        if self.task == "overlap":
            shapes = [(box, COLOURS[k], "AB"[k], 2) for k, box in enumerate(self.pair)]
            a, b = self.pair
            x1, y1, x2, y2 = *map(max, a[:2], b[:2]), *map(min, a[2:], b[2:])
            if x1 < x2 and y1 < y2:
                shapes.append(([x1, y1, x2, y2], GREEN, "", 4))
        else:
            kept = [i for i, _ in self.steps()]
            order = sorted(range(len(self.boxes)), key=lambda i: i in kept)
            shapes = [
                (self.boxes[i], COLOURS[self.labels[i]] if i in kept else GREY, f"{i + 1}",
                 4 if i in kept else 1.5)
                for i in order
            ]  # fmt: skip
        drawn = "".join(
            f'<rect x="{x1:g}" y="{y1:g}" width="{x2 - x1:g}" height="{y2 - y1:g}" fill="none" '
            f'stroke="{colour}" stroke-width="{thick}"/>'
            f'<text x="{x1 + 4:g}" y="{y1 + 15:g}">{name}</text>'
            for (x1, y1, x2, y2), colour, name, thick in shapes
        )
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 {WIDTH + 12} {HEIGHT + 12}" '
            f'width="{2 * WIDTH}" height="{2 * HEIGHT}" role="img" font-family="sans-serif" '
            f'font-size="13" fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="-5" y="-5" width="{WIDTH + 10}" height="{HEIGHT + 10}" rx="6" '
            f'fill="#ffffff" stroke="{GREY}"/>{drawn}</svg>'
        )
