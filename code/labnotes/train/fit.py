"""The training loop of the whole book: plain torch, on one screen, with nothing between the reader
and ``loss.backward()``. It is no framework: what it cannot do, a loop of your own can."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from labnotes import runtime
from labnotes.modules import same_modes
from labnotes.train import distributed
from labnotes.train.checkpoint import Checkpoint, CheckpointError
from labnotes.train.epochs import rest_of_epoch
from labnotes.train.fingerprint import settings_of
from labnotes.train.history import History
from labnotes.train.measure import (
    Loss,
    Means,
    Metrics,
    Step,
    check_step,
    evaluate,
    supervised,
    weigh,
)
from labnotes.train.place import autocast, choose_precision, device_batches, layout
from labnotes.train.progress import Progress
from labnotes.train.schedules import Rates, Schedule, length

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
    step: Step | None = None,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    precision: str = "auto",
    memory_format: torch.memory_format | None = None,
    compile: bool = False,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[History, nn.Module], bool | None] | None = None,
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
        :class:`labnotes.data.batches.Batches`; anything that can be iterated once an epoch. With
        `step` batches of any structure: see :mod:`labnotes.train.structure`.
    epochs
        Passes over `train`, at least 1.
    optimizer
        A torch optimizer of the model's parameters, or a function that builds one from the list of
        parameters that require a gradient. What it does not hold is not trained.
    loss
        ``loss(outputs, targets)``, the mean over the batch. A module is moved to the device.
    metrics
        Names and functions ``f(outputs, targets)`` that give a mean over the batch, or
        ``Mean(sum, count)``. By default the accuracy where the loss is cross-entropy, else none.
    step
        Instead of `loss` and `metrics`, for what is not ``loss(model(inputs), targets)``:
        ``step(model, batch) -> loss`` or ``(loss, {name: value})``. Loss and values are numbers or
        tensors of one number, or :class:`labnotes.train.Mean`. Validation calls it too, without
        gradients and with ``model.training`` false. A value named ``"loss"`` is recorded in the
        place of the loss.
    schedule
        ``schedule(step, total_steps)``, the factor of the optimizer's learning rates at a step
        (from 0): see :mod:`labnotes.train.schedules`. Afterwards the rates are as they were.
    clip_norm
        Scale the gradient (over all the optimizer's parameters) down to this norm where it is
        longer.
    precision
        "fp32", "bf16" or "fp16" (with a gradient scaler) for matrix products and convolutions.
        "auto": fp32 on the CPU, on CUDA bf16 where the card has it and else fp16.
    memory_format
        ``torch.channels_last`` lays out images and kernels as convolutions like them; a network
        that flattens with ``view`` cannot take it. Afterwards the kernels lie as they did.
    compile
        Compile the model with ``torch.compile``. Forward hooks on its parts are then compiled in:
        what they do besides (printing, collecting) may happen only when the graph is traced, and
        hooks registered later may not run at all. Register them before, or do not compile.
    checkpoint
        A name, or the path of a file: save the run at each epoch's end and at most every 30
        seconds, and go on from there when called again. See :mod:`labnotes.train.checkpoint` for
        where and how.
    on_epoch
        ``on_epoch(history, model)``, called after each epoch, validation included; if it returns
        ``True`` the run ends there (early stopping). To keep the best weights, let it write them to
        a file: a run that is taken up again does not know what a function had in memory.
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
        If the checkpoint cannot be written or read, or belongs to another run: other settings,
        functions or data. With a schedule the number of epochs is such a setting; without one it
        may grow.

    Notes
    -----
    Means are over what is counted. With torch's cross-entropies (``F.cross_entropy``,
    ``F.nll_loss``, their modules, and ``functools.partial`` of them) that is the targets that are
    not ignored, each by its class weight for the loss; for metrics that give a plain number, the
    targets that are not ignored. With :class:`labnotes.train.Mean` it is its count. All else
    counts by the number of examples in the batch, which :func:`labnotes.train.structure.size`
    finds. The gradient of several processes is that of the same mean over all of them. A batch in
    which nothing is counted has loss 0 and no gradient.
    """
    _check_arguments(model, train, valid, epochs, schedule, clip_norm, seed, on_epoch)
    check_step(loss, metrics, step)
    distributed.join()
    device = runtime.device()
    optimizer = _on_device(model, loss, optimizer, device)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    rates = Rates(optimizer, schedule, epochs, train)
    amp = choose_precision(precision, device)
    mixed = autocast(amp, device)
    scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")  # else it changes nothing
    history, means, saved = History(), Means(), None
    if checkpoint is not None:
        chosen = {"clip_norm": clip_norm, "precision": precision, "seed": seed}
        chosen |= {"memory_format": str(memory_format or torch.preserve_format)}
        settings = settings_of(model, train, valid, optimizer, rates, loss, metrics, step) | chosen
        parts = {"model": model, "optimizer": optimizer, "scaler": scaler, "history": history}
        saved = _resumed(checkpoint, settings, parts | {"means": means}, loss, epochs)
    step = supervised(loss, metrics) if step is None else step
    net = torch.compile(model) if compile else model
    show, done = progress and distributed.rank() == 0, len(history.steps) + means.batches

    with (
        saved or nullcontext(), rates, same_modes(model), layout(model, optimizer, memory_format),
        Progress(show, epochs, length(train), done) as bar,
    ):  # fmt: skip
        replica = distributed.replicate(_Work(net, step, loss))
        for epoch in range(len(history.epochs), epochs):
            if history.stopped:
                break
            model.train()
            rest = rest_of_epoch(train, seed, epoch, means.batches, saved)
            for batch, share in device_batches(rest, device, memory_format, train):
                rates.set(len(history.steps) + means.batches)
                optimizer.zero_grad()
                with mixed:
                    found = replica(batch)  # step(net, batch)
                value, values = weigh(found, batch, share)  # the loss; each mean and its count
                means.add(values)
                scaler.scale(value).backward()
                distributed.refuse_unused(model)
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
                found = evaluate(net, valid, step=step, precision=amp, memory_format=memory_format)
                row |= {f"valid_{name}": mean for name, mean in found.items()}
            row |= {"seconds": means.seconds(), "lr": float(optimizer.param_groups[0]["lr"])}
            history.epochs.append({"epoch": epoch + 1} | row)
            history.steps += means.values["loss"]
            means.clear()
            if on_epoch is not None:
                history.stopped = _ends(on_epoch(history, model))
            if saved:
                saved.save()
    return history


