"""Sizes, kernels and patterns of upsampling against torch's layers, autograd and numpy."""

import doctest
import inspect
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from labnotes.segmentation import transposed
from labnotes.segmentation.transposed import (
    bilinear_kernel,
    checkerboard,
    output_padding,
    phase_sums,
)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_output_padding_leads_back_to_every_size_through_torchs_layers():
    fits = 0
    for n, f, s, p, d in itertools.product(range(1, 14), range(1, 5), (1, 2, 3), (0, 1, 2), (1, 2)):
        if n + 2 * p < d * (f - 1) + 1:
            with pytest.raises(ValueError, match="spans"):
                output_padding(n, f, s, p, d)
            continue
        x = torch.empty(1, 1, n, device="meta")
        w = torch.empty(1, 1, f, device="meta")
        small = F.conv1d(x, w, None, s, p, d)
        extra = output_padding(n, f, s, p, d)
        assert 0 <= extra < s
        assert F.conv_transpose1d(small, w, None, s, p, extra, 1, d).shape == x.shape
        fits += 1
    assert fits > 700


def test_the_output_padding_is_the_one_that_torch_finds_from_output_size():
    for size in (29, 30, 31, 32):
        layer = nn.ConvTranspose2d(1, 1, 5, stride=4, padding=1)
        small = F.conv2d(torch.ones(1, 1, size, size), layer.weight, None, 4, 1)
        asked = layer(small, output_size=(size, size))
        extra = output_padding(size, 5, 4, 1)
        told = F.conv_transpose2d(small, layer.weight, layer.bias, 4, 1, extra)
        assert torch.equal(asked, told) and told.shape[-1] == size


def test_the_defaults_of_the_output_padding_are_those_of_torchs_layer():
    ours = inspect.signature(output_padding).parameters
    theirs = inspect.signature(nn.ConvTranspose2d).parameters
    for name in ("stride", "padding", "dilation"):
        assert ours[name].default == theirs[name].default


@pytest.mark.parametrize("stride", range(1, 7))
def test_the_bilinear_kernel_is_torchs_interpolation_edges_included_if_they_are_repeated(stride):
    x = draw(2, 3, 5, 4)
    weight = bilinear_kernel(3, 2 * stride - stride % 2).double()
    theirs = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    ours = F.conv_transpose2d(x, weight, None, stride, stride // 2)
    assert ours.shape == theirs.shape
    inner = (..., slice(stride, -stride), slice(stride, -stride))
    torch.testing.assert_close(ours[inner], theirs[inner], rtol=1e-6, atol=1e-6)
    wide = F.conv_transpose2d(F.pad(x, [1] * 4, "replicate"), weight, None, stride, stride // 2)
    torch.testing.assert_close(wide[inner], theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 8, 16])
def test_the_bilinear_kernel_is_that_of_the_listing_in_dive_into_deep_learning(kernel_size):
    factor = (kernel_size + 1) // 2
    centre = factor - 1 if kernel_size % 2 == 1 else factor - 0.5
    og = np.ogrid[:kernel_size, :kernel_size]
    theirs = (1 - abs(og[0] - centre) / factor) * (1 - abs(og[1] - centre) / factor)
    ours = bilinear_kernel(2, kernel_size)
    assert ours.shape == (2, 2, kernel_size, kernel_size) and ours.dtype == torch.float32
    for i, o in itertools.product(range(2), range(2)):
        np.testing.assert_allclose(ours[i, o], theirs * (i == o), atol=1e-7)


@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3), 2), ((4, 5), 2), ((2, 1), 3), ((7, 4), 3), ((3, 2), 1)]
)
def test_the_phase_sums_are_torchs_answer_to_a_constant(kernel, stride):
    weight = draw(2, 3, *kernel)
    found = phase_sums(weight, stride)
    assert found.shape == (2, 3, stride, stride)
    for i in range(2):
        ones = torch.zeros(1, 2, 12, 12, dtype=torch.float64)
        ones[:, i] = 1
        y = F.conv_transpose2d(ones, weight, None, stride)[0]
        middle = y[:, 6 * stride : 7 * stride, 6 * stride : 7 * stride]
        torch.testing.assert_close(found[i], middle)


