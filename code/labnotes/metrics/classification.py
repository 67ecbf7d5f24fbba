"""Metrics of classification."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def accuracy(outputs: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """The part of a batch for which the largest output is the target's class.

    Parameters
    ----------
    outputs
        Scores, ``(batch, classes, ...)``.
    targets
        Classes, ``(batch, ...)``, or their probabilities with the shape of `outputs`.
    ignore_index
        Targets of this class are left out, as cross-entropy leaves them out.

    Returns
    -------
    Tensor
        One number from 0 to 1, on the device of the outputs; NaN if there is no target left.

    Examples
    --------
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    right, counted = count_right(outputs, targets, ignore_index)
    return right / counted


def count_right(
    outputs: Tensor, targets: Tensor, ignore_index: int = -100
) -> tuple[Tensor, Tensor]:
    """How many targets have the largest output, and how many there are.

    Parameters are those of :func:`accuracy`, which is the first over the second. Over several
    batches, sum both before you divide.
    """
    _check(outputs)
    guesses = outputs.argmax(dim=1)  # (batch, ...)
    if targets.shape == outputs.shape:
        targets = targets.argmax(dim=1)
    if guesses.shape != targets.shape:
        raise ValueError(
            f"outputs have the shape {tuple(outputs.shape)}, targets {tuple(targets.shape)}: "
            f"give one class per example, {tuple(guesses.shape)}"
        )
    right, valid = guesses == targets, targets != ignore_index
    if ignore_index >= 0:  # else no guess equals it
        right = right & valid
    return right.sum(), valid.sum()


def _check(outputs) -> None:
    if isinstance(outputs, nn.Module):
        raise TypeError(
            "accuracy compares outputs with targets; for a model over batches "
            'use evaluate(model, batches)["accuracy"]'
        )
    if not isinstance(outputs, torch.Tensor):
        raise TypeError(
            f"outputs are of type {type(outputs).__name__}: accuracy needs the scores as one "
            "tensor (batch, classes, ...); give a metric of your own for others"
        )
