"""Batches of pictures with boxes: what torchvision's transforms make of images, boxes and masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from labnotes.data import (
    Batches,
    BoxBatches,
    bccd,
    color_jitter,
    images_only,
    in_memory_boxes,
    random_box_flip,
)
from labnotes.data.boxed.changes import flip_boxes
from labnotes.data.pictures import Pictures
from labnotes.data.worlds import shapes
from labnotes.train import evaluate, fit


@pytest.fixture(scope="module")
def world():
    return shapes(24, seed=6, objects=(0, 4))


def same(a, b) -> bool:
    return all(torch.equal(x[key], y[key]) for x, y in zip(a, b, strict=True) for key in x)


# ---- batches ----


def test_a_pass_gives_every_picture_with_its_own_target_once(world):
    batches = BoxBatches(world.images, world.targets, 5, shuffle=True, device="cpu")
    assert len(batches) == 5
    seen = []
    for images, targets in batches:
        assert images.dtype == torch.float32 and images.max() <= 1
        for image, target in zip(images, targets, strict=True):
            (place,) = [
                i
                for i, one in enumerate(world.images)
                if torch.allclose(one / 255, image, atol=1e-6)
            ]
            assert same([target], [world.targets[place]])
            seen.append(place)
    assert sorted(seen) == list(range(24)) and seen != sorted(seen)
    plain = BoxBatches(world.images, world.targets, 5, device="cpu")
    assert torch.allclose(next(iter(plain))[0], world.images[:5] / 255)


def test_order_and_scaling_are_those_of_batches_of_labels(world):
    options = {"shuffle": True, "seed": 3, "device": "cpu", "mean": [0.5] * 3, "std": [0.2] * 3}
    ours = BoxBatches(world.images, world.targets, 7, drop_last=True, **options)
    theirs = Batches(world.images, torch.arange(24), 7, drop_last=True, **options)
    for _ in range(2):
        for (images, targets), (expected, places) in zip(ours, theirs, strict=True):
            assert torch.equal(images, expected)
            assert same(targets, [world.targets[i] for i in places])


def test_a_part_of_a_batch_has_the_images_and_the_targets_of_the_whole_one(world):
    """Where several processes share a batch, each takes a slice of it."""

    def make():
        return BoxBatches(
            world.images, world.targets, 6, shuffle=True, device="cpu", augment=random_box_flip()
        )

    whole, parts = list(make()), list(make().parts(lambda n: (slice(2, 5), 0.5)))
    for (images, targets), (mine, its, share) in zip(whole, parts, strict=True):
        assert torch.equal(mine, images[2:5]) and same(its, targets[2:5]) and share == 0.5


def test_a_run_goes_on_in_the_middle_of_an_epoch_with_the_same_flips(world):
    def make():
        return BoxBatches(
            world.images, world.targets, 5, shuffle=True, device="cpu",
            augment=[random_box_flip(), images_only(color_jitter(0.3, 0.3, 0.3))],
        )  # fmt: skip

    whole = make()
    whole.set_epoch(2)
    expected = list(whole)
    again = make()
    again.set_epoch(2)
    first = [batch for _, batch in zip(range(2), again)]
    rest = make()
    rest.load_state_dict(again.state_dict())
    for (images, targets), (theirs, truths) in zip([*first, *rest], expected, strict=True):
        assert torch.equal(images, theirs) and same(targets, truths)
    other = make()
    other.set_epoch(3)
    assert not torch.equal(next(iter(other))[0], expected[0][0])


def test_augmentation_leaves_the_data_themselves_as_they_are(world):
    images, targets = world.images.clone(), [dict(t) for t in world.targets]
    batches = BoxBatches(world.images, world.targets, 6, augment=random_box_flip(), device="cpu")
    list(batches)
    assert torch.equal(batches.images, images) and same(batches.targets, targets)


class Count(nn.Module):
    """Guesses the number of objects."""

    def __init__(self):
        super().__init__()
        self.guess = nn.Linear(3, 1)

    def forward(self, images):
        return self.guess(images.mean((2, 3)))[:, 0]


def count_step(model, batch):
    images, targets = batch
    wanted = torch.tensor([float(len(t["boxes"])) for t in targets])
    return (model(images) - wanted).square().mean()


def test_fit_trains_on_them_and_goes_on_where_a_killed_run_stopped(world, tmp_path):
    def run(epochs, name, stop=None):
        torch.manual_seed(0)
        train = BoxBatches(
            world.images, world.targets, 5, shuffle=True, device="cpu", augment=random_box_flip()
        )
        valid = BoxBatches(world.images, world.targets, 5, device="cpu")
        return fit(
            Count(), train, valid, epochs=epochs, step=count_step, progress=False,
            optimizer=lambda p: torch.optim.SGD(p, lr=0.1), checkpoint=tmp_path / name,
            on_epoch=stop,
        )  # fmt: skip

    whole = run(4, "whole")
    run(2, "parts")
    parts = run(4, "parts")
    assert whole.steps == parts.steps and len(whole.steps) == 20
    assert whole.epochs[-1]["valid_loss"] < whole.epochs[0]["valid_loss"]


def test_the_mean_over_a_set_counts_pictures_and_not_batches(world):
    model = Count()
    with torch.no_grad():
        model.guess.weight.zero_()
        model.guess.bias.zero_()
    batches = BoxBatches(world.images, world.targets, 5, device="cpu")  # the last has four
    expected = np.mean([len(t["boxes"]) ** 2 for t in world.targets])
    assert evaluate(model, batches, step=count_step)["loss"] == pytest.approx(expected)


def test_other_boxes_are_another_run(world):
    facts = BoxBatches(world.images, world.targets, 5, device="cpu").statistics
    moved = [t | {"boxes": t["boxes"] * 0.5} for t in world.targets]
    assert BoxBatches(world.images, moved, 5, device="cpu").statistics != facts
    assert BoxBatches(world.images, world.targets, 5, device="cpu").statistics == facts


# ---- flips and colours against torchvision ----


@pytest.mark.parametrize(
    ("axis", "theirs"), [(-1, v2.RandomHorizontalFlip), (-2, v2.RandomVerticalFlip)]
)
def test_a_flip_is_torchvisions_of_image_boxes_and_masks(world, axis, theirs):
    images = world.images[:, :, :48]  # not square: an axis that is swapped shows
    targets = [
        {
            "boxes": t["boxes"].clamp(max=48),
            "labels": t["labels"],
            "masks": t["masks"][:, :48],
        }
        for t in world.targets
    ]
    which = torch.arange(24) % 3 == 0
    found, turned = flip_boxes(images, targets, which, axis)
    for i in range(24):
        expected = (images[i], targets[i])
        if which[i]:
            boxes = tv_tensors.BoundingBoxes(
                targets[i]["boxes"], format="XYXY", canvas_size=(48, 64)
            )
            masks = tv_tensors.Mask(targets[i]["masks"])
            expected = theirs(1.0)(
                tv_tensors.Image(images[i]), {"boxes": boxes, "masks": masks, "labels": targets[i]["labels"]}
            )  # fmt: skip
        assert torch.equal(found[i], expected[0])
        for key in ("boxes", "masks", "labels"):
            assert torch.equal(turned[i][key], expected[1][key].as_subclass(torch.Tensor))


@pytest.mark.parametrize(
    ("options", "shares"),
    [({}, (0.5, 0)), ({"vertical": True}, (0.5, 0.5)), ({"horizontal": False, "vertical": True}, (0, 0.5))],
)  # fmt: skip
def test_half_of_the_pictures_are_flipped_in_each_direction_that_was_asked_for(options, shares):
    corner = torch.zeros(400, 3, 4, 6, dtype=torch.uint8)
    corner[:, :, 0, 0] = 255
    targets = [{"boxes": torch.tensor([[0.0, 0, 1, 1]]), "labels": torch.tensor([0])}] * 400
    images, turned = random_box_flip(**options)(corner, targets, torch.Generator().manual_seed(0))
    right = torch.tensor([t["boxes"][0, 0] == 5 for t in turned])
    down = torch.tensor([t["boxes"][0, 1] == 3 for t in turned])
    for moved, share in zip((right, down), shares):
        assert abs(moved.float().mean() - share) < 0.1 if share else not moved.any()
    for image, target in zip(images, turned):
        x, y = target["boxes"][0, :2].int().tolist()
        assert image[0, y, x] == 255
    if len(set(shares)) == 1:  # independent of each other
        assert 0.15 < (right & down).float().mean() < 0.35


def test_flips_of_nothing_are_refused():
    with pytest.raises(ValueError, match="both false"):
        random_box_flip(horizontal=False)


# ---- what does not belong together ----


@pytest.mark.parametrize(
    ("boxes", "labels", "said"),
    [
        ([[5, 1, 3, 4]], [0], r"targets\[1\]\['boxes'\]\[0\] .* with x2 < x1"),
        ([[1, 1, 1, 4]], [0], "without area or outside of its 30x20 pixels"),
        ([[1, 1, 31, 4]], [0], "without area or outside"),
        ([[-1, 1, 3, 4]], [0], "without area or outside"),
        ([[1, 1, 3, 21]], [0], "without area or outside"),
        ([[1, 1, float("nan"), 4]], [0], "not finite"),
        ([[1, 1, 3, 4]], [0, 1], r"'labels'\] are \(2,\) .* there are 1 boxes"),
        ([[1, 1, 3, 4]], [0.5], "give one integer a box"),
        ([[1, 1, 3, 4]], [-1], "labels count from 0"),
    ],
)
def test_wrong_targets_are_named(boxes, labels, said):
    images = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    wrong = {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}
    with pytest.raises(ValueError, match=said):
        BoxBatches(images, [empty, wrong], 2, device="cpu")


def test_a_missing_target_or_part_of_one_is_named():
    images = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    with pytest.raises(ValueError, match="2 images and 1 targets"):
        BoxBatches(images, [empty], 2, device="cpu")
    with pytest.raises(ValueError, match=r'targets\[1\] is no dictionary with "boxes"'):
        BoxBatches(images, [empty, {"boxes": torch.zeros(0, 4)}], 2, device="cpu")
    with pytest.raises(ValueError, match="there are no images"):
        BoxBatches(images[:0], [], 2, device="cpu")
    with pytest.raises(ValueError, match=r"give \(n, channels, height, width\) in torch.uint8"):
        BoxBatches(images.float(), [empty, empty], 2, device="cpu")


# ---- pictures in memory ----


def test_the_blood_cells_in_memory_are_the_pictures_and_boxes_at_half_their_size(real_data):
    real_data("bccd")
    part = bccd().valid
    few = Pictures(part.samples[:12], part.read)
    images, targets = in_memory_boxes(few, (240, 320))
    assert images.shape == (12, 3, 240, 320) and images.dtype == torch.uint8
    for (image, truth), ours, target in zip(few, images, targets, strict=True):
        assert torch.equal(target["boxes"], truth["boxes"].as_subclass(torch.Tensor) / 2)
        assert type(target["boxes"]) is torch.Tensor and target["boxes"].dtype == torch.float32
        assert torch.equal(target["labels"], truth["labels"]) and not target["difficult"].any()
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        small = np.asarray(picture.resize((320, 240), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(ours.permute(1, 2, 0).numpy() - small).max() <= 2
    BoxBatches(images, targets, 4, device="cpu")


def read_one(sample):
    return torch.zeros(3, 10, 20, dtype=torch.uint8), sample


def test_height_and_width_are_scaled_each_by_its_own_factor():
    target = {"boxes": torch.tensor([[2.0, 1, 10, 5]]), "labels": torch.tensor([0])}
    images, (found,) = in_memory_boxes(Pictures([target], read_one), (40, 30))
    assert images.shape == (1, 3, 40, 30)
    assert found["boxes"].tolist() == [[3, 4, 15, 20]]
    assert target["boxes"].tolist() == [[2, 1, 10, 5]]


def test_what_cannot_be_put_in_memory_is_refused():
    with pytest.raises(ValueError, match="size is 240: give height and width"):
        in_memory_boxes(Pictures([], read_one), 240)
    with pytest.raises(ValueError, match="width is 0"):
        in_memory_boxes(Pictures([], read_one), (240, 0))
    with pytest.raises(ValueError, match="the target of picture 0 has no boxes"):
        in_memory_boxes(Pictures([3], read_one), (24, 32))
