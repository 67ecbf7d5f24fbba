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
from torch.utils.data import DistributedSampler

from labnotes import runtime
from labnotes.train import structure


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


def refuse_unused(model: nn.Module) -> None:
    """After a backward pass: an error if the processes wait for a gradient that does not come.

    Raises
    ------
    ValueError
        If several processes share the run and a parameter that requires a gradient has none.
    """
    if not dist.is_initialized():
        return
    names = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if names:
        raise ValueError(
            f"the loss does not depend on {', '.join(names[:5])}{', ...' if names[5:] else ''}, and "
            "the processes would wait for their gradients: freeze what is not used with "
            "requires_grad_(False), or let every step use it"
        )


def refuse_sampler(batches: Any) -> None:
    """An error if several processes would each take a part of a part.

    Raises
    ------
    ValueError
        If several processes share the run and a loader has a ``DistributedSampler``.
    """
    batch_sampler = getattr(batches, "batch_sampler", None)
    samplers = (
        getattr(batches, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    )
    if processes() > 1 and any(isinstance(each, DistributedSampler) for each in samplers):
        raise ValueError(
            "the loader has a DistributedSampler, which gives each process a part of the data, and "
            "here each process takes its part of every batch already: leave the sampler out "
            "(shuffle=True is enough), with the batch size of all processes together"
        )


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


def part(batch: Any) -> tuple[Any, float]:
    """This process's part of a batch of any structure, and its share (see :func:`cut`)."""
    if processes() == 1:
        return batch, 1.0
    n = structure.size(batch)
    mine, share = cut(n)
    return structure.cut(batch, mine, n), share


def share_of(count: Tensor | float, device: torch.device) -> Tensor | float:
    """What this process's mean over `count` things counts among the means of all processes.

    The mean over the things of all, and with it the gradient, is the average over the processes of
    what each has found times its share. The count may differ from process to process.
    """
    if not dist.is_initialized():
        return 1.0
    if isinstance(count, Tensor):
        mine = count.detach().to(torch.float32)
    else:
        mine = torch.full((), float(count), device=device)
    total = mine.clone()
    dist.all_reduce(total)
    return mine * processes() / (total + (total == 0))


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


def average(found: dict[str, list]) -> dict[str, list]:
    """Means of batches and their counts over all processes, from those of this one.

    ``{name: [means, counts]}``, with one of each for every batch.
    """
    if processes() == 1:
        return found
    lengths = {name: len(means) for name, (means, _) in found.items()}
    if any(other != lengths for other in of_all(lengths)):
        raise ValueError(
            "the processes have measured different values: let a step return the same names in "
            "every process"
        )
    n = torch.tensor([count for _, counts in found.values() for count in counts]).double()
    means = torch.tensor([mean for means, _ in found.values() for mean in means]).double()
    rows = torch.stack([n, (n * means).where(n != 0, 0.0)])  # one message for all
    dist.all_reduce(rows)
    means = (rows[1] / rows[0]).where(rows[0] != 0, 0.0).split(list(lengths.values()))
    counts = rows[0].split(list(lengths.values()))
    return {name: [m.tolist(), c.tolist()] for name, m, c in zip(lengths, means, counts)}


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
