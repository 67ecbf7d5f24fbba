"""The receptive field read off a real module: each operation carries its input's field on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from labnotes.convnets.receptive_field.arithmetic import Layer, ReceptiveField, receptive_field
from labnotes.modules import evaluating


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
    shape = image_shape(model, input_size)
    image = torch.empty(shape, device="meta")
    image.fields = (ReceptiveField(1, 1, 0),) * 2
    weights = {k: v.to("meta") for k, v in [*model.named_parameters(), *model.named_buffers()]}
    with evaluating(model), torch.no_grad(), _FieldReader():
        output = torch.func.functional_call(model, weights, image)
    _check_made_from_image(output)
    if axis is not None:
        return output.fields[axis]
    rows, columns = output.fields
    _check_same(rows, columns)
    return rows


def _check_made_from_image(output: object) -> None:
    if not isinstance(output, torch.Tensor) or not hasattr(output, "fields"):
        raise ValueError(
            f"the module returned {type(output).__name__}: "
            "it must return one tensor made from the image"
        )


def _check_same(rows: ReceptiveField, columns: ReceptiveField) -> None:
    if rows != columns:
        raise ValueError(
            f"the axes differ, rows have {rows}, columns {columns}: "
            "ask for one with axis=0 or axis=1"
        )


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
    kernel = given["weight"].shape[2:] if "weight" in given else pair(given["kernel_size"])
    usual = {"stride": kernel, "padding": 0, "dilation": 1}
    rest = [pair(given.get(key) or value) for key, value in usual.items()]
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
    _check_one_jump(fields)
    first = min(f.start for f in fields)
    return ReceptiveField(max(f.interval(0)[1] for f in fields) - first + 1, fields[0].jump, first)


def _check_one_jump(fields: list[ReceptiveField]) -> None:
    if len({f.jump for f in fields}) > 1:
        raise ValueError(
            f"branches with different jumps meet: {fields}; no single field describes their sum"
        )


def _blocks(size: int, parts: int) -> ReceptiveField:
    """`size` positions pooled into `parts` equal blocks."""
    return ReceptiveField(size // parts, size // parts if parts > 1 else 1, 0)


def _unreadable(func) -> ValueError:
    return ValueError(
        f"no rule for the operation {func}: its output units do not each see a fixed interval of the map, "
        "or the rule is not known here; gradient_support measures the field of any module"
    )


def pair(value) -> tuple[int, int]:
    """One number for both axes, or one for each, as torch's layers take them."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


def image_shape(model: nn.Module, input_size: int | Sequence[int]) -> tuple[int, int, int, int]:
    """The shape of one image, (1, channels, height, width), as :func:`receptive_field_of` reads it."""
    sizes = tuple(input_size) if isinstance(input_size, Sequence) else (input_size, input_size)
    _check_sizes(input_size, sizes)
    if len(sizes) == 3:
        return (1, *sizes)
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    return (1, first.in_channels if first else 1, *sizes)


def _check_sizes(input_size: object, sizes: tuple) -> None:
    if len(sizes) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(
            f"input_size is {input_size!r}: give a side, (height, width) or (channels, height, width)"
        )
