"""An assignment's one source, ``classroom/assignments/<name>.md``, as an nbgrader notebook.

The kinds of its cells, and what nbgrader calls them:

========  ==========================================  ==================================
kind      what it is                                  in nbgrader
========  ==========================================  ==================================
given     code that students get and cannot change    locked
answer    code that students write                    solution
check     a test they see; no points                  locked
compare   values compared outside their process       locked, grade: all automatic points
written   a text that a person grades                 solution and grade
========  ==========================================  ==================================
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator

KINDS = {
    "given": {"grade": False, "locked": True, "solution": False},
    "answer": {"grade": False, "locked": False, "solution": True},
    "check": {"grade": False, "locked": True, "solution": False},
    "compare": {"grade": True, "locked": True, "solution": False},
    "written": {"grade": True, "locked": False, "solution": True},
}
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TOLERANCE = 1e-6


class SourceError(ValueError):
    """The source of an assignment is not as it must be."""


@dataclass(frozen=True)
class Assignment:
    """An assignment: its name, what its front matter says, and the notebook with solutions."""

    name: str
    title: str
    minutes: int  #: what a student needs
    seconds: int  #: longest time of one cell when graded
    withheld: tuple[str, ...]  #: modules that cannot be imported when graded
    notebook: NotebookNode

    def points(self, kind: str) -> float:
        return sum(task(c).get("points", 0) for c in self.notebook.cells if is_kind(c, kind))


def read(path: Path, install: str) -> Assignment:
    """Read the source and check its form.

    Parameters
    ----------
    path
        ``<name>.md``.
    install
        The code of the cell that comes first: it brings the package to Colab.

    Raises
    ------
    SourceError
        If something is missing or contradicts itself; the text names the file and the cell.
    """
    notebook = jupytext.read(path, fmt="md:myst")
    about = notebook.metadata.get("assignment")
    if not about:
        raise SourceError(f"{path}: the front matter has no `assignment:`")
    for key, kind in (("title", str), ("minutes", int), ("seconds", int)):
        if not isinstance(about.get(key), kind):
            raise SourceError(f"{path}: assignment.{key} is {about.get(key)!r}: give a {kind}")
    cells = [_cell(install, {"id": "install", "kind": "given"}, path)]
    cells += [_cell(c.source, c.metadata.get("task"), path, c.cell_type) for c in notebook.cells]
    names = [task(c)["id"] for c in cells if task(c)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SourceError(f"{path}: several tasks are named {', '.join(sorted(twice))}")
    _number(cells)
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    MetadataValidator().validate_nb(made)
    nbformat.validate(made)
    result = Assignment(
        path.stem, about["title"], about["minutes"], about["seconds"],
        tuple(about.get("withheld", ())), made,
    )  # fmt: skip
    compared, written = result.points("compare"), result.points("written")
    if compared < (compared + written) / 2:
        raise SourceError(
            f"{path}: {compared} of {compared + written} points are compared outside the student's "
            "process: make it at least half"
        )
    return result


def task(cell: NotebookNode) -> dict:
    """``{"id": ..., "kind": ..., "points": ..., "tolerance": ...}`` of a cell; empty if it is none."""
    return cell.metadata.get("task", {})


def is_kind(cell: NotebookNode, *kinds: str) -> bool:
    return task(cell).get("kind") in kinds


def stub(cell: NotebookNode) -> str:
    """The cell's text with its solution taken out, as students get it (hidden tests remain)."""
    return _replace(cell.source, SOLUTION, TEXT_STUB if cell.cell_type == "markdown" else STUB)


def without_hidden(text: str) -> str:
    return _replace(text, HIDDEN, "")


def markers(text: str) -> list[str]:
    """The marks of solutions and hidden tests in `text`."""
    return [mark for mark in (*SOLUTION, *HIDDEN) if mark in text]


def _replace(text: str, marks: tuple[str, str], by: str) -> str:
    lines, inside = [], False
    for line in text.split("\n"):
        if marks[0] in line:
            inside = True
            indent = re.match(r"\s*", line)[0]
            lines += [indent + new for new in by.split("\n") if new]
        elif marks[1] in line:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def _cell(text: str, about: dict | None, path: Path, cell_type: str = "code") -> NotebookNode:
    new = nbformat.v4.new_code_cell if cell_type == "code" else nbformat.v4.new_markdown_cell
    cell = new(text)
    if not about:
        if found := markers(text):
            raise SourceError(f"{path}: {found[0]} stands in a cell that is no task:\n{text}")
        return cell
    name, kind = about.get("id"), about.get("kind")
    if kind not in KINDS or not re.fullmatch(r"[a-z0-9-]+", name or ""):
        raise SourceError(
            f"{path}: a task is {dict(about)}: give an id of small letters, digits and dashes, and "
            f"a kind, one of {', '.join(KINDS)}"
        )
    if (cell_type == "markdown") != (kind == "written"):
        raise SourceError(f"{path}: task {name} is {kind} and its cell is {cell_type}")
    wanted = {"answer": SOLUTION, "written": SOLUTION, "compare": HIDDEN}.get(kind, ())
    if markers(text) != list(wanted) or any(text.count(mark) != 1 for mark in wanted):
        raise SourceError(
            f"{path}: task {name} is {kind} and holds the marks {markers(text)}: it needs "
            f"{list(wanted)}, each once"
        )
    points = about.get("points")
    if KINDS[kind]["grade"] != (isinstance(points, (int, float)) and points > 0):
        raise SourceError(
            f"{path}: task {name} is {kind} and has points {points!r}: compare and written have "
            "points above 0, the others none"
        )
    cell.metadata["task"] = dict(about)
    cell.metadata["nbgrader"] = {"grade_id": name, "schema_version": 3, **KINDS[kind]}
    if points:
        cell.metadata["nbgrader"]["points"] = points
    return cell


def _number(cells: list[NotebookNode]) -> None:
    """Ids that are the same in every build: a task's own name, else made of place and text."""
    for place, cell in enumerate(cells):
        digest = hashlib.sha256(f"{place} {cell.source}".encode()).hexdigest()
        cell.id = task(cell).get("id", f"text-{digest[:12]}")
