"""The checkers of the chapter detection/boxes take right answers and no wrong ones."""

import torch
import torchvision.ops as tv

from labnotes.detection import box_iou
from labnotes.detection import nms as ours

from ..planted import answers


def iou(a, b, clamp=True, union=True, corner=0.0):
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    sides = high - low + corner
    common = (sides.clamp(min=0) if clamp else sides).prod(2)
    both = tv.box_area(a)[:, None] + tv.box_area(b)
    return common / (both - common if union else both)


def nms(boxes, scores, threshold, dropped_too=False, at_least=False, descending=True):
    left, kept = scores.argsort(descending=descending).tolist(), []
    everything = list(left)
    table = box_iou(boxes, boxes)
    for i in everything:
        before = [j for j in (everything[: everything.index(i)] if dropped_too else kept)]
        over = [table[i, j] >= threshold if at_least else table[i, j] > threshold for j in before]
        if not any(over):
            kept.append(i)
    return kept


TestCheckers = answers(
    "boxes",
    right={
        "iou": [iou, box_iou, tv.box_iou],
        "nms": [nms, lambda *a: ours(*a).tolist(), lambda *a: tv.nms(*a).tolist()],
    },
    wrong={
        "iou": {
            "no clamp: boxes that are apart": lambda a, b: iou(a, b, clamp=False),
            "over the sum of areas": lambda a, b: iou(a, b, union=False),
            "pixels counted with their ends": lambda a, b: iou(a, b, corner=1.0),
            "pairs instead of a table": lambda a, b: iou(a[:1], b[:1]),
            "turned": lambda a, b: iou(b, a),
            "zeros": lambda a, b: torch.zeros(len(a), len(b)),
            "NaN": lambda a, b: iou(a, b) * float("nan"),
            "generalized": tv.generalized_box_iou,
            "double": lambda a, b: iou(a, b).double(),
            "nothing": lambda a, b: None,
        },
        "nms": {
            "dropped boxes drop others": lambda *a: nms(*a, dropped_too=True),
            "the threshold is dropped": lambda *a: nms(*a, at_least=True),
            "the worst first": lambda *a: nms(*a, descending=False),
            "all are kept": lambda b, s, t: s.argsort(descending=True).tolist(),
            "sorted by place": lambda *a: sorted(nms(*a)),
            "a tensor": lambda *a: tv.nms(*a),
            "the best alone": lambda *a: nms(*a)[:1],
            "the boxes": lambda b, s, t: b[nms(b, s, t)].tolist(),
            "nothing": lambda *a: None,
        },
    },
)
