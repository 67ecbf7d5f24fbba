"""Show the package's own code in a page, so that text and code cannot drift apart."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

import labnotes


class Source:
    """Source text that a notebook shows as a highlighted Python block."""

    def __init__(self, code: str, place: str):
        self.code, self.place = code, place

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {
            "text/plain": f"# {self.place}\n{self.code}",
            "text/markdown": f"```python\n# {self.place}\n{self.code}\n```",
        }

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]


def source(obj: Callable | type, *, docstring: bool = False) -> Source:
    """The real source of a function, class or method, with its file and first line.

    Parameters
    ----------
    obj
        A function, class or method written in Python.
    docstring
        Keep the docstrings. The page explains the code in its own words, so they are left out
        unless asked for.

    Raises
    ------
    TypeError
        If `obj` has no Python source (a built-in, a value).

    Examples
    --------
    >>> from labnotes import runtime
    >>> "torch.cuda.is_available()" in source(runtime.device).code
    True
    """
    try:
        obj = inspect.unwrap(obj)  # a decorated function itself, not the wrapper around it
        lines, first = inspect.getsourcelines(obj)
        file = Path(inspect.getsourcefile(obj)).resolve()
    except (TypeError, OSError) as error:
        raise TypeError(
            f"no Python source for {obj!r}: give a function, class or method written in Python"
        ) from error
    code = textwrap.dedent("".join(lines)).rstrip()
    if not docstring:
        code = _without_docstrings(code)
    root = Path(labnotes.__file__).resolve().parent.parent
    name = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
    return Source(code, f"{name.as_posix()}, line {first}")


def _without_docstrings(code: str) -> str:
    """`code` less the docstrings of its functions and classes; comments and layout stay."""
    import ast

    lines = code.split("\n")
    drop: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        # A body of nothing but a docstring needs it: without one it would not be Python.
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue
        text = node.body[0]
        end = text.end_lineno
        if end < len(lines) and not lines[end].strip():
            end += 1  # the empty line after it
        drop.update(range(text.lineno - 1, end))
    return "\n".join(line for i, line in enumerate(lines) if i not in drop)


class Table:
    """Rows that a notebook shows as a table. Built by :func:`table`."""

    def __init__(self, rows: list[dict], caption: str | None):
        self.rows, self.caption = rows, caption

    def __repr__(self) -> str:
        names = list(self.rows[0])
        cells = [names] + [[_cell(row[name]) for name in names] for row in self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells]
        return "\n".join(([self.caption] if self.caption else []) + lines)

    def _repr_markdown_(self) -> str:
        names = list(self.rows[0])
        number = {n: all(_is_number(row[n]) for row in self.rows) for n in names}
        lines = [
            "| " + " | ".join(_bar(n) for n in names) + " |",
            "|" + "|".join("---:" if number[n] else "---" for n in names) + "|",
        ]
        for row in self.rows:
            lines.append("| " + " | ".join(_bar(_cell(row[n])) for n in names) + " |")
        return "\n".join(([f"**{self.caption}**", ""] if self.caption else []) + lines)


def _cell(value) -> str:
    if not _is_number(value):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _bar(text) -> str:
    """`text` with its bars escaped: a bare one would begin the next cell."""
    return str(text).replace("|", "\\|")


def table(rows: list[dict], caption: str | None = None) -> Table:
    """A table of `rows`, one dict a row, all with the same keys in the same order.

    Integers get thousands separators, floats four significant digits; give text to format a value
    yourself.

    Raises
    ------
    ValueError
        If `rows` is empty or the rows' keys differ.

    Examples
    --------
    >>> table([{"net": "plain", "layers": 18}, {"net": "residual", "layers": 34}])
    net       layers
    plain     18
    residual  34
    """
    if not rows:
        raise ValueError("rows is empty: a table needs at least one row")
    for i, row in enumerate(rows):
        if list(row) != list(rows[0]):
            raise ValueError(
                f"row {i} has the keys {list(row)}, row 0 has {list(rows[0])}: give all rows the same"
            )
    return Table(rows, caption)
