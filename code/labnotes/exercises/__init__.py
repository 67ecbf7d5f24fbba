"""Checkers for the book's coding exercises: kind about what is missing, exact about what is wrong.

A checker is a generator in ``labnotes/exercises/<part>/<chapter>.py``, registered with
:func:`checker`. It yields one :class:`Case` for every input it tries, smallest first. No two
chapters of the book have one name, so a checker's name says the chapter and leaves out the part.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

_CHECKERS: dict[str, Callable[[Callable], Iterator[Case]]] = {}


@dataclass
class Case:
    """One call of the reader's function, and what it should give.

    `call` shows the reader what was called, `got` is what came back, `expected` what should have.
    Floats are compared within `tolerance` (absolute, plus the same relative part), whole numbers
    exactly; a tensor's shape and dtype must agree too. `hint` says what the usual mistake is.
    """

    call: str
    got: Any
    expected: Any
    tolerance: float = 1e-6
    hint: str = ""


def checker(name: str):
    """Register a checker under ``"chapter.exercise"``."""

    def register(function):
        _CHECKERS[name] = function
        return function

    return register


class _ReadersError(Exception):
    """Something was raised by the reader's code: it is this one's cause."""


def attempt(function: Callable, *arguments: Any) -> Any:
    """Call what the reader wrote, so that :func:`check` knows whose fault an exception is.

    :func:`check` hands a checker the answer wrapped in this. A checker calls it itself for what
    the answer gave back, a module for example.
    """
    try:
        return function(*arguments)
    except Exception as error:
        raise _ReadersError from error


def shapes_of(module: Any) -> Any:
    """The shape of each parameter by its name; what is no module is given back as it is."""
    if not isinstance(module, torch.nn.Module):
        return module
    return {name: tuple(p.shape) for name, p in module.named_parameters()}


def check(name: str, answer: Callable) -> bool:
    """Try `answer` on the cases of exercise `name`, print what was found, return whether it passed.

    The first case that fails is shown in full: the call, what was expected, what came, a hint.
    What the reader's code raises is printed too, and the page goes on; what the checker itself
    raises is a bug of the book, and is raised.

    Raises
    ------
    KeyError
        If there is no such exercise.
    """
    chapter = name.partition(".")[0]
    for file in Path(__file__).parent.glob(f"*/{chapter}.py"):  # one, in the room of its part
        importlib.import_module(f"{__name__}.{file.parent.name}.{chapter}")
    if name not in _CHECKERS:
        known = ", ".join(sorted(n for n in _CHECKERS if n.startswith(f"{chapter}."))) or "none"
        raise KeyError(f"no exercise {name!r}; exercises of {chapter!r}: {known}")
    passed = 0
    try:
        for case in _CHECKERS[name](partial(attempt, answer)):
            problem = _difference(case.got, case.expected, case.tolerance)
            if problem:
                _report_failure(name, case, problem)
                return False
            passed += 1
    except _ReadersError as wrapped:
        _report_error(name, wrapped.__cause__)
        return False
    if passed == 0:
        raise RuntimeError(f"checker {name!r} tried no case")
    _say(f"✓ {name}: all {passed} checks pass.")
    return True


def _report_error(name: str, error: BaseException) -> None:
    if isinstance(error, NotImplementedError):
        _say(f"○ {name}: not written yet. {error}".rstrip())
    else:
        _say(f"✗ {name}: your code raised {type(error).__name__}: {error}")


def _report_failure(name: str, case: Case, problem: str) -> None:
    _say(f"✗ {name}: {problem}")
    _say(f"  called    {case.call}")
    _say(f"  expected  {_text(case.expected)}")
    _say(f"  got       {_text(case.got)}")
    if case.hint:
        _say(f"  hint      {case.hint}")


def _say(text: str) -> None:
    """Print; signs that the console lacks (one of Windows in cp1252 for example) get plain ones."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf8"
    for sign, plain in {"✓": "[ok]", "✗": "[wrong]", "○": "[to do]"}.items():
        if not sign.encode(encoding, "ignore"):
            text = text.replace(sign, plain)
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _text(value: Any) -> str:
    # A tensor's values are what a reader wants to see, not the function that its gradient goes to.
    text = repr(value.detach() if isinstance(value, torch.Tensor) else value)
    return text if len(text) <= 300 else text[:297] + "..."


def _difference(got: Any, expected: Any, tolerance: float) -> str:
    """What is wrong with `got`, in words; empty if nothing is."""
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(got, expected, tolerance)
    if isinstance(expected, (tuple, list)):
        return _sequence_difference(got, expected, tolerance)
    if isinstance(expected, bool) or not isinstance(expected, (int, float)):
        return "" if type(got) is type(expected) and got == expected else "not the expected value"
    # A float subclass could answer yes to every comparison: only plain numbers count.
    if type(got) not in (int, float):
        return f"expected a plain Python number, got {type(got).__name__}"
    if got != got:
        return "the result is nan"
    if isinstance(expected, int):
        if type(got) is float:
            return "expected a whole number, an int, got a float"
        return "" if got == expected else "not the expected number"
    try:
        close = got == expected or abs(got - expected) <= tolerance * (1 + abs(expected))
    except OverflowError:  # an int that no float can hold
        close = False
    return "" if close else "not the expected number"


def _sequence_difference(got: Any, expected: tuple | list, tolerance: float) -> str:
    if type(got) is not type(expected):
        return f"expected a {type(expected).__name__}, got {type(got).__name__}"
    if len(got) != len(expected):
        return f"expected {len(expected)} items, got {len(got)}"
    for i, (g, e) in enumerate(zip(got, expected)):
        if problem := _difference(g, e, tolerance):
            return f"item {i}: {problem}"
    return ""


def _tensor_difference(got: Any, expected: torch.Tensor, tolerance: float) -> str:
    if type(got) is not torch.Tensor:
        return f"expected a tensor, got {type(got).__name__}"
    if got.shape != expected.shape:
        return f"expected shape {tuple(expected.shape)}, got {tuple(got.shape)}"
    if got.dtype != expected.dtype:
        return f"expected dtype {expected.dtype}, got {got.dtype}"
    if (got.device, got.layout) != (expected.device, expected.layout):
        return f"expected a tensor on {expected.device}, got one on {got.device} ({got.layout})"
    if not got.is_floating_point():
        return "" if torch.equal(got, expected) else "not the expected values"
    if got.isnan().any() and not expected.isnan().any():
        return "the result holds nan"
    if not torch.allclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
        return "not the expected values"
    return ""
