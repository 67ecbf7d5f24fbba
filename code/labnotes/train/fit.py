"""The training loop of the whole book: plain torch, on one screen, with nothing between the reader
and ``loss.backward()``. It is no framework: what it cannot do, a loop of your own can."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes import runtime
from labnotes.train import distributed
from labnotes.train.checkpoint import Checkpoint, CheckpointError
from labnotes.train.history import History
from labnotes.train.measure import (
    Loss,
    Means,
    Metrics,
    default_metrics,
    evaluate,
    measure,
)
from labnotes.train.place import (
    autocast,
    choose_precision,
    device_batches,
    forward,
    image_layout,
)
from labnotes.train.progress import Progress
from labnotes.train.schedules import Schedule

OptimizerLike = torch.optim.Optimizer | Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def fit(
    model: nn.Module,
    train: Iterable,
    valid: Iterable | None = None,
    *,
    epochs: int,
    optimizer: OptimizerLike,
    loss: Loss = F.cross_entropy,
    metrics: Metrics | None = None,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    precision: str = "auto",
    compile: bool = False,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train `model` on `train` for `epochs` passes, validating on `valid` after each.

    Started by ``torchrun`` in several processes, each computes its part of every batch, and all
    take the same steps: see :mod:`labnotes.train.distributed`.

    Parameters
    ----------
    model
        Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple. It is moved to
        :func:`labnotes.runtime.device` and trained in place.
    train, valid
        Pairs ``(inputs, targets)``, minibatch by minibatch: a list, a ``DataLoader``,
        :class:`labnotes.data.batches.Batches`; anything that can be iterated once an epoch.
    epochs
        Passes over `train`, at least 1.
    optimizer
        A torch optimizer of the model's parameters, or a function that builds one from the list of
        parameters that require a gradient.
    loss
        ``loss(outputs, targets)``, the mean over the batch. A module is moved to the device.
    metrics
        Names and functions ``f(outputs, targets)`` that give a mean over the batch. By default the
        accuracy where the loss is cross-entropy, else none.
    schedule
        ``schedule(step, total_steps)``, the factor of the optimizer's learning rates at a step
        (from 0): see :mod:`labnotes.train.schedules`. Afterwards the rates are as they were.
    clip_norm
        Scale the gradient (over all the optimizer's parameters) down to this norm where it is
        longer.
    precision
        "fp32", "bf16" or "fp16" (with a gradient scaler) for matrix products and convolutions.
        "auto": fp32 on the CPU, on CUDA bf16 where the card has it and else fp16.
    compile
        Compile the model with ``torch.compile``.
    checkpoint
        A name, or the path of a file: save the run at each epoch's end and at most every 30
        seconds, and go on from there when called again. See :mod:`labnotes.train.checkpoint` for
        where and how.
    seed
        At the start of every epoch all random generators (Python's, NumPy's, torch's, those of a
        ``DataLoader``) are seeded from `seed` and the epoch's number, so that the order of the data
        does not depend on what was drawn before. Initial weights are the caller's.
    progress
        Show a progress bar.

    Returns
    -------
    History
        Losses of all steps, and a row of means for each epoch.

    Raises
    ------
    ValueError
        If an argument cannot work: no batch, a batch that is not a pair, a generator (it can be
        iterated only once) for several epochs, an optimizer of other parameters, and the like.
    FloatingPointError
        If the loss of a step was not finite. This is seen at the end of the epoch, or when a
        checkpoint is due (and then nothing is saved). The exception's attribute `history` holds
        everything up to there.
    CheckpointError
        If the checkpoint cannot be written or read, or belongs to a run with other settings. With
        a schedule the number of epochs is such a setting; without one it may grow.
    """
    _check_arguments(model, train, valid, epochs, metrics, schedule, clip_norm, seed)
    distributed.join()
    device = runtime.device()
    optimizer = _on_device(model, loss, optimizer, device)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    metrics = default_metrics(loss) if metrics is None else metrics
    rates = _Rates(optimizer, schedule, epochs, train)
    amp = choose_precision(precision, device)
    mixed = autocast(amp, device)
    scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")  # else it changes nothing
    history, means = History(), Means()
    saved = None
    if checkpoint is not None:
        chosen = {"clip_norm": clip_norm, "precision": precision, "seed": seed}
        settings = _settings(model, train, optimizer, loss, metrics, rates) | chosen
        parts = {"model": model, "optimizer": optimizer, "scaler": scaler}
        saved = Checkpoint(checkpoint, settings, parts | {"history": history, "means": means})
        _resume(saved, history, epochs)
    net = torch.compile(model) if compile else model
    replica = distributed.replicate(net)  # the net itself, unless several processes share the run
    show = progress and distributed.rank() == 0

    done = len(history.steps) + len(means.sizes)
    with rates, Progress(show, epochs, _length(train), done) as bar:
        for epoch in range(len(history.epochs), epochs):
            model.train()
            ordered = _epoch(train, seed, epoch, len(means.sizes), saved)
            for inputs, targets, share in device_batches(ordered, device):
                rates.set(len(history.steps) + len(means.sizes))
                optimizer.zero_grad()
                with mixed:
                    outputs = forward(replica, inputs)
                    value = loss(outputs, targets)
                means.add(inputs, share, loss=value, **measure(metrics, outputs, targets))
                scaler.scale(value if share == 1 else share * value).backward()
                if clip_norm is not None:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(trained, clip_norm)
                scaler.step(optimizer)
                scaler.update()
                bar.step(epoch, value)
                if saved and saved.due():
                    _refuse_nan(history, means)
                    saved.save()
            _refuse_nan(history, means)
            row = {f"train_{name}": mean for name, mean in means.average().items()}
            distributed.same_buffers(model)
            if valid is not None:
                found = evaluate(net, valid, loss=loss, metrics=metrics, precision=amp)
                row |= {f"valid_{name}": mean for name, mean in found.items()}
            row |= {"seconds": means.seconds(), "lr": float(optimizer.param_groups[0]["lr"])}
            history.epochs.append({"epoch": epoch + 1} | row)
            history.steps += means.values["loss"]
            means.clear()
            if saved:
                saved.save()
    return history


