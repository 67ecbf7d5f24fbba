"""Anchors, their targets and detections: torchvision's, d2l's, and what the definition says."""

import doctest
import importlib
import math

import pytest
import torch
import torchvision.ops as tv
from d2l import torch as d2l
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from labnotes.detection import (
    anchor_targets,
    anchors,
    assign_anchors,
    batched_nms,
    decode_boxes,
    detections,
    encode_boxes,
    nms,
)

module = importlib.import_module("labnotes.detection.anchors")  # the name is the function's too
NONE = torch.zeros(0, 4)


def solid(n: int, seed: int = 0, picture: float = 100.0) -> torch.Tensor:
    """Boxes of at least one pixel, at random."""
    draw = torch.Generator().manual_seed(seed)
    centre = torch.rand(n, 2, generator=draw) * picture
    side = 1 + torch.rand(n, 2, generator=draw) * picture / 2
    return torch.cat([centre - side / 2, centre + side / 2], 1)


# --- anchors -----------------------------------------------------------------------------------


def test_five_shapes_on_every_pixel_of_the_notes_picture_are_2042040_boxes():
    found = anchors(561, 728, sizes=[0.75, 0.5, 0.25], ratios=[1, 2, 0.5])
    assert found.shape == (2_042_040, 4)
    theirs = d2l.multibox_prior(torch.empty(1, 3, 561, 728), [0.75, 0.5, 0.25], [1, 2, 0.5])[0]
    torch.testing.assert_close(
        found, theirs * torch.tensor([728, 561, 728, 561]), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("map_size", [(1, 1), (3, 5), (7, 10), (30, 40), (12, 4)])
@pytest.mark.parametrize("image_size", [(240, 320), (320, 240), (64, 64)])
def test_width_over_height_is_the_ratio_in_pixels_whatever_the_shapes(map_size, image_size):
    ratios = [0.5, 1, 3]
    found = anchors(*map_size, [0.2, 0.4], ratios, image_size)
    width, height = (found[:, i + 2] - found[:, i] for i in (0, 1))
    expected = torch.tensor([0.5, 0.5, 1, 3]).repeat(map_size[0] * map_size[1])
    torch.testing.assert_close(width / height, expected, rtol=1e-3, atol=0)
    side = torch.tensor([0.2, 0.4, 0.2, 0.2]).repeat(len(found) // 4) * min(image_size)
    torch.testing.assert_close((width * height).sqrt(), side, rtol=1e-3, atol=0)


def test_on_a_map_that_has_not_the_pictures_shape_d2ls_ratio_is_another_one():
    """Its correction reads the sides of the map, which is 1x1 for a picture of 240x320."""
    square = d2l.multibox_prior(torch.empty(1, 3, 1, 1), [0.5], [1.0])[0]
    x1, y1, x2, y2 = (square * torch.tensor([320, 240, 320, 240]))[0].tolist()
    assert (x2 - x1) / (y2 - y1) == pytest.approx(4 / 3)
    ours = anchors(1, 1, [0.5], [1.0], (240, 320))[0]
    assert ours.tolist() == [100, 60, 220, 180]


def test_shapes_and_centres_are_those_of_torchvisions_generator():
    sizes, ratios = (32, 64), (0.5, 1.0, 2.0)
    generator = AnchorGenerator((sizes,), ((1.0,),))  # theirs are height over width, and rounded
    pictures = ImageList(torch.empty(1, 3, 96, 160), [(96, 160)])
    theirs = generator(pictures, [torch.empty(1, 8, 6, 10)])[0]  # stride 16, from the corners
    ours = anchors(6, 10, [s / 96 for s in sizes], [1.0], (96, 160)) - 8
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)
    for ratio in ratios:
        cell = generator.generate_anchors((60,), (1 / ratio,))  # (1, 4) round the origin
        mine = anchors(1, 1, [0.6], [ratio], (100, 100)) - 50
        torch.testing.assert_close(mine, cell, atol=0.5, rtol=0)  # theirs are whole pixels


def test_the_default_boxes_of_ssd300_are_8732_and_torchvisions():
    shapes = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
    steps = [8, 16, 32, 64, 100, 300]
    maps = [38, 19, 10, 5, 3, 1]
    theirs = DefaultBoxGenerator(shapes, scales=scales, steps=steps)
    pictures = ImageList(torch.empty(1, 3, 300, 300), [(300, 300)])
    expected = theirs(pictures, [torch.empty(1, 1, m, m) for m in maps])[0]
    found = []
    for m, step, small, large, more in zip(maps, steps, scales, scales[1:], shapes):
        ratios = [1, *(r for ratio in more for r in (ratio, 1 / ratio))]
        # Their maps reach beyond the picture: 38 cells of 8 pixels are 304.
        picture = (m * step, m * step)
        sizes = [300 * s / (m * step) for s in (small, math.sqrt(small * large))]
        found.append(anchors(m, m, sizes, ratios, picture))
    ours = torch.cat(found)
    assert len(ours) == len(expected) == 8732
    width, height = expected[:, 2] - expected[:, 0], expected[:, 3] - expected[:, 1]
    inside = ((expected > 0) & (expected < 300)).all(1)  # torchvision cuts at the picture's edge
    assert inside.sum() > 5000 and (width > 0).all() and (height > 0).all()
    torch.testing.assert_close(ours[inside], expected[inside], atol=1e-2, rtol=0)


# --- assignment --------------------------------------------------------------------------------


@given(n=st.integers(1, 60), m=st.integers(1, 12), seed=st.integers(0, 9999))
def test_anchors_are_assigned_as_d2l_assigns_them(n, m, seed):
    found, boxes = solid(n, seed), solid(min(m, n), seed + 1)
    theirs = d2l.assign_anchor_to_bbox(boxes, found, "cpu", 0.5)
    assert assign_anchors(found, boxes).tolist() == theirs.tolist()


@given(n=st.integers(1, 60), m=st.integers(0, 12), seed=st.integers(0, 9999))
def test_each_box_gets_an_anchor_and_each_overlap_above_the_threshold_counts(n, m, seed):
    found, boxes = solid(n, seed), solid(min(m, n), seed + 1)
    assigned = assign_anchors(found, boxes, 0.4)
    assert assigned.dtype == torch.int64
    assert {*assigned.tolist()} - {-1} == {*range(len(boxes))}
    if len(boxes):
        # torchvision's matcher knows the first rule; the second one changes at most m anchors.
        theirs = Matcher(0.4, 0.4)(tv.box_iou(boxes, found))
        assert (assigned != theirs).sum() <= len(boxes)


def test_an_overlap_of_exactly_the_threshold_is_enough():
    found = torch.tensor([[0.0, 0, 2, 1], [0, 0, 1, 1]])  # the second is half of the box
    box = found[:1]
    assert tv.box_iou(box, found).tolist() == [[1.0, 0.5]]
    assert assign_anchors(found, box, 0.5).tolist() == [0, 0]
    assert assign_anchors(found, box, 0.51).tolist() == [0, -1]


def test_of_two_boxes_with_one_best_anchor_the_one_that_overlaps_less_takes_its_second():
    found = torch.tensor([[0.0, 0, 10, 10], [0, 0, 30, 30], [60, 60, 70, 70]])
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 10, 10]])
    assert assign_anchors(found, boxes).tolist() == [1, 0, -1]


