"""Packages that load one of their modules only when a name of it is asked for.

After ``from labnotes.convnets import resnet18`` Python has run ``convnets/resnet.py`` and no other
network's file. It is PEP 562's ``__getattr__``, as a class for one reason: see ``__setattr__``.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


class LazyPackage(ModuleType):
    """A package that knows in which of its modules each of its public names stands."""

    def __getattr__(self, name: str):  # Python asks here for what is not there (yet)
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{self.__name__}.{self._homes[name]}")
        self.__dict__[name] = getattr(module, name)
        return self.__dict__[name]

    def __setattr__(self, name: str, value) -> None:
        # Python hangs a module that it has loaded on its package. But `labnotes.convnets.lenet`
        # is the function, whoever loads the module of the same name first.
        if not (isinstance(value, ModuleType) and name in self._homes):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def lazy(package: str, names: dict[str, list[str]]) -> list[str]:
    """Make `package` lazy; give its public names, for its ``__all__``.

    Parameters
    ----------
    package
        The ``__name__`` of the package whose ``__init__`` calls this.
    names
        For each of its modules the public names that stand there.

    Examples
    --------
    >>> from labnotes import attention
    >>> "masked_softmax" in dir(attention)
    True
    """
    module = sys.modules[package]
    module._homes = {name: home for home, found in names.items() for name in found}
    module.__class__ = LazyPackage
    return sorted(module._homes)
