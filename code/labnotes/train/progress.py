"""A progress bar that never makes a GPU wait for it."""

from __future__ import annotations

import time

import torch
from torch import Tensor
from tqdm.auto import tqdm


class Progress:
    """One bar over all steps of a run, with the epoch and a recent loss.

    Twice a second it asks for a copy of the loss and shows it the next time, if the GPU has it
    ready by then: reading the newest loss at once would make Python wait for the GPU.

    Parameters
    ----------
    show
        Whether there is a bar at all.
    epochs, per_epoch
        Epochs of the run, and steps in each; None where that is not known.
    done
        Steps that a run before this one has done.
    """

    SECONDS = 0.5

    def __init__(self, show: bool, epochs: int, per_epoch: int | None, done: int = 0):
        total = None if per_epoch is None else epochs * per_epoch
        self.bar = tqdm(total=total, initial=done, unit="step", disable=not show)
        self.epochs = epochs
        self._copy: Tensor | None = None
        self._ready: torch.cuda.Event | None = None
        self._next = 0.0

    def step(self, epoch: int, loss: Tensor | float) -> None:
        """One step is done, in `epoch` (from 0)."""
        self.bar.update()
        if self.bar.disable or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.SECONDS
        if self._ready is not None and not self._ready.query():
            return
        shown = {} if self._copy is None else {"loss": f"{float(self._copy):.4g}"}
        self.bar.set_postfix(epoch=f"{epoch + 1}/{self.epochs}", **shown)
        loss = torch.as_tensor(loss).detach()
        self._copy = loss.to("cpu", non_blocking=True)
        if loss.is_cuda:
            self._ready = torch.cuda.Event()
            self._ready.record()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *problem) -> None:
        self.bar.close()