def seed_epoch(seed: int, epoch: int, train: Iterable | None = None) -> None:
    """Make all that is random in an epoch a function of `seed` and `epoch` (from 0) alone.

    Seeds Python, NumPy and torch, and where `train` is a ``DataLoader`` the generators that it and
    its samplers hold; calls ``set_epoch(epoch)`` where `train` or its sampler has it. (Worker
    processes that outlive an epoch, ``persistent_workers=True``, are out of its reach.)
    """
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    runtime.seed_everything(number)
    sampler, batch_sampler = getattr(train, "sampler", None), getattr(train, "batch_sampler", None)
    for part in (train, sampler, batch_sampler, getattr(batch_sampler, "sampler", None)):
        if isinstance(getattr(part, "generator", None), torch.Generator):
            part.generator.manual_seed(number)
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


def _epoch(train: Iterable, seed: int, epoch: int, done: int, saved: Checkpoint | None) -> Iterable:
    """The batches of an epoch, less the first `done`, which a run before this one has used."""
    from labnotes.data.batches import Batches

    seed_epoch(seed, epoch, train)
    if not done:
        return distributed.own_random_numbers(train)
    if isinstance(train, Batches):  # they can start anywhere
        train.load_state_dict(train.state_dict() | {"batch": done})
        batches = train
    else:
        batches = iter(train)
        next(islice(batches, done, done), None)
    saved.restore_random()  # as they were after step `done`
    return batches


class _Rates:
    """The learning rates of a run: as the optimizer has them, times the schedule's factor."""

    def __init__(self, optimizer, schedule: Schedule | None, epochs: int, train: Iterable):
        self.optimizer, self.schedule = optimizer, schedule
        self.initial = [group["lr"] for group in optimizer.param_groups]
        self.total = None
        if schedule is not None:
            if _length(train) is None:
                raise ValueError(
                    "a schedule needs the number of steps, and train has no len(): "
                    "give batches that have one, or schedule=None"
                )
            self.total = epochs * _length(train)

    def factor(self, step: int) -> float:
        factor = self.schedule(step, self.total)
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(
                f"the schedule gives {factor} at step {step} of {self.total}: "
                "give a factor of at least 0"
            )
        return factor

    def set(self, step: int) -> None:
        if self.schedule is not None:
            self._scale(self.factor(step))

    def _scale(self, factor: float) -> None:
        for group, initial in zip(self.optimizer.param_groups, self.initial):
            group["lr"] = initial * factor

    def __enter__(self) -> None:
        pass

    def __exit__(self, *problem) -> None:
        self._scale(1.0)


