"""Non-maximum suppression: the boxes that torchvision keeps, and those that the definition keeps."""

import doctest
import math

import pytest
import torch
import torchvision.ops as tv
from hypothesis import given
from hypothesis import strategies as st

from labnotes.detection import batched_nms, box_iou, nms, soft_nms, suppression

from .test_boxes import some


def scores(n: int, seed: int = 0, levels: int = 10_000) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(levels, (n,), generator=draw) / levels


@given(
    n=st.integers(0, 400),
    seed=st.integers(0, 999),
    threshold=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]),
    levels=st.sampled_from([3, 10_000]),
)
def test_it_keeps_the_boxes_that_torchvision_keeps(n, seed, threshold, levels):
    boxes, found = some(n, seed), scores(n, seed, levels)
    kept = nms(boxes, found, threshold)
    assert kept.dtype == torch.int64
    # torchvision's order of equal scores is its own; that of its input is not.
    order = found.argsort(descending=True, stable=True)
    falling = torch.linspace(1, 0, n + 1)[:n]
    assert kept.tolist() == order[tv.nms(boxes[order], falling, threshold)].tolist()


def test_it_keeps_what_the_definition_keeps_one_after_the_other():
    boxes, found = some(300, 5), scores(300, 5)
    table, left, kept = box_iou(boxes, boxes), set(range(300)), []
    while left:
        best = max(left, key=lambda i: (found[i].item(), -i))
        kept.append(best)
        left = {i for i in left if i != best and table[best, i] <= 0.4}
    assert nms(boxes, found, 0.4).tolist() == kept


def test_a_box_that_is_suppressed_suppresses_no_other():
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.3).tolist() == [0, 2]


def test_an_overlap_of_exactly_the_threshold_is_kept():
    boxes = torch.tensor([[0.0, 0, 2, 1], [0.0, 0, 1, 1]])  # IoU 1/2
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.499).tolist() == [0]


@given(n=st.integers(0, 200), seed=st.integers(0, 99))
def test_within_each_class_it_is_torchvisions(n, seed):
    boxes, found = some(n, seed), scores(n, seed) + torch.arange(n) * 1e-6
    labels = torch.randint(-2, 5, (n,), generator=torch.Generator().manual_seed(seed))
    expected = tv.batched_nms(boxes, found, labels, 0.3)
    assert batched_nms(boxes, found, labels, 0.3).tolist() == expected.tolist()


def test_classes_do_not_touch_where_boxes_are_negative_or_labels_are_large():
    boxes = torch.tensor([[-50.0, -50, -40, -40], [-50.0, -50, -40, -40]])
    labels = torch.tensor([10**9, 3])
    assert batched_nms(boxes, torch.tensor([0.5, 0.6]), labels, 0.1).tolist() == [1, 0]


def test_many_boxes_keep_their_fractions_when_classes_are_moved_apart():
    boxes, found = some(900, 7, side=1.0), scores(900, 7) + torch.arange(900) * 1e-6
    labels = torch.arange(900) % 90
    expected = sorted(
        i
        for k in range(90)
        for i in (labels == k).nonzero()[:, 0][tv.nms(boxes[labels == k], found[labels == k], 0.3)]
        .tolist()
    )  # fmt: skip
    assert sorted(batched_nms(boxes, found, labels, 0.3).tolist()) == expected


def test_soft_nms_is_the_papers_equation_step_by_step():
    boxes, found = some(40, 3), scores(40, 3)
    places, lowered = soft_nms(boxes, found, sigma=0.4, score_threshold=0.01)
    left, expected = dict(enumerate(found.tolist())), []
    while left and max(left.values()) >= 0.01:
        best = max(left, key=left.get)
        expected.append((best, left.pop(best)))
        for i in left:
            common = tv.box_iou(boxes[best : best + 1], boxes[i : i + 1]).item()
            left[i] *= math.exp(-(common**2) / 0.4)
    assert places.tolist() == [i for i, _ in expected]
    torch.testing.assert_close(lowered, torch.tensor([s for _, s in expected]))


def test_what_soft_nms_keeps_lies_where_the_boxes_are():
    boxes, found = some(5, 3), scores(5, 3)
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        kept = soft_nms(boxes, found)
    assert all(part.device == boxes.device for part in kept)


def test_no_box_gives_no_box():
    none = torch.zeros(0, 4), torch.zeros(0)
    assert nms(*none, 0.5).tolist() == []
    assert batched_nms(*none, torch.zeros(0, dtype=torch.int64), 0.5).tolist() == []
    assert [t.tolist() for t in soft_nms(*none)] == [[], []]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nms(some(3), scores(2), 0.5), r"scores have the shape \(2,\)"),
        (lambda: nms(some(3), scores(3), 1.5), "iou_threshold is 1.5"),
        (lambda: nms(some(3), torch.full((3,), torch.nan), 0.5), "not finite"),
        (lambda: nms(-some(3), scores(3), 0.5), "x2 < x1"),
        (lambda: batched_nms(some(3), scores(3), torch.zeros(3), 0.5), "labels are torch.float32"),
        (lambda: batched_nms(some(3), scores(3), torch.zeros(2).long(), 0.5), r"\(3,\)"),
        (lambda: soft_nms(some(3), scores(3), sigma=0.0), "sigma is 0.0"),
        (lambda: soft_nms(some(3), scores(2)), r"scores have the shape \(2,\)"),
    ],
)
def test_bad_input_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(suppression).failed == 0
