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