def _check_arguments(model, train, valid, epochs, metrics, schedule, clip_norm, seed) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is of type {type(model).__name__}: give a torch.nn.Module")
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        raise ValueError(f"epochs is {epochs!r}: give a whole number of at least 1")
    for name, batches in (("train", train), ("valid", valid)):
        if batches is None and name == "valid":
            continue
        if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
            raise ValueError(
                f"{name} is of type {type(batches).__name__}: "
                "give minibatches (inputs, targets), such as a list or a DataLoader"
            )
        if isinstance(batches, Iterator) and epochs > 1:
            raise ValueError(
                f"{name} can be iterated only once, and epochs is {epochs}: give a DataLoader, "
                "Batches or list(...) of it instead"
            )
        if _length(batches) == 0:
            raise ValueError(f"{name} holds no batch: give at least one pair (inputs, targets)")
    if metrics and "loss" in metrics:
        raise ValueError('a metric is named "loss", the name of the loss itself: rename it')
    if schedule is not None and not callable(schedule):
        raise ValueError(
            f"schedule is of type {type(schedule).__name__}: give a function "
            "(step, total_steps) -> factor, such as labnotes.train.cosine()"
        )
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is {clip_norm}: give a norm above 0, or None")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number, 0 or more")


def _length(batches: Iterable) -> int | None:
    try:
        return len(batches)
    except TypeError:  # a generator, or a stream of unknown length
        return None


def _on_device(model, loss, optimizer: OptimizerLike, device) -> torch.optim.Optimizer:
    """Move model and loss to the device; the optimizer of the model's parameters there."""
    model.to(device)
    if isinstance(loss, nn.Module):
        loss.to(device)
    for parameter in model.parameters():
        if parameter.dim() == 4:  # a convolution's kernel: as the images, see place.py
            parameter.data = parameter.data.to(memory_format=image_layout(device))
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("the model has no parameter that requires a gradient: nothing to train")
    if not isinstance(optimizer, torch.optim.Optimizer):
        if not callable(optimizer):
            raise ValueError(
                f"optimizer is of type {type(optimizer).__name__}: give a torch optimizer, or a "
                "function that builds one from a list of parameters"
            )
        optimizer = optimizer(trained)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in trained):
        raise ValueError(
            "the optimizer holds no parameter of this model: build it from model.parameters()"
        )
    return optimizer


def _resume(saved: Checkpoint, history: History, epochs: int) -> None:
    saved.resume()
    if len(history.epochs) > epochs:
        raise CheckpointError(
            f"the run saved in {saved.path} has {len(history.epochs)} epochs, more than epochs="
            f"{epochs}: ask for at least as many, or give this run another checkpoint name"
        )


def _refuse_nan(history: History, means: Means) -> None:
    losses = means.read().get("loss", [])
    bad = next((i for i, value in enumerate(losses) if not math.isfinite(value)), None)
    if bad is None:
        return
    history.steps += losses
    before = f"; the step before it had {losses[bad - 1]:.4g}" if bad else ""
    error = FloatingPointError(
        f"the training loss is {losses[bad]} at step {len(history.steps) - len(losses) + bad} "
        f"(epoch {len(history.epochs) + 1}, its batch {bad}; steps and batches count from 0)"
        f"{before}. Try a smaller learning rate, a warmup or clip_norm, and look for values that "
        "are not finite in that batch"
    )
    error.history = history
    raise error


def _settings(model, train, optimizer, loss, metrics, rates: _Rates) -> dict:
    """What decides the course of a run, as plain values: two runs with the same may be joined."""
    settings = {
        "model": _text(model),
        "loss": getattr(loss, "__name__", None) or _text(loss),
        "metrics": sorted(metrics),
        "processes": distributed.processes(),
        "batches in an epoch": _length(train),
        "batch_size": getattr(train, "batch_size", None),
        "data seed": getattr(train, "seed", None),
        "optimizer": type(optimizer).__name__,
        "schedule": None,
    }
    for i, group in enumerate(optimizer.param_groups):
        prefix = f"group {i} " if len(optimizer.param_groups) > 1 else ""
        settings[f"{prefix}parameters"] = len(group["params"])
        settings |= {
            f"{prefix}{name}": value if not isinstance(value, Tensor) else value.tolist()
            for name, value in group.items()
            if name not in ("params", "foreach", "fused", "capturable", "differentiable")
        }
    if rates.schedule is not None:
        steps = range(0, rates.total, -(-rates.total // 10_000))
        factors = [f"{rates.factor(step):.9g}" for step in steps]
        digest = hashlib.sha256(" ".join(factors).encode()).hexdigest()
        settings["steps in all"] = rates.total
        settings["schedule"] = f"{factors[0]} to {factors[-1]} ({digest[:8]})"
    return settings


def _text(module) -> str:
    """The module as torch prints it, less addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(module))
