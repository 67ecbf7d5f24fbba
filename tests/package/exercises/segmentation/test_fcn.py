"""The checkers of the chapter segmentation/fcn take right answers and no wrong ones."""

import numpy as np
import torch
from sklearn.metrics import jaccard_score
from torch.nn import functional as F

from labnotes.metrics import confusion_matrix, mean_iou
from labnotes.segmentation import upsampling

from ..planted import answers


def by_matrix(batches, classes):
    return mean_iou(sum(confusion_matrix(p, t, classes) for p, t in batches)).item()


def by_sets(batches, classes, void=True, zero=False, mean=None):
    both, either = np.zeros(classes), np.zeros(classes)
    for p, t in batches:
        counted = t != 255 if void else torch.ones_like(t, dtype=torch.bool)
        for c in range(classes):
            both[c] += ((p == c) & (t == c)).sum().item()
            either[c] += (((p == c) & counted) | (t == c)).sum().item()
    if zero:
        return float((both / np.maximum(either, 1)).mean())
    return float((both[either > 0] / either[either > 0]).mean())


def of_batches(batches, classes):
    return float(np.mean([by_matrix([pair], classes) for pair in batches]))


def of_true_classes(batches, classes):
    matrix = sum(confusion_matrix(p, t, classes) for p, t in batches).double()
    true = matrix.sum(1) > 0
    iou = matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())
    return iou[true].mean().item()


def frequency_weighted(batches, classes):
    p, t = (torch.cat([pair[i].flatten() for pair in batches]) for i in (0, 1))
    return float(jaccard_score(t[t != 255], p[t != 255], average="weighted"))


def accuracy(batches, classes):
    right = sum((p == t).sum().item() for p, t in batches)
    return right / sum((t != 255).sum().item() for _, t in batches)


def rung(coarse, fine):
    with torch.no_grad():
        large = upsampling(coarse.shape[1], 2)(coarse)
    return large[:, :, : fine.shape[2], : fine.shape[3]] + fine


def interpolated(coarse, fine):
    large = F.interpolate(coarse, scale_factor=2, mode="bilinear")
    return large[:, :, : fine.shape[2], : fine.shape[3]] + fine


def nearest(coarse, fine):
    return F.interpolate(coarse, size=fine.shape[2:], mode="nearest") + fine


def lower_right(coarse, fine):
    with torch.no_grad():
        large = upsampling(coarse.shape[1], 2)(coarse)
    return large[:, :, -fine.shape[2] :, -fine.shape[3] :] + fine


def not_cut(coarse, fine):
    rows, columns = (2 * a - b for a, b in zip(coarse.shape[2:], fine.shape[2:]))
    return rung(coarse, F.pad(fine, (0, columns, 0, rows)))


def untrained(coarse, fine):
    with torch.no_grad():
        large = upsampling(coarse.shape[1], 2, "random")(coarse)
    return large[:, :, : fine.shape[2], : fine.shape[3]] + fine


TestAnswers = answers(
    "fcn",
    right={"set_mean_iou": [by_matrix, by_sets], "add_skip": [rung]},
    wrong={
        "set_mean_iou": {
            "the mean of the batches' mIoU": of_batches,
            "void counts as a miss": lambda b, k: by_sets(b, k, void=False),
            "an absent class has IoU 0": lambda b, k: by_sets(b, k, zero=True),
            "a class that is predicted, and never true, left out": of_true_classes,
            "classes weighed by their pixels": frequency_weighted,
            "pixel accuracy": accuracy,
            "percent": lambda b, k: 100 * by_matrix(b, k),
            "one minus": lambda b, k: 1 - by_matrix(b, k),
            "the first batch alone": lambda b, k: by_matrix(b[:1], k),
            "zero": lambda b, k: 0.0,
            "NaN": lambda b, k: float("nan"),
            "nothing": lambda b, k: None,
        },
        "add_skip": {
            "edges repeated": interpolated,
            "nearest neighbour": nearest,
            "the lower right part": lower_right,
            "random weights": untrained,
            "not cut": not_cut,
            "not added": lambda c, f: rung(c, 0 * f),
            "the fine scores alone": lambda c, f: f,
            "added twice": lambda c, f: rung(c, f) + f,
            "concatenated": lambda c, f: torch.cat([rung(c, 0 * f), f], 1),
            "zeros": lambda c, f: 0 * f,
            "NaN": lambda c, f: f * float("nan"),
            "nothing": lambda c, f: None,
        },
    },
)