def test_more_boxes_than_anchors_leave_the_boxes_that_overlap_least_without_one():
    found = torch.tensor([[0.0, 0, 10, 10]])
    boxes = torch.tensor([[0.0, 0, 5, 5], [0, 0, 9, 10], [0, 0, 3, 3]])
    assert assign_anchors(found, boxes).tolist() == [1]


def test_no_object_makes_every_anchor_background():
    targets = anchor_targets(solid(7), NONE, torch.zeros(0, dtype=torch.int64))
    assert targets.assigned.tolist() == [-1] * 7
    assert targets.classes.tolist() == [0] * 7 and not targets.positive.any()
    assert targets.offsets.tolist() == [[0.0] * 4] * 7
    assert assign_anchors(NONE, solid(2)).shape == (0,)


def test_the_inputs_are_left_as_they_are():
    found, boxes = solid(30), solid(5, 1)
    copies = found.clone(), boxes.clone()
    anchor_targets(found, boxes, torch.arange(5))
    assert torch.equal(found, copies[0]) and torch.equal(boxes, copies[1])


# --- offsets -----------------------------------------------------------------------------------


@given(n=st.integers(0, 40), seed=st.integers(0, 9999))
def test_offsets_are_torchvisions_and_lead_back_to_the_boxes(n, seed):
    found, boxes = solid(n, seed), solid(n, seed + 1)
    for weights in ((10.0, 10.0, 5.0, 5.0), (1.0, 2.0, 3.0, 4.0)):
        coder = BoxCoder(weights)
        offsets = encode_boxes(boxes, found, weights)
        torch.testing.assert_close(offsets, coder.encode_single(boxes, found), atol=1e-4, rtol=1e-4)
        back = decode_boxes(offsets, found, weights)
        torch.testing.assert_close(back, coder.decode_single(offsets, found), atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(back, boxes, atol=1e-3, rtol=1e-4)


@given(seed=st.integers(0, 9999))
def test_any_offsets_are_decoded_as_torchvision_decodes_them(seed):
    offsets = torch.randn(20, 4, generator=torch.Generator().manual_seed(seed)) * 20  # some clamped
    expected = BoxCoder((10.0, 10.0, 5.0, 5.0)).decode_single(offsets, solid(20))
    torch.testing.assert_close(decode_boxes(offsets, solid(20)), expected, atol=1e-2, rtol=1e-4)


def test_the_default_weights_are_d2ls_and_several_pictures_are_decoded_at_once():
    found, boxes = solid(9), solid(9, 1)
    offsets = encode_boxes(boxes, found)
    torch.testing.assert_close(offsets, d2l.offset_boxes(found, boxes), atol=1e-3, rtol=1e-3)
    several = decode_boxes(torch.stack([offsets, -offsets]), found)
    assert several.shape == (2, 9, 4)
    torch.testing.assert_close(several[1], d2l.offset_inverse(found, -offsets))


def test_targets_are_d2ls_on_its_picture_of_a_dog_and_a_cat():
    """Five anchors; d2l adds 1e-6 within its logarithm and wants every label in one table."""
    dog_and_cat = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
    five = torch.tensor([[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98],
                         [0.66, 0.45, 0.8, 0.8], [0.57, 0.3, 0.92, 0.9]])  # fmt: skip
    offsets, mask, classes = d2l.multibox_target(five[None], dog_and_cat[None])
    ours = anchor_targets(five, dog_and_cat[:, 1:], dog_and_cat[:, 0].long())
    assert ours.classes.tolist() == classes[0].tolist() == [0, 1, 2, 0, 2]
    assert ours.positive.tolist() == mask[0].view(5, 4)[:, 0].bool().tolist()
    torch.testing.assert_close(ours.offsets, offsets[0].view(5, 4), atol=1e-3, rtol=1e-4)


# --- detections --------------------------------------------------------------------------------


@given(n=st.integers(0, 150), seed=st.integers(0, 999))
def test_detections_are_what_torchvisions_functions_give(n, seed):
    draw = torch.Generator().manual_seed(seed)
    found, offsets = solid(n, seed), torch.randn(n, 4, generator=draw)
    probabilities = torch.randn(n, 4, generator=draw).mul(2).softmax(1)
    ours = detections(probabilities, offsets, found, 0.2, 0.45, top_k=60)
    scores, labels = probabilities[:, 1:].max(1)
    boxes = BoxCoder((10.0, 10.0, 5.0, 5.0)).decode_single(offsets, found)
    best = scores.argsort(descending=True, stable=True)[:60]  # of equal scores the first
    best = best[scores[best] >= 0.2]
    kept = best[tv.batched_nms(boxes[best], scores[best], labels[best], 0.45)]
    assert ours["labels"].tolist() == labels[kept].tolist()
    assert torch.equal(ours["scores"], scores[kept])
    torch.testing.assert_close(ours["boxes"], boxes[kept], atol=1e-3, rtol=1e-4)


def test_a_score_of_exactly_the_threshold_is_found():
    probabilities = torch.tensor([[0.5, 0.5], [0.75, 0.25]])
    apart = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6]])
    counts = [len(detections(probabilities, torch.zeros(2, 4), apart, t)["boxes"])
              for t in (0.25, 0.26, 0.5, 0.51)]  # fmt: skip
    assert counts == [2, 1, 1, 0]


