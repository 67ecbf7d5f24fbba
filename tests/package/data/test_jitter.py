"""Scale jittering in one operation gives what resizing and cutting image by image give."""

import pytest
import torch
from torch.nn import functional as F

from labnotes.data import Batches, scale_jitter
from labnotes.data.jitter import scaled_crop


@pytest.mark.parametrize("shape", [(28, 28), (20, 31), (37, 18)])
def test_each_image_is_resized_and_cut_as_interpolate_and_slicing_do_it(shape):
    torch.manual_seed(0)
    images = torch.randint(256, (12, 3, *shape), dtype=torch.uint8)
    sides, places = torch.randint(16, 60, (12,)), torch.rand(2, 12)
    places[:, 0], places[:, 1] = 0.0, 1.0  # both corners
    got = scaled_crop(images.double(), sides, places.double(), 16)
    for i in range(12):
        s = sides[i].item()
        h, w = (s * n // min(shape) for n in shape)
        resized = F.interpolate(images[i : i + 1].double(), (h, w), mode="bilinear")[0]
        top = min(int((h - 15) * places[0, i].double()), h - 16)
        left = min(int((w - 15) * places[1, i].double()), w - 16)
        expected = resized[:, top : top + 16, left : left + 16]
        torch.testing.assert_close(got[i], expected, atol=1e-6, rtol=0)


def test_the_own_size_changes_nothing_and_bytes_stay_bytes():
    images = torch.randint(256, (5, 1, 20, 20), dtype=torch.uint8)
    got = scale_jitter(20, 20, 20)(images, torch.Generator().manual_seed(0))
    assert got.dtype == torch.uint8 and torch.equal(got, images)


def test_all_sides_and_all_places_occur_equally_often():
    draw = torch.Generator().manual_seed(0)
    ramp = torch.arange(40.0).expand(1, 1, 40, 40).double()  # the value tells the column
    images = ramp.expand(6000, 1, 40, 40)
    cut = scale_jitter(40, 40, 37)(images, draw)
    left = cut[:, 0, 0, 0].round().long()
    counts = torch.bincount(left, minlength=4)
    assert len(counts) == 4 and (counts / 6000 - 0.25).abs().max() < 0.03
    cut = scale_jitter(40, 60, 30)(images, draw)
    step = cut[:, 0, 0, 20] - cut[:, 0, 0, 10]  # 10 * 40 / S
    sides = (400 / step).round()
    assert sides.min() == 40 and sides.max() == 60
    assert sides.mean().item() == pytest.approx(50, abs=0.5)


def test_batches_take_it_and_repeat_it_from_the_seed():
    images = torch.randint(256, (10, 1, 28, 28), dtype=torch.uint8)
    runs = [
        [
            x
            for x, _ in Batches(
                images, torch.arange(10), 4, augment=scale_jitter(24, 40, 24), seed=s
            )
        ]
        for s in (0, 0, 1)
    ]
    assert runs[0][0].shape == (4, 1, 24, 24)
    assert torch.equal(runs[0][0], runs[1][0]) and not torch.equal(runs[0][0], runs[2][0])


@pytest.mark.parametrize("numbers", [(20, 30, 24), (30, 29, 24), (30, 40, 0), (30, 40.0, 24)])
def test_an_impossible_range_is_refused_with_the_reason(numbers):
    with pytest.raises(ValueError, match="1 <= size <= smallest <= largest"):
        scale_jitter(*numbers)