@pytest.mark.parametrize(("stride", "sides"), [(2, (6, 8)), (3, (9, 6)), (4, (16, 4)), (1, (5, 7))])
def test_the_checkerboard_is_the_spread_of_the_means_of_the_phases(stride, sides):
    images = draw(2, 3, *sides) + 5
    found = checkerboard(images, stride)
    assert found.shape == (2, 3)
    for n, c in itertools.product(range(2), range(3)):
        picture = images[n, c].numpy()
        means = [picture[a::stride, b::stride].mean() for a in range(stride) for b in range(stride)]
        np.testing.assert_allclose(found[n, c], np.std(means), atol=1e-7)


def test_a_wave_of_the_stride_counts_with_its_power_and_other_waves_do_not():
    across = torch.arange(12, dtype=torch.float64).expand(12, 12)
    for period, expected in ((3, 0.3 / 2**0.5), (4, 0.0), (12, 0.0)):
        wave = 0.5 + 0.3 * torch.sin(2 * torch.pi * across / period)
        torch.testing.assert_close(
            checkerboard(wave, 3), torch.tensor(expected).double(), atol=1e-7, rtol=0
        )


def test_a_constant_has_a_checkerboard_exactly_as_the_phase_sums_differ():
    for seed, stride in ((0, 2), (1, 3)):
        weight = draw(1, 1, 4, 3, seed=seed)
        y = F.conv_transpose2d(torch.full((1, 1, 9, 9), 0.4).double(), weight, None, stride)
        inner = y[0, 0, 2 * stride : 6 * stride, 2 * stride : 6 * stride]
        predicted = 0.4 * phase_sums(weight, stride).std(correction=0)
        torch.testing.assert_close(checkerboard(inner, stride), predicted)


def test_resizing_before_the_convolution_makes_all_phase_sums_equal():
    weight, stride = draw(1, 1, 3, 3), 2  # of the convolution
    box = torch.ones(1, 1, stride, stride, dtype=torch.float64)
    joint = F.conv_transpose2d(box, weight.flip(2, 3))
    x = draw(1, 1, 5, 6)
    resized = F.conv2d(F.interpolate(x, scale_factor=stride), weight, padding=1)
    torch.testing.assert_close(F.conv_transpose2d(x, joint, None, stride, 1), resized)
    sums = phase_sums(joint, stride)
    torch.testing.assert_close(sums, weight.sum().expand(1, 1, stride, stride))


def test_gradients_flow_through_the_measures():
    weight = draw(1, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: phase_sums(w, 2), weight)
    image = draw(4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: checkerboard(x, 2), image)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: output_padding(4, 3, stride=0), "stride is 0"),
        (lambda: output_padding(2, 5), "spans 5 positions"),
        (lambda: output_padding(5, 3, 2, -1), "padding is -1"),
        (lambda: bilinear_kernel(0, 4), "channels is 0: give a positive integer"),
        (lambda: bilinear_kernel(2, 4.0), "kernel_size is 4.0"),
        (lambda: phase_sums(draw(3, 3), 2), "weight has the shape \\(3, 3\\)"),
        (lambda: phase_sums(draw(1, 1, 3, 3), 0), "stride is 0"),
        (lambda: checkerboard(draw(6), 2), "images has the shape \\(6,\\)"),
        (lambda: checkerboard(draw(6, 9), 2), "the width is 9: give a multiple of the stride 2"),
        (lambda: checkerboard(draw(0, 8), 2), "the height is 0"),
        (lambda: checkerboard(draw(6, 8), True), "stride is True"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(transposed)
    assert result.attempted >= 4 and result.failed == 0
