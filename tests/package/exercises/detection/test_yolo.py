"""Right and wrong answers to the exercises of detection/yolo."""

import torch

from ..planted import answers


def cell(box, size, grid):
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return int(y * grid[0] // size[0]), int(x * grid[1] // size[1])


def decode(numbers, row, column, size, grid, num_boxes=2, power=2, flip=False, corner=False):
    (height, width), (rows, columns) = size, grid
    if flip:
        height, width = width, height
    x, y, tw, th, confidence = numbers[: 5 * num_boxes].view(num_boxes, 5).T
    cx, cy = (column + x) * width / columns, (row + y) * height / rows
    w, h = tw**power * width, th**power * height
    if corner:
        boxes = torch.stack([cx, cy, cx + w, cy + h], 1)
    else:
        boxes = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    return boxes, confidence[:, None] * numbers[5 * num_boxes :]


TestYolo = answers(
    "yolo",
    right={
        "responsible_cell": [
            cell,
            lambda b, s, g: (
                (b[1] + b[3]) * g[0] // (2 * s[0]),
                (b[0] + b[2]) * g[1] // (2 * s[1]),
            ),
        ],
        "decode_cell": [decode],
    },
    wrong={
        "responsible_cell": {
            "column first": lambda *a: cell(*a)[::-1],
            "the left upper corner": lambda b, s, g: cell((b[0], b[1], b[0], b[1]), s, g),
            "counted from 1": lambda *a: tuple(n + 1 for n in cell(*a)),
            "rounded": lambda b, s, g: (
                round((b[1] + b[3]) / 2 * g[0] / s[0]),
                round((b[0] + b[2]) / 2 * g[1] / s[1]),
            ),
            "square pictures alone": lambda b, s, g: cell(b, (s[0], s[0]), g),
            "square grids alone": lambda b, s, g: cell(b, s, (g[0], g[0])),
            "height for width": lambda b, s, g: cell(b, s[::-1], g),
            "a tensor": lambda *a: torch.tensor(cell(*a)),
            "floats": lambda *a: tuple(map(float, cell(*a))),
            "one number": lambda b, s, g: cell(b, s, g)[0] * g[1] + cell(b, s, g)[1],
            "none": lambda *a: None,
        },
        "decode_cell": {
            "no squares": lambda *a: decode(*a, power=1),
            "height for width": lambda *a: decode(*a, flip=True),
            "centre as corner": lambda *a: decode(*a, corner=True),
            "row for column": lambda n, r, c, s, g, b: decode(n, c, r, s, g, b),
            "confidence left out": lambda *a: (decode(*a)[0], 0 * decode(*a)[1] + a[0][5 * a[5] :]),
            "one box too few": lambda *a: tuple(each[1:] for each in decode(*a)),
            "zeros": lambda *a: tuple(0 * each for each in decode(*a)),
            "nan": lambda *a: tuple(each * torch.nan for each in decode(*a)),
            "boxes alone": lambda *a: decode(*a)[0],
            "wrong dtype": lambda *a: tuple(each.double() for each in decode(*a)),
            "scores first": lambda *a: decode(*a)[::-1],
        },
    },
)
