"""Checkers for the exercises of the chapter detection/ssd."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("ssd.scales")
def scales(answer: Callable) -> Iterator[Case]:
    """``answer(m, smallest, largest)`` -> for each map a pair of anchor sizes.

    Expected: torch's own even spacing, one step further than the last map.
    """
    for m, smallest, largest in ((2, 0.2, 0.4), (6, 0.2, 0.9), (5, 0.1, 0.75), (3, 0.5, 0.5)):
        got = answer(m, smallest, largest)
        call = f"scales({m}, {smallest}, {largest})"
        if isinstance(got, (list, tuple)):
            yield Case(
                call=f"len({call})", got=len(got), expected=m, hint="a pair for each of the m maps"
            )
            if all(_pair(each) for each in got):
                got = torch.tensor(got, dtype=torch.float64)
        step = (largest - smallest) / (m - 1)
        line = torch.linspace(smallest, largest + step, m + 1, dtype=torch.float64)
        yield Case(
            call=f"torch.tensor({call})",
            got=got,
            expected=torch.stack([line[:-1], (line[:-1] * line[1:]).sqrt()], 1),
            tolerance=1e-6,
            hint="m maps have m - 1 steps between them; the second size is the root of the product "
            "of s_k and s_(k+1), and s_(m+1) lies one step behind the largest",
        )


def _pair(value) -> bool:
    """Whether it is two numbers."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(number, (int, float)) for number in value)
    )


@checker("ssd.recall")
def recall(answer: Callable) -> Iterator[Case]:
    """``answer(found, target, iou=0.5)`` -> the share of true boxes that are found.

    Expected: box by box, with torchvision's overlaps.
    """
    from torchvision.ops import box_iou

    draw = torch.Generator().manual_seed(0)
    for n, m, classes, iou in ((1, 1, 1, 0.5), (6, 3, 2, 0.5), (0, 2, 2, 0.5), (40, 8, 3, 0.3),
                               (40, 8, 1, 0.5), (30, 5, 2, 0.1)):  # fmt: skip
        found, target = _picture(n, classes, draw), _picture(m, classes, draw)
        if n:  # some finds are good ones
            good = min(n, m) // 2 + 1
            found["boxes"][:good] = target["boxes"][:good] + 1.0
            found["labels"][: good - 1] = target["labels"][: good - 1]
        hits = 0
        for box, label in zip(target["boxes"], target["labels"]):
            mine = found["boxes"][found["labels"] == label]
            hits += bool(len(mine) and (box_iou(box[None], mine) >= iou).any())
        yield Case(
            call=f"recall(found, target, {iou}) with {n} finds, {m} true boxes, {classes} classes",
            got=answer(_copy(found), _copy(target), iou),
            expected=hits / m,
            tolerance=1e-6,
            hint="of the true boxes, the share that a find of the same class overlaps by iou or "
            "more; a true box counts once, however many finds it has; give a float",
        )

    for boxes, others, iou, expected in HAND_MADE:
        found = {"boxes": torch.tensor(boxes), "labels": torch.zeros(len(boxes)).long()}
        target = {"boxes": torch.tensor(others), "labels": torch.zeros(len(others)).long()}
        yield Case(
            call=f"recall of finds {boxes} and true boxes {others}, iou={iou}",
            got=answer(_copy(found), _copy(target), iou),
            expected=expected,
            tolerance=1e-6,
            hint="at least iou is enough; each true box asks by itself, so that one find may be "
            "the answer to two of them",
        )


#: Finds, true boxes, iou, recall: an overlap of exactly iou, and one find between two true boxes.
HAND_MADE = (
    ([[0.0, 0.0, 8.0, 4.0]], [[0.0, 0.0, 8.0, 8.0], [20.0, 20.0, 30.0, 30.0]], 0.5, 0.5),
    ([[2.0, 0.0, 10.0, 8.0]], [[0.0, 0.0, 8.0, 8.0], [4.0, 0.0, 12.0, 8.0]], 0.5, 1.0),
)


def _picture(n: int, classes: int, draw: torch.Generator) -> dict[str, torch.Tensor]:
    corner = torch.rand(n, 2, generator=draw) * 60
    size = torch.rand(n, 2, generator=draw) * 30 + 10
    labels = torch.randint(classes, (n,), generator=draw)
    return {"boxes": torch.cat([corner, corner + size], 1), "labels": labels}


def _copy(picture: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in picture.items()}
