"""A submission, read and put in order before it runs: all but the student's answers is ours again."""

from __future__ import annotations

import hashlib

import nbformat
from nbformat import NotebookNode

from .apart import TooMuch, apart
from .course import NAMES, Course, is_student
from .source import KERNEL, is_kind, stub, task, without_hidden

MIB = 1 << 20
LARGEST = 64 * MIB  # bytes of a notebook that is handed in


class BadSubmission(ValueError):
    """What was handed in cannot be run; the text says why."""


def read_submission(course: Course, assignment: str, student: str) -> NotebookNode:
    """The notebook that a student handed in.

    Raises
    ------
    BadSubmission
        If it is missing, has another name, is no regular file, too large, or no notebook.
    """
    if not is_student(student):
        raise BadSubmission(f"its folder's name cannot be a student's: {NAMES}")
    path = course.notebook("submitted", assignment, student)
    if not path.parent.is_dir():
        raise BadSubmission(f"{path.parent.name} is no folder")
    if not path.exists() and not path.is_symlink():
        there = sorted(p.name for p in path.parent.iterdir())
        raise BadSubmission(f"no file {path.name}; there is: {', '.join(there) or 'nothing'}"[:300])
    if any(one.is_symlink() for one in (path, *path.parents[:2])) or not path.is_file():
        raise BadSubmission(f"{path.name} is a link or no regular file")
    if path.stat().st_size > LARGEST:
        raise BadSubmission(
            f"{path.name} has {path.stat().st_size / MIB:.0f} MiB, more than "
            f"{LARGEST // MIB}: ask for it with its outputs cleared"
        )
    try:
        with path.open("rb") as file:
            cells = apart("cells", file)
    except TooMuch as error:
        raise BadSubmission(f"{path.name} is no notebook: {error}") from error
    return nbformat.v4.new_notebook(cells=[_read_cell(c, str(i)) for i, c in enumerate(cells)])


def _read_cell(cell: dict, name: str) -> NotebookNode:
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    about = {"nbgrader": {"grade_id": cell["name"]}} if cell["name"] else {}
    new = make.get(cell["cell_type"], nbformat.v4.new_raw_cell)
    return new(cell["source"], id=name, metadata=about)


def submission_key(course: Course, assignment: str, student: str) -> str:
    digest = hashlib.sha256(course.notebook("source", assignment).read_bytes())
    path = course.notebook("submitted", assignment, student)
    if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def restore(submitted: NotebookNode, master: NotebookNode) -> NotebookNode:
    """The notebook to grade.

    Answers and written answers keep the student's text, if they are of the right kind. Given cells,
    checks and compare cells are the master's, hidden tests included. What is missing comes back after
    the task that stands before it in the master; a task that is there twice counts where it comes first.
    Other cells of the student stay, as cells without a task. Outputs and metadata are dropped.
    """
    tasks = {task(cell)["id"]: cell for cell in master.cells if task(cell)}
    cells, found = [], {}
    for cell in submitted.cells:
        name = _name(cell)
        if name not in tasks or name in found:
            cells.append(_plain(cell, f"student-{len(cells)}"))
            continue
        found[name] = _task(tasks[name], cell)
        cells.append(found[name])
        if is_kind(tasks[name], "answer", "written") and not _same_type(tasks[name], cell):
            cells.append(_plain(cell, f"student-{len(cells)}"))  # for a person to see
    place = 0  # after the task before it, or at the start
    for name, cell in tasks.items():
        if name in found:
            place = next(i for i, c in enumerate(cells) if c is found[name]) + 1
        else:
            cells.insert(place, _task(cell, None))
            place += 1
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def blank(master: NotebookNode) -> NotebookNode:
    """The master with stubs for solutions: what a student who does nothing hands in."""
    return restore(nbformat.v4.new_notebook(), master)


def is_unanswered(cell: NotebookNode, master: NotebookNode) -> bool:
    """Whether a written answer is still the stub."""
    name = task(cell)["id"]
    original = next(c for c in master.cells if task(c).get("id") == name)
    return _dense(cell.source) == _dense(stub(original))


def remarks(submitted: NotebookNode, master: NotebookNode) -> list[str]:
    """What is missing from a submission, and what does not belong to the assignment, in words.

    Raises
    ------
    BadSubmission
        If not one cell of it is a task of this assignment: its cells have lost their names.
    """
    tasks = {task(cell)["id"]: cell for cell in master.cells if task(cell)}
    found = [name for name in map(_name, submitted.cells) if name]
    if not set(found) & set(tasks):
        raise BadSubmission(
            "not one of its cells is a task of this assignment: it is another notebook, or a program "
            "has dropped the cells' metadata (nbgrader's names). Copy its answers into a fresh one"
        )
    lists = {
        "missing tasks": [n for n, cell in tasks.items() if n not in found and not is_kind(cell, "given")],
        "unknown tasks": sorted({n for n in found if n not in tasks}),
        "tasks that are there twice, the first counts": sorted({n for n in tasks if found.count(n) > 1}),
    }  # fmt: skip
    return [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]


def text_near(submitted: NotebookNode, master: NotebookNode) -> dict[str, str]:
    """Written tasks without an answer, and the text of the student's that may be it.

    Text in Markdown may stand anywhere; a code cell only between the tasks before and after.
    """
    given = {_dense(text) for c in master.cells for text in (stub(c), without_hidden(stub(c)))} | {
        ""
    }
    tasks = {task(cell)["id"]: cell for cell in master.cells if task(cell)}
    place, strays = {}, []
    for index, cell in enumerate(submitted.cells):
        original = tasks.get(_name(cell))
        if original and _same_type(original, cell) and _name(cell) not in place:
            place[_name(cell)] = index
        elif _dense(cell.source) not in given:
            strays.append((index, cell))
    found, before = {}, -1
    answers = [place[name] for name in place if is_kind(tasks[name], "answer", "written")]
    for name, original in tasks.items():
        here = place.get(name, before + 0.5)  # where it is missing: after the task before it
        empty = name not in place or _dense(submitted.cells[here].source) == _dense(stub(original))
        if is_kind(original, "written") and empty:
            start = max((p for p in answers if p < here), default=-1)
            end = min((p for p in answers if p > here), default=len(submitted.cells))
            near = [c for i, c in strays if start <= i <= end or c.cell_type != "code"]
            if near:
                found[name] = near[0].source
        before = place.get(name, before)
    return found


def _same_type(one: NotebookNode, other: NotebookNode) -> bool:
    return one.cell_type == other.cell_type


def _dense(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _name(cell: NotebookNode) -> str | None:
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def _task(original: NotebookNode, submitted: NotebookNode | None) -> NotebookNode:
    text = stub(original)
    writes = is_kind(original, "answer", "written")
    if writes and submitted is not None and _same_type(original, submitted):
        text = submitted.source
    new = _plain(original, task(original)["id"])
    new.source, new.metadata = text, nbformat.from_dict(dict(original.metadata))
    return new


def _plain(cell: NotebookNode, name: str) -> NotebookNode:
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(cell.source, id=name)
