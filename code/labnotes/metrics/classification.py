"""Metrics of classification."""

from __future__ import annotations

from torch import Tensor, nn


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The part of a batch for which the largest output is the target's class.

    Parameters
    ----------
    outputs
        Scores, ``(batch, classes, ...)``.
    targets
        Classes, ``(batch, ...)``, or their probabilities with the shape of `outputs`.

    Returns
    -------
    Tensor
        One number from 0 to 1, on the device of the outputs.

    Examples
    --------
    >>> import torch
    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    if isinstance(outputs, nn.Module):
        raise TypeError(
            "accuracy compares outputs with targets; for a model over batches "
            'use evaluate(model, batches)["accuracy"]'
        )
    guesses = outputs.argmax(dim=1)  # (batch, ...)
    if targets.shape == outputs.shape:
        targets = targets.argmax(dim=1)
    if guesses.shape != targets.shape:
        raise ValueError(
            f"outputs have the shape {tuple(outputs.shape)}, targets {tuple(targets.shape)}: "
            f"give one class per example, {tuple(guesses.shape)}"
        )
    return (guesses == targets).float().mean()
