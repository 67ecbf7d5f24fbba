"""The cells of a chapter that its tags choose for a record, and the key of the code that they run."""

from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import tokenize
from functools import cache
from pathlib import Path

from ..keys import Chapter
from . import Refused
from .reached import Reached

TAG, SKIP = "record", "skip-record"
#: How a result looks or is judged is not what it is: these modules may change under a record.
LOOKS = ("labnotes.exercises", "labnotes.explore", "labnotes.plot", "labnotes.show")
#: Nor how it was saved on the way: a run that goes on is tested to be the run that was not killed.
SAVES = tuple(f"labnotes.train.{n}" for n in ("checkpoint", "fingerprint", "lock", "progress"))
#: Nor where its memory came from.
KEEPS = ("labnotes.heap",)


def name_of(chapter: Chapter) -> str:
    """``part/chapter``."""
    return chapter.docname.removeprefix("chapters/")


def has_tag(cell, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def code_cells(chapter: Chapter) -> list:
    return [c for c in chapter.notebook.cells if c.cell_type == "code"]


def recording(chapter: Chapter) -> list:
    """The cells tagged ``record``, in order."""
    return [c for c in code_cells(chapter) if has_tag(c, TAG)]


def cells_to_run(chapter: Chapter) -> list:
    """The code cells up to the last to be recorded, less those tagged ``skip-record``."""
    cells = code_cells(chapter)
    last = max((i for i, c in enumerate(cells) if has_tag(c, TAG)), default=-1)
    return [c for c in cells[: last + 1] if not has_tag(c, SKIP)]


def key(chapter: Chapter, code_root: Path) -> str:
    """The key of the code that a record of `chapter` is made by.

    It changes with the code of the cells that run and with all that they can reach of the package;
    not with comments, docstrings and empty lines, not with what the package refuses, not with the
    sizes of the page's own run, which a record does not use, and not with versions, devices and
    folders of data: the record names these.
    """
    reached = Reached([c.source for c in cells_to_run(chapter)], code_root)
    digest = hashlib.sha256()
    for cell in cells_to_run(chapter):
        digest.update(b"\0cell\0" + bytes([has_tag(cell, TAG)]))
        digest.update(without_comments(without_page_sizes(cell.source)).encode())
    for name, text in reached.texts().items():
        if not name.startswith(LOOKS + SAVES + KEEPS):
            digest.update(f"\0{name}\0{without_comments(text, refusals=False)}".encode())
    return digest.hexdigest()


def without_page_sizes(source: str) -> str:
    """`source` with three dots for what a record does not use in its ``by_device`` calls.

    Examples
    --------
    >>> without_page_sizes("n = by_device(cpu=2, gpu=30)")
    'n = by_device(cpu=..., gpu=30)'
    >>> without_page_sizes("n = by_device(cpu=2, gpu=30, record=9)")
    'n = by_device(cpu=..., gpu=..., record=9)'
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: the cell counts as it is
        return source
    unused = []
    for node in ast.walk(tree):
        called = getattr(node, "func", None)
        if getattr(called, "id", getattr(called, "attr", "")) != "by_device":
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        names = ("cpu", "gpu") if "record" in given else ("cpu",)
        unused += [given[name] for name in names if name in given]
    lines = [line.encode() for line in source.split("\n")]  # ast counts columns in bytes
    for node in sorted(unused, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        first, last = node.lineno - 1, node.end_lineno - 1
        joined = lines[first][: node.col_offset] + b"..." + lines[last][node.end_col_offset :]
        lines[first : last + 1] = [joined]
    return b"\n".join(lines).decode()


@cache  # the chapters import the same modules
def without_comments(source: str, refusals: bool = True) -> str:
    """`source` less its comments, docstrings, empty lines and blanks at the ends of lines.

    Without `refusals` also less the checks of arguments, which decide whether something runs and
    not what it gives: ``if`` statements that only raise, functions ``_check...`` and their calls.

    Examples
    --------
    >>> without_comments("def f(x):  # doubles\\n    'Twice.'\\n\\n    return 2 * x\\n")
    'def f(x):\\n    return 2 * x'
    >>> without_comments("def f(x):\\n    _check(x)\\n    return 2 * x\\n", refusals=False)
    'def f(x):\\n    return 2 * x'
    """
    lines = source.split("\n")
    try:
        tree = ast.parse(source)
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                line, column = token.start
                lines[line - 1] = lines[line - 1][:column]
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            _blank(lines, node.body[0])
        if not refusals and _refuses(node):
            _blank(lines, node)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _blank(lines: list[str], node: ast.stmt) -> None:
    lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)


def _refuses(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return not node.orelse and all(isinstance(n, ast.Raise) for n in node.body)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        node = node.value.func
    elif not isinstance(node, ast.FunctionDef):
        return False
    name = getattr(node, "name", getattr(node, "id", getattr(node, "attr", "")))
    return name.startswith(("_check", "check_"))


def job(chapter: Chapter, root: Path) -> dict:
    """What :mod:`.run` is to run.

    Raises
    ------
    Refused
        If no cell of the chapter is tagged ``record``.
    """
    if not recording(chapter):
        raise Refused(f"{name_of(chapter)} has no cell tagged {TAG}: there is nothing to record")
    cells = [{"source": c.source, "record": has_tag(c, TAG)} for c in cells_to_run(chapter)]
    return {
        "chapter": name_of(chapter),
        "key": key(chapter, root / "code"),
        "commit": commit(root),
        "cells": cells,
    }


def commit(root: Path) -> str:
    """The commit of the book at `root`, with a plus where files differ from it; "" without git."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "chapters", "code")
    found = git("rev-parse", "--short=12", "HEAD")
    return found + "+" if found and changed else found
