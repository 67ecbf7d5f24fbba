"""What the arguments of many functions have to be."""

from __future__ import annotations


def check_positive(**numbers) -> None:
    """Refuse what is no positive integer, by its name: ``check_positive(num_classes=10)``.

    Raises
    ------
    ValueError
        If one is not an integer (a bool is none) or below 1.
    """
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} is {value!r}: give a positive integer")


def check_tensors(**values) -> None:
    """Refuse what is no tensor, by its name: ``check_tensors(x=x, y=y)``.

    Raises
    ------
    ValueError
        If one is a list, an array, a number or anything else.
    """
    from torch import Tensor  # here: the other checks serve modules that load without torch

    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}: give a tensor")


def check_below(size: int, **tensors) -> None:
    """Refuse integers that a table of `size` rows has not, by their name: ``check_below(9, ids=ids)``.

    On a graphics card nothing is looked at: Python would have to wait for it, and the table itself
    refuses there.

    Raises
    ------
    ValueError
        If one is below 0, or is `size` or above.
    """
    for name, values in tensors.items():
        if values.device.type != "cpu" or not values.numel():
            continue
        low, high = (int(end) for end in values.aminmax())
        if low < 0 or high >= size:
            raise ValueError(
                f"{name} go from {low} to {high}: give whole numbers from 0 to {size - 1}"
            )


def check_module(**modules) -> None:
    """Refuse what is no network or layer, by its name: ``check_module(model=model)``.

    Raises
    ------
    ValueError
        If one is a function, a class, a name or anything else.
    """
    from torch import nn

    for name, value in modules.items():
        if not isinstance(value, nn.Module):
            raise ValueError(f"{name} is of type {type(value).__name__}: give a torch.nn.Module")
