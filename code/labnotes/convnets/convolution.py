"""Convolution from its definition: one sum of products, moved over the image.

The definition for one map (:func:`cross_correlate2d`), the layer with channels, stride, padding and
dilation (:func:`conv2d`), its adjoint (:func:`conv_transpose2d`), the sizes that come out, and the
matrix that a convolution is (:func:`dense_weight`). All in plain torch, with gradients.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from labnotes.convnets.receptive_field import Layer, output_size


def cross_correlate2d(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Multiply the kernel with each window of the image that it fits into, and add up.

    ``y[i, j] = sum over a, b of x[i + a, j + b] * kernel[a, b]``

    Parameters
    ----------
    x
        One map, ``(height, width)``.
    kernel
        ``(kernel_height, kernel_width)``.

    Returns
    -------
    Tensor
        ``(height - kernel_height + 1, width - kernel_width + 1)``.

    Raises
    ------
    ValueError
        If one of them has not two axes, or the kernel is larger than the map.

    References
    ----------
    Goodfellow, Bengio and Courville (2016), Deep Learning, equation 9.6.

    Examples
    --------
    >>> cross_correlate2d(torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2))
    tensor([[19., 25.],
            [37., 43.]])
    """
    for name, tensor in (("x", x), ("kernel", kernel)):
        if tensor.dim() != 2:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}: give (height, width)")
    kernel_height, kernel_width = kernel.shape
    height = conv_output_size(x.shape[0], kernel_height)
    width = conv_output_size(x.shape[1], kernel_width)
    y = x.new_empty(height, width)
    for i in range(height):
        for j in range(width):
            window = x[i : i + kernel_height, j : j + kernel_width]
            y[i, j] = (window * kernel).sum()
    return y


