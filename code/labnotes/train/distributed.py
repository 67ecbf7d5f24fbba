"""One run on several processes, as ``torchrun`` starts them: plain DistributedDataParallel.

Every process holds the whole model and computes a part of each batch; the gradients are averaged
over the processes before the optimizer's step, so that all models stay the same. Without
``torchrun`` each function here does nothing.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from labnotes import runtime


def processes() -> int:
    """How many processes share the run: torchrun's ``WORLD_SIZE``, else 1."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "RANK" in os.environ else 1


def rank() -> int:
    """The number of this process, from 0; process 0 shows the progress and writes the files."""
    return int(os.environ["RANK"]) if processes() > 1 else 0


def join() -> None:
    """Meet the other processes, once: NCCL between GPUs, gloo between CPUs."""
    if processes() == 1 or dist.is_initialized():
        return
    device = runtime.device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # What is on the CPU goes by gloo in any case: a message there does not wait for the GPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    atexit.register(leave)


def leave() -> None:
    """Part from the other processes, at the end of the program."""
    if dist.is_initialized():
        dist.destroy_process_group()


def replicate(model: nn.Module) -> nn.Module:
    """The model, wrapped so that its backward pass averages the gradients over the processes.

    All start from the weights of process 0. Batch normalization takes its statistics from the part
    of the batch that a process has, and the running ones of process 0 are kept. (On GPUs
    ``nn.SyncBatchNorm.convert_sync_batchnorm(model)``, before :func:`labnotes.train.fit`, takes
    them from the whole batch.)
    """
    return nn.parallel.DistributedDataParallel(model) if processes() > 1 else model


def same_buffers(model: nn.Module) -> None:
    """Give all processes the buffers of process 0, such as running means."""
    if processes() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def cut(n: int) -> tuple[slice, float]:
    """Which of `n` examples this process computes, and what its mean over them counts.

    The mean over all `n` examples, and with it the gradient, is the average over the processes of
    what each has found times its share. The share is 1 where all parts have the same size. A
    process that is left without an example computes the first one, with a share of 0: it has to
    take part in the exchange.
    """
    size = processes()
    if size == 1:
        return slice(0, n), 1.0
    start, stop = rank() * n // size, (rank() + 1) * n // size
    if start == stop:
        return slice(0, 1), 0.0
    return slice(start, stop), (stop - start) * size / n


def part(inputs, targets) -> tuple[Any, Any, float]:
    """This process's part of a batch, and its share (see :func:`cut`)."""
    if processes() == 1:
        return inputs, targets, 1.0
    mine, share = cut(len(inputs[0] if isinstance(inputs, (tuple, list)) else inputs))
    return _sliced(inputs, mine), _sliced(targets, mine), share


def _sliced(value, mine: slice):
    if isinstance(value, (tuple, list)):
        return tuple(_sliced(each, mine) for each in value)
    return value[mine] if isinstance(value, Tensor) and value.dim() else value


def own_random_numbers(batches: Iterable) -> Iterable:
    """The batches; once the first is drawn, and with it their order, processes draw differently.

    Else the same dropout masks would fall on every process's part of the batch.
    """
    if rank() == 0:
        return batches
    if hasattr(batches, "parts"):  # Batches: their order hangs on no global generator
        torch.manual_seed(torch.initial_seed() + rank())
        return batches
    return _own_random_numbers(batches)


def _own_random_numbers(batches: Iterable) -> Iterator:
    for number, batch in enumerate(batches):
        if number == 0:
            torch.manual_seed(torch.initial_seed() + rank())
        yield batch


def average(sizes: list[int], values: dict[str, list[float]]) -> tuple[list[int], dict]:
    """The batches' sizes and mean values over all processes, from those of this one."""
    if processes() == 1:
        return sizes, values
    # One row for the sizes, one a name; one message for all of it. (1 + names, batches)
    n = torch.tensor(sizes, dtype=torch.float64)
    rows = torch.stack([n, *(n * torch.tensor(v, dtype=torch.float64) for v in values.values())])
    dist.all_reduce(rows)
    n, *sums = rows
    means = {name: (total / n).tolist() for name, total in zip(values, sums)}
    return [int(size) for size in n.tolist()], means


def of_process_0(value: Any) -> Any:
    """What process 0 holds, given to all. The others' `value` is not looked at."""
    if processes() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def of_all(value: Any) -> list:
    """What each process holds, given to all, in the order of their numbers."""
    found = [value] * processes()
    if processes() > 1:
        dist.all_gather_object(found, value)
    return found
