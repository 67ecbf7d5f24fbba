"""The generated world: every truth of it is found again by looking at its pictures pixel by pixel."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.ops import masks_to_boxes

from labnotes.data.worlds import World, shapes
from labnotes.data.worlds.drawn import COLOURS


@pytest.fixture(scope="module")
def world() -> World:
    return shapes(80)


def test_boxes_are_the_edges_of_what_can_be_seen(world):
    for target in world.targets:
        expected = [
            [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            for ys, xs in (np.nonzero(mask.numpy()) for mask in target["masks"])
        ]
        assert target["boxes"].tolist() == expected
        # torchvision counts the last pixel, we count its far edge
        theirs = masks_to_boxes(target["masks"]) + torch.tensor([0, 0, 1, 1])
        assert torch.equal(target["boxes"], theirs)
        assert target["boxes"].dtype == torch.float32 and target["labels"].dtype == torch.int64


def test_masks_of_a_picture_do_not_overlap_and_together_are_its_pixel_labels(world):
    for target, pixels in zip(world.targets, world.pixels, strict=True):
        assert target["masks"].sum(0).max() <= 1
        expected = torch.zeros(64, 64, dtype=torch.uint8)
        for mask, label in zip(target["masks"], target["labels"], strict=True):
            expected[mask] = label + 1
        assert torch.equal(pixels, expected)


def test_each_shape_has_one_colour_and_the_caption_names_it(world):
    named = np.array([*COLOURS.values()])
    for image, target, caption in zip(world.images, world.targets, world.captions):
        words = []
        for mask, label in zip(target["masks"], target["labels"]):
            mean = image[:, mask].float().mean(1).numpy()
            colour = [*COLOURS][np.abs(named - mean).sum(1).argmin()]
            words.append(f"a {colour} {world.classes[label]}")
        left, _, right, _ = target["boxes"].T
        order = (left + right).argsort(stable=True)
        assert caption.replace(" and ", ", ").split(", ") == [words[i] for i in order]


@pytest.mark.parametrize(
    ("kind", "share"),
    [("ellipse", np.pi / 4), ("rectangle", 1), ("triangle", 1 / 2), ("cross", 5 / 9)],
)
def test_a_kind_fills_the_share_of_its_box_that_geometry_says(kind, share):
    """Alone in their pictures, so that nothing is hidden; large, so that pixels are small."""
    alone = shapes(100, size=192, objects=(1, 1), seed=4)
    label = alone.classes.index(kind)
    found = []
    for target in alone.targets:
        if target["labels"].item() == label:
            box = target["boxes"][0]
            area = (box[2:] - box[:2]).prod()
            found.append((target["masks"].sum() / area).item())
            _, parts = ndimage.label(target["masks"][0].numpy())
            assert parts == 1
    assert len(found) > 10
    assert np.mean(found) == pytest.approx(share, abs=0.02)


def test_a_triangle_stands_on_its_base():
    alone = shapes(100, size=64, objects=(1, 1), seed=5)
    widths = [
        (mask := target["masks"][0])[mask.any(1)].sum(1)
        for target in alone.targets
        if alone.classes[target["labels"].item()] == "triangle"
    ]
    assert widths and all((width.diff() >= 0).all() and width[-1] > width[0] for width in widths)


def test_of_each_shape_enough_can_be_seen():
    """Rectangles in a crowd: what is seen of them is most of what lies in their place."""
    crowd = shapes(100, objects=(6, 6), seed=1)
    for target in crowd.targets:
        assert len(target["labels"]) == 6
        for mask, label, (x1, y1, x2, y2) in zip(
            target["masks"], target["labels"], target["boxes"]
        ):
            if crowd.classes[label] == "rectangle":  # its visible box lies inside the whole one
                assert mask.sum() >= 0.6 * (x2 - x1) * (y2 - y1)


def test_kinds_numbers_and_colours_are_even_and_nothing_tells_the_kind():
    world = shapes(1000, seed=2)
    counts = torch.tensor([len(t["labels"]) for t in world.targets]).bincount(minlength=7)
    assert counts[0] == 0 and (counts[1:] - 1000 / 6).abs().max() < 48  # four standard deviations
    labels = torch.cat([t["labels"] for t in world.targets])
    assert (labels.bincount() / len(labels) - 1 / 4).abs().max() < 0.025
    sides = torch.cat([t["boxes"][:, 2:] - t["boxes"][:, :2] for t in world.targets])
    by_kind = torch.stack([sides[labels == k].mean(0) for k in range(4)])
    assert (by_kind - sides.mean(0)).abs().max() < 1.0
    names = [c.split()[1] for t in world.captions for c in t.replace(" and ", ", ").split(", ")]
    shares = torch.tensor([names.count(colour) for colour in COLOURS]) / len(names)
    assert (shares - 1 / 6).abs().max() < 0.025


def test_the_seed_decides_and_a_longer_world_begins_as_the_shorter_one():
    short, long = shapes(70, seed=3), shapes(130, seed=3)
    assert torch.equal(short.images, long.images[:70])
    assert torch.equal(short.pixels, long.pixels[:70]) and short.captions == long.captions[:70]
    for a, b in zip(short.targets, long.targets):
        assert all(torch.equal(a[key], b[key]) for key in ("boxes", "labels", "masks"))
    assert not torch.equal(short.images, shapes(70, seed=4).images)
    assert not torch.equal(short.images, shapes(70, seed=3 + 2**32).images)
    assert not torch.equal(long.images[:64], long.images[64:128])


def test_a_slice_is_a_world_and_a_place_is_a_picture_with_its_target(world):
    part = world[10:20]
    assert isinstance(part, World) and len(part) == 10 and part.classes == world.classes
    assert torch.equal(part.pixels, world.pixels[10:20]) and part.captions == world.captions[10:20]
    image, target = part[3]
    assert torch.equal(image, world.images[13]) and target is world.targets[13]
    assert repr(part).startswith("10 pictures of 3x64x64 with")
    assert not part.provenance.stand_in and "10 generated" in str(part.provenance)


def test_a_picture_may_have_no_shape_at_all():
    empty = shapes(5, objects=(0, 0))
    assert all(t["boxes"].shape == (0, 4) and t["labels"].shape == (0,) for t in empty.targets)
    assert all(t["masks"].shape == (0, 64, 64) for t in empty.targets)
    assert empty.pixels.sum() == 0 and set(empty.captions) == {"nothing"}
    some = shapes(100, objects=(0, 2))
    assert {len(t["labels"]) for t in some.targets} == {0, 1, 2}


def test_shapes_stand_out_from_the_ground_and_the_ground_has_texture(world):
    for image, pixels in zip(world.images, world.pixels):
        ground = image[:, pixels == 0].float()
        assert 5 < ground.std(1).mean() < 60
        assert 40 < ground.mean() < 180


def test_the_smallest_pictures_can_be_drawn():
    tiny = shapes(100, size=16, objects=(1, 3))
    assert all(mask.any() for t in tiny.targets for mask in t["masks"])


def test_five_thousand_pictures_take_less_than_five_seconds():
    begin = time.process_time()
    shapes(1000)
    assert (time.process_time() - begin) * 5 < 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 2.5}, "n is 2.5"),
        ({"size": 8}, "size is 8: give at least 16"),
        ({"size": 64.0}, "size is 64.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"objects": 3}, "objects is 3"),
        ({"objects": (4, 2)}, r"objects is \(4, 2\)"),
        ({"objects": (-1, 2)}, r"objects is \(-1, 2\)"),
        ({"objects": (1, 2.5)}, r"objects is \(1, 2.5\)"),
        ({"objects": (60, 60)}, "no room for .* shapes.*let objects be fewer"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        shapes(**({"n": 3} | options))
