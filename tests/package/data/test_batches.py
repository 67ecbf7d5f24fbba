"""Minibatches: gathering against indexing, crop and flip against torchvision, order against seeds."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labnotes.data import Batches, channel_statistics, random_crop, random_flip
from labnotes.data.batches import crop, flip

functional = pytest.importorskip("torchvision.transforms.functional")


def random_set(n=23, channels=3, height=6, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(
        256, (n, channels, height, width), dtype=torch.uint8, generator=generator
    )
    return images, torch.arange(n)  # the label tells which image it is


def epoch(batches) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches)
    return torch.cat(images), torch.cat(labels)


def batches_of(images, labels, size=4, **options) -> Batches:
    return Batches(images, labels, size, device="cpu", **options)


# ---- what comes out ----


@given(
    n=st.integers(1, 40), size=st.integers(1, 50), channels=st.integers(1, 4),
    shuffle=st.booleans(), seed=st.integers(0, 2**40),
)  # fmt: skip
def test_an_epoch_gives_each_image_once_with_its_label(n, size, channels, shuffle, seed):
    images, labels = random_set(n, channels)
    batches = batches_of(images, labels, size, shuffle=shuffle, seed=seed)
    parts = list(batches)
    assert len(parts) == len(batches) and all(len(x) == size for x, _ in parts[:-1])
    x, y = epoch(parts)
    assert sorted(y.tolist()) == list(range(n))
    for picture, label in zip(x, y):
        assert torch.equal(picture, images[label].float() / 255) or torch.allclose(
            picture, images[label].float() / 255, atol=1e-7
        )
    assert shuffle or y.tolist() == list(range(n))


def test_normalisation_is_torchvisions():
    images, labels = random_set()
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    x, y = epoch(batches_of(images, labels, mean=mean, std=std))
    theirs = functional.normalize(images[y].float() / 255, mean, std)
    assert x.dtype == torch.float32 and (x - theirs).abs().max() < 1e-6


def test_one_number_does_for_all_channels():
    images, labels = random_set()
    one, three = [
        epoch(batches_of(images, labels, mean=m, std=s))[0]
        for m, s in [(0.5, 0.25), ([0.5] * 3, [0.25] * 3)]
    ]
    assert torch.equal(one, three)


def test_statistics_are_those_of_torch_and_make_the_images_standard():
    images, labels = random_set(200, 2)
    mean, std = channel_statistics(images)
    scaled = images.double() / 255
    assert torch.allclose(torch.tensor(mean).double(), scaled.mean((0, 2, 3)), atol=1e-7)
    expected = scaled.transpose(0, 1).flatten(1).std(1, correction=0)
    assert torch.allclose(torch.tensor(std).double(), expected, atol=1e-7)
    x, _ = epoch(batches_of(images, labels, mean=mean, std=std))
    assert x.mean((0, 2, 3)).abs().max() < 1e-5 and (x.var((0, 2, 3)) - 1).abs().max() < 1e-3


def test_the_images_are_kept_as_bytes_and_left_as_they_are():
    images, labels = random_set()
    before = images.clone()
    batches = batches_of(images, labels, augment=[random_crop(2), random_flip()])
    for x, _ in batches:
        x.zero_()
    assert batches.images.dtype == torch.uint8 and torch.equal(images, before)


def test_channels_last_changes_the_layout_and_no_value():
    images, labels = random_set()
    first = next(iter(batches_of(images, labels)))[0]
    last = next(iter(batches_of(images, labels, channels_last=True)))[0]
    assert torch.equal(first, last)
    assert first.is_contiguous() and last.is_contiguous(memory_format=torch.channels_last)


# ---- crop and flip ----


@given(
    n=st.integers(1, 8), channels=st.integers(1, 3), height=st.integers(1, 7),
    width=st.integers(1, 7), padding=st.integers(1, 9), seed=st.integers(0, 99),
)  # fmt: skip
def test_crop_is_torchvisions_crop_of_each_padded_image(n, channels, height, width, padding, seed):
    images, _ = random_set(n, channels, height, width, seed)
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randint(2 * padding + 1, (2, n), generator=generator)
    ours = crop(images, padding, offsets)
    for image, cut, top, left in zip(images, ours, *offsets.tolist()):
        padded = functional.pad(image, [padding])
        assert torch.equal(cut, functional.crop(padded, top, left, height, width))


@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_flip_is_torchvisions_flip_of_the_chosen_images(n, seed):
    images, _ = random_set(n, seed=seed)
    which = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.5
    for before, after, turned in zip(images, flip(images, which), which):
        assert torch.equal(after, functional.hflip(before) if turned else before)


def test_random_crops_are_spread_evenly_over_all_places():
    images = torch.zeros(9000, 1, 3, 3, dtype=torch.uint8)
    images[:, 0, 1, 1] = 255  # one white point in the middle, which shows the shift
    cut = random_crop(1)(images, torch.Generator().manual_seed(0))
    counts = (cut == 255).sum(0).flatten()
    assert counts.sum() == 9000 and (counts - 1000).abs().max() < 130  # 4 standard deviations


def test_a_flip_happens_to_half_of_the_images():
    images = torch.zeros(10_000, 1, 1, 2, dtype=torch.uint8)
    images[..., 0] = 1
    turned = random_flip()(images, torch.Generator().manual_seed(0))[..., 1].sum()
    assert abs(int(turned) - 5000) < 200


def test_augmentations_are_applied_in_the_order_given():
    images, labels = random_set()
    calls = []

    def note(name):
        def change(batch, generator):
            calls.append(name)
            assert batch.dtype == torch.uint8
            return batch

        return change

    list(batches_of(images, labels, 23, augment=(note("a"), note("b"))))
    list(batches_of(images, labels, 23, augment=note("c")))
    assert calls == ["a", "b", "c"]


def test_each_batch_of_each_epoch_draws_its_own_numbers():
    drawn = []

    def note(batch, generator):
        drawn.append(torch.rand(1, generator=generator).item())
        return batch

    batches = batches_of(*random_set(), augment=note)
    for _ in range(3):
        list(batches)
    assert len(set(drawn)) == 3 * len(batches)


# ---- order, seeds, resuming ----


def test_the_order_depends_on_seed_and_epoch_alone():
    images, labels = random_set(200)
    first, second = [batches_of(images, labels, seed=1) for _ in "ab"]
    orders = [epoch(first)[1].tolist() for _ in range(3)]
    torch.manual_seed(7)
    torch.rand(3)
    assert [epoch(second)[1].tolist() for _ in range(3)] == orders
    assert len({tuple(o) for o in orders}) == 3, "a new order each epoch"
    second.set_epoch(1)
    assert epoch(second)[1].tolist() == orders[1]
    assert epoch(batches_of(images, labels, seed=2))[1].tolist() != orders[0]


def test_neither_seed_nor_epoch_is_mixed_up_with_the_other():
    images, labels = random_set(50)
    orders = set()
    for seed in range(5):
        batches = batches_of(images, labels, seed=seed)
        for _ in range(5):
            orders.add(tuple(epoch(batches)[1].tolist()))
    assert len(orders) == 25


def test_the_global_random_state_is_left_alone():
    images, labels = random_set()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(batches_of(images, labels, augment=[random_crop(1), random_flip()]))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_place_of_an_image_is_equally_likely():
    images, labels = random_set(5)
    batches = batches_of(images, labels, 5)
    counts = torch.zeros(5, 5)
    for _ in range(2000):
        counts[torch.arange(5), epoch(batches)[1]] += 1
    assert (counts - 400).abs().max() < 90  # 5 standard deviations


@pytest.mark.parametrize("stop", [0, 1, 3, 6])
def test_a_run_taken_up_in_the_middle_of_an_epoch_goes_on_bit_for_bit(stop):
    def fresh():
        images, labels = random_set(n=25)
        return batches_of(images, labels, augment=[random_crop(2), random_flip()], seed=5)

    whole = fresh()
    expected = [batch for _ in range(3) for batch in whole]

    first, seen = fresh(), []
    seen += list(first)
    saved = first.state_dict()
    for batch, _ in zip(first, range(stop)):
        seen.append(batch)
        saved = first.state_dict()
    saved = json.loads(json.dumps(saved))  # plain numbers: any file will hold them

    second = fresh()
    second.load_state_dict(saved)
    while len(seen) < len(expected):
        seen += list(second)
    assert len(seen) == len(expected)
    for (x, y), (u, v) in zip(seen, expected):
        assert torch.equal(x, u) and torch.equal(y, v)


def test_skipping_batches_gives_the_same_rest_as_resuming():
    images, labels = random_set(25)
    augment = [random_crop(1)]
    skipped = list(batches_of(images, labels, augment=augment))[3:]
    resumed = batches_of(images, labels, augment=augment)
    resumed.load_state_dict({"seed": 0, "epoch": 0, "batch": 3})
    for (x, y), (u, v) in zip(skipped, resumed, strict=True):
        assert torch.equal(x, u) and torch.equal(y, v)


def test_a_look_at_the_first_batch_does_not_move_the_epoch():
    images, labels = random_set()
    batches = batches_of(images, labels)
    first = next(iter(batches))[1]
    again = epoch(batches)[1]
    assert len(again) == 23 and torch.equal(first, again[:4])


def test_an_epoch_chosen_inside_a_pass_is_the_next_one():
    images, labels = random_set(25)
    batches, other = batches_of(images, labels), batches_of(images, labels)
    for number, _ in enumerate(batches):
        if number == 2:
            batches.set_epoch(5)
            break
    other.set_epoch(5)
    assert torch.equal(epoch(batches)[1], epoch(other)[1])


def test_a_complete_pass_moves_on_from_its_own_epoch_whatever_was_chosen_meanwhile():
    images, labels = random_set(25)
    batches, other = (batches_of(images, labels, augment=random_flip()) for _ in "ab")
    for (x, y), (u, v) in zip(batches, other, strict=True):
        batches.set_epoch(5)
        assert torch.equal(y, v) and torch.equal(x, u)  # the same order, the same mirrored
    assert batches.state_dict() == other.state_dict() == {"seed": 0, "epoch": 1, "batch": 0}


def test_a_place_that_was_loaded_is_the_place_until_the_next_pass_begins():
    batches, place = batches_of(*random_set(25)), {"seed": 0, "epoch": 2, "batch": 3}
    batches.load_state_dict(place)
    assert batches.state_dict() == place


def test_an_epoch_chosen_after_a_place_was_loaded_begins_with_its_first_batch():
    images, labels = random_set(25)
    batches, other = batches_of(images, labels), batches_of(images, labels)
    batches.load_state_dict({"seed": 0, "epoch": 2, "batch": 3})
    batches.set_epoch(1)
    assert batches.state_dict() == {"seed": 0, "epoch": 1, "batch": 0}
    other.set_epoch(1)
    assert torch.equal(epoch(batches)[1], epoch(other)[1])


def test_the_place_at_an_epochs_end_leaves_nothing_of_it_and_goes_on_with_the_next():
    images, labels = random_set(25)
    first, second, third = (batches_of(images, labels) for _ in "abc")
    for _ in first:
        saved = first.state_dict()  # the last one: all batches given, the pass not yet over
    assert saved == {"seed": 0, "epoch": 0, "batch": 7}
    assert first.state_dict() == {"seed": 0, "epoch": 1, "batch": 0}
    second.load_state_dict(saved)
    assert list(second) == []
    third.set_epoch(1)
    assert torch.equal(epoch(second)[1], epoch(third)[1])


@pytest.mark.parametrize(("n", "whole"), [(23, 5), (24, 6), (4, 1)])
def test_a_short_last_batch_can_be_left_out_as_torchs_loader_leaves_it(n, whole):
    images, labels = random_set(n)
    batches = batches_of(images, labels, drop_last=True)
    theirs = torch.utils.data.DataLoader(labels, 4, drop_last=True)
    assert len(batches) == len(theirs) == whole
    kept = batches_of(images, labels)
    for _ in range(2):  # and the epochs go on
        parts, all_of_them = list(batches), list(kept)
        assert [len(y) for _, y in parts] == [4] * whole
        assert all(torch.equal(y, v) for (_, y), (_, v) in zip(parts, all_of_them))
    with pytest.raises(ValueError, match="drop_last leaves nothing of 23 images in batches of 24"):
        batches_of(*random_set(23), 24, drop_last=True)


def test_a_place_in_another_order_is_refused():
    images, labels = random_set()
    batches = batches_of(images, labels, seed=1)
    with pytest.raises(ValueError, match="order of seed 2, these batches have seed 1"):
        batches.load_state_dict({"seed": 2, "epoch": 0, "batch": 0})
    with pytest.raises(ValueError, match="batch 7, an epoch here has 6"):
        batches.load_state_dict({"seed": 1, "epoch": 0, "batch": 7})


# ---- bad input ----

GOOD = {"images": random_set()[0], "labels": random_set()[1], "batch_size": 4}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"images": GOOD["images"][0]}, r"images are \(3, 6, 5\) torch.uint8"),
        ({"images": GOOD["images"].float()}, "torch.float32: give"),
        ({"labels": torch.arange(22)}, r"labels are \(22,\) torch.int64, there are 23 images"),
        ({"labels": torch.zeros(23)}, "torch.float32"),
        ({"labels": torch.zeros(23, 1, dtype=torch.int64)}, r"\(23, 1\)"),
        ({"images": GOOD["images"][:0], "labels": GOOD["labels"][:0]}, "there are no images"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"seed": -1}, "seed is -1"),
        ({"mean": [0.5, 0.5]}, "mean has 2 numbers, the images have 3 channels"),
        ({"std": [0.5, 0.0, 0.5]}, "give positive numbers"),
        ({"std": -1.0}, "give positive numbers"),
    ],
)
def test_bad_input_is_named(bad, said):
    with pytest.raises(ValueError, match=said):
        Batches(**(GOOD | bad), device="cpu")


@pytest.mark.parametrize("padding", [0, -1, 1.5])
def test_a_padding_that_cannot_be_is_refused(padding):
    with pytest.raises(ValueError, match="padding is"):
        random_crop(padding)


def test_the_device_is_the_chapters_unless_given(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    batches = Batches(*random_set(), 4)
    assert batches.images.device.type == "cpu"
    assert "6 batches of 4 images of 3x6x5, 23 in all, on cpu" == repr(batches)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_graphics_card_everything_stays_there_and_repeats():
    images, labels = random_set(100)
    options = {"device": "cuda", "augment": [random_crop(2), random_flip()], "seed": 3}
    first, second = (
        epoch(Batches(images, labels, 8, **options)),
        epoch(Batches(images, labels, 8, **options)),
    )
    assert first[0].is_cuda and first[1].is_cuda
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert sorted(first[1].tolist()) == list(range(100))
