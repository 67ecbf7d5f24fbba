"""Mean average precision: pycocotools' numbers, Pascal VOC's by its definition, and by hand."""

import contextlib
import doctest
import io

import numpy as np
import pytest
import torch
import torchvision.ops as tv
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labnotes.metrics import (
    average_precision,
    detection,
    mean_average_precision,
    precision_recall,
)


def a_set(seed: int):
    """Pictures with objects of three classes and finds near them, false ones, doubles and gaps."""
    draw = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(draw.integers(1, 7)):
        n = draw.integers(0, 6)
        low = draw.uniform(0, 60, (n, 2))
        truth = np.hstack([low, low + draw.uniform(8, 40, (n, 2))])
        labels = draw.integers(1, 4, n)
        near = np.repeat(np.arange(n), draw.integers(0, 3, n))  # found once, twice or never
        boxes = truth[near] + draw.normal(0, draw.choice([0.5, 3.0]), (len(near), 4))
        low, high = boxes[:, :2], boxes[:, 2:]  # the noise may have turned a narrow one over
        boxes = np.hstack([np.minimum(low, high), np.maximum(low, high)])
        m = draw.integers(0, 4)
        low = draw.uniform(0, 60, (m, 2))
        boxes = np.vstack([boxes, np.hstack([low, low + draw.uniform(8, 40, (m, 2))])])
        kinds = np.concatenate([labels[near], draw.integers(1, 5, m)])
        scores = draw.choice([0.2, 0.4, 0.6, 0.8], len(boxes)) + 0.1 * draw.random(len(boxes))
        predictions.append({
            "boxes": torch.tensor(boxes), "scores": torch.tensor(scores),
            "labels": torch.tensor(kinds).long(),
        })  # fmt: skip
        targets.append({
            "boxes": torch.tensor(truth), "labels": torch.tensor(labels).long(),
            "iscrowd": torch.tensor(draw.random(n) < 0.15),
            "difficult": torch.tensor(draw.random(n) < 0.2),
        })  # fmt: skip
    return predictions, targets


def with_pycocotools(predictions, targets, thresholds) -> np.ndarray:
    """Average precisions (thresholds, classes) by pycocotools; NaN for classes with no object."""

    def corner_and_size(boxes):
        return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).double().tolist()

    objects, finds = [], []
    for image, (found, truth) in enumerate(zip(predictions, targets)):
        crowd = truth.get("iscrowd", torch.zeros(len(truth["boxes"])))
        for box, label, many in zip(corner_and_size(truth["boxes"]), truth["labels"], crowd):
            objects.append({
                "id": len(objects) + 1, "image_id": image, "category_id": int(label), "bbox": box,
                "area": box[2] * box[3], "iscrowd": int(many),
            })  # fmt: skip
        for box, label, score in zip(
            corner_and_size(found["boxes"]), found["labels"], found["scores"].double()
        ):
            finds.append({
                "image_id": image, "category_id": int(label), "bbox": box, "score": float(score),
            })  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {}, "annotations": objects,
            "images": [{"id": i} for i in range(len(targets))],
            "categories": [{"id": i} for i in range(1, 5)],
        }  # fmt: skip
        coco.createIndex()
        if not finds:
            return np.zeros((len(thresholds), 4))
        run = COCOeval(coco, coco.loadRes(finds), "bbox")
        run.params.iouThrs = np.array(thresholds)
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, -1]  # (thresholds, 101, classes)
    return np.where(precision[:, 0] < 0, np.nan, precision.mean(1))


def without(targets, *flags):
    return [{k: v for k, v in truth.items() if k not in flags} for truth in targets]


@pytest.mark.parametrize("seed", range(200))
def test_it_is_pycocotools_number_class_by_class(seed):
    predictions, targets = a_set(seed)
    targets = without(targets, "difficult")
    thresholds = detection.COCO_THRESHOLDS
    expected = with_pycocotools(predictions, targets, thresholds)
    found = mean_average_precision(predictions, targets, iou="coco")
    counted = {int(t) for truth in targets for t in truth["labels"][~truth["iscrowd"]]}
    assert set(found.per_class) == counted
    for label, value in found.per_class.items():
        assert value == pytest.approx(expected[:, label - 1].mean(), abs=1e-9)
    if counted:
        columns = [c - 1 for c in sorted(counted)]
        assert found.value == pytest.approx(expected[:, columns].mean(), abs=1e-9)
        assert list(found.per_threshold.values()) == pytest.approx(expected[:, columns].mean(1))
    else:
        assert np.isnan(found.value)


def test_of_a_class_in_a_picture_coco_looks_at_a_hundred_finds():
    box = torch.tensor([[0.0, 0, 10, 10]])
    boxes = torch.cat([box + 50] * 100 + [box])  # the right one is number 101
    found = {"boxes": boxes, "scores": torch.linspace(1, 0, 101), "labels": torch.ones(101).long()}
    truth = {"boxes": box, "labels": torch.tensor([1])}
    assert mean_average_precision([found], [truth]).value == 0
    assert with_pycocotools([found], [truth], [0.5])[0, 0] == 0
    assert mean_average_precision([found], [truth], interpolation="voc12").value == 1 / 101


