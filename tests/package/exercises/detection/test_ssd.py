"""The checkers of the chapter detection/ssd take right answers and no wrong ones."""

import torch
from torchvision.ops import box_iou

from ..planted import answers


def scales(m, smallest, largest, steps=lambda m: m - 1, mean=lambda a, b: (a * b) ** 0.5):
    step = (largest - smallest) / steps(m)
    s = [smallest + step * k for k in range(m + 1)]
    return [(s[k], mean(s[k], s[k + 1])) for k in range(m)]


def recall(found, target, iou=0.5):
    table = box_iou(target["boxes"], found["boxes"])
    same = target["labels"][:, None] == found["labels"]
    return ((table >= iou) & same).any(1).float().mean().item()


def by_class(found, target, iou=0.5, same=True, axis=1):
    table = box_iou(target["boxes"], found["boxes"]) >= iou
    if same:
        table &= target["labels"][:, None] == found["labels"]
    return table.any(axis).float().mean().item() if table.shape[1] else 0.0


def each_find_once(found, target, iou=0.5):
    """Greedy matching, as average precision has it."""
    free, hits = set(range(len(found["boxes"]))), 0
    for box, label in zip(target["boxes"], target["labels"]):
        overlaps = box_iou(box[None], found["boxes"])[0] * (found["labels"] == label)
        fits = [j for j in free if overlaps[j] >= iou]
        if fits:
            free.remove(max(fits, key=lambda j: overlaps[j]))
            hits += 1
    return hits / len(target["boxes"])


def best_of_each_find(found, target, iou=0.5):
    table = box_iou(target["boxes"], found["boxes"])
    table = table * (target["labels"][:, None] == found["labels"])
    overlap, place = table.max(0)
    return len(set(place[overlap >= iou].tolist())) / len(table)


def more_than(found, target, iou=0.5):
    table = box_iou(target["boxes"], found["boxes"])
    same = target["labels"][:, None] == found["labels"]
    return ((table > iou) & same).any(1).float().mean().item()


TestAnswers = answers(
    "ssd",
    right={
        "scales": [scales, lambda m, a, b: tuple(scales(m, a, b))],
        "recall": [recall],
    },
    wrong={
        "scales": {
            "a step too small": lambda *a: scales(*a, steps=lambda m: m),
            "arithmetic mean": lambda *a: scales(*a, mean=lambda x, y: (x + y) / 2),
            "the product without its root": lambda *a: scales(*a, mean=lambda x, y: x * y),
            "one map too many": lambda m, a, b: scales(m + 1, a, b),
            "one map too few": lambda m, a, b: scales(m, a, b)[:-1],
            "the other way round": lambda *a: scales(*a)[::-1],
            "the pair swapped": lambda *a: [p[::-1] for p in scales(*a)],
            "one size each": lambda *a: [p[0] for p in scales(*a)],
            "zeros": lambda m, a, b: [(0.0, 0.0)] * m,
            "NaN": lambda m, a, b: [(float("nan"),) * 2] * m,
            "None": lambda *a: None,
            "words": lambda m, a, b: [("small", "large")] * m,
        },
        "recall": {
            "precision": lambda *a: by_class(*a, axis=0),
            "any class": lambda *a: by_class(*a, same=False),
            "the threshold fixed": lambda f, t, iou=0.5: recall(f, t, 0.5),
            "hits counted twice": lambda f, t, iou=0.5: (
                ((box_iou(t["boxes"], f["boxes"]) >= iou)
                 & (t["labels"][:, None] == f["labels"])).sum().item() / len(t["boxes"])
            ),
            "a find answers for one true box": each_find_once,
            "a find answers for its best true box": best_of_each_find,
            "an overlap of exactly iou is too little": more_than,
            "a tensor": lambda *a: torch.tensor(recall(*a)),
            "percent": lambda *a: 100 * recall(*a),
            "zero": lambda *a: 0.0,
            "one": lambda *a: 1.0,
            "NaN": lambda *a: float("nan"),
            "None": lambda *a: None,
        },
    },
)  # fmt: skip
