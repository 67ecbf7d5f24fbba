"""Where and in which precision a batch is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from labnotes.train import distributed

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: str, device: torch.device) -> str:
    """``"fp32"``, ``"bf16"`` or ``"fp16"``: "auto" is the fastest that trains well on `device`.

    On CUDA that is bfloat16 where the card computes in it (Ampere and later), else float16;
    elsewhere float32.
    """
    if precision != "auto" and precision not in PRECISIONS:
        raise ValueError(f'precision is {precision!r}: give "auto", "fp32", "bf16" or "fp16"')
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which matrix products and convolutions run in `precision`."""
    name = choose_precision(precision, device)
    if name == "fp32":
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=PRECISIONS[name])


def image_layout(device: torch.device) -> torch.memory_format:
    """How images and kernels lie in memory: with the channels last, which convolutions like.

    Measured, a training step of small ResNets (16 to 64 channels) on one CPU core: 1.1 to 1.4
    times as fast; LeNet the same. On CUDA it is the order that tensor cores read.
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def forward(model: nn.Module, inputs: Tensor | tuple) -> Tensor:
    """The model's outputs; a tuple of inputs becomes its arguments."""
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def device_batches(batches: Iterable, device: torch.device) -> Iterator[tuple]:
    """The batches, on the device; images, ``(batch, channels, height, width)``, channels last.

    ``(inputs, targets, share)``: all of the batch and 1, or where several processes share the run
    this one's part and what it counts, see :func:`labnotes.train.distributed.cut`.

    Raises
    ------
    ValueError
        If a batch is not a pair.
    """
    for inputs, targets, share in _parts(batches):
        yield _to(inputs, device), _to(targets, device), share


def _parts(batches: Iterable) -> Iterator[tuple]:
    if hasattr(batches, "parts"):  # Batches: they make no more than the part
        yield from batches.parts(distributed.cut)
        return
    for number, batch in enumerate(batches):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(f"batch {number} is {_what(batch)}: give pairs (inputs, targets)")
        yield distributed.part(*batch)


def _to(value, device: torch.device):
    if isinstance(value, Tensor):
        layout = image_layout(device) if value.dim() == 4 else torch.preserve_format
        return value.to(device, non_blocking=device.type == "cuda", memory_format=layout)
    if isinstance(value, (tuple, list)):
        return tuple(_to(part, device) for part in value)
    raise ValueError(f"a batch holds {_what(value)}: give tensors, or tuples of tensors")


def _what(value) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a value of type {type(value).__name__}"