def voc_by_definition(predictions, targets, label: int, threshold: float, eleven: bool) -> float:
    """The development kit's loop over all finds of the set, written from its description."""
    ranked = sorted(
        ((float(s), -i, -j) for i, p in enumerate(predictions)
         for j, s in enumerate(p["scores"]) if p["labels"][j] == label),
        reverse=True,
    )  # fmt: skip
    objects = sum(int(((t["labels"] == label) & ~t["difficult"]).sum()) for t in targets)
    taken, right, wrong, curve = set(), 0, 0, []
    for _, i, j in ranked:
        truth = targets[-i]
        own = (truth["labels"] == label).nonzero()[:, 0].tolist()
        box = predictions[-i]["boxes"][-j]
        best, place = max(
            ((tv.box_iou(box[None], truth["boxes"][k : k + 1]).item(), -k) for k in own),
            default=(0.0, 0),
        )
        if best >= threshold and truth["difficult"][-place]:
            continue
        if best >= threshold and (i, place) not in taken:
            taken.add((i, place))
            right += 1
        else:
            wrong += 1
        curve.append((right / objects, right / (right + wrong)))
    if eleven:
        return sum(max((p for r, p in curve if r >= k / 10), default=0) for k in range(11)) / 11
    levels = sorted({r for r, _ in curve} | {0.0})
    return sum(
        (high - low) * max(p for r, p in curve if r >= high)
        for low, high in zip(levels, levels[1:])
    )


@pytest.mark.parametrize("seed", range(200))
def test_with_vocs_interpolation_it_is_what_the_definition_gives(seed):
    predictions, targets = a_set(seed)
    targets = without(targets, "iscrowd")
    for interpolation in ("voc07", "voc12"):
        found = mean_average_precision(predictions, targets, 0.5, interpolation)
        for label, value in found.per_class.items():
            expected = voc_by_definition(predictions, targets, label, 0.5, interpolation == "voc07")
            assert value == pytest.approx(expected, abs=1e-9), (label, interpolation)


def test_a_second_find_takes_the_second_object_with_coco_and_is_wrong_with_voc():
    objects = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 12]])
    finds = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10.5]])
    truth = {"boxes": objects, "labels": torch.tensor([1, 1])}
    found = {"boxes": finds, "labels": torch.tensor([1, 1]), "scores": torch.tensor([0.9, 0.8])}
    assert mean_average_precision([found], [truth]).value == 1.0
    assert mean_average_precision([found], [truth], interpolation="voc12").value == 0.5


def test_finds_are_ranked_over_the_whole_set_and_pictures_without_objects_count():
    box, none = torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4)
    right = {"boxes": box, "labels": torch.tensor([1]), "scores": torch.tensor([0.6])}
    false = right | {"scores": torch.tensor([0.9])}
    truth = [
        {"boxes": box, "labels": torch.tensor([1])},
        {"boxes": none, "labels": torch.zeros(0).long()},
    ]
    assert mean_average_precision([right, false], truth, interpolation="voc12").value == 0.5
    assert mean_average_precision([false, right], truth, interpolation="voc12").value == 1.0


def test_without_objects_there_is_no_number():
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    found = mean_average_precision([none | {"scores": torch.zeros(0)}], [none])
    assert np.isnan(found.value) and found.per_class == {}
    assert np.isnan(mean_average_precision([], []).value)


def test_precision_and_recall_by_hand():
    precision, recall = precision_recall([True, True, False, True, False], positives=4)
    np.testing.assert_allclose(precision, [1, 1, 2 / 3, 3 / 4, 3 / 5])
    np.testing.assert_allclose(recall, [1 / 4, 2 / 4, 2 / 4, 3 / 4, 3 / 4])
    ranked = [True, True, False, True, False]
    assert average_precision(ranked, 4, "voc12") == pytest.approx((1 + 1 + 3 / 4) / 4)
    assert average_precision(ranked, 4, "voc07") == pytest.approx((6 * 1 + 2 * 3 / 4) / 11)
    assert average_precision(ranked, 4, "coco") == pytest.approx((51 * 1 + 25 * 3 / 4) / 101)


GOOD = {"boxes": torch.tensor([[0.0, 0, 1, 1]]), "labels": torch.tensor([1])}


@pytest.mark.parametrize(
    "found, truth, text",
    [
        ({}, {"labels": torch.zeros(2).long()}, r"targets\[0\]\['labels'\] has the shape \(2,\)"),
        ({"scores": None}, {}, r"predictions\[0\] has no 'scores'"),
        ({"scores": torch.tensor([torch.nan])}, {}, "not all finite"),
        ({"labels": torch.zeros(1)}, {}, "labels'] are torch.float32"),
        ({"boxes": torch.tensor([[0.0, 0, -1, 1]])}, {}, "x2 < x1"),
        ({}, {"boxes": torch.tensor([[0.0, 0, 0, 1]])}, "has no area: leave it out"),
        ({}, {"boxes": torch.zeros(0), "labels": torch.zeros(0)}, r"for no box \(0, 4\)"),
        ({}, {"iscrowd": torch.zeros(3)}, r"\['iscrowd'\] has the shape \(3,\)"),
    ],
)
def test_bad_input_is_refused(found, truth, text):
    found = GOOD | {"scores": torch.tensor([0.5])} | found
    found = {k: v for k, v in found.items() if v is not None}
    with pytest.raises(ValueError, match=text):
        mean_average_precision([found], [GOOD | truth])


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="1 predictions and 0 targets"):
        mean_average_precision([GOOD], [])
    with pytest.raises(ValueError, match="iou is 0"):
        mean_average_precision([], [], iou=0)
    with pytest.raises(ValueError, match="'voc10': give one of coco, voc07, voc12"):
        mean_average_precision([], [], interpolation="voc10")
    with pytest.raises(ValueError, match="2 right finds"):
        precision_recall([True, True], positives=1)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(detection).failed == 0
