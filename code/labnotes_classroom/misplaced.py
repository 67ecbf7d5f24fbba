"""Answers that stand where grading does not look for them."""

from __future__ import annotations

from nbformat import NotebookNode

from .build import dense
from .course import shown
from .restore import blank
from .source import is_kind, task, without_hidden

LONGEST = 80  # characters of a text that is quoted


def misplaced(submitted: NotebookNode, master: NotebookNode) -> list[str]:
    """Tasks that are missing, and texts of the student's that stand near an empty answer."""
    tasks = {task(cell)["id"]: cell for cell in blank(master).cells if task(cell)}
    places: dict[str, int] = {}  # of each task, its cell's number; the first one counts
    for number, cell in enumerate(submitted.cells):
        if grade_id(cell) in tasks:
            places.setdefault(grade_id(cell), number)
    if not places:
        return ["the notebook has lost the marks of its tasks: no answer in it is known"]
    missing = [name for name in tasks if name not in places and name != "install"]
    found = [f"missing tasks: {', '.join(missing)}"] if missing else []
    own = _own(submitted, master, tasks, places)
    for name, cell in tasks.items():
        if not is_kind(cell, "answer", "written"):
            continue
        mine = submitted.cells[places[name]] if name in places else None
        if mine is not None and mine.cell_type != cell.cell_type:
            found.append(f"{name} is a {mine.cell_type} cell now and does not count{quote(mine)}")
        elif mine is None or dense(mine.source) in (dense(cell.source), ""):
            start, stop = _between(name, list(tasks), places, len(submitted.cells))
            near = [submitted.cells[n] for n in own if start <= n <= stop]
            found += [f"text near the empty answer {name}{quote(near[0])}"] if near else []
    return found


def _own(submitted, master, tasks: dict, places: dict) -> list[int]:
    """The numbers of cells with something of the student's in them that does not count."""
    given = {dense(cell.source) for cell in master.cells if not task(cell)} | {""}
    theirs = {n for name, n in places.items() if is_kind(tasks[name], "answer", "written")}
    locked = {n: dense(without_hidden(tasks[name].source)) for name, n in places.items()}
    return [
        number
        for number, cell in enumerate(submitted.cells)
        if number not in theirs
        and dense(cell.source) not in given
        and dense(cell.source) != locked.get(number)
    ]


def _between(name: str, order: list[str], places: dict, count: int) -> tuple[int, int]:
    """From the task before to the task behind, of those that are there."""
    here = order.index(name)
    before = [places[other] for other in order[:here] if other in places]
    behind = [places[other] for other in order[here + 1 :] if other in places]
    return max(before, default=0), min(behind, default=count)


def grade_id(cell: NotebookNode) -> str | None:
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def quote(cell: NotebookNode) -> str:
    """The beginning of a cell's text, behind a colon."""
    text = " ".join(shown(cell.source.replace("\n", " ")).split())
    return f": {text[:LONGEST]!r}" + ("..." if len(text) > LONGEST else "")
