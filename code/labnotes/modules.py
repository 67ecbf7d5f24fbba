"""Modules as they were: what is changed for a while and put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def same_modes(model: nn.Module) -> Iterator[None]:
    """Afterwards each part of the model is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode: dropout off, batch normalization by its running statistics.

    Afterwards each part is again in the mode that it was in.
    """
    with same_modes(model):
        model.eval()
        yield
