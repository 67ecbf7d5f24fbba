"""Batches of any structure: move one to a device, count its examples, cut a part out of it.

A batch may be a tensor, a tuple, a dict, a dataclass, a ``PackedSequence``, and these in each
other. What is no tensor (a text, a number, ``None``) stays as it is. Where are the examples?

- A tensor has one per row: its first axis. (A tensor without axes belongs to all.)
- A **list** in a batch has one per entry: images of different sizes, for example. A tuple in a
  batch is read like that if its entries are dicts, or if it cannot be several parts with as many
  rows as there are examples. (A list leaves no doubt.)
- The batch itself, a tuple or a list, has parts: ``(inputs, targets)``.

All must tell the same number. A batch of which this is not true, such as one whose first axis is
time, can be an object (a dataclass, a named tuple) that tells its size as ``batch.batch_size``;
where several processes share a run it also needs a method ``part(slice)``, which gives the same
kind of batch with some of the examples.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def move(batch: Any, device: torch.device, memory_format: torch.memory_format | None = None) -> Any:
    """The batch with all its tensors on `device`.

    Tensors ``(batch, channels, height, width)`` of floats get the `memory_format`, if there is one.
    """

    def moved(value):
        if not isinstance(value, Tensor):  # something with a method `to`
            return value.to(device)
        image = memory_format is not None and value.dim() == 4 and value.is_floating_point()
        layout = memory_format if image else torch.preserve_format
        return value.to(device, non_blocking=device.type == "cuda", memory_format=layout)

    return _changed(batch, moved)


def size(batch: Any) -> int:
    """The number of examples in a batch: see the module's text. 1 if nothing in it tells one.

    Raises
    ------
    ValueError
        If its parts tell different numbers.
    """
    if (told := _own_size(batch)) is not None:
        return told
    told = _agreed(batch) if isinstance(batch, (tuple, list)) else _told(batch)
    if told == []:
        raise ValueError(
            f"how many examples has {what(batch)}? Let the first axis of each tensor be the batch "
            "(and a list hold one entry an example), let the batch tell its batch_size, or let a "
            "step return Mean(sum, count)"
        )
    return told[0] if told else 1


def cut(batch: Any, part: slice, n: int) -> Any:
    """The batch of `n` examples with some of them alone."""
    if hasattr(batch, "part"):
        return batch.part(part)
    if _own_size(batch) is not None and not isinstance(batch, PackedSequence):
        raise ValueError(
            f"a batch of type {type(batch).__name__} tells its batch_size, so it is not known which "
            "axis to cut for several processes: give it a method part(slice)"
        )
    if type(batch) in (tuple, list):  # parts, not examples
        return tuple(_cut(each, part, n) for each in batch)
    return _cut(batch, part, n)


def tuples_for_lists(value: Any) -> Any:
    """Lists made tuples: torch's default ``collate_fn`` gives lists, but of parts, not of examples."""
    if type(value) in (list, tuple) and not all(isinstance(each, str) for each in value):
        return tuple(tuples_for_lists(each) for each in value)
    if type(value) is dict:
        return {name: tuples_for_lists(each) for name, each in value.items()}
    return value


def _cut(value: Any, part: slice, n: int) -> Any:
    if isinstance(value, list) or (type(value) is tuple and _one_per_entry(value, n)):
        return value[part]
    return _changed(value, lambda leaf: _rows(leaf, part), lambda inner: _cut(inner, part, n))


def _one_per_entry(value: tuple, n: int) -> bool:
    """Whether a tuple is a list of `n` examples, and not of parts with `n` rows each."""
    return len(value) == n and _agreed(value) != [n]


def _rows(leaf: Any, part: slice) -> Any:
    if isinstance(leaf, PackedSequence):
        padded, lengths = pad_packed_sequence(leaf, batch_first=True)  # (batch, time, ...)
        in_order = leaf.sorted_indices is None
        return pack_padded_sequence(
            padded[part], lengths[part], batch_first=True, enforce_sorted=in_order
        )
    if isinstance(leaf, Tensor):
        return leaf[part] if leaf.dim() else leaf
    raise ValueError(
        f"a batch holds a {type(leaf).__name__}, which cannot be cut for several processes: give "
        "tensors, tuples, lists, dicts or dataclasses"
    )


def _changed(value: Any, leaf: Callable, inner: Callable | None = None) -> Any:
    """`value` with `leaf` done to each tensor and to what has a method ``to``, in the same structure.

    What is within a tuple, a list, a dict or a dataclass is changed by `inner`, if it is given.
    """
    inner = inner or (lambda each: _changed(each, leaf))
    if isinstance(value, (Tensor, PackedSequence)):
        return leaf(value)
    if isinstance(value, (tuple, list)):
        parts = [inner(each) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, Mapping):
        parts = {name: inner(each) for name, each in value.items()}
        return parts if type(value) is dict else type(value)(parts)
    if _is_dataclass(value):
        twin = copy.copy(value)
        for field in dataclasses.fields(value):
            # Not by setattr: it may be frozen.
            object.__setattr__(twin, field.name, inner(getattr(value, field.name)))
        return twin
    return leaf(value) if hasattr(value, "to") and not isinstance(value, type) else value


def _own_size(batch: Any) -> int | None:
    if isinstance(batch, PackedSequence):
        return int(batch.batch_sizes[0])
    told = getattr(batch, "batch_size", None)
    return told if isinstance(told, int) else None


def _told(value: Any) -> list[int] | None:
    """The numbers of examples that `value` can have, the likelier first; None where it tells none."""
    if isinstance(value, Tensor):
        return [len(value)] if value.dim() else None
    if (own := _own_size(value)) is not None:
        return [own]
    if isinstance(value, list):
        return [len(value)]
    if isinstance(value, Mapping):
        return _agreed(value.values())
    if _is_dataclass(value):
        return _agreed(getattr(value, field.name) for field in dataclasses.fields(value))
    if type(value) is tuple and value:
        if all(isinstance(each, Tensor) for each in value):
            return [*(_agreed(value) or []), len(value)]
        if all(isinstance(each, Mapping) or _is_dataclass(each) for each in value):
            return [len(value)]
    return _agreed(value) if isinstance(value, tuple) else None


def _agreed(parts: Iterable) -> list[int] | None:
    """The numbers of examples on which all parts agree; None where no part tells one."""
    told = [numbers for part in parts if (numbers := _told(part)) is not None]
    if not told:
        return None
    return [n for n in told[0] if all(n in numbers for numbers in told[1:])]


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def what(value: Any, depth: int = 2) -> str:
    """A value of a batch in words, for an error."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)) and not isinstance(value, PackedSequence):
        name = f"a {type(value).__name__} of {len(value)}"
        if depth == 0 or not value:
            return name
        shown = ", ".join(what(each, depth - 1) for each in value[:3])
        return f"{name} ({shown}{', ...' if len(value) > 3 else ''})"
    return f"a value of type {type(value).__name__}"
