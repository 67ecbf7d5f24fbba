"""Upsampling by transposed convolution: sizes, the bilinear kernel, and checkerboards.

The layer itself is :func:`labnotes.convnets.conv_transpose2d`. Here is what one has to know to use
it as an upsampler of stride s: which output padding gives back a size, which kernel interpolates,
and what a kernel makes of a constant map, predicted from its weights and measured in a spectrum.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from labnotes.checks import check_positive
from labnotes.convnets.convolution import conv_output_size


def output_padding(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """The output padding with which a transposed convolution gives back just `size` places.

    A convolution's floor drops a remainder, so that up to `stride` input sizes lead to one output
    size. The remainder of `size` is what the transposed convolution has to be told.

    Parameters
    ----------
    size
        Places along the axis before the convolution.
    kernel, stride, padding, dilation
        Of the convolution, and of its transpose.

    Returns
    -------
    int
        From 0 to ``stride - 1``.

    Raises
    ------
    ValueError
        If a number is out of range or the kernel does not fit into its padded input.

    References
    ----------
    Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, relationship 14.

    Examples
    --------
    >>> [output_padding(n, kernel=3, stride=2, padding=1) for n in (7, 8)]  # both become 4
    [0, 1]
    """
    conv_output_size(size, kernel, stride, padding, dilation)  # refuses what does not fit
    return (size + 2 * padding - dilation * (kernel - 1) - 1) % stride


def bilinear_kernel(channels: int, kernel_size: int) -> Tensor:
    """The weight with which a transposed convolution interpolates linearly, each channel by itself.

    Its stride is ``s = (kernel_size + 1) // 2``. With ``kernel_size = 2s - s % 2`` (4 for stride 2,
    5 for 3, 8 for 4) and ``padding = s // 2`` it enlarges maps s times, as
    ``F.interpolate(mode="bilinear")`` does, except at the edges, where it reads zeros beyond them.

    Parameters
    ----------
    channels
        Of the input, and as many of the output.
    kernel_size
        Side of the kernel.

    Returns
    -------
    Tensor
        ``(channels, channels, kernel_size, kernel_size)``, zero between different channels.

    Raises
    ------
    ValueError
        If a number is not a positive integer.

    References
    ----------
    Long, Shelhamer and Darrell (2015), Fully convolutional networks for semantic segmentation,
    section 3.3; the numbers are those of its authors' code.

    Examples
    --------
    >>> bilinear_kernel(1, 4)[0, 0, 1]
    tensor([0.1875, 0.5625, 0.5625, 0.1875])
    """
    check_positive(channels=channels, kernel_size=kernel_size)
    stride = (kernel_size + 1) // 2
    distance = (torch.arange(kernel_size) - (kernel_size - 1) / 2).abs()  # from the middle
    tent = 1 - distance / stride  # (kernel_size,)
    return torch.eye(channels)[:, :, None, None] * tent[:, None] * tent


def phase_sums(weight: Tensor, stride: int) -> Tensor:
    """What a transposed convolution makes of a constant 1: one number for each phase of its stride.

    Away from the edges the outputs repeat with period `stride`. Output (i, j), counted before
    padding is cut off, adds up the weights at (a, b) with a = i and b = j modulo `stride`.

    Parameters
    ----------
    weight
        ``(in_channels, out_channels, kernel_height, kernel_width)``.
    stride
        Of both axes.

    Returns
    -------
    Tensor
        ``(in_channels, out_channels, stride, stride)``. All equal: a constant stays constant.

    Raises
    ------
    ValueError
        If `weight` has not four axes or `stride` is not a positive integer.

    References
    ----------
    Odena, Dumoulin and Olah (2016), Deconvolution and checkerboard artifacts: the uneven overlap
    is the case in which all weights are 1.

    Examples
    --------
    >>> phase_sums(torch.ones(1, 1, 3, 3), stride=2)[0, 0]
    tensor([[4., 2.],
            [2., 1.]])
    """
    _check_phase_sums(weight, stride)
    rows, columns = (-size % stride for size in weight.shape[2:])
    whole = F.pad(weight, [0, columns, 0, rows])  # sides that the stride divides
    parts = whole.unflatten(3, (-1, stride)).unflatten(2, (-1, stride))
    return parts.sum((2, 4))  # (in, out, kernel rows, stride, kernel columns, stride) summed


def checkerboard(images: Tensor, stride: int) -> Tensor:
    """How strong the pattern is that repeats every `stride` pixels down and across.

    In the spectrum of an image such a pattern is nothing but the frequencies that are multiples of
    ``1 / stride``. This is their root of summed power without the mean: the standard deviation
    over pixels of the repeated pattern, on the scale of the pixels.

    Parameters
    ----------
    images
        ``(..., height, width)``, real, with sides that `stride` divides.
    stride
        The period; of several layers in a row, the product of their strides.

    Returns
    -------
    Tensor
        ``images.shape[:-2]``.

    Raises
    ------
    ValueError
        If there are fewer than two axes, a side is empty or not a multiple of `stride`, or `stride`
        is not a positive integer.

    Examples
    --------
    >>> checkerboard(torch.tensor([[1.0, 3.0]]).repeat(8, 4), stride=2)
    tensor(1.)
    """
    _check_checkerboard(images, stride)
    height, width = images.shape[-2:]
    power = (torch.fft.fft2(images) / (height * width)).abs() ** 2  # (..., height, width)
    lattice = power[..., :: height // stride, :: width // stride]  # (..., stride, stride)
    return (lattice.sum((-2, -1)) - lattice[..., 0, 0]).clamp(min=0).sqrt()


def _check_phase_sums(weight, stride) -> None:
    check_positive(stride=stride)
    if weight.dim() != 4:
        raise ValueError(
            f"weight has the shape {tuple(weight.shape)}: give (in_channels, out_channels, "
            "kernel_height, kernel_width)"
        )


def _check_checkerboard(images, stride) -> None:
    check_positive(stride=stride)
    if images.dim() < 2:
        raise ValueError(f"images has the shape {tuple(images.shape)}: give (..., height, width)")
    for name, size in zip(("height", "width"), images.shape[-2:], strict=True):
        if size < 1 or size % stride:
            raise ValueError(
                f"the {name} is {size}: give a multiple of the stride {stride}; cut the rest off"
            )