def convolve2d(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """The convolution of mathematics: cross-correlation with the kernel turned by half a turn.

    ``y[i, j] = sum over a, b of x[i + kernel_height - 1 - a, j + kernel_width - 1 - b] * kernel[a, b]``

    Shapes and errors as for :func:`cross_correlate2d`: only places where the kernel fits.

    References
    ----------
    Goodfellow, Bengio and Courville (2016), Deep Learning, equations 9.4 and 9.5.

    Examples
    --------
    >>> convolve2d(torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2))
    tensor([[ 5., 11.],
            [23., 29.]])
    """
    return cross_correlate2d(x, kernel.flip(0, 1))


def conv_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Number of outputs along an axis: ``floor((size + 2p - d(kernel - 1) - 1) / s) + 1``.

    Parameters
    ----------
    size
        Inputs along the axis.
    kernel, stride, padding, dilation
        As for :class:`labnotes.convnets.Layer`.

    Raises
    ------
    ValueError
        If a number is out of range or the kernel does not fit into its padded input.

    References
    ----------
    Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, relationship 15.

    Examples
    --------
    >>> conv_output_size(224, 11, stride=4, padding=1)
    54
    """
    return output_size([Layer(kernel, stride, padding, dilation)], size)


def patches(
    x: torch.Tensor,
    kernel_size: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> torch.Tensor:
    """What each output position of a convolution reads, cut out of the zero-padded input.

    Parameters
    ----------
    x
        ``(batch, channels, height, width)``.
    kernel_size
        ``(kernel_height, kernel_width)``.
    stride, padding, dilation
        Of both axes.

    Returns
    -------
    Tensor
        ``(batch, out_height, out_width, channels, kernel_height, kernel_width)``: a view of the
        padded input, which copies nothing.
    """
    kernel_height, kernel_width = kernel_size
    for size, kernel in zip(x.shape[2:], kernel_size, strict=True):
        conv_output_size(size, kernel, stride, padding, dilation)  # refuses what does not fit
    padded = F.pad(x, [padding] * 4)  # (batch, channels, height + 2p, width + 2p)
    cut = padded.unfold(2, dilation * (kernel_height - 1) + 1, stride)
    cut = cut.unfold(3, dilation * (kernel_width - 1) + 1, stride)
    cut = cut[..., ::dilation, ::dilation]  # (batch, channels, out_h, out_w, kernel_h, kernel_w)
    return cut.permute(0, 2, 3, 1, 4, 5)


def conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> torch.Tensor:
    """A convolution layer as one matrix product: cut out the patches, flatten, multiply.

    Parameters
    ----------
    x
        ``(batch, in_channels, height, width)``.
    weight
        ``(out_channels, in_channels, kernel_height, kernel_width)``: one kernel with all input
        channels for each output channel.
    bias
        ``(out_channels,)``.
    stride, padding, dilation
        Of both axes, as for :class:`labnotes.convnets.Layer`. Padding is zeros.

    Returns
    -------
    Tensor
        ``(batch, out_channels, out_height, out_width)``.

    Raises
    ------
    ValueError
        If the shapes do not fit together or a number is out of range.

    References
    ----------
    Dumoulin and Visin (2016), section 2; the matrix product is what Chellapilla, Puri and Simard
    (2006), High performance convolutional neural networks for document processing, call unrolling.

    Examples
    --------
    >>> conv2d(torch.ones(1, 3, 8, 8), torch.ones(2, 3, 3, 3), stride=2, padding=1)[0, 0, 0]
    tensor([12., 18., 18., 18.])
    """
    _check(x, weight, bias, channels=weight.shape[1:2], outputs=weight.shape[:1])
    cut = patches(x, tuple(weight.shape[2:]), stride, padding, dilation)
    y = cut.flatten(3) @ weight.flatten(1).T  # (batch, out_height, out_width, out_channels)
    if bias is not None:
        y = y + bias
    return y.permute(0, 3, 1, 2)  # (batch, out_channels, out_height, out_width)


def conv2d_by_loops(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> torch.Tensor:
    """The same as :func:`conv2d`, one multiplication at a time: seven loops, to read and to test.

    Examples
    --------
    >>> conv2d_by_loops(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)[0, 0]
    tensor([[4., 6., 4.],
            [6., 9., 6.],
            [4., 6., 4.]])
    """
    _check(x, weight, bias, channels=weight.shape[1:2], outputs=weight.shape[:1])
    (batch, _, height, width), (outputs, inputs, kernel_height, kernel_width) = (
        x.shape,
        weight.shape,
    )
    out_height = conv_output_size(height, kernel_height, stride, padding, dilation)
    out_width = conv_output_size(width, kernel_width, stride, padding, dilation)
    y = x.new_zeros(batch, outputs, out_height, out_width)
    for n in range(batch):
        for o in range(outputs):
            for i in range(out_height):
                for j in range(out_width):
                    total = 0.0 if bias is None else bias[o].item()
                    for c in range(inputs):
                        for a in range(kernel_height):
                            for b in range(kernel_width):
                                row = i * stride - padding + a * dilation
                                column = j * stride - padding + b * dilation
                                if 0 <= row < height and 0 <= column < width:
                                    total += (x[n, c, row, column] * weight[o, c, a, b]).item()
                    y[n, o, i, j] = total
    return y


def conv_transpose_output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    """Outputs of a transposed convolution along an axis: ``(size - 1)s - 2p + d(kernel - 1) + 1``.

    That is the smallest input from which the convolution with the same numbers makes `size`
    outputs. `output_padding`, below the stride, asks for one of the larger ones, which that
    convolution's floor sends to the same `size`.

    Raises
    ------
    ValueError
        If a number is out of range or nothing is left.

    References
    ----------
    Dumoulin and Visin (2016), relationship 14.

    Examples
    --------
    >>> conv_transpose_output_size(7, 4, stride=2, padding=1)
    14
    """
    layer = Layer(kernel, stride, padding, dilation)
    if not 0 <= output_padding < stride:
        raise ValueError(
            f"output_padding is {output_padding}: give 0 to {stride - 1}, less than the stride"
        )
    if size < 1:
        raise ValueError(f"size is {size}: give at least one input")
    outputs = (size - 1) * stride - 2 * padding + layer.span + output_padding
    if outputs < 1:
        raise ValueError(
            f"padding {padding} takes away all of the {outputs + 2 * padding} outputs: give less"
        )
    return outputs


def conv_transpose2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> torch.Tensor:
    """Each input writes the kernel, times its value, into the output; what overlaps is added.

    It is the adjoint of :func:`conv2d` with the same numbers: its matrix is the transpose, and it
    is what carries gradients back through that layer. It does not undo the layer.

    Parameters
    ----------
    x
        ``(batch, in_channels, height, width)``.
    weight
        ``(in_channels, out_channels, kernel_height, kernel_width)``: the order of the convolution
        that it transposes, whose outputs are the inputs here.
    bias
        ``(out_channels,)``.
    stride, padding, dilation
        Those of that convolution: the stride here is the step in the *output*, and padding is
        cut off the output's edges.
    output_padding
        Rows and columns added below and to the right, as for :func:`conv_transpose_output_size`.

    References
    ----------
    Dumoulin and Visin (2016), section 4.

    Examples
    --------
    >>> conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    _check(x, weight, bias, channels=weight.shape[:1], outputs=weight.shape[1:2])
    height, width = (
        conv_transpose_output_size(n, k, stride, padding, dilation, output_padding)
        for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    )
    y = x.new_zeros(x.shape[0], weight.shape[1], height + 2 * padding, width + 2 * padding)
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            rows = slice(a * dilation, a * dilation + (x.shape[2] - 1) * stride + 1, stride)
            columns = slice(b * dilation, b * dilation + (x.shape[3] - 1) * stride + 1, stride)
            part = torch.einsum("bihw,io->bohw", x, weight[:, :, a, b])
            y[:, :, rows, columns] += part
    y = y[:, :, padding : padding + height, padding : padding + width]
    return y if bias is None else y + bias[:, None, None]


def dense_weight(
    weight: torch.Tensor,
    height: int,
    width: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> torch.Tensor:
    """The weight matrix of the fully connected layer that computes the same as a convolution.

    Its columns are what the convolution makes of the images that are 1 in one place and 0 in all
    others: most of its entries are 0, and the rest are the kernel's weights over and over.

    Parameters
    ----------
    weight
        ``(out_channels, in_channels, kernel_height, kernel_width)``.
    height, width
        Of the images.
    stride, padding, dilation
        As for :func:`conv2d`.

    Returns
    -------
    Tensor
        ``(out_channels * out_height * out_width, in_channels * height * width)``, for images and
        maps that are flattened channel by channel, row by row.

    Examples
    --------
    >>> dense_weight(torch.tensor([[[[1.0, 2.0]]]]), height=1, width=4)
    tensor([[1., 2., 0., 0.],
            [0., 1., 2., 0.],
            [0., 0., 1., 2.]])
    """
    inputs = weight.shape[1] * height * width
    ones = torch.eye(inputs, dtype=weight.dtype, device=weight.device)
    images = ones.reshape(inputs, weight.shape[1], height, width)  # one pixel lit in each
    return conv2d(images, weight, None, stride, padding, dilation).flatten(1).T


def _check(x, weight, bias, channels, outputs) -> None:
    if x.dim() != 4:
        raise ValueError(f"x has the shape {tuple(x.shape)}: give (batch, channels, height, width)")
    if weight.dim() != 4:
        raise ValueError(
            f"weight has the shape {tuple(weight.shape)}: give four axes, the channels of output "
            "and input and the kernel's height and width"
        )
    if x.shape[1] != channels[0]:
        raise ValueError(
            f"x has {x.shape[1]} channels, weight of shape {tuple(weight.shape)} reads "
            f"{channels[0]}: give a kernel for every channel"
        )
    if bias is not None and bias.shape != outputs:
        raise ValueError(
            f"bias has the shape {tuple(bias.shape)}: give one number for each of the "
            f"{outputs[0]} output channels"
        )
