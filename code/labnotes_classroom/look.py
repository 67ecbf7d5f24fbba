"""What a teacher should look at after grading: one list, by student."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from . import grade
from .course import Course, record_name
from .gradebook import grade_rows
from .misplaced import misplaced, quote
from .results import FAILED, read_result
from .roster import FILE, Roster, read_roster
from .similarity import alike, answers, released
from .source import task


@dataclass(frozen=True)
class Hint:
    """Something to look at."""

    student: str
    what: str


def look(course: Course, assignment: str) -> list[Hint]:
    """All hints: what failed, what is stale, what is missing or stands in another place, what timed
    out, who is late, whose answers are alike, and who handed in nothing.
    """
    roster, master = read_roster(course), course.master(assignment)
    hints = []
    for student in course.students(assignment):
        try:
            hints += _of_one(course, assignment, student, master)
        except Exception as error:  # one submission must not stop the others
            hints.append(Hint(student, f"could not be looked at, {type(error).__name__}: {error}"))
    hints += _late(course, assignment, roster)
    for pair in alike(answers(course, assignment), released(course, assignment)):
        how = "letter for letter" if pair.same else f"{pair.share:.0%}"
        hints.append(Hint(pair.one, f"answers like those of {record_name(pair.other)} ({how})"))
    there = set(course.students(assignment))
    if roster:
        hints += [Hint(s, f"is not in {FILE}") for s in sorted(there - set(roster.students))]
    hints += [Hint(s, "handed in nothing") for s in sorted(set(roster.students) - there)]
    return hints


def again(course: Course, assignment: str) -> list[str]:
    """Who failed, or had a cell that took too long: a machine with too much to do can be why."""
    found = []
    for student in course.students(assignment):
        result = read_result(course, assignment, student)
        if result and (result.status == FAILED or any(_timed_out(course, assignment, student))):
            found.append(student)
    return found


def _of_one(course: Course, assignment: str, student: str, master) -> Iterator[Hint]:
    result = read_result(course, assignment, student)
    if result is None:
        yield Hint(student, "not graded yet")
    elif result.key != grade._key(course, assignment, student):
        yield Hint(student, "handed in again, or the assignment has changed: grade again")
    if result is not None and result.status == FAILED:
        yield Hint(student, f"failed to run: {result.reason}")
    elif result is not None:
        yield from _timed_out(course, assignment, student)
    try:
        submitted = grade.read_submission(course, assignment, student)
    except grade.BadSubmission as error:
        if result is None:
            yield Hint(student, f"{error}")
        return
    yield from (Hint(student, what) for what in misplaced(submitted, master))


def _timed_out(course: Course, assignment: str, student: str) -> Iterator[Hint]:
    path = course.notebook("autograded", assignment, student)
    for cell in nbformat.read(path, 4).cells if path.exists() else []:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename == "KeyboardInterrupt":
                yield Hint(student, f"a cell took too long and was interrupted: {_name(cell)}")


def _late(course: Course, assignment: str, roster: Roster) -> Iterator[Hint]:
    results = {s: read_result(course, assignment, s) for s in course.students(assignment)}
    for row in grade_rows(course, assignment, {s: r for s, r in results.items() if r}):
        if row.get("seconds late"):
            yield Hint(row["student"], f"{row['seconds late'] / 3600:.1f} hours late")


def _name(cell: NotebookNode) -> str:
    return task(cell).get("id") or f"one of the student's own{quote(cell)}"
