"""Where, in which precision and in which layout a batch is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from labnotes.train import distributed, structure

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: str, device: torch.device) -> str:
    """``"fp32"``, ``"bf16"`` or ``"fp16"``: "auto" is the fastest that trains well on `device`.

    On CUDA that is bfloat16 where the card computes in it (Ampere and later), else float16;
    elsewhere float32.
    """
    _check_precision(precision)
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _check_precision(precision: str) -> None:
    if precision != "auto" and precision not in PRECISIONS:
        raise ValueError(f'precision is {precision!r}: give "auto", "fp32", "bf16" or "fp16"')


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which matrix products and convolutions run in `precision`."""
    name = choose_precision(precision, device)
    if name == "fp32" and not torch.is_autocast_enabled(device.type):
        return nullcontext()  # to turn off what is off would cost 10 us a step
    if name == "fp32":
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=PRECISIONS[name])


@contextmanager
def layout(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    memory_format: torch.memory_format | None,
) -> Iterator[None]:
    """Kernels of convolutions, and what an optimizer keeps for each, in a memory format for a while.

    Afterwards all lie in memory as they did: no value changes, and no parameter becomes another
    object.
    """
    if memory_format is None:
        yield
        return
    kernels = [(p, p.stride()) for p in model.parameters() if p.dim() == 4]
    for kernel, _ in kernels:
        _lay(kernel, optimizer, kernel.data.to(memory_format=memory_format).stride())
    try:
        yield
    finally:
        for kernel, stride in kernels:
            _lay(kernel, optimizer, stride)


def _lay(kernel: nn.Parameter, optimizer: torch.optim.Optimizer | None, stride: tuple) -> None:
    """Give the kernel, its gradient and its state in the optimizer (momentum) these strides."""

    def laid(value: Tensor) -> Tensor:
        if value.stride() == stride:
            return value
        new = torch.empty_strided(value.shape, stride, dtype=value.dtype, device=value.device)
        return new.copy_(value)

    kernel.data = laid(kernel.data)
    if kernel.grad is not None:
        kernel.grad = laid(kernel.grad)
    state = {} if optimizer is None else optimizer.state.get(kernel, {})
    for name, value in state.items():
        if isinstance(value, Tensor) and value.shape == kernel.shape:
            state[name] = laid(value)


def device_batches(
    batches: Iterable,
    device: torch.device,
    memory_format: torch.memory_format | None = None,
    loader: Iterable | None = None,
) -> Iterator[tuple]:
    """The batches, on the device; images, ``(batch, channels, height, width)``, in a memory format.

    ``(batch, share)``: all of the batch and 1, or where several processes share the run this one's
    part and what it counts, see :func:`labnotes.train.distributed.cut`. Where they are only some of
    the batches of a loader, `loader` is that one.
    """
    collated = getattr(batches if loader is None else loader, "collate_fn", None) is default_collate
    for batch, share in _parts(batches):
        batch = structure.tuples_for_lists(batch) if collated else batch
        yield structure.move(batch, device, memory_format), share


def _parts(batches: Iterable) -> Iterator[tuple]:
    if hasattr(batches, "parts"):  # Batches: they make no more than the part
        for images, labels, share in batches.parts(distributed.cut):
            yield (images, labels), share
        return
    if distributed.processes() == 1:  # asked once, and not for every batch
        yield from ((batch, 1.0) for batch in batches)
        return
    for batch in batches:
        yield distributed.part(batch)
