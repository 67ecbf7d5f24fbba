"""Pictures and labels stay together; the band is scipy's dilation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from labnotes.data import Batches, random_flip
from labnotes.segmentation import PixelBatches, border_band, random_window


def pictures(n=12, height=9, width=11):
    """Pictures whose first channel is a code of the pixel's label, so that we see them part."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 21, (n, height, width), generator=draw).to(torch.uint8)
    pixels[torch.rand(n, height, width, generator=draw) < 0.2] = 255
    other = torch.randint(0, 256, (n, 2, height, width), generator=draw).to(torch.uint8)
    return torch.cat([pixels[:, None], other], 1), pixels


def test_every_label_keeps_its_pixel_through_flips_and_windows():
    images, pixels = pictures()
    changes = [random_flip(), random_window(5, 7)]
    for x, y in PixelBatches(images, pixels, 5, augment=changes, device="cpu"):
        assert x.shape[1:] == (3, 5, 7) and y.shape[1:] == (5, 7) and y.dtype == torch.int64
        assert torch.equal((x[:, 0] * 255).round().long(), y)


def test_pictures_and_order_are_those_of_plain_batches():
    images, pixels = pictures()
    ours = PixelBatches(images, pixels, 5, mean=(0.1, 0.2, 0.3), std=(1, 2, 3), device="cpu")
    theirs = Batches(images, torch.arange(12), 5, mean=(0.1, 0.2, 0.3), std=(1, 2, 3), device="cpu")
    for (x, y), (expected, numbers) in zip(ours, theirs, strict=True):
        assert torch.allclose(x, expected, atol=1e-6) and torch.equal(y, pixels[numbers].long())


def test_one_mean_stands_for_all_channels():
    images, pixels = pictures()
    x, _ = next(iter(PixelBatches(images, pixels, 12, mean=0.5, std=0.25, shuffle=False)))
    assert torch.allclose(x.cpu(), (images / 255 - 0.5) / 0.25, atol=1e-5)


def test_an_epoch_can_be_taken_up_in_its_middle():
    images, pixels = pictures()
    make = lambda: PixelBatches(images, pixels, 5, augment=random_window(4, 4), device="cpu")  # noqa: E731
    whole, first = make(), make()
    expected = list(whole)
    given = iter(first)
    next(given)
    again = make()
    again.load_state_dict(first.state_dict())
    rest = list(again)
    assert len(rest) == len(expected) - 1
    assert all(torch.equal(a[i], b[i]) for a, b in zip(rest, expected[1:]) for i in (0, 1))


def test_windows_are_cut_without_a_change_everywhere_in_the_picture():
    place = torch.arange(6 * 8).view(1, 1, 6, 8).expand(400, 1, 6, 8).to(torch.uint8)
    cut = random_window(4, 3)(place, torch.Generator().manual_seed(0))  # (400, 1, 4, 3)
    corner = cut[:, 0, 0, 0].long()
    tops, lefts = corner // 8, corner % 8
    for n in range(400):
        assert torch.equal(cut[n, 0], place[n, 0][tops[n] : tops[n] + 4, lefts[n] : lefts[n] + 3])
    assert set(tops.tolist()) == {0, 1, 2} and set(lefts.tolist()) == set(range(6))


def test_windows_are_drawn_where_the_pictures_are():
    images, draws = pictures()[0], [torch.Generator("cpu").manual_seed(0) for _ in range(2)]
    expected = random_window(4, 3)(images, draws[0])
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        found = random_window(4, 3)(images, draws[1])
    assert torch.equal(found, expected)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 14), st.integers(1, 14), st.integers(1, 5), st.integers(0, 99)
)
def test_the_band_is_where_scipys_dilated_classes_overlap(batch, height, width, reach, seed):
    draw = np.random.default_rng(seed)
    pixels = draw.choice([0, 1, 5, 255], p=[0.6, 0.1, 0.05, 0.25], size=(batch, height, width))
    square = np.ones((1, 2 * reach + 1, 2 * reach + 1), bool)
    near = [ndimage.binary_dilation(pixels == c, square) for c in (0, 1, 5)]
    got = border_band(torch.from_numpy(pixels), reach).numpy()
    assert np.array_equal(got, np.sum(near, axis=0) >= 2)


def test_a_picture_without_an_outline_has_no_band():
    for label in (0, 3, 255):
        assert not border_band(torch.full((1, 5, 5), label), 2).any()


def test_the_edge_of_the_picture_and_of_the_void_is_no_outline():
    pixels = torch.full((1, 6, 6), 255)
    pixels[:, 2:4, 2:4] = 1
    assert not border_band(pixels, 3).any()
    assert border_band(pixels.masked_fill(pixels == 255, 7), 1, ignore_index=9).any()


def images_of(*shape):
    return torch.zeros(shape, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PixelBatches(images_of(2, 3, 4, 5), images_of(2, 5, 4), 1), "pixels are .2, 5, 4"),
        (lambda: PixelBatches(images_of(2, 3, 4, 5), torch.zeros(2, 4, 5), 1), "torch.uint8"),
        (lambda: PixelBatches(images_of(3, 4, 5), images_of(3, 5), 1), "images .3, 4, 5"),
        (lambda: PixelBatches(images_of(0, 3, 4, 5), images_of(0, 4, 5), 1), "no images"),
        (lambda: random_window(0, 3), "height is 0"),
        (lambda: random_window(5, 3)(images_of(1, 1, 4, 9), torch.Generator()), "5 x 3 does not"),
        (lambda: border_band(images_of(1, 4, 4), 0), "width is 0"),
        (lambda: border_band(images_of(4, 4), 1), "pixels are .4, 4"),
        (lambda: border_band(torch.zeros(1, 4, 4), 1), "give integers"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
