"""A course whose results are made up: for tests of what comes after grading, without a jail."""

import shutil
from pathlib import Path

import nbformat

from labnotes_classroom.build import release
from labnotes_classroom.course import Course, write_notebook
from labnotes_classroom.gradebook import enter
from labnotes_classroom.restore import blank, restore
from labnotes_classroom.results import GRADED, PERSON, Result, write_result
from labnotes_classroom.source import read

HERE = Path(__file__).parent
SOURCE = HERE / "course_source" / "assignments" / "tiny.md"


def make(root: Path) -> Course:
    """The tiny assignment's course, released, nothing run."""
    course = Course(root)
    root.mkdir(parents=True)
    shutil.copy(HERE.parents[1] / "classroom" / "nbgrader_config.py", root)
    master = read(SOURCE, "pass").notebook
    master.metadata["assignment"] = {"seconds": 4, "withheld": []}
    write_notebook(course.notebook("release", "tiny"), release("tiny", master, course))
    write_notebook(course.notebook("source", "tiny"), master)
    return course


def hand_in(course: Course, student: str, when: str = "", **answers: str) -> None:
    """The release with answers, by task."""
    notebook = nbformat.read(course.notebook("release", "tiny"), 4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    path = course.notebook("submitted", "tiny", student)
    write_notebook(path, notebook)
    if when:
        path.with_name("timestamp.txt").write_text(when)


def graded(course: Course, student: str, mean=4.0, spread=2.0, why: float | None = 2.0, **more):
    """A result as grading would record it, and the points that a person gave for `why`."""
    result = Result(
        student, GRADED if why is not None else PERSON, scores={"mean-graded": mean, "spread-graded": spread, "why": None},
        **more,
    )  # fmt: skip
    master = course.master("tiny")
    path = course.notebook("submitted", "tiny", student)
    notebook = restore(nbformat.read(path, 4), master) if path.exists() else blank(master)
    write_notebook(course.notebook("autograded", "tiny", student), notebook)
    enter(course, "tiny", result)
    write_result(course, "tiny", result)
    if why is not None:
        with course.gradebook() as book:
            grade = book.find_grade("why", "tiny", "tiny", student)
            grade.manual_score, grade.needs_manual_grade = why, False
            book.db.commit()
    return result
