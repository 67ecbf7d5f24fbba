"""From ``classroom/assignments/*.md`` the nbgrader course, and the controls that it must pass."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from . import jail
from .compare import cell_verdicts
from .course import Course, CourseError, find_alembic, write_notebook
from .intake import deadlines
from .reference import checked, keep
from .restore import blank
from .source import HIDDEN, SOLUTION, Assignment, is_kind, markers, read, task
from .standin import data_sets

SHORTEST = 12  # letters of a solution that can give it away: `return x` may stand anywhere


def build(assignments: Path, course: Course, only: list[str], say: Callable = print) -> None:
    """Write source, release and instructor's solution of each assignment into the course.

    Parameters
    ----------
    assignments
        The folder of the sources.
    only
        The names of the assignments to build; all if empty.

    Raises
    ------
    CourseError, SourceError
        If there is nothing to build, or a control fails: the solution must run without an error and
        be comparable; the release must fail and get no point; no solution, hidden test or marker may
        stand in a released file; cell ids must be unique.
    """
    from labnotes_site.export.install_cell import INSTALL
    from labnotes_site.source.repository import repository

    paths = [p for p in sorted(assignments.glob("*.md")) if not only or p.stem in only]
    if missing := set(only) - {p.stem for p in paths}:
        raise CourseError(f"{assignments} has no {', '.join(sorted(missing))}")
    if not paths:
        raise CourseError(f"there is no assignment (*.md) in {assignments}")
    repo = repository(assignments)
    install = INSTALL.format(source=f"labnotes @ git+https://github.com/{repo}" if repo else "")
    course.root.mkdir(parents=True, exist_ok=True)
    shutil.copy(assignments.parent / "nbgrader_config.py", course.root)
    for path in paths:
        assignment = read(path, install.rstrip())
        about = jupytext.read(path, fmt="md:myst").metadata["assignment"]
        seconds = _build(assignment, course, deadlines.of_source(about, path))
        say(
            f"{assignment.name}: {assignment.points('compare'):g} points compared, "
            f"{assignment.points('written'):g} written, {assignment.minutes} minutes for a student; "
            f"the solution runs in {seconds:.0f} s"
        )


def _build(assignment: Assignment, course: Course, due: dict) -> float:
    name, jailed = assignment.name, shutil.which("bwrap") is not None
    limits = limits_of(assignment.seconds)
    # First the controls, then the course: a source that fails leaves the course as it was.
    solved = jail.run(assignment.notebook, limits, assignment.withheld, jailed)
    expected = checked(assignment.notebook, solved)
    _refuse_points_for_nothing(assignment, expected, limits, jailed)
    master = nbformat.from_dict(assignment.notebook)
    master.metadata["assignment"] = {
        "seconds": assignment.seconds,
        "withheld": list(assignment.withheld),
        "title": assignment.title,
        "data": data_sets(solved.outputs),
        **due,
    }
    released = release(name, master, course)
    _refuse_leaks(assignment, released)
    for kind, notebook in (("source", master), ("release", released), ("solution", master)):
        copy = nbformat.from_dict(notebook)
        if kind == "solution":
            for cell in copy.cells:
                if cell.cell_type == "code":
                    cell.outputs = [nbformat.from_dict(o) for o in solved.outputs[cell.id]]
        write_notebook(course.notebook(kind, name), copy)
    keep(course, name, limits, expected, solved.seconds)
    return solved.seconds


def limits_of(seconds: int) -> jail.Limits:
    """The limits of a submission: some cells may use all of their `seconds`, not all."""
    cpu = 60 + 4 * seconds
    return jail.Limits(cell=seconds, cpu=cpu, wall=2 * cpu)


def _refuse_points_for_nothing(assignment, expected, limits, jailed) -> None:
    """The release must run red: nothing done, nothing got."""
    notebook = blank(assignment.notebook)
    ran = jail.run(notebook, limits, assignment.withheld, jailed)
    if not any(o["output_type"] == "error" for outputs in ran.outputs.values() for o in outputs):
        raise CourseError(f"{assignment.name}: the release runs without an error")
    for cell in notebook.cells:
        if is_kind(cell, "compare"):
            name = task(cell)["id"]
            found = cell_verdicts(cell, ran.outputs.get(cell.id, []), expected[name])
            if right := [n for n, ok in found.items() if ok]:
                raise CourseError(f"{assignment.name}: {name} gives points for nothing: {right}")


def release(name: str, master: NotebookNode, course: Course) -> NotebookNode:
    """nbgrader's release of the notebook; it also enters the assignment into the gradebook."""
    from nbgrader.apps import NbGraderAPI

    find_alembic()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Course(Path(folder))
        path = scratch.notebook("source", name)
        path.parent.mkdir(parents=True)
        nbformat.write(master, path)
        shutil.copy(course.root / "nbgrader_config.py", folder)
        config = scratch.config
        config.CourseDirectory.db_url = f"sqlite:///{course.root / 'gradebook.db'}"
        done = NbGraderAPI(config=config).generate_assignment(name, force=True, create=True)
        if not done["success"]:
            raise CourseError(f"nbgrader made no release of {name}:\n{done['log']}")
        released = nbformat.read(scratch.notebook("release", name), 4)
    for cell in released.cells:
        cell.metadata.pop("task", None)
    released.metadata.pop("assignment")
    return released


def _refuse_leaks(assignment: Assignment, released: NotebookNode) -> None:
    ids = [cell.id for cell in released.cells]
    if len(ids) != len(set(ids)):
        raise CourseError(f"{assignment.name}: cell ids of the release are not unique")
    text = "\n".join(dense(cell.source) for cell in released.cells)
    if found := markers(text):
        raise CourseError(f"{assignment.name}: the release holds {found[0]}")
    for cell in assignment.notebook.cells:
        for secret in secrets(cell):
            if len(dense(secret)) >= SHORTEST and dense(secret) in text:
                raise CourseError(f"{assignment.name}: the release holds a hidden part:\n{secret}")


def dense(text: str) -> str:
    """The lines that hold something, without the blanks around them."""
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def secrets(cell: NotebookNode) -> list[str]:
    """The parts of a cell that no student may see: its solution, or its hidden tests."""
    if not is_kind(cell, "answer", "written", "compare"):
        return []
    start, end = HIDDEN if is_kind(cell, "compare") else SOLUTION
    inner = cell.source.split(start, 1)[1].split(end, 1)[0]
    return [inner] if inner.strip() else []
