"""Checkers for the exercises of the chapter detection/rcnn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from labnotes.exercises import Case, checker


@checker("rcnn.bands")
def bands(answer: Callable) -> Iterator[Case]:
    """``answer(first, last, parts)`` -> begin and end of each cell of RoI pooling.

    Expected: position by position, those that a cell of fractional borders touches.
    """
    for first, last, parts in ((0, 2, 2), (0, 3, 2), (2, 6, 2), (3, 9, 3), (5, 5, 3), (1, 8, 7)):
        # Units of 1 / parts: cell i covers i * length to (i + 1) * length, position j has parts.
        length = last - first + 1
        expected = []
        for i in range(parts):
            touched = [
                first + j
                for j in range(length)
                if j * parts < (i + 1) * length and (j + 1) * parts > i * length
            ]
            expected.append((touched[0], touched[-1] + 1))
        got = answer(first, last, parts)
        if isinstance(got, (list, tuple)):
            got = [tuple(each) if isinstance(each, list) else each for each in got]
        yield Case(
            call=f"bands({first}, {last}, {parts})",
            got=got,
            expected=expected,
            hint="last - first + 1 positions, over parts; a cell's begin is rounded down, its end up",
        )


@checker("rcnn.bilinear")
def bilinear(answer: Callable) -> Iterator[Case]:
    """``answer(features, x, y)`` -> the map read at a point between its cells.

    Expected: torch's `grid_sample`, whose corners are the middles of the outermost features.
    """
    draw = np.random.RandomState(0)
    points = (
        (1.0, 2.0),
        (0.5, 0.5),
        (3.25, 1.75),
        (4.0, 3.0),
        (-0.6, 1.5),
        (5.2, 3.4),
        (2.5, -1.0),
    )
    for x, y in points:
        rows, columns = (4, 5) if y < 3 else (3, 6)
        features = draw.uniform(-3, 3, (rows, columns))
        place = [2 * x / (columns - 1) - 1, 2 * y / (rows - 1) - 1]
        expected = F.grid_sample(
            torch.tensor(features)[None, None],
            torch.tensor([[[place]]], dtype=torch.float64),
            padding_mode="border",
            align_corners=True,
        ).item()
        yield Case(
            call=f"bilinear(features, x={x}, y={y}), features of {rows} rows and {columns} columns",
            got=answer(torch.tensor(features), x, y),
            expected=expected,
            tolerance=1e-6,
            hint="rows go with y, columns with x; each of the four neighbours weighs "
            "(1 - distance in x) times (1 - distance in y); clamp x and y to the map first; "
            "give a float",
        )
