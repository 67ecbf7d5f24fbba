"""Checkers for the exercises of the chapter segmentation/fcn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("fcn.set_mean_iou")
def set_mean_iou(answer: Callable) -> Iterator[Case]:
    """``answer(batches, num_classes)`` -> the mIoU of a whole set, a float.

    Expected: of the pixels of a class's union, the part on which both agree; void left out.
    """
    first = (torch.tensor([[0, 0], [1, 1]]), torch.tensor([[0, 0], [0, 1]]))
    second = (torch.tensor([[0, 1, 1, 1]]), torch.tensor([[0, 255, 1, 1]]))
    yield _miou_case(answer, [first, second], 2, "batches = " + _written([first, second]))
    yield _miou_case(
        answer, [first, second], 3, "class 2 is nowhere; batches = " + _written([first, second])
    )
    third = (torch.tensor([[0, 2], [1, 1]]), torch.tensor([[0, 0], [1, 1]]))
    yield _miou_case(
        answer, [third], 3, "class 2 is predicted, and never true; batches = " + _written([third])
    )
    draw = torch.Generator().manual_seed(0)
    for classes, shapes in ((4, [(2, 5, 7), (1, 3, 3), (3, 8, 2)]), (5, [(1, 16, 16)])):
        batches = []
        for shape in shapes:
            target = torch.randint(0, classes, shape, generator=draw)
            wrong = torch.rand(shape, generator=draw) < 0.4
            predicted = torch.where(wrong, (target + 1) % classes, target)
            target[torch.rand(shape, generator=draw) < 0.1] = 255
            batches.append((predicted, target))
        yield _miou_case(answer, batches, classes, f"batches of the shapes {shapes}, with void")


def _miou_case(answer: Callable, batches: list, classes: int, what: str) -> Case:
    predicted, target = (
        np.concatenate([np.asarray(b[i]).ravel() for b in batches]) for i in (0, 1)
    )
    counted = target != 255
    predicted, target = predicted[counted], target[counted]
    ious = [
        np.mean(
            target[(predicted == c) | (target == c)] == predicted[(predicted == c) | (target == c)]
        )
        for c in np.union1d(predicted, target)
    ]
    expected = np.mean(ious)
    return Case(
        call=f"set_mean_iou(batches, {classes}), {what}",
        got=answer([(p.clone(), t.clone()) for p, t in batches], classes),
        expected=float(expected),
        tolerance=1e-5,
        hint="sum intersections and unions over all batches, then divide once for each class; "
        "leave out pixels whose truth is 255, and classes that are nowhere",
    )


def _written(batches: list) -> str:
    return str([tuple(x.tolist() for x in pair) for pair in batches])


@checker("fcn.add_skip")
def add_skip(answer: Callable) -> Iterator[Case]:
    """``answer(coarse, fine)`` -> coarse enlarged twice, cut to the size of fine, plus fine.

    Expected: ``F.interpolate`` with input i at output 2 i, and zeros behind the last input.
    """
    one = torch.tensor([[[[1.0, 2.0]]]])
    yield _skip_case(answer, one, torch.zeros(1, 1, 2, 4), f"coarse = {one.tolist()}, fine zeros")
    draw = torch.Generator().manual_seed(0)
    for h, w, rows, columns in ((3, 4, 6, 8), (3, 4, 5, 7), (1, 1, 1, 2), (5, 2, 9, 4)):
        coarse = torch.randn(2, 3, h, w, generator=draw)
        fine = torch.randn(2, 3, rows, columns, generator=draw)
        shapes = f"coarse of the shape {tuple(coarse.shape)}, fine {tuple(fine.shape)}"
        yield _skip_case(answer, coarse, fine, shapes)


def _skip_case(answer: Callable, coarse: torch.Tensor, fine: torch.Tensor, what: str) -> Case:
    rows, columns = fine.shape[2:]
    size = [2 * n + 1 for n in coarse.shape[2:]]
    padded = F.pad(coarse, (0, 1, 0, 1))
    large = F.interpolate(padded, size=size, mode="bilinear", align_corners=True)
    return Case(
        call=f"add_skip(coarse, fine), {what}",
        got=answer(coarse.clone(), fine.clone()),
        expected=large[:, :, :rows, :columns] + fine,
        tolerance=1e-5,
        hint="upsampling(classes, 2), or a kernel of 3, stride 2, padding 1, output padding 1; "
        "keep its top left part; then add",
    )
