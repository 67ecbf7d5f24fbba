"""Checkers for the exercises of the chapter detection/yolo."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.detection.yolo import decode_grid, responsible
from labnotes.exercises import Case, checker


@checker("yolo.responsible_cell")
def responsible_cell(answer: Callable) -> Iterator[Case]:
    """``answer(box, image_size, grid)`` -> (row, column).

    Expected: the cell of the only box that :func:`responsible` can choose.
    """
    for box, size, grid in (
        ((18, 30, 34, 42), (64, 64), (8, 8)),
        ((0, 0, 2, 2), (64, 64), (8, 8)),
        ((100, 100, 230, 180), (448, 448), (7, 7)),
        ((120, 10, 150, 30), (80, 160), (4, 5)),  # neither picture nor grid is square
        ((24, 24, 40, 40), (64, 64), (2, 2)),  # on the corner of four cells
        ((62, 61, 64, 64), (64, 64), (8, 8)),
    ):
        outputs = torch.full((*grid, 6), 0.5)
        guess = decode_grid(outputs, 1, size)
        place = responsible(guess.boxes, guess.cells, torch.tensor([box]).float())
        yield Case(
            call=f"responsible_cell({box}, {size}, {grid})",
            got=answer(box, size, grid),
            expected=divmod(int(place), grid[1]),
            hint="the cell of the centre, (row, column): the row comes from y and the height, "
            "and a centre on a line belongs to the cell that begins there",
        )


@checker("yolo.decode_cell")
def decode_cell(answer: Callable) -> Iterator[Case]:
    """``answer(numbers, row, column, image_size, grid, num_boxes=2)`` -> (boxes, scores).

    Expected: :func:`decode_grid` of a grid with these numbers in this cell.
    """
    draw = torch.Generator().manual_seed(0)
    for row, column, size, grid, num_boxes, classes in (
        (2, 3, (448, 448), (7, 7), 2, 20),
        (0, 0, (64, 64), (8, 8), 1, 1),
        (1, 4, (80, 160), (4, 5), 3, 2),
    ):
        numbers = torch.rand(num_boxes * 5 + classes, generator=draw)
        outputs = torch.zeros(*grid, len(numbers))
        outputs[row, column] = numbers
        guess = decode_grid(outputs, classes, size)
        first = (row * grid[1] + column) * num_boxes
        mine = slice(first, first + num_boxes)
        got = answer(numbers.clone(), row, column, size, grid, num_boxes)
        yield Case(
            call=f"decode_cell(numbers, {row}, {column}, {size}, {grid}, {num_boxes}), "
            f"numbers of shape ({len(numbers)},)",
            got=got,
            expected=(guess.boxes[mine], guess.confidence[mine, None] * guess.classes[mine]),
            tolerance=1e-4,
            hint="x belongs to the column and the width; the sides are squares of the outputs, as "
            "parts of the picture; scores are confidence times class",
        )
