"""Checkers for the exercises of the chapter detection/boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torchvision.ops as tv

from labnotes.exercises import Case, checker


def _boxes(n: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 40, (n, 2), generator=draw)
    sides = torch.randint(5, 40, (n, 2), generator=draw)
    return torch.cat([corners, corners + sides], 1).float()


@checker("boxes.iou")
def iou(answer: Callable) -> Iterator[Case]:
    """``answer(boxes1, boxes2)``, (n, 4) and (m, 4) -> (n, m).

    Expected: torchvision's ``box_iou``.
    """
    one, far = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 1, 3, 3]])
    yield Case(
        call="iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[1., 1, 3, 3]]))",
        got=answer(one.clone(), far.clone()),
        expected=torch.tensor([[1 / 7]]),
        hint="the intersection is 1, the union 4 + 4 - 1; the result has the shape (1, 1)",
    )
    apart = torch.tensor([[5.0, 5, 6, 7], [-9.0, 0, -5, 2], [0, 0, 2, 2]])
    yield Case(
        call="iou(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[5., 5, 6, 7], [-9, 0, -5, 2], "
        "[0, 0, 2, 2]]))",
        got=answer(one.clone(), apart.clone()),
        expected=torch.tensor([[0.0, 0.0, 1.0]]),
        hint="two boxes that do not touch have a width or height in common that is negative: count "
        "it as 0, before you multiply",
    )
    for n, m in ((5, 3), (1, 8), (0, 4)):
        boxes1, boxes2 = _boxes(n, n), _boxes(m, 10 + m)
        yield Case(
            call=f"iou(boxes1, boxes2) with {n} and {m} boxes",
            got=answer(boxes1.clone(), boxes2.clone()),
            expected=tv.box_iou(boxes1, boxes2),
            hint="every box of the first set with every box of the second: (n, m)",
        )


@checker("boxes.nms")
def nms(answer: Callable) -> Iterator[Case]:
    """``answer(boxes, scores, threshold)`` -> the places of the boxes kept, a list, best first.

    Expected: torchvision's ``nms``.
    """
    chain = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    yield Case(
        call="nms_by_loop(torch.tensor([[0., 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]), "
        "torch.tensor([0.7, 0.8, 0.9]), 0.3)",
        got=answer(chain.clone(), torch.tensor([0.7, 0.8, 0.9]), 0.3),
        expected=[2, 0],
        hint="the best box first; a box that has been dropped drops no other",
    )
    pair = torch.tensor([[0.0, 0, 2, 1], [0, 0, 1, 1]])  # IoU 1/2
    yield Case(
        call="nms_by_loop(torch.tensor([[0., 0, 2, 1], [0, 0, 1, 1]]), torch.tensor([0.9, 0.8]), 0.5)",
        got=answer(pair.clone(), torch.tensor([0.9, 0.8]), 0.5),
        expected=[0, 1],
        hint="drop what overlaps by more than the threshold; exactly the threshold stays",
    )
    for n, threshold in ((12, 0.2), (30, 0.5), (1, 0.5), (0, 0.5)):
        boxes = _boxes(n, 20 + n)
        scores = (torch.randperm(n, generator=torch.Generator().manual_seed(n)) + 1) / (n + 1)
        yield Case(
            call=f"nms_by_loop(boxes, scores, {threshold}) with {n} boxes",
            got=answer(boxes.clone(), scores.clone(), threshold),
            expected=tv.nms(boxes, scores, threshold).tolist(),
            hint="take the best of those that are left, drop what overlaps it, and go on; give a "
            "list of places, an empty one for no box",
        )
