"""Convolutions from their definition agree with torch, scipy and d2l; sizes and matrices with them."""

import doctest
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch.nn import functional as F

from labnotes.convnets import (
    conv2d,
    conv2d_by_loops,
    conv_output_size,
    conv_transpose2d,
    conv_transpose_output_size,
    convolution,
    convolve2d,
    cross_correlate2d,
    dense_weight,
)

NUMBERS = {"stride": (1, 2, 3), "padding": (0, 1, 2), "dilation": (1, 2, 3)}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 3), (5, 7), (8, 4)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3), (3, 4)])
def test_correlation_and_convolution_are_those_of_scipy(shape, kernel):
    if kernel[1] > shape[1]:
        return
    x, k = draw(*shape), draw(*kernel, seed=1)
    for ours, theirs in (
        (cross_correlate2d, signal.correlate2d),
        (convolve2d, signal.convolve2d),
    ):
        np.testing.assert_allclose(ours(x, k), theirs(x, k, mode="valid"), atol=1e-12)


def test_the_two_differ_unless_the_kernel_is_its_own_half_turn():
    x, k = draw(6, 6), draw(3, 3, seed=1)
    assert (cross_correlate2d(x, k) - convolve2d(x, k)).abs().max() > 0.1
    symmetric = k + k.flip(0, 1)
    close(cross_correlate2d(x, symmetric), convolve2d(x, symmetric))


def test_one_map_is_correlated_as_d2l_does():
    import d2l.torch as d2l

    x, k = draw(6, 8).float(), draw(3, 2, seed=1).float()
    torch.testing.assert_close(cross_correlate2d(x, k), d2l.corr2d(x, k))


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 2),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    with_bias=st.booleans(),
)
def test_any_convolution_and_its_gradients_are_those_of_torch(
    batch, inputs, outputs, size, kernel, stride, padding, dilation, with_bias
):
    x = draw(batch, inputs, *size).requires_grad_()
    weight = draw(outputs, inputs, *kernel, seed=1).requires_grad_()
    bias = draw(outputs, seed=2) if with_bias else None
    numbers = (stride, padding, dilation)
    try:
        theirs = F.conv2d(x, weight, bias, *numbers)
    except RuntimeError:  # the kernel does not fit: ours has to refuse it too
        for ours in (conv2d, conv2d_by_loops):
            with pytest.raises(ValueError, match="spans"):
                ours(x, weight, bias, *numbers)
        return
    ours = conv2d(x, weight, bias, *numbers)
    close(ours, theirs)
    upstream = draw(*theirs.shape, seed=3)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), upstream),
        torch.autograd.grad(theirs, (x, weight), upstream),
        strict=True,
    ):
        close(a, b)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, 0, 1), (1, 2, 1), (2, 1, 1), (2, 2, 2)]
)
def test_the_seven_loops_are_the_convolution_of_torch(stride, padding, dilation):
    x, weight, bias = draw(2, 3, 6, 5), draw(2, 3, 3, 2, seed=1), draw(2, seed=2)
    numbers = (stride, padding, dilation)
    close(conv2d_by_loops(x, weight, bias, *numbers), F.conv2d(x, weight, bias, *numbers))


def test_output_sizes_are_those_of_torch_for_every_combination():
    meta, fits = torch.device("meta"), 0
    for n, f, s, p, d in itertools.product(range(1, 13), range(1, 6), (1, 2, 3), (0, 1, 2), (1, 2)):
        try:
            x, w = torch.empty(1, 1, 1, n, device=meta), torch.empty(1, 1, 1, f, device=meta)
            theirs = F.conv2d(x, w, None, (1, s), (0, p), (1, d)).shape[-1]
        except RuntimeError:
            with pytest.raises(ValueError, match="spans"):
                conv_output_size(n, f, s, p, d)
            continue
        assert conv_output_size(n, f, s, p, d) == theirs
        fits += 1
    assert fits > 800