def test_one_class_gives_d2ls_detections():
    draw = torch.Generator().manual_seed(3)
    found, offsets = solid(80, 3, picture=1.0), torch.randn(80, 4, generator=draw)
    probabilities = torch.rand(80, 1, generator=draw)
    probabilities = torch.cat([1 - probabilities, probabilities], 1)
    rows = d2l.multibox_detection(probabilities.T[None], offsets.view(1, -1), found[None])[0]
    rows = rows[rows[:, 0] >= 0]  # the class of those that are dropped is -1
    ours = detections(probabilities, offsets, found)
    assert torch.equal(ours["scores"], rows[:, 1])
    torch.testing.assert_close(ours["boxes"], rows[:, 2:])


@given(n=st.integers(0, 300), k=st.integers(1, 300), seed=st.integers(0, 99))
def test_the_choice_among_the_best_is_the_same_whether_the_rest_is_looked_at_or_not(n, k, seed):
    boxes = solid(n, seed)
    scores = torch.randperm(n, generator=torch.Generator().manual_seed(seed)) / max(n, 1)
    best = {*scores.argsort(descending=True)[:k].tolist()}
    expected = [i for i in tv.nms(boxes, scores, 0.3).tolist() if i in best]
    assert nms(boxes, scores, 0.3, top_k=k).tolist() == expected
    labels = torch.arange(n) % 3
    expected = [i for i in tv.batched_nms(boxes, scores, labels, 0.3).tolist() if i in best]
    assert batched_nms(boxes, scores, labels, 0.3, top_k=k).tolist() == expected


