"""Receptive fields: which input pixels a unit of a convolutional network can see, and which it uses.

Three views of one thing. The arithmetic of a stack of layers (:func:`receptive_field` forwards,
:func:`input_interval` backwards), the same read off a real module (:func:`receptive_field_of`), and
what gradients say (:func:`gradient_support`, :func:`effective_receptive_field`).
The arithmetic is that of one axis: rows and columns of an image never mix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from labnotes.modules import evaluating


@dataclass(frozen=True)
class Layer:
    """What a convolution or a pooling does along one axis.

    Parameters
    ----------
    kernel
        Number of inputs a unit reads, at least 1.
    stride
        Step from one unit's inputs to the next unit's, at least 1.
    padding
        Positions added at each end, at least 0.
    dilation
        Distance between the inputs a unit reads, at least 1.

    Raises
    ------
    ValueError
        If a value is not a whole number in its range. A pair such as ``(1, 7)`` is refused: the two
        axes of an image are two stacks, ``Layer(1)`` for the rows and ``Layer(7)`` for the columns.

    Examples
    --------
    >>> Layer(3, dilation=4).span
    9
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self):
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{name} is {value!r}: give a whole number from {least} up; "
                    "for a kernel that is not square make one stack of layers for each axis"
                )

    @property
    def span(self) -> int:
        """Distance from the first to the last input a unit reads, both counted."""
        return self.dilation * (self.kernel - 1) + 1


@dataclass(frozen=True)
class ReceptiveField:
    """Where the units of a map look, along one axis of the input.

    Unit ``u`` sees no pixel outside ``start + u * jump, ..., start + u * jump + size - 1``, and sees
    both ends. With dilation there can be pixels in between that it does not see.

    Attributes
    ----------
    size
        Number of pixels from the first to the last, both counted.
    jump
        Pixels from one unit's field to its neighbour's: the product of the strides.
    start
        First pixel of unit 0. Below 0 where padding puts part of the field outside the image;
        ``-start`` is what Araujo et al. (2019) call the effective padding.
    """

    size: int
    jump: int
    start: int

    @property
    def centre(self) -> Fraction:
        """Middle of unit 0's field; a half if the size is even: between two pixels."""
        return self.start + Fraction(self.size - 1, 2)

    def interval(self, unit: int) -> tuple[int, int]:
        """First and last pixel that `unit` sees."""
        first = self.start + unit * self.jump
        return first, first + self.size - 1


def receptive_field(layers: Sequence[Layer]) -> ReceptiveField:
    """The receptive field of a stack of layers, by the recurrence from the input upwards.

    Parameters
    ----------
    layers
        From the input to the output. No layers at all: every unit is its own pixel.

    References
    ----------
    Araujo, Norris and Sim (2019), Computing Receptive Fields of Convolutional Neural Networks,
    section "Single-path networks".

    Examples
    --------
    >>> receptive_field([Layer(3), Layer(3), Layer(3)])
    ReceptiveField(size=7, jump=1, start=0)
    >>> receptive_field([Layer(7, stride=2, padding=3), Layer(3, stride=2, padding=1)])
    ReceptiveField(size=11, jump=4, start=-5)
    """
    size, jump, start = 1, 1, 0  # a unit of the input is one pixel
    for layer in _checked(layers):
        size += (layer.span - 1) * jump
        start -= layer.padding * jump
        jump *= layer.stride
    return ReceptiveField(size, jump, start)


def input_interval(layers: Sequence[Layer], first: int, last: int | None = None) -> tuple[int, int]:
    """The input pixels that output units `first` to `last` need, by the recurrence downwards.

    Parameters
    ----------
    layers
        From the input to the output.
    first, last
        Output units; without `last` it is one unit.

    Returns
    -------
    tuple of int
        First and last pixel. Pixels below 0, or beyond the image, are padding.

    Raises
    ------
    ValueError
        If `last` comes before `first`.

    Examples
    --------
    >>> input_interval([Layer(3, padding=1), Layer(2, stride=2)], 4)
    (7, 10)
    """
    last = first if last is None else last
    if last < first:
        raise ValueError(f"last unit {last} comes before first unit {first}")
    for layer in reversed(_checked(layers)):
        first = first * layer.stride - layer.padding
        last = last * layer.stride - layer.padding + layer.span - 1
    return first, last


