"""Optimizers from plain descent to Adam, each with torch's arguments and torch's numbers."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "adam": ["Adam", "AdamW"],
    "momentum": ["SGD"],
    "scaled": ["Adagrad", "RMSprop"],
})  # fmt: skip
