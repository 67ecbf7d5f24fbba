"""Points for values: what a student's cell computed against what the solution's cell computed.

The values come as text, ``{"name": [0.5, 1.0], ...}``; what is no plain value counts as wrong, and
takes no other name's points with it.
Nothing of the student's runs here.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from .source import TOLERANCE, task

LONGEST = 100_000  # characters of values
DEEPEST = 10  # brackets within brackets
NOT_PLAIN = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # of what is read


class Odd(str):
    """What stands in the place of a name's value and is no plain one, as ``nan``: it equals nothing."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


def value(outputs: list) -> Any:
    """The plain value that a cell's last expression gave; None if there is none.

    Only the result of the cell counts, not what was printed. Numbers, texts, truth values, None,
    and lists, tuples and dicts of these are read; anything else gives None. Where it is the value of
    one name of a dict, that name gets its text as :class:`Odd`.
    """
    if any(output.get("output_type") == "error" for output in outputs):
        return None
    results = [o for o in outputs if o.get("output_type") == "execute_result"]
    if len(results) != 1:
        return None
    text = results[0].get("data", {}).get("text/plain", "")
    if not isinstance(text, str) or len(text) > LONGEST or _depth(text) > DEEPEST:
        return None
    try:
        read = _Numbers().visit(ast.parse(text.strip(), mode="eval")).body
        if not isinstance(read, ast.Dict):
            return ast.literal_eval(read)
        names = ast.literal_eval(ast.List(read.keys))
        return {name: _plain(one) for name, one in zip(names, read.values)}
    except NOT_PLAIN:
        return None  # it is wrong, as any other wrong value


def _plain(read: ast.expr) -> Any:
    try:
        return ast.literal_eval(read)
    except NOT_PLAIN:
        return Odd(ast.unparse(read))


class _Numbers(ast.NodeTransformer):
    """``np.float64(0.5)``, as NumPy shows its numbers in a list, as 0.5; ``np.True_`` as True."""

    def visit_Call(self, node):
        kind, words = node.func, node.args
        if not _is_numpys(kind) or len(words) != 1 or node.keywords:
            return node
        number = re.fullmatch(r"(u?int|float)\d+|longdouble", kind.attr)
        # Not what stands deeper: a number has no more in it than a sign.
        inner = words[0].operand if isinstance(words[0], ast.UnaryOp) else words[0]
        return words[0] if number and isinstance(inner, ast.Constant) else node

    def visit_Attribute(self, node):
        names = {"True_": True, "False_": False}
        return ast.Constant(names[node.attr]) if _is_numpys(node) and node.attr in names else node


def _is_numpys(node) -> bool:
    return isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in ("np", "numpy")


def verdicts(got: Any, expected: dict[str, Any], tolerance: float) -> dict[str, bool]:
    """For each name of `expected` whether `got` has its value.

    Examples
    --------
    >>> verdicts({"sum": 3.0000001, "shape": [2, 3]}, {"sum": 3, "shape": [2, 4]}, 1e-6)
    {'sum': True, 'shape': False}
    """
    found = got if type(got) is dict else {}
    return {
        name: name in found and equal(found[name], wanted, tolerance)
        for name, wanted in expected.items()
    }


def cell_verdicts(cell, outputs: list, expected: dict[str, Any]) -> dict[str, bool]:
    """The verdicts on what a compare cell gave, within the tolerance that it states."""
    return verdicts(value(outputs), expected, task(cell).get("tolerance", TOLERANCE))


def equal(got: Any, expected: Any, tolerance: float) -> bool:
    """Whether two plain values agree; numbers within ``tolerance * (1 + |expected|)``."""
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(got, (list, tuple))
            and len(got) == len(expected)
            and all(equal(g, e, tolerance) for g, e in zip(got, expected))
        )
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(equal(got[key], expected[key], tolerance) for key in expected)
        )
    if type(expected) in (int, float):
        try:
            return (
                type(got) in (int, float)
                and math.isfinite(got)
                and abs(got - expected) <= tolerance * (1 + abs(expected))
            )
        except OverflowError:  # an int that no float can hold
            return type(got) is type(expected) and got == expected
    return type(got) is type(expected) and got == expected


def is_comparable(expected: Any) -> str:
    """Why a solution's value cannot serve for a comparison, in words; empty if it can."""
    if type(expected) is not dict or not expected:
        return "its last expression is no dict of plain values with at least one name"
    for name, wanted in expected.items():
        if not isinstance(name, str):
            return f"{name!r} is no text"
        if not equal(wanted, wanted, 0):
            return f"{name!r} holds values that are not finite"
        if all(not leaf for leaf in _leaves(wanted)):
            return f"{name!r} is all zeros, or empty: a blank answer could give it"
    return ""


def _leaves(value: Any) -> list:
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, (list, tuple, dict)):
        return [leaf for part in parts for leaf in _leaves(part)]
    return [value]


def _depth(text: str) -> int:
    deepest = depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest
