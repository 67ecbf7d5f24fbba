"""What the batch operations give is what torchvision's transforms give, image by image."""

import math

import pytest
import torch
from scipy.stats import ks_2samp
from torch.distributions import Beta
from torch.nn import functional as F
from torchvision.transforms import v2

from labnotes.data import (
    Batches,
    augment,
    color_jitter,
    cut_box,
    cutmix,
    mixup,
    random_erasing,
)


def pictures(n=6, channels=3, height=9, width=12, seed=0):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(n, channels, height, width, generator=draw)
    images[0] = 0.4  # grey all over: no hue
    images[1, :, :4] = 0.0
    images[2, :, :, :5] = torch.tensor([1.0, 1.0, 0.0])[:channels, None, None]  # two at the top
    return images


CHANGES = [
    ("adjust_brightness", [0.0, 0.3, 1.0, 1.2, 2.5, 0.9]),
    ("adjust_contrast", [0.0, 0.3, 1.0, 1.2, 2.5, 0.9]),
    ("adjust_saturation", [0.0, 0.3, 1.0, 1.2, 2.5, 0.9]),
    ("adjust_hue", [-0.5, 0.5, 0.25, -0.1, 0.0, 0.33]),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "factors"), CHANGES)
def test_a_change_of_colour_is_torchvision_s_for_every_image_at_its_own_factor(
    name, factors, channels
):
    for turn in range(6):  # every image meets every factor
        images, own = pictures(channels=channels), factors[turn:] + factors[:turn]
        got = getattr(augment, name)(images, torch.tensor(own))
        theirs = getattr(v2.functional, name)
        expected = torch.stack([theirs(x, f) for x, f in zip(images, own, strict=True)])
        torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


def test_a_batch_of_bytes_is_jittered_as_torchvision_jitters_floats_with_the_drawn_numbers():
    strengths, images = (0.4, 0.3, 0.5, 0.2), (pictures(8) * 255).round().to(torch.uint8)
    for seed in range(6):
        got = color_jitter(*strengths)(images, torch.Generator().manual_seed(seed))
        draw, expected = torch.Generator().manual_seed(seed), images / 255
        for number in torch.randperm(4, generator=draw).tolist():
            name, middle = CHANGES[number][0], 0 if number == 3 else 1
            drawn = torch.rand(8, generator=draw)
            own = (middle - strengths[number] + 2 * strengths[number] * drawn).tolist()
            theirs = getattr(v2.functional, name)
            expected = torch.stack([theirs(x, f) for x, f in zip(expected, own, strict=True)])
        assert got.dtype == torch.uint8
        assert (got - expected * 255).abs().max() <= 0.501


def test_jitter_has_torchvision_s_distribution():
    image = torch.tensor([0.8, 0.4, 0.2])[:, None, None].expand(3, 4, 4).contiguous()
    batch = (image * 255).to(torch.uint8).expand(20, -1, -1, -1)
    change, draw = color_jitter(0.5, 0.5, 0.5, 0.1), torch.Generator().manual_seed(0)
    ours = torch.cat([change(batch, draw) for _ in range(60)])[:, :, 0, 0] / 255
    torch.manual_seed(0)
    theirs = torch.stack([v2.ColorJitter(0.5, 0.5, 0.5, 0.1)(image)[:, 0, 0] for _ in range(1200)])
    for channel in range(3):
        # sixty orders only: twenty images share one
        assert ks_2samp(ours[:, channel], theirs[:, channel]).statistic < 0.08


def test_no_strength_changes_nothing_and_repeats_come_from_the_seed():
    images = torch.randint(256, (10, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(color_jitter()(images, torch.Generator().manual_seed(0)), images)
    changes = [color_jitter(0.3, 0.3, 0.3, 0.1), random_erasing()]
    one, again, other = (
        torch.cat([x for x, _ in Batches(images, torch.arange(10), 4, augment=changes, seed=s)])
        for s in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_erasing_is_torchvision_s_for_every_image_at_its_own_rectangle():
    images, draw = pictures(), torch.Generator().manual_seed(3)
    height = torch.randint(0, 9, (6,), generator=draw)
    width = torch.randint(1, 12, (6,), generator=draw)
    top = torch.tensor([int(9 - h) // 2 for h in height])
    left = torch.tensor([int(12 - w) for w in width])
    got = augment.erase(images, top, left, height, width, 0.7)
    for i in range(6):
        place = [int(x[i]) for x in (top, left, height, width)]
        expected = v2.functional.erase(images[i], *place, torch.tensor([0.7])[:, None, None])
        assert torch.equal(got[i], expected)


@pytest.mark.parametrize("options", [{}, {"p": 1.0, "scale": (0.2, 0.9), "ratio": (0.5, 4.0)}])
def test_erased_rectangles_have_torchvision_s_distribution(options):
    ones = torch.ones(3000, 1, 12, 20)
    ours = random_erasing(**options)(ones, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    transform = v2.RandomErasing(**options)
    theirs = torch.stack([transform(x) for x in ones])
    for measure in (
        lambda x: (x == 0).sum((1, 2, 3)),  # area
        lambda x: (x == 0).any(3).sum((1, 2)),  # height
        lambda x: (x == 0).any(3).int().argmax(2)[:, 0],  # top
        lambda x: (x == 0).any(2).int().argmax(2)[:, 0],  # left
    ):
        assert ks_2samp(measure(ours), measure(theirs)).pvalue > 1e-3


def test_what_does_not_fit_is_left_as_it_is_and_bytes_stay_bytes():
    images = torch.full((5, 3, 4, 4), 9, dtype=torch.uint8)
    draw = torch.Generator().manual_seed(0)
    assert torch.equal(random_erasing(1.0, (1.0, 1.0), (1.0, 1.0))(images, draw), images)
    got = random_erasing(1.0, (0.3, 0.5), value=200)(images, draw)
    assert got.dtype == torch.uint8 and set(got.unique().tolist()) == {9, 200}
    assert torch.equal(random_erasing(0.0)(images, draw), images)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.8, 1.0])
def test_mixup_is_torchvision_s(share, monkeypatch):
    images, labels = pictures(), torch.tensor([0, 2, 1, 2, 0, 3])
    theirs = v2.MixUp(num_classes=4)
    monkeypatch.setattr(theirs, "make_params", lambda _: {"lam": share})
    got = mixup(images, F.one_hot(labels, 4).float(), share)
    for a, b in zip(got, theirs(images, labels), strict=True):
        torch.testing.assert_close(a, b)


def test_cutmix_is_torchvision_s_with_the_boxes_that_it_draws():
    images, labels = pictures(), torch.tensor([0, 2, 1, 2, 0, 3])
    theirs = v2.CutMix(alpha=0.7, num_classes=4)
    for seed in range(50):
        torch.manual_seed(seed)
        expected = theirs(images, labels)
        torch.manual_seed(seed)
        share = Beta(torch.tensor([0.7]), torch.tensor([0.7])).sample(()).item()
        got = cutmix(images, F.one_hot(labels, 4).float(), cut_box(share, 9, 12))
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b)
        torch.testing.assert_close(got[1].sum(1), torch.ones(6))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: color_jitter(brightness=-0.1), "brightness is -0.1"),
        (lambda: color_jitter(contrast=math.nan), "contrast is nan"),
        (lambda: color_jitter(saturation=1.5), "saturation is 1.5: give a number from 0 to 1"),
        (lambda: color_jitter(hue=0.6), "hue is 0.6: give a part of a turn"),
        (lambda: random_erasing(p=1.5), "p is 1.5"),
        (lambda: random_erasing(scale=(0.5, 0.2)), "scale is"),
        (lambda: random_erasing(ratio=(0.0, 2.0)), "ratio is"),
        (lambda: random_erasing(p="half"), "p is 'half': give a probability"),
        (lambda: random_erasing(scale=0.3), "scale is 0.3: give a pair"),
        (lambda: random_erasing(ratio=("a", 1)), "ratio is .*: give a pair"),
        (lambda: random_erasing(value="black"), "value is 'black'"),
        (lambda: random_erasing()(pictures()[0], torch.Generator()), "give a batch"),
        (lambda: augment.erase(pictures(), *[torch.zeros(2)] * 4), "for 6 images: give"),
        (lambda: color_jitter(0.2)(pictures(), torch.Generator()), "in uint8"),
        (lambda: augment.adjust_brightness(pictures(), 1.5), "factors are 1.5 for 6 images"),
        (lambda: augment.adjust_hue(torch.rand(2, 4, 3, 3), torch.zeros(2)), "1 or 3 channels"),
        (lambda: augment.adjust_contrast(torch.zeros(2, 3, 3, 3).byte(), torch.ones(2)), "floats"),
        (lambda: augment.adjust_saturation(pictures(), torch.ones(5)), "for 6 images"),
        (lambda: mixup(pictures(), torch.zeros(6).long(), 0.5), r"give probabilities"),
        (lambda: mixup(pictures(), torch.ones(5, 2), 0.5), "for 6 images"),
        (lambda: mixup(pictures(), torch.ones(6, 2), 1.5), "share is 1.5"),
        (lambda: mixup(pictures().byte(), torch.ones(6, 2), 0.5), "mix them as floats"),
        (lambda: cutmix(pictures(), torch.ones(6, 2), (3, 0, 13, 2)), "inside of it"),
        (lambda: cutmix(pictures(), torch.ones(6, 2), (3, 4, 2, 5)), "box is"),
        (lambda: cutmix(pictures(), torch.ones(6, 2), (0, 0, 2.5, 2)), "four whole numbers"),
        (lambda: cutmix(pictures()[0], torch.ones(3, 2), (0, 0, 2, 2)), r"floats \(batch"),
        (lambda: mixup(pictures(), torch.ones(6, 2), "half"), "share is 'half'"),
        (lambda: mixup(pictures(), [0] * 6, 0.5), "give a tensor of probabilities"),
        (lambda: cut_box(-0.1, 8, 8), "share is -0.1"),
    ],
)
def test_bad_input_is_refused_in_words(call, text):
    with pytest.raises(ValueError, match=text):
        call()
