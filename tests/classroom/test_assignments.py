"""The assignments themselves: they build, a right answer gets all points, wrong ones what they earn."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from conftest import REAL_DATA

from labnotes_classroom import jail, reference
from labnotes_classroom.build import build, limits_of
from labnotes_classroom.compare import cell_verdicts, value
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


#: Given cells that compute for seconds and use no answer.
ONCE = {"attention": ["train"]}
WRONG = [(path.stem, wrong) for path in SOURCES for wrong in wrong_answers(path.stem)]


def the(name: str):
    return read(ROOT / "classroom" / "assignments" / f"{name}.md", "pass")


@cache
def solution(name: str, given: Sequence[str] | None = None) -> dict:
    """The names that the answers of an assignment make, and the `given` cells before them.

    Without `given` all of these are run, but for the one that installs and the table of results.
    """
    names: dict = {}
    for cell in the(name).notebook.cells:
        if is_kind(cell, "answer") or (is_kind(cell, "given") and wanted(task(cell)["id"], given)):
            exec(cell.source, names)
    return names


def wanted(cell: str, given: Sequence[str] | None) -> bool:
    return cell not in ("install", "results") if given is None else cell in given


def generous(seconds: int) -> jail.Limits:
    """Ten times the clock's limits, for other work may share the machine. In forked.py each cell of
    the solution is held to the `seconds` of its assignment, in CPU time."""
    return limits_of(10 * seconds)


@pytest.fixture(scope="module")
def course_of(jailed, tmp_path_factory):
    """The course with an assignment in it, each built once, with the stand-ins for data."""
    course, there = Course(tmp_path_factory.mktemp("assignments") / "course"), set()

    def of(name: str) -> Course:
        if name not in there:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(f"{build.__module__}.limits_of", generous)
                build(ROOT / "classroom" / "assignments", course, [name])
            there.add(name)
        return course

    return of


@pytest.mark.parametrize("name", [path.stem for path in SOURCES])
def test_an_assignment_is_built(name, course_of):
    """With its controls: the solution runs, all of it compares, and a blank release gets nothing."""
    for kind in ("source", "release", "solution"):
        assert course_of(name).notebook(kind, name).exists()


@pytest.mark.parametrize("name", [path.stem for path in SOURCES])
def test_a_solution_runs_with_the_data_that_is_here(name, course_of, monkeypatch):
    """The other controls do not depend on data."""
    if not REAL_DATA:
        pytest.skip("LABNOTES_DATA is not set: built with the stand-ins alone")
    if not course_of(name).master(name).metadata["assignment"]["data"]:
        pytest.skip("it makes its own data: the build has run it as it is")
    monkeypatch.setenv("LABNOTES_DATA", REAL_DATA)
    assignment = the(name)
    ran = jail.run(assignment.notebook, generous(assignment.seconds), assignment.withheld)
    assert set(checked(assignment.notebook, ran)) == {
        cell.id for cell in assignment.notebook.cells if is_kind(cell, "compare")
    }


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


def compared(notebook, outputs: dict, right: dict):
    """(cell, its verdicts) of each compare cell that has run."""
    for cell in notebook.cells:
        if is_kind(cell, "compare") and cell.id in outputs:
            yield cell, cell_verdicts(cell, outputs[cell.id], right[cell.id])


def variant(assignment, wrong: dict) -> dict:
    """The solution with wrong answers, up to the last task that they touch."""
    order = [cell.id for cell in assignment.notebook.cells]
    assert {*wrong["cells"], *wrong["at_most"]} <= set(order)
    return {"cells": wrong["cells"], "last": max(wrong["at_most"], key=order.index)}


@pytest.fixture(scope="module")
def ran(course_of):
    """By assignment: it, the values to reach, what its solution and its wrong answers gave.

    The values are those of the build, from a kernel. All the rest of an assignment runs in one jail,
    in a process each (see forked.py).
    """
    found = {}

    def of(name: str):
        if name not in found:
            assignment = the(name)
            limits, withheld = generous(assignment.seconds), assignment.withheld
            right = reference.values(course_of(name), name, limits, withheld, True)
            asked = {
                "cells": [
                    [c.id, c.source] for c in assignment.notebook.cells if c.cell_type == "code"
                ],
                "once": ONCE.get(name, []),
                "variants": [variant(assignment, w) for n, w in WRONG if n == name],
            }
            ended = jail.run_program(
                Path(__file__).with_name("forked.py"), [str(assignment.seconds)], json.dumps(asked),
                replace(limits, wall=3600), withheld,
            )  # fmt: skip
            assert not ended.problem, ended.problem
            found[name] = assignment, right, json.loads(ended.wrote)
        return found[name]

    return of


@pytest.mark.parametrize("name", [path.stem for path in SOURCES])
def test_the_process_that_the_wrong_answers_come_from_computes_what_the_kernel_does(name, ran):
    assignment, right, outputs = ran(name)
    for cell, _ in compared(assignment.notebook, outputs["base"], right):
        assert value(outputs["base"][cell.id]) == right[cell.id], cell.id
    # It ends where the last wrong answer leaves it: the cell after that takes ten seconds.
    assert set(list(right)[:-1]) <= set(outputs["base"])


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=[f"{n}: {w['name']}" for n, w in WRONG])
def test_a_wrong_answer_loses_its_points_and_no_others(name, wrong, ran):
    assignment, right, outputs = ran(name)
    number = [w for n, w in WRONG if n == name].index(wrong)
    graded = list(compared(assignment.notebook, outputs["variants"][number], right))
    assert {cell.id for cell, _ in graded} >= set(wrong["at_most"])
    for cell, found in graded:
        points = task(cell)["points"] * sum(found.values()) / len(found)
        most = wrong["at_most"].get(cell.id)
        if most is None:
            assert points == task(cell)["points"], (cell.id, found)
        else:
            assert points <= most < task(cell)["points"], (cell.id, found)
