"""Boxes: formats and overlaps as torchvision has them, and by counting pixels."""

import doctest
import itertools

import pytest
import torch
import torchvision.ops as tv
from hypothesis import given
from hypothesis import strategies as st

from labnotes.detection import box_area, box_convert, box_iou, boxes, generalized_box_iou


def some(n: int, seed: int = 0, side: float = 20.0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, 2, generator=draw) * side
    return torch.cat([corners.min(1).values, corners.max(1).values], 1)


@pytest.mark.parametrize("source, target", [*itertools.product(boxes.FORMATS, repeat=2)])
def test_formats_are_converted_as_torchvision_converts_them(source, target):
    found = tv.box_convert(some(50), "xyxy", source)
    torch.testing.assert_close(
        box_convert(found, source, target), tv.box_convert(found, source, target)
    )


@given(n=st.integers(0, 30), m=st.integers(0, 30), seed=st.integers(0, 999))
def test_overlaps_are_torchvisions(n, m, seed):
    one, other = some(n, seed), some(m, seed + 1)
    torch.testing.assert_close(box_area(one), tv.box_area(one))
    torch.testing.assert_close(box_iou(one, other), tv.box_iou(one, other))
    torch.testing.assert_close(
        generalized_box_iou(one, other), tv.generalized_box_iou(one, other), atol=1e-6, rtol=1e-5
    )


def test_iou_is_what_counting_pixels_gives():
    one, other = some(8, 1).round(), some(8, 2).round()
    grid = torch.arange(20) + 0.5  # the middles of pixels

    def inside(box):
        x, y = ((grid > box[i]) & (grid < box[i + 2]) for i in (0, 1))
        return y[:, None] & x

    for i, j in itertools.product(range(8), repeat=2):
        a, b = inside(one[i]), inside(other[j])
        union = (a | b).sum()
        expected = (a & b).sum() / union if union else torch.tensor(0.0)
        torch.testing.assert_close(box_iou(one[i : i + 1], other[j : j + 1])[0, 0], expected)


def test_boxes_of_no_area_overlap_by_nothing_and_never_give_nan():
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert box_iou(point, point).item() == 0.0
    assert generalized_box_iou(point, point).item() == 0.0
    assert box_iou(torch.zeros(0, 4), point).shape == (0, 1)


def test_half_precision_and_integers_do_not_overflow():
    large = torch.tensor([[0, 0, 1000, 1000]])
    for kind in (torch.float16, torch.int16, torch.uint8):
        big = large.clamp(max=255).to(kind) if kind == torch.uint8 else large.to(kind)
        assert box_iou(big, big).item() == 1.0


def test_the_gradient_of_the_generalized_iou_reaches_boxes_that_do_not_touch():
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    generalized_box_iou(box, torch.tensor([[3.0, 0.0, 4.0, 1.0]])).sum().backward()
    assert box.grad[0, 2] > 0  # a wider box comes nearer


@pytest.mark.parametrize(
    "wrong, text",
    [
        (torch.tensor([[2.0, 0, 1, 1]]), r"boxes1\[0\] is \[2.0, 0.0, 1.0, 1.0\], with x2 < x1"),
        (torch.tensor([[0.0, 0, 1, 1], [0, 3, 1, 1]]), r"boxes1\[1\]"),
        (torch.tensor([[0.0, 0, float("nan"), 1]]), "not finite"),
        (torch.tensor([[0.0, 0, float("inf"), 1]]), "not finite"),
        (torch.zeros(4), r"shape \(4,\): give \(n, 4\)"),
        (torch.zeros(2, 5), r"shape \(2, 5\)"),
        (torch.zeros(0), r"for no box \(0, 4\)"),
    ],
)
def test_what_is_no_box_is_refused_with_its_place(wrong, text):
    with pytest.raises(ValueError, match=text):
        box_iou(wrong, some(2))
    with pytest.raises(ValueError, match=text.replace("boxes1", "boxes2")):
        generalized_box_iou(some(2), wrong)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="list"):
        box_iou([[0, 0, 1, 1]], some(1))
    with pytest.raises(ValueError, match="'yolo': give one of xyxy, xywh, cxcywh"):
        box_convert(some(1), "xyxy", "yolo")


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(boxes).failed == 0
