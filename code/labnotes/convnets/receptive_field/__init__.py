"""Receptive fields: which input pixels a unit of a convolutional network can see, and which it uses.

Three views of one thing. The arithmetic of a stack of layers (:func:`receptive_field` forwards,
:func:`input_interval` backwards), the same read off a real module (:func:`receptive_field_of`), and
what gradients say (:func:`gradient_support`, :func:`effective_receptive_field`).
The arithmetic is that of one axis: rows and columns of an image never mix.
"""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "arithmetic": [
        "Layer", "ReceptiveField", "input_interval", "output_size", "path_counts", "receptive_field",
    ],
    "gradients": ["effective_receptive_field", "effective_size", "gradient_support"],
    "reading": ["receptive_field_of"],
})  # fmt: skip
