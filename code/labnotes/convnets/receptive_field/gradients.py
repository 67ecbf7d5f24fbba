"""What gradients say of receptive fields: which pixels can change a unit, and how much they do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from labnotes.convnets.receptive_field.reading import image_shape, pair
from labnotes.modules import evaluating


def gradient_support(
    model: nn.Module, input_size: int | Sequence[int], unit: tuple[int, int] | None = None
) -> torch.Tensor:
    """The input pixels that can change one output unit, measured by a gradient.

    The module runs with other numbers than its own, chosen so that nothing cancels and nothing is
    switched off: every weight positive, biases 0, an image slightly above 0, max pooling replaced by
    the mean over the same window (a maximum passes its gradient to one input, though any could be it).
    No rule about any layer is used, so this is an independent witness for the arithmetic.

    Parameters
    ----------
    model
        Takes (batch, channels, height, width) and returns a map of four axes, too. It may be on the
        meta device: only the shapes of its weights are used.
    input_size
        As for :func:`receptive_field_of`. A field that reaches beyond the image is cut at its border.
    unit
        Row and column of the output unit; the middle one if not given.

    Returns
    -------
    Tensor
        Boolean, (height, width).

    Raises
    ------
    ValueError
        If the output has no four axes, has no such unit, or no gradient comes through.

    Examples
    --------
    >>> gradient_support(nn.Conv2d(1, 1, 3, dilation=2), 5).int()[0].tolist()
    [1, 0, 1, 0, 1]
    """
    shape = image_shape(model, input_size)
    # Tiny, so that no activation saturates; 64 bits, so that no long product of weights vanishes.
    image = torch.full(shape, 1e-6, dtype=torch.float64, requires_grad=True)
    weights = {k: _harmless(k, v) for k, v in [*model.named_parameters(), *model.named_buffers()]}
    with evaluating(model), _MeanForMax():
        output = torch.func.functional_call(model, weights, image)
    support = _gradient_at(output, image, unit).ne(0).any(dim=1)[0]
    _check_reached(support)
    return support


def _check_reached(support: torch.Tensor) -> None:
    if not support.any():
        raise ValueError(
            "no gradient reaches the image: "
            "some layer passes none when weights and image are positive"
        )


def _harmless(name: str, old: torch.Tensor) -> torch.Tensor:
    """A tensor of the shape of `old` that passes every input on: means for weights, 1 for scales."""
    if not old.is_floating_point():
        return old
    if old.ndim > 1:
        value = 1 / old[0].numel()
    else:
        value = 0 if name.endswith(("bias", "running_mean")) else 1
    return torch.full(old.shape, value, dtype=torch.float64)


class _MeanForMax(TorchFunctionMode):
    """Inside this, max pooling takes the mean of each window instead."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        _check_no_indices(name)
        if name == "max_pool2d":
            return _mean_pool(*args, **kwargs)
        if name == "adaptive_max_pool2d":
            return F.adaptive_avg_pool2d(*args[:2])
        return func(*args, **kwargs)


def _check_no_indices(name: str) -> None:
    if name.endswith("max_pool2d_with_indices"):
        raise ValueError(
            "the module asks max pooling for its indices: their effect has no gradient to measure"
        )


def _mean_pool(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Mean over the windows that max pooling with these arguments looks at: it, too, can be dilated."""
    size = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    kernel, stride, padding, dilation = map(
        pair, (kernel_size, stride or kernel_size, padding, dilation)
    )
    ends = [
        (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - padding[i] for i in (0, 1)
    ]
    height, width = x.shape[2:]  # with ceil_mode the last window may end beyond the padding
    x = F.pad(x, (padding[1], ends[1] - width, padding[0], ends[0] - height))
    mean = x.new_full((x.shape[1], 1, *kernel), 1 / (kernel[0] * kernel[1]))
    return F.conv2d(x, mean, None, stride, 0, dilation, groups=x.shape[1])


def effective_receptive_field(
    model: nn.Module, images: torch.Tensor, unit: tuple[int, int] | None = None
) -> torch.Tensor:
    """How strongly each input pixel moves one output unit: the mean absolute gradient over images.

    Parameters
    ----------
    model
        Takes (batch, channels, height, width) and returns a map of four axes. Used in evaluation mode.
    images
        (batch, channels, height, width), floating point: what the network usually sees. Its
        non-linearities make the gradient depend on the image, so take a few dozen.
    unit
        Row and column of the output unit; the middle one if not given.

    Returns
    -------
    Tensor
        (height, width): the gradient of the unit, summed over its output channels; its absolute
        value summed over input channels and averaged over `images`.

    Raises
    ------
    ValueError
        If `images` or the output have not four axes, or there is no such unit.

    References
    ----------
    Luo, Li, Urtasun and Zemel (2016), Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks, section 2.

    Examples
    --------
    >>> effective_receptive_field(nn.AvgPool2d(2), torch.rand(8, 1, 4, 4), unit=(0, 0))[0].tolist()
    [0.25, 0.25, 0.0, 0.0]
    """
    _check_images(images)
    images = images.detach().clone().requires_grad_()
    with evaluating(model), torch.enable_grad():
        gradient = _gradient_at(model(images), images, unit)
    return gradient.abs().sum(dim=1).mean(dim=0)  # (height, width)


def _check_images(images: torch.Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"images is {images.dtype} with shape {tuple(images.shape)}: "
            "give floating point (batch, channels, height, width)"
        )


def effective_size(field: torch.Tensor, level: float = 0.0455) -> float:
    """Side of the square that has as many pixels as `field` has above `level` of its largest value.

    Parameters
    ----------
    field
        (height, width), from :func:`effective_receptive_field`.
    level
        The default is that of Luo et al. (2016), section 3.1: 1 - 0.9545, with 0.9545 the share of a
        Gaussian within two standard deviations.

    Examples
    --------
    >>> round(effective_size(torch.tensor([[0.0, 0.1], [0.1, 1.0]])), 3)  # three pixels
    1.732
    """
    return (field > level * field.max()).sum().item() ** 0.5


def _gradient_at(
    output: torch.Tensor, image: torch.Tensor, unit: tuple[int, int] | None
) -> torch.Tensor:
    """Gradient of one unit of the map `output`, all its channels added, with respect to `image`."""
    _check_map(output)
    height, width = output.shape[2:]
    row, column = (height // 2, width // 2) if unit is None else unit
    _check_unit(row, column, height, width)
    return torch.autograd.grad(output[:, :, row, column].sum(), image)[0]  # shape of image


def _check_map(output: object) -> None:
    if not isinstance(output, torch.Tensor) or output.ndim != 4:
        what = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"the module returned {what}: it must return a map (batch, channels, height, width); "
            "leave out the layers from the flattening on"
        )


def _check_unit(row: int, column: int, height: int, width: int) -> None:
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"unit is {(row, column)}, the output map has {height} rows and {width} columns"
        )
