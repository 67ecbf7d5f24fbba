"""Average precision of detectors: how many objects are found, and how many finds are objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labnotes.detection.boxes import areas, check_boxes
from labnotes.detection.boxes import iou as iou_of

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10))
COCO_MOST = 100  # finds of a class in a picture that COCO looks at
INTERPOLATIONS = ("coco", "voc07", "voc12")
RIGHT, WRONG, NEITHER = 1, 0, -1  # the verdict on a find; NEITHER is left out of the ranking


@dataclass(frozen=True)
class MeanAveragePrecision:
    """What :func:`mean_average_precision` finds.

    Attributes
    ----------
    value
        The mean over the classes that have objects, 0 to 1; NaN if none has.
    per_class
        The average precision of each of these classes.
    per_threshold
        The mean over the classes at each IoU threshold.
    """

    value: float
    per_class: dict[int, float]
    per_threshold: dict[float, float]


def mean_average_precision(
    predictions: Sequence[dict[str, Tensor]],
    targets: Sequence[dict[str, Tensor]],
    iou: float | str = 0.5,
    interpolation: str = "coco",
) -> MeanAveragePrecision:
    """Mean average precision (平均精度均值) of the finds of a detector in a whole set of pictures.

    Class by class all finds of the set are ranked by score. A find is right if it overlaps an
    object of its class in its picture by `iou` or more, and no find of a higher score has taken
    that object. Going down the ranking gives a curve of precision (right finds of all finds) over
    recall (objects found of all objects); its area, interpolated, is the average precision.

    Parameters
    ----------
    predictions
        A dictionary a picture: "boxes" ``(n, 4)``, "scores" ``(n,)``, "labels" ``(n,)``.
    targets
        A dictionary a picture: "boxes" ``(m, 4)`` and "labels" ``(m,)``; ``(0, 4)`` and ``(0,)``
        where there is no object. "iscrowd" ``(m,)`` marks boxes round many objects (COCO): finds
        inside count neither as right nor as wrong. "difficult" ``(m,)`` marks objects that nobody
        has to find (Pascal VOC): finding one counts neither way.
    iou
        The overlap that is asked for, or "coco" for the mean over 0.5, 0.55, ... 0.95.
    interpolation
        "coco": the mean of the precision at 101 recalls; a find may take the second best object
        where the best is taken, and of each picture the 100 best finds of a class count.
        "voc12": the area under the curve. "voc07": the mean at 11 recalls. In both a find that
        overlaps a taken object most is wrong, and all finds count.
        Precision at a recall is the largest at that recall or above.

    Returns
    -------
    MeanAveragePrecision

    Raises
    ------
    ValueError
        If the two lists differ in length, a part is missing or has another length than the boxes,
        or a box is upside down, not finite or, of an object, without area.

    References
    ----------
    Lin et al., "Microsoft COCO", 2014, and ``pycocotools``; Everingham et al., "The Pascal Visual
    Object Classes (VOC) Challenge", 2010, section 4.2, and the development kit of 2012. Boxes end
    where x2 says; the kit counts one pixel more.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    >>> truth = {"boxes": boxes, "labels": torch.tensor([1, 1])}
    >>> found = truth | {"boxes": boxes + 1, "scores": torch.tensor([0.9, 0.6])}
    >>> mean_average_precision([found], [truth]).value
    1.0
    >>> round(mean_average_precision([found], [truth], iou=0.75).value, 3)  # the small one misses
    0.252
    """
    thresholds = _thresholds(iou, interpolation)
    _check_pictures(predictions, targets)
    classes: dict[int, _Finds] = defaultdict(_Finds)
    for found, truth in zip(predictions, targets):
        found, truth = _arrays(found), _arrays(truth)
        overlaps = _overlaps(found["boxes"], truth["boxes"], truth["iscrowd"])  # (n, m)
        for label in {*found["labels"].tolist(), *truth["labels"].tolist()}:
            mine = np.flatnonzero(found["labels"] == label)
            mine = mine[np.argsort(-found["scores"][mine], kind="stable")]
            if interpolation == "coco":
                mine = mine[:COCO_MOST]
            its = np.flatnonzero(truth["labels"] == label)
            classes[label].add(
                found["scores"][mine], overlaps[np.ix_(mine, its)], truth["iscrowd"][its],
                truth["difficult"][its], thresholds, interpolation,
            )  # fmt: skip
    counted = {label: finds for label, finds in sorted(classes.items()) if finds.positives}
    table = np.array([finds.average(interpolation) for finds in counted.values()])
    if not len(table):
        return MeanAveragePrecision(float("nan"), {}, dict.fromkeys(thresholds, float("nan")))
    return MeanAveragePrecision(
        table.mean().item(),
        dict(zip(counted, table.mean(1).tolist())),  # table: (classes, thresholds)
        dict(zip(thresholds, table.mean(0).tolist())),
    )


class _Finds:
    """All finds of one class: their scores, and at each threshold RIGHT, WRONG or NEITHER."""

    def __init__(self):
        self.scores, self.verdicts, self.positives = [], [], 0

    def add(self, scores, overlaps, crowd, difficult, thresholds, interpolation) -> None:
        """The finds in one picture, the best first; `overlaps` are (finds, objects)."""
        match = _match_coco if interpolation == "coco" else _match_voc
        self.scores.append(scores)
        self.verdicts.append([match(overlaps, crowd, difficult, t) for t in thresholds])
        self.positives += int((~crowd & ~difficult).sum())

    def average(self, interpolation: str) -> list[float]:
        """The average precision at each threshold."""
        order = np.argsort(-np.concatenate(self.scores), kind="stable")
        verdicts = np.concatenate(self.verdicts, 1)[:, order]  # (thresholds, finds)
        return [
            average_precision(row[row != NEITHER] == RIGHT, self.positives, interpolation)
            for row in verdicts
        ]


def _match_coco(overlaps, crowd, difficult, threshold) -> np.ndarray:
    """Each find takes the object that it overlaps most, of those that are left."""
    verdicts = np.full(len(overlaps), WRONG, dtype=np.int8)
    ignored, taken = crowd | difficult, np.zeros(len(crowd), dtype=bool)
    for i, row in enumerate(overlaps):
        # Objects that have to be found come first, however much it overlaps another one.
        for group, verdict in ((~ignored & ~taken, RIGHT), (ignored & (crowd | ~taken), NEITHER)):
            rest = np.where(group, row, -1.0)
            if len(rest) and rest.max() >= threshold:
                taken[np.flatnonzero(rest == rest.max())[-1]] = (
                    True  # of equals COCO takes the last
                )
                verdicts[i] = verdict
                break
    return verdicts


def _match_voc(overlaps, crowd, difficult, threshold) -> np.ndarray:
    """Each find has the object that it overlaps most, taken or not: a second find of it is wrong."""
    verdicts = np.full(len(overlaps), WRONG, dtype=np.int8)
    ignored, taken = crowd | difficult, np.zeros(len(crowd), dtype=bool)
    for i, row in enumerate(overlaps):
        if not len(row) or row.max() < threshold:
            continue
        best = row.argmax()
        if ignored[best]:
            verdicts[i] = NEITHER
        elif not taken[best]:
            taken[best], verdicts[i] = True, RIGHT
    return verdicts


def _overlaps(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU (n, m); with a crowd, the part of the find that lies inside."""
    found, truth = torch.from_numpy(found), torch.from_numpy(truth)
    table = iou_of(found, truth)
    if crowd.any():
        both = areas(found)[:, None] + areas(truth)
        common = both * table / (1 + table)  # IoU = common / (both - common)
        table = torch.where(torch.from_numpy(crowd), common / areas(found)[:, None], table)
    return table.nan_to_num(0).numpy()  # a find of no area lies in no crowd