# --- bad input ---------------------------------------------------------------------------------

FLAT = torch.tensor([[0.0, 0, 1, 1], [3, 0, 3, 5]])
NAN = torch.tensor([[0.0, 0, torch.nan, 1], [3, 0, 4, 5]])
TURNED = torch.tensor([[0.0, 0, 1, 1], [3, 0, 2, 5]])
LABELS = torch.tensor([0, 1])
SURE = torch.tensor([[0.2, 0.8], [0.9, 0.1]])


@pytest.mark.parametrize(
    "call",
    [
        lambda wrong: assign_anchors(solid(2), wrong),
        lambda wrong: assign_anchors(wrong, solid(2)),
        lambda wrong: anchor_targets(solid(2), wrong, LABELS),
        lambda wrong: encode_boxes(wrong, solid(2)),
        lambda wrong: encode_boxes(solid(2), wrong),
        lambda wrong: decode_boxes(torch.zeros(2, 4), wrong),
        lambda wrong: detections(SURE, torch.zeros(2, 4), wrong, 0.0),
    ],
)
@pytest.mark.parametrize(
    "wrong, text", [(FLAT, "no area"), (NAN, "not finite"), (TURNED, "x2 < x1")]
)
def test_boxes_without_area_upside_down_or_not_finite_are_refused(call, wrong, text):
    with pytest.raises(ValueError, match=text):
        call(wrong)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: anchors(0, 3, [0.5], [1]), "height is 0"),
        (lambda: anchors(3, 2.5, [0.5], [1]), "width is 2.5"),
        (lambda: anchors(3, 3, [], [1]), r"sizes are \[\]"),
        (lambda: anchors(3, 3, [0.5], [1, -2]), r"ratios are \[1, -2\]"),
        (lambda: anchors(3, 3, [math.nan], [1]), "sizes are"),
        (lambda: anchors(3, 3, 0.5, [1]), "sizes are 0.5: give a list"),
        (lambda: anchors(3, 3, [0.5], ["wide"]), r"ratios are \['wide'\]"),
        (lambda: anchors(3, 3, [0.5], [1], 240), "image_size is 240"),
        (lambda: anchors(3, 3, [0.5], [1], (240,)), "image_size"),
        (lambda: anchors(3, 3, [0.5], [1], (240, 0)), "image_size"),
        (lambda: assign_anchors(solid(3), solid(2), 0.0), "iou_threshold is 0.0"),
        (lambda: assign_anchors(solid(3), solid(2), math.nan), "iou_threshold is nan"),
        (lambda: assign_anchors(solid(3), solid(2), "half"), "iou_threshold is half"),
        (lambda: assign_anchors(solid(3), torch.zeros(0)), r"for no box \(0, 4\)"),
        (lambda: anchor_targets(solid(3), solid(2), LABELS[:1]), r"\(2,\)"),
        (lambda: anchor_targets(solid(3), solid(2), LABELS - 1), "from 0"),
        (lambda: anchor_targets(solid(3), solid(2), LABELS / 2), "float32"),
        (lambda: anchor_targets(solid(3), solid(2), LABELS > 0), "bool"),
        (lambda: encode_boxes(solid(2), solid(3)), "four numbers for each anchor"),
        (lambda: encode_boxes(solid(2), solid(2), (1, 1, 1)), "four numbers above 0"),
        (lambda: encode_boxes(solid(2), solid(2), None), "weights are None"),
        (lambda: decode_boxes(torch.full((2, 4), math.nan), solid(2)), "not finite: has the train"),
        (lambda: decode_boxes(torch.full((2, 4), math.inf), solid(2)), "not finite: has the train"),
        (lambda: detections(SURE, NAN, solid(2)), "offsets have a number that is not finite"),
        (lambda: decode_boxes(torch.zeros(2, 4), solid(3)), r"offsets have the shape \(2, 4\)"),
        (lambda: decode_boxes(torch.zeros(3, 4), solid(3), (1, 1, 0, 1)), "four numbers above 0"),
        (lambda: detections(SURE[:, :1], torch.zeros(2, 4), solid(2)), r"\(2, classes \+ 1\)"),
        (lambda: detections(SURE * 9, torch.zeros(2, 4), solid(2)), "apply softmax"),
        (lambda: detections(SURE, torch.zeros(3, 4), solid(2)), "four numbers for each anchor"),
        (lambda: detections(SURE, torch.zeros(2, 4), solid(2), 2.0), "score_threshold is 2.0"),
        (lambda: detections(SURE, torch.zeros(2, 4), solid(2), "all"), "score_threshold is all"),
        (lambda: detections(SURE * math.nan, torch.zeros(2, 4), solid(2)), "not from 0 to 1"),
        (lambda: detections(SURE, torch.zeros(2, 4), solid(2), top_k=0), "top_k is 0"),
        (lambda: nms(solid(2), torch.zeros(2), 0.5, top_k=1.5), "top_k is 1.5"),
    ],
)
def test_bad_input_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: assign_anchors(solid(2).tolist(), solid(2)), "anchors"),
        (lambda: anchor_targets(solid(2), solid(2), [0, 1]), "labels"),
        (lambda: decode_boxes([[0.0] * 4] * 2, solid(2)), "offsets"),
        (lambda: detections(SURE.tolist(), torch.zeros(2, 4), solid(2)), "probabilities"),
    ],
)
def test_a_list_in_place_of_a_tensor_is_refused(call, name):
    with pytest.raises(TypeError, match=f"{name} are of type list: give a tensor"):
        call()


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0
