"""The code behind Deep Learning Lab Notes: one small module for each topic of the book.

Import what you need by its full name, for example
``from labnotes.convnets import resnet18``. Importing :mod:`labnotes` alone loads nothing else but
:mod:`labnotes.heap`, which makes training on a CPU faster.
"""

from labnotes import heap  # noqa: F401

__version__ = "0.1.0"