# --- the curve ---------------------------------------------------------------------------------


def precision_recall(right: Sequence[bool], positives: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision (精确率) and recall (召回率) after each find, the highest score first.

    Parameters
    ----------
    right
        For each find, in the order of falling scores, whether it is right.
    positives
        The objects that there are, at least 1.

    Returns
    -------
    tuple of ndarray
        Precisions and recalls, one for each find.

    Examples
    --------
    >>> precision, recall = precision_recall([True, False, True], positives=4)
    >>> precision.round(2).tolist(), recall.tolist()
    ([1.0, 0.5, 0.67], [0.25, 0.25, 0.5])
    """
    right = np.asarray(right, dtype=bool)
    if right.ndim != 1 or positives < max(1, right.sum()):
        raise ValueError(
            f"{right.sum()} right finds, shape {right.shape}, of {positives} objects: give a flat "
            "list, and at least one object and one for each right find"
        )
    hits = right.cumsum()
    return hits / np.arange(1, len(right) + 1), hits / positives


def average_precision(right: Sequence[bool], positives: int, interpolation: str = "coco") -> float:
    """Average precision (平均精度) of finds in the order of falling scores: the area of the curve.

    Parameters are those of :func:`precision_recall` and :func:`mean_average_precision`.

    Examples
    --------
    >>> average_precision([True, False, True], positives=2, interpolation="voc12")
    0.8333333333333333
    """
    _check_interpolation(interpolation)
    precision, recall = precision_recall(right, positives)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or above
    if interpolation == "voc12":  # recall rises by 1 / positives at each right find
        return float(best[np.asarray(right, dtype=bool)].sum() / positives)
    at = np.linspace(0, 1, 101) if interpolation == "coco" else np.arange(11) / 10
    return float(np.append(best, 0.0)[np.searchsorted(recall, at)].mean())


# --- checks ------------------------------------------------------------------------------------


def _check_interpolation(interpolation: str) -> None:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation is {interpolation!r}: give one of {', '.join(INTERPOLATIONS)}"
        )


def _thresholds(iou: float | str, interpolation: str) -> tuple[float, ...]:
    _check_interpolation(interpolation)
    if iou == "coco":
        return COCO_THRESHOLDS
    if isinstance(iou, str) or not 0 < iou <= 1:
        raise ValueError(f'iou is {iou!r}: give an overlap above 0 and up to 1, or "coco"')
    return (float(iou),)


def _check_pictures(predictions, targets) -> None:
    if len(predictions) != len(targets):
        raise ValueError(
            f"{len(predictions)} predictions and {len(targets)} targets: give one each a picture"
        )
    for i, (found, truth) in enumerate(zip(predictions, targets)):
        _check_picture(found, ("boxes", "scores", "labels"), f"predictions[{i}]")
        _check_picture(truth, ("boxes", "labels"), f"targets[{i}]")
        empty = (truth["boxes"][:, 2:] <= truth["boxes"][:, :2]).any(1)
        if empty.any():
            raise ValueError(
                f"targets[{i}]['boxes'][{int(empty.nonzero()[0])}] has no area: leave it out; where "
                "there is no object give boxes of the shape (0, 4)"
            )


def _check_picture(picture: dict, needed: tuple[str, ...], name: str) -> None:
    missing = [key for key in needed if key not in picture]
    if missing:
        raise ValueError(f"{name} has no {' and no '.join(map(repr, missing))}: give {needed}")
    check_boxes(picture["boxes"], f"{name}['boxes']")
    count = len(picture["boxes"])
    for key in ("scores", "labels", "iscrowd", "difficult"):
        if key in picture and tuple(picture[key].shape) != (count,):
            raise ValueError(
                f"{name}[{key!r}] has the shape {tuple(picture[key].shape)} and there are {count} "
                f"boxes: give ({count},)"
            )
    if picture["labels"].is_floating_point():
        raise ValueError(f"{name}['labels'] are {picture['labels'].dtype}: give integers")
    if "scores" in needed and not picture["scores"].isfinite().all():
        raise ValueError(f"{name}['scores'] are not all finite: nobody knows their place")


def _arrays(picture: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """One picture in NumPy, in double precision as pycocotools has it; flags that miss are false."""
    none = torch.zeros(len(picture["boxes"]), dtype=torch.bool)
    given = {"iscrowd": none, "difficult": none} | picture
    kinds = {"boxes": torch.float64, "scores": torch.float64, "labels": torch.int64,
             "iscrowd": torch.bool, "difficult": torch.bool}  # fmt: skip
    return {
        key: given[key].detach().cpu().to(kind).numpy()
        for key, kind in kinds.items()
        if key in given
    }