def path_counts(layers: Sequence[Layer], unit: int = 0, size: int | None = None) -> dict[int, int]:
    """For each input pixel that `unit` sees, the number of paths that lead from one to the other.

    The keys are the exact support of the unit, holes left by dilation included; the values are
    the gradient of the unit when every weight is 1.

    Parameters
    ----------
    layers
        From the input to the output.
    unit
        Index of the output unit.
    size
        Number of input pixels. With it, paths that lead into the padding of any layer end there:
        padding is constant, so it passes nothing on. Without it, the maps have no borders.

    Returns
    -------
    dict
        Input pixel to number of paths, pixels in rising order.

    Examples
    --------
    >>> path_counts([Layer(3), Layer(3)])
    {0: 1, 1: 2, 2: 3, 3: 2, 4: 1}
    >>> list(path_counts([Layer(2, dilation=4)]))
    [0, 4]
    >>> path_counts([Layer(3, padding=1), Layer(3, padding=1)], unit=0, size=8)
    {0: 2, 1: 2, 2: 1}
    """
    layers = _checked(layers)
    paths = Counter({unit: 1})
    for number in reversed(range(len(layers))):
        layer, below = layers[number], Counter()
        for position, count in paths.items():
            for tap in range(layer.kernel):
                below[position * layer.stride - layer.padding + tap * layer.dilation] += count
        if size is not None:
            units = output_size(layers[:number], size)
            below = {position: count for position, count in below.items() if 0 <= position < units}
        paths = below
    return dict(sorted(paths.items()))


def output_size(layers: Sequence[Layer], size: int) -> int:
    """Number of units along an axis that has `size` input pixels.

    Raises
    ------
    ValueError
        If a kernel does not fit into its padded input.

    References
    ----------
    Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, relationship 15.

    Examples
    --------
    >>> output_size([Layer(11, stride=4, padding=1)], 224)
    54
    """
    for number, layer in enumerate(_checked(layers)):
        room = size + 2 * layer.padding - layer.span
        if room < 0:
            raise ValueError(
                f"layer {number} spans {layer.span} positions, its padded input has "
                f"{size + 2 * layer.padding}: take a smaller kernel, more padding or a larger input"
            )
        size = room // layer.stride + 1
    return size


def _checked(layers: Sequence[Layer]) -> list[Layer]:
    layers = list(layers)
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layers holds {layer!r}: give Layer objects, as in [Layer(3), Layer(2, 2)]"
            )
    return layers


# ---- the same, read off a real module ----


def receptive_field_of(
    model: nn.Module, input_size: int | Sequence[int], axis: int | None = None
) -> ReceptiveField:
    """The receptive field of a module's output units, read from the operations it performs.

    The module runs once on a tensor without data (torch's meta device), in evaluation mode, and
    each operation carries the field of its inputs on to its output. Where branches meet
    the field is the smallest interval that holds both. Flattening a map, or averaging over
    all of it, counts as a kernel as large as the map: a classifier's field is that of its logits,
    and can be larger than the image. To ask for the last map, pass the part of the net up to it.

    Parameters
    ----------
    model
        Takes one tensor (batch, channels, height, width) and returns one. Its weights do not matter
        and may themselves be on the meta device.
    input_size
        Side, ``(height, width)`` or ``(channels, height, width)``. Without channels: those that the
        module's first convolution takes. Matters only where the map is flattened or pooled whole.
    axis
        0 for rows, 1 for columns; needed only if the two differ.

    Raises
    ------
    ValueError
        If the axes differ and `axis` is not given, or if the module performs an operation whose
        field is no fixed interval around each unit (attention, squeeze-and-excitation,
        transposed convolution, ...); the message names it.

    References
    ----------
    Araujo, Norris and Sim (2019), section "Arbitrary computation graphs".

    Examples
    --------
    >>> receptive_field_of(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2)), 32)
    ReceptiveField(size=4, jump=2, start=-1)
    """
    shape = _image_shape(model, input_size)
    image = torch.empty(shape, device="meta")
    image.fields = (ReceptiveField(1, 1, 0),) * 2
    weights = {k: v.to("meta") for k, v in [*model.named_parameters(), *model.named_buffers()]}
    with evaluating(model), torch.no_grad(), _FieldReader():
        output = torch.func.functional_call(model, weights, image)
    if not isinstance(output, torch.Tensor) or not hasattr(output, "fields"):
        raise ValueError(
            f"the module returned {type(output).__name__}: "
            "it must return one tensor made from the image"
        )
    if axis is not None:
        return output.fields[axis]
    rows, columns = output.fields
    if rows != columns:
        raise ValueError(
            f"the axes differ, rows have {rows}, columns {columns}: "
            "ask for one with axis=0 or axis=1"
        )
    return rows


