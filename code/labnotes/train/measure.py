"""What a pass over batches measures: means over examples, accuracy, evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes import runtime
from labnotes.metrics.classification import accuracy
from labnotes.modules import evaluating
from labnotes.train import distributed
from labnotes.train.place import autocast, device_batches, forward

Loss = Callable[[Tensor, Tensor], Tensor]
Metrics = dict[str, Callable[[Tensor, Tensor], Tensor]]


def evaluate(
    model: nn.Module,
    batches: Iterable,
    *,
    loss: Loss = F.cross_entropy,
    metrics: Metrics | None = None,
    precision: str = "auto",
) -> dict[str, float]:
    """Mean loss and metrics of a model over all examples of `batches`.

    The model is moved to :func:`labnotes.runtime.device`, switched to evaluation (dropout off,
    batch normalization by its running statistics) and put back as it was. Under ``torchrun`` each
    process computes its part of each batch; all must call this, and all get the whole result.

    Parameters
    ----------
    model
        Called as ``model(inputs)``, or ``model(*inputs)`` where inputs are a tuple.
    batches
        Pairs ``(inputs, targets)``, as for :func:`labnotes.train.fit`.
    loss
        ``loss(outputs, targets)``, the mean over the batch.
    metrics
        Names and functions ``f(outputs, targets)`` that give a mean over the batch. By default
        the accuracy where the loss is cross-entropy, else none.
    precision
        As in :func:`labnotes.train.fit`.

    Returns
    -------
    dict
        ``{"loss": …, "<metric>": …}``. Batches count by their size, so a short last batch does
        not weigh too much.

    Raises
    ------
    ValueError
        If there is no batch, or a batch is not a pair.
    """
    distributed.join()
    device = runtime.device()
    model.to(device)
    if isinstance(loss, nn.Module):
        loss.to(device)
    metrics = default_metrics(loss) if metrics is None else metrics
    half, means = autocast(precision, device), Means()
    with evaluating(model), torch.inference_mode():
        for inputs, targets, share in device_batches(batches, device):
            with half:
                outputs = forward(model, inputs)
                value = loss(outputs, targets)
            means.add(inputs, share, loss=value, **measure(metrics, outputs, targets))
    return means.average()


def default_metrics(loss: Loss) -> Metrics:
    """Accuracy where `loss` is cross-entropy, else nothing."""
    classifies = loss is F.cross_entropy or isinstance(loss, nn.CrossEntropyLoss)
    return {"accuracy": accuracy} if classifies else {}


def measure(metrics: Metrics, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The value of each metric on one batch, without gradients."""
    with torch.no_grad():
        return {name: metric(outputs, targets) for name, metric in metrics.items()}


class Means:
    """Values of each batch, kept on the device until they are read, all in one go.

    Reading a number off a GPU makes Python wait for all work queued there. So a step only keeps
    its tensors, and :meth:`read` fetches them together; where several processes share the run, it
    also makes them the means of all.
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self.sizes: list[int] = []  # examples in each batch
        self.values: dict[str, list[float]] = {}  # one list a name, one number a batch
        self._waiting: dict[str, list[Tensor]] = {}
        self._started = time.perf_counter()

    def add(self, inputs: Tensor | tuple, share: float = 1.0, **values: Tensor) -> None:
        """Note one batch: the values are means over its examples, one number each.

        With a share of 0 (see :func:`labnotes.train.distributed.cut`) its examples do not count.
        """
        for name, value in values.items():
            value = torch.as_tensor(value).detach()
            if value.dim():
                raise ValueError(
                    f"{name} of a batch has the shape {tuple(value.shape)}: "
                    "it must be one number, the mean over the batch"
                )
            self._waiting.setdefault(name, []).append(value)
        size = len(inputs[0] if isinstance(inputs, tuple) else inputs)
        self.sizes.append(size if share else 0)

    def read(self) -> dict[str, list[float]]:
        if self._waiting:
            new = {name: torch.stack(waiting).tolist() for name, waiting in self._waiting.items()}
            first = len(self.values.get("loss", ()))
            self.sizes[first:], new = distributed.average(self.sizes[first:], new)
            for name, numbers in new.items():
                self.values.setdefault(name, []).extend(numbers)
            self._waiting = {}
        return self.values

    def average(self) -> dict[str, float]:
        """The mean of each value over examples.

        Raises
        ------
        ValueError
            If there was no batch.
        """
        if not self.sizes:
            raise ValueError(
                "there was no batch: give at least one, and nothing that can be iterated only once"
            )
        found = self.read()
        total = sum(self.sizes)
        return {
            name: math.fsum(n * v for n, v in zip(self.sizes, values, strict=True)) / total
            for name, values in found.items()
        }

    def seconds(self) -> float:
        """Time since the first batch was asked for."""
        return time.perf_counter() - self._started

    def state_dict(self) -> dict:
        values = self.read()
        return {"sizes": self.sizes, "values": values, "seconds": self.seconds()}

    def load_state_dict(self, state: dict) -> None:
        self.clear()
        self.sizes, self.values = state["sizes"], state["values"]
        self._started -= state["seconds"]
