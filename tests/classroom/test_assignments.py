"""The assignments themselves: they build, a right answer gets all points, wrong ones what they earn."""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from conftest import REAL_DATA

from labnotes_classroom import jail
from labnotes_classroom.build import build, limits_of
from labnotes_classroom.compare import cell_verdicts
from labnotes_classroom.course import Course
from labnotes_classroom.reference import checked
from labnotes_classroom.source import is_kind, read, task

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "classroom" / "assignments").glob("*.md"))


def wrong_answers(name: str) -> list[dict]:
    path = Path(__file__).parent / "wrong" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"wrong_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


WRONG = [(path.stem, wrong) for path in SOURCES for wrong in wrong_answers(path.stem)]
_expected: dict[str, dict] = {}


def run(assignment, notebook) -> jail.Ran:
    return jail.run(notebook, limits_of(assignment.seconds), assignment.withheld)


def expected(assignment) -> dict:
    if assignment.name not in _expected:
        _expected[assignment.name] = checked(
            assignment.notebook, run(assignment, assignment.notebook)
        )
    return _expected[assignment.name]


def the(name: str):
    return read(ROOT / "classroom" / "assignments" / f"{name}.md", "pass")


@pytest.mark.parametrize("name", [path.stem for path in SOURCES])
def test_an_assignment_is_built_with_the_data_that_is_here(name, jailed, tmp_path, monkeypatch):
    """With its controls: the solution runs, all of it compares, and a blank release gets nothing."""
    if REAL_DATA:
        monkeypatch.setenv("LABNOTES_DATA", REAL_DATA)
    course = Course(tmp_path / "course")
    build(ROOT / "classroom" / "assignments", course, [name])
    for kind in ("source", "release", "solution"):
        assert course.notebook(kind, name).exists()


@pytest.mark.parametrize("name", [path.stem for path in SOURCES])
def test_an_assignment_has_twenty_points_and_each_kind_of_task(name):
    assignment = the(name)
    assert assignment.points("compare") + assignment.points("written") == 20
    assert assignment.points("compare") >= 12 and 60 <= assignment.minutes <= 90
    kinds = {task(cell).get("kind") for cell in assignment.notebook.cells}
    assert kinds >= {"given", "answer", "check", "compare", "written"}
    text = "\n".join(c.source for c in assignment.notebook.cells if c.cell_type == "markdown")
    for cell in assignment.notebook.cells:
        if is_kind(cell, "compare", "written"):
            assert f"{task(cell)['points']} point" in text, task(cell)["id"]
        assert len(cell.source.split("\n")) <= 40
    assert "Rubric" in text


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=[f"{n}: {w['name']}" for n, w in WRONG])
def test_a_wrong_answer_loses_its_points_and_no_others(name, wrong, jailed):
    assignment = the(name)
    right = expected(assignment)
    notebook = nbformat.from_dict(assignment.notebook)
    for cell in notebook.cells:
        if cell.id in wrong["cells"]:
            cell.source = wrong["cells"][cell.id]
    assert set(wrong["cells"]) <= {cell.id for cell in notebook.cells}
    # What comes after the last task that it touches is the solution's own: another test runs it.
    last = max(i for i, cell in enumerate(notebook.cells) if cell.id in wrong["at_most"])
    notebook.cells = notebook.cells[: last + 1]
    ran = run(assignment, notebook)
    assert ran.done, ran.status
    for cell in notebook.cells:
        if not is_kind(cell, "compare"):
            continue
        found = cell_verdicts(cell, ran.outputs[cell.id], right[cell.id])
        points = task(cell)["points"] * sum(found.values()) / len(found)
        most = wrong["at_most"].get(cell.id)
        if most is None:
            assert points == task(cell)["points"], (cell.id, found)
        else:
            assert points <= most < task(cell)["points"], (cell.id, found)
