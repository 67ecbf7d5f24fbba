"""RoI pooling and RoIAlign: torchvision's numbers, inside, outside and across the border."""

import doctest

import pytest
import torch
import torchvision.ops as tv
from hypothesis import given
from hypothesis import strategies as st

from labnotes.detection import regions, roi_align, roi_pool


def setting(n: int, seed: int, reach: float = 30.0):
    """Features (3, 4, 9, 13) and n regions in pictures of 36 x 52 pixels, some of them outside."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(3, 4, 9, 13, generator=draw)
    corners = torch.rand(n, 2, 2, generator=draw) * (52 + 2 * reach) - reach
    image = torch.randint(3, (n, 1), generator=draw).float()
    return features, torch.cat([image, corners.min(1).values, corners.max(1).values], 1)


@given(
    n=st.integers(0, 12),
    seed=st.integers(0, 999),
    size=st.sampled_from([1, 2, (3, 5), 7]),
    scale=st.sampled_from([0.25, 1.0, 1 / 16]),
)
def test_roi_pool_is_torchvisions(n, seed, size, scale):
    # In double precision: in single, torchvision's 7 * (17 / 7) may be more than 17, and a part of
    # a region reach one cell further.
    features, boxes = (x.double() for x in setting(n, seed))
    torch.testing.assert_close(
        roi_pool(features, boxes, size, scale), tv.roi_pool(features, boxes, size, scale)
    )


@given(
    n=st.integers(0, 12),
    seed=st.integers(0, 999),
    size=st.sampled_from([1, 2, (3, 5), 7]),
    scale=st.sampled_from([0.25, 1.0, 1 / 16]),
    ratio=st.sampled_from([-1, 1, 2, 3]),
    aligned=st.booleans(),
)
def test_roi_align_is_torchvisions(n, seed, size, scale, ratio, aligned):
    features, boxes = setting(n, seed)
    torch.testing.assert_close(
        roi_align(features, boxes, size, scale, ratio, aligned),
        tv.roi_align(features, boxes, size, scale, ratio, aligned),
        atol=2e-5, rtol=2e-5,
    )  # fmt: skip


@pytest.mark.parametrize("pool", ["pool", "align"])
def test_the_gradient_with_respect_to_the_features_is_torchvisions(pool):
    features, boxes = setting(9, 4)
    weights = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    found = []
    for module in (regions, tv):
        leaf = features.clone().requires_grad_()
        (getattr(module, f"roi_{pool}")(leaf, boxes, 3, 0.25) * weights).sum().backward()
        found.append(leaf.grad)
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


def test_every_region_comes_out_at_one_size_and_a_region_of_no_extent_is_no_nan():
    features, _ = setting(0, 0)
    boxes = torch.tensor([[0.0, 5, 5, 5, 5], [1, 0, 0, 52, 36], [2, 500, 500, 600, 600]])
    for aligned in (False, True):
        out = roi_align(features, boxes, 4, 0.25, aligned=aligned)
        torch.testing.assert_close(out, tv.roi_align(features, boxes, 4, 0.25, aligned=aligned))
        assert out.shape == (3, 4, 4, 4) and out.isfinite().all()
    assert roi_pool(features, boxes, 4, 0.25)[2].abs().max() == 0


def test_moved_by_a_fraction_of_a_cell_roi_align_moves_with_it_and_roi_pool_does_not():
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)  # the value of a cell is its x
    region = torch.tensor([[0.0, 2.0, 2.0, 8.0, 8.0]])
    moved = region + torch.tensor([0.0, 0.3, 0.0, 0.3, 0.0])
    shift = roi_align(ramp, moved, 3, aligned=True) - roi_align(ramp, region, 3, aligned=True)
    torch.testing.assert_close(shift, torch.full_like(shift, 0.3), atol=1e-5, rtol=0)
    assert torch.equal(roi_pool(ramp, moved, 3), roi_pool(ramp, region, 3))


@pytest.mark.parametrize(
    "change, text",
    [
        ({"features": torch.zeros(4, 9, 13)}, r"shape \(4, 9, 13\)"),
        ({"features": torch.zeros(3, 4, 9, 13, dtype=torch.int64)}, "torch.int64"),
        ({"boxes": torch.zeros(2, 4)}, r"shape \(2, 4\): give \(n, 5\)"),
        ({"boxes": torch.tensor([[3.0, 0, 0, 1, 1]])}, "0 to 2"),
        ({"boxes": torch.tensor([[0.5, 0, 0, 1, 1]])}, "number of a picture"),
        ({"boxes": torch.tensor([[0.0, 2, 0, 1, 1]])}, "x2 < x1"),
        ({"output_size": 0}, "output_size is 0"),
        ({"output_size": (2, 2, 2)}, "positive integer, or two"),
        ({"spatial_scale": 0.0}, "spatial_scale is 0.0"),
    ],
)
def test_bad_input_is_refused(change, text):
    features, boxes = setting(2, 0)
    arguments = {"features": features, "boxes": boxes, "output_size": 2} | change
    for pool in (roi_pool, roi_align):
        with pytest.raises(ValueError, match=text):
            pool(**arguments)


def test_a_sampling_ratio_of_zero_is_refused():
    with pytest.raises(ValueError, match="sampling_ratio is 0"):
        roi_align(*setting(2, 0), 2, sampling_ratio=0)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(regions).failed == 0