def test_transposed_sizes_are_those_of_torch_and_lead_back():
    meta, fits = torch.device("meta"), 0
    for n, f, s, p, d in itertools.product(range(1, 8), range(1, 5), (1, 2, 3), (0, 1, 2), (1, 2)):
        for extra in range(s):
            x, w = torch.empty(1, 1, n, device=meta), torch.empty(1, 1, f, device=meta)
            try:
                theirs = F.conv_transpose1d(x, w, None, s, p, extra, 1, d).shape[-1]
            except RuntimeError:
                theirs = 0
            if theirs < 1:
                with pytest.raises(ValueError, match="takes away"):
                    conv_transpose_output_size(n, f, s, p, d, extra)
                continue
            assert conv_transpose_output_size(n, f, s, p, d, extra) == theirs
            assert conv_output_size(theirs, f, s, p, d) == n
            fits += 1
    assert fits > 500


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), list(itertools.product(*NUMBERS.values()))
)
def test_the_transposed_convolution_is_torchs_and_carries_gradients_back(stride, padding, dilation):
    weight, bias = draw(3, 2, 3, 2, seed=1), draw(2, seed=2)
    y = draw(2, 3, 4, 5)
    for extra in range(stride):
        ours = conv_transpose2d(y, weight, bias, stride, padding, dilation, extra)
        theirs = F.conv_transpose2d(y, weight, bias, stride, padding, extra, 1, dilation)
        close(ours, theirs)
        x = draw(*theirs.shape, seed=3).requires_grad_()
        forward = F.conv2d(x, weight, None, stride, padding, dilation)
        gradient = torch.autograd.grad(forward, x, y)[0]
        close(conv_transpose2d(y, weight, None, stride, padding, dilation, extra), gradient)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_the_dense_matrix_computes_the_convolution_and_its_transpose_the_adjoint(
    stride, padding, dilation
):
    weight, x = draw(2, 3, 3, 2, seed=1), draw(4, 3, 6, 5)
    numbers = (stride, padding, dilation)
    matrix = dense_weight(weight, 6, 5, *numbers)
    y = F.conv2d(x, weight, None, *numbers)
    close((x.flatten(1) @ matrix.T).reshape(y.shape), y)
    back = torch.autograd.grad(
        F.conv2d(x.requires_grad_(), weight, None, *numbers), x, torch.ones_like(y)
    )[0]
    close((torch.ones_like(y).flatten(1) @ matrix).reshape(x.shape), back)


def test_the_dense_matrix_is_mostly_zero_and_repeats_the_kernel():
    weight = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    matrix = dense_weight(weight, 28, 28)
    assert matrix.shape == (26 * 26, 28 * 28)
    assert (matrix != 0).sum() == 26 * 26 * 9
    assert all(sorted(row[row != 0].tolist()) == list(range(1, 10)) for row in matrix[::97])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dense_matrix_lies_where_the_kernel_does_in_its_type(dtype):
    weight = torch.ones(1, 1, 2, 2, dtype=dtype)
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        matrix = dense_weight(weight, 3, 3)
    assert (matrix.device, matrix.dtype) == (weight.device, dtype)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: cross_correlate2d(draw(1, 3, 3), draw(2, 2)), "x has the shape \\(1, 3, 3\\)"),
        (lambda: cross_correlate2d(draw(3, 3), draw(2)), "kernel has the shape \\(2,\\)"),
        (lambda: cross_correlate2d(draw(2, 3), draw(3, 3)), "spans 3 positions"),
        (lambda: conv2d(draw(3, 5, 5), draw(1, 3, 3, 3)), "x has the shape \\(3, 5, 5\\)"),
        (lambda: conv2d(draw(1, 3, 5, 5), draw(3, 3, 3)), "weight has the shape"),
        (lambda: conv2d(draw(1, 2, 5, 5), draw(1, 3, 3, 3)), "x has 2 channels.* reads 3"),
        (lambda: conv2d(draw(1, 3, 5, 5), draw(2, 3, 3, 3), draw(3)), "each of the 2 output"),
        (lambda: conv2d(draw(1, 1, 5, 5), draw(1, 1, 3, 3), stride=0), "stride is 0"),
        (lambda: conv2d(draw(1, 1, 5, 5), draw(1, 1, 3, 3), padding=-1), "padding is -1"),
        (lambda: conv2d(draw(1, 1, 5, 5), draw(1, 1, 3, 3), dilation=3), "spans 7 positions"),
        (lambda: conv_transpose2d(draw(1, 2, 5, 5), draw(1, 3, 3, 3)), "x has 2 channels"),
        (lambda: conv2d_by_loops(draw(1, 2, 5, 5), draw(1, 3, 3, 3)), "x has 2 channels.* reads 3"),
        (lambda: conv2d_by_loops(draw(1, 3, 5, 5), draw(2, 3, 3, 3), draw(3)), "of the 2 output"),
        (lambda: conv_transpose2d(draw(1, 3, 5, 5), draw(3, 2, 3, 3), draw(3)), "of the 2 output"),
        (lambda: conv_transpose_output_size(4, 3, 2, 0, 1, 2), "output_padding is 2: give 0 to 1"),
        (lambda: conv_transpose_output_size(1, 1, 1, 1), "padding 1 takes away all of the 1"),
        (lambda: conv_transpose_output_size(0, 3), "size is 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(convolution)
    assert result.attempted >= 8 and result.failed == 0