class _Work(nn.Module):
    """A step as one module: what several processes exchange is the gradient of all that it does."""

    def __init__(self, net: nn.Module, step: Step, loss: Loss):
        super().__init__()
        self.net, self.step, self.loss = net, step, loss

    def forward(self, batch):
        try:
            return self.step(self.net, batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"batch normalization in training needs more than one value per channel ({error}): "
                "a batch, or this process's part of it, has one example. Leave a short last batch "
                "out with drop_last=True, which Batches and DataLoader take, or change batch_size"
            ) from error


def _check_arguments(model, train, valid, epochs, schedule, clip_norm, seed, on_epoch) -> None:
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
        if length(batches) == 0:
            raise ValueError(f"{name} holds no batch: give at least one pair (inputs, targets)")
    if schedule is not None and not callable(schedule):
        raise ValueError(
            f"schedule is of type {type(schedule).__name__}: give a function "
            "(step, total_steps) -> factor, such as labnotes.train.cosine()"
        )
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is {clip_norm}: give a norm above 0, or None")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number, 0 or more")
    if on_epoch is not None and not callable(on_epoch):
        raise ValueError(
            f"on_epoch is of type {type(on_epoch).__name__}: give a function (history, model)"
        )
    for batches in (train, valid):
        distributed.refuse_sampler(batches)


def _on_device(model, loss, optimizer: OptimizerLike, device) -> torch.optim.Optimizer:
    """Move model and loss to the device; the optimizer of the model's parameters there."""
    model.to(device)
    if isinstance(loss, nn.Module):
        loss.to(device)
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


def _resumed(checkpoint, settings: dict, parts: dict, loss, epochs: int) -> Checkpoint:
    """The checkpoint, from which history, weights and all else have been loaded, if it has any."""
    trained = isinstance(loss, nn.Module) and list(loss.parameters())
    saved = Checkpoint(checkpoint, settings, parts | ({"loss": loss} if trained else {}))
    try:
        saved.resume()
        done = len(parts["history"].epochs)
        if done > epochs:
            raise CheckpointError(
                f"the run saved in {saved.path} has {done} epochs, more than epochs={epochs}: ask "
                "for at least as many, or give this run another checkpoint name"
            )
    except BaseException:
        saved.close()
        raise
    return saved


def _ends(answer) -> bool:
    """Whether ``on_epoch`` has ended the run: of several processes, whether process 0's has."""
    if not any(answer is each or answer == each for each in (None, True, False)):
        raise ValueError(f"on_epoch returned {answer!r}: return True to end the run, else nothing")
    return distributed.of_process_0(bool(answer))


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