class _FieldReader(TorchDispatchMode):
    """Hangs on every tensor made from the image its ``fields``, one for rows and one for columns."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        names = [argument.name for argument in func._schema.arguments]
        given = dict(zip(names, args, strict=False)) | (kwargs or {})  # defaults are left out
        inputs = [t for t in tree_leaves(args) if hasattr(t, "fields")]
        sides = [t.shape[2:] for t in inputs]  # an operation in place may change what it reads
        output = func(*args, **(kwargs or {}))
        if inputs:
            made = output[0] if isinstance(output, tuple) else output  # max pool: values, indices
            if not isinstance(made, torch.Tensor):
                raise _unreadable(func)
            made.fields = _fields_after(func, given, inputs, sides, made)
        return output


def _fields_after(func, given: dict, inputs: list, sides: list, made: torch.Tensor) -> tuple:
    """The fields of `made`: the rule of each operation that a convolutional net is built from."""
    name = func.overloadpacket.__name__
    before = [_union([t.fields[axis] for t in inputs]) for axis in (0, 1)]
    if all(len(side) == 0 for side in sides) and made.ndim == 2:  # the map is gone: vectors
        return tuple(before)
    side, same = sides[0], ReceptiveField(1, 1, 0)
    if name in WINDOWS and not given.get("transposed"):
        own = _windows(given)
    elif name == "_adaptive_avg_pool2d" and side[0] % made.shape[2] == side[1] % made.shape[3] == 0:
        own = [_blocks(side[0], made.shape[2]), _blocks(side[1], made.shape[3])]
    elif name in ("mean", "sum", "amax") and {d % 4 for d in given.get("dim") or ()} == {2, 3}:
        own = [_blocks(n, 1) for n in side]
    elif name in ("view", "_unsafe_view") and made.ndim == 2 and made.shape[0] == 1:
        own = [_blocks(n, 1) for n in side]
    elif name == "slice":
        own = [same, same]
        if given["dim"] >= 2:
            places = range(side[given["dim"] - 2])
            part = places[given.get("start") : given.get("end") : given.get("step")]
            own[given["dim"] - 2] = ReceptiveField(1, part.step, part.start)
    elif name == "constant_pad_nd":  # pads come last axis first: left, right, top, bottom, ...
        left, top = (*given["pad"], 0, 0)[0:3:2]
        own = [ReceptiveField(1, 1, -top), ReceptiveField(1, 1, -left)]
    elif _keeps_places(func, given) and all(s == made.shape[2:] for s in sides):
        own = [same, same]
    else:
        raise _unreadable(func)
    return tuple(_compose(below, above) for below, above in zip(before, own, strict=True))


WINDOWS = ("convolution", "max_pool2d_with_indices", "avg_pool2d")


def _windows(given: dict) -> list[ReceptiveField]:
    """What a convolution or pooling adds along rows and columns."""
    kernel = given["weight"].shape[2:] if "weight" in given else _pair(given["kernel_size"])
    usual = {"stride": kernel, "padding": 0, "dilation": 1}
    rest = [_pair(given.get(key) or value) for key, value in usual.items()]
    return [receptive_field([Layer(*axis)]) for axis in zip(kernel, *rest, strict=True)]


def _keeps_places(func, given: dict) -> bool:
    """Whether each output position depends on the same position of the inputs alone."""
    name = func.overloadpacket.__name__
    return (
        torch.Tag.pointwise in func.tags
        or name in ("hardswish", "hardswish_", "_native_batch_norm_legit_no_training")
        or (name == "native_batch_norm" and not given["training"])
        or (name == "cat" and given.get("dim", 0) % 4 == 1)
    )


def _compose(below: ReceptiveField, above: ReceptiveField) -> ReceptiveField:
    """The field, in pixels, of a map whose field in units of the map below is `above`."""
    return ReceptiveField(
        below.size + (above.size - 1) * below.jump,
        below.jump * above.jump,
        below.start + above.start * below.jump,
    )


def _union(fields: list[ReceptiveField]) -> ReceptiveField:
    """The smallest field that holds all of `fields`, where branches meet."""
    if len({f.jump for f in fields}) > 1:
        raise ValueError(
            f"branches with different jumps meet: {fields}; no single field describes their sum"
        )
    first = min(f.start for f in fields)
    return ReceptiveField(max(f.interval(0)[1] for f in fields) - first + 1, fields[0].jump, first)


def _blocks(size: int, parts: int) -> ReceptiveField:
    """`size` positions pooled into `parts` equal blocks."""
    return ReceptiveField(size // parts, size // parts if parts > 1 else 1, 0)


def _unreadable(func) -> ValueError:
    return ValueError(
        f"no rule for the operation {func}: its output units do not each see a fixed interval of the map, "
        "or the rule is not known here; gradient_support measures the field of any module"
    )


def _pair(value) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


def _image_shape(model: nn.Module, input_size: int | Sequence[int]) -> tuple[int, int, int, int]:
    sizes = tuple(input_size) if isinstance(input_size, Sequence) else (input_size, input_size)
    if len(sizes) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(
            f"input_size is {input_size!r}: give a side, (height, width) or (channels, height, width)"
        )
    if len(sizes) == 3:
        return (1, *sizes)
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    return (1, first.in_channels if first else 1, *sizes)


# ---- what gradients say ----


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
    shape = _image_shape(model, input_size)
    # Tiny, so that no activation saturates; 64 bits, so that no long product of weights vanishes.
    image = torch.full(shape, 1e-6, dtype=torch.float64, requires_grad=True)
    weights = {k: _harmless(k, v) for k, v in [*model.named_parameters(), *model.named_buffers()]}
    with evaluating(model), _MeanForMax():
        output = torch.func.functional_call(model, weights, image)
    support = _gradient_at(output, image, unit).ne(0).any(dim=1)[0]
    if not support.any():
        raise ValueError(
            "no gradient reaches the image: "
            "some layer passes none when weights and image are positive"
        )
    return support


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
        if name == "max_pool2d":
            return _mean_pool(*args, **kwargs)
        if name == "adaptive_max_pool2d":
            return F.adaptive_avg_pool2d(*args[:2])
        if name.endswith("max_pool2d_with_indices"):
            raise ValueError(
                "the module asks max pooling for its indices: "
                "their effect has no gradient to measure"
            )
        return func(*args, **kwargs)


def _mean_pool(
    x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Mean over the windows that max pooling with these arguments looks at: it, too, can be dilated."""
    size = F.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode).shape[2:]
    kernel, stride, padding, dilation = map(
        _pair, (kernel_size, stride or kernel_size, padding, dilation)
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
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"images is {images.dtype} with shape {tuple(images.shape)}: "
            "give floating point (batch, channels, height, width)"
        )
    images = images.detach().clone().requires_grad_()
    with evaluating(model), torch.enable_grad():
        gradient = _gradient_at(model(images), images, unit)
    return gradient.abs().sum(dim=1).mean(dim=0)


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
    if not isinstance(output, torch.Tensor) or output.ndim != 4:
        what = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"the module returned {what}: it must return a map (batch, channels, height, width); "
            "leave out the layers from the flattening on"
        )
    height, width = output.shape[2:]
    row, column = (height // 2, width // 2) if unit is None else unit
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"unit is {unit}, the output map has {height} rows and {width} columns")
    return torch.autograd.grad(output[:, :, row, column].sum(), image)[0]
