"""Checks of tables that several modules of this part need; ValueError says what is wrong."""

from __future__ import annotations

from torch import Tensor


def check_inputs(inputs: Tensor) -> None:
    """Refuse what is no table ``(rows, columns)`` of floating point numbers."""
    _check_tensor("inputs", inputs)
    if inputs.dim() != 2 or not inputs.is_floating_point() or not inputs.numel():
        raise ValueError(
            f"inputs have shape {tuple(inputs.shape)} and type {inputs.dtype}: give floating point "
            "numbers (rows, columns)"
        )


def check_table(inputs: Tensor, targets: Tensor) -> None:
    """Refuse a table, or targets of another shape than ``(rows,)``."""
    check_inputs(inputs)
    _check_tensor("targets", targets)
    if targets.shape != inputs.shape[:1]:
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}, inputs {tuple(inputs.shape)}: give one "
            "target for each row, (rows,)"
        )


def _check_tensor(name: str, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} is a {type(value).__name__}: give a tensor")
