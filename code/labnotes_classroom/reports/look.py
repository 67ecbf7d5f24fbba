"""What a teacher should look at after grading: one list, by student."""

from __future__ import annotations

from dataclasses import dataclass

from ..course import Course, record_name
from ..gradebook import grade_rows
from ..intake.roster import FILE, read_roster
from ..restore import submission_key
from ..results import FAILED, Result, read_results
from .similarity import alike, answers, released

MOST_PAIRS = 20  # of answers that are alike


@dataclass(frozen=True)
class Hint:
    """Something to look at."""

    student: str
    what: str


def look(course: Course, assignment: str) -> list[Hint]:
    """All hints: what failed, what is stale, what grading noted (missing tasks, a text near an empty
    answer, an interrupted cell), who is late, whose answers are alike, and who handed in nothing.
    """
    roster, students = read_roster(course), course.students(assignment)
    graded, hints = read_results(course, assignment), []
    for student in students:
        try:
            hints += _of_one(course, assignment, student, graded.get(student))
        except Exception as error:  # one submission must not stop the others
            hints.append(Hint(student, f"could not be looked at, {type(error).__name__}: {error}"))
    for row in grade_rows(course, assignment, graded):
        if row.get("seconds late"):
            hints.append(Hint(row["student"], f"{row['seconds late'] / 3600:.1f} hours late"))
    pairs = alike(answers(course, assignment), released(course, assignment))
    for pair in pairs[:MOST_PAIRS]:
        how = "letter for letter" if pair.same else f"{pair.share:.0%}"
        hints.append(Hint(pair.one, f"answers like those of {record_name(pair.other)} ({how})"))
    if len(pairs) > MOST_PAIRS:
        more = len(pairs) - MOST_PAIRS
        hints.append(Hint("others", f"{more} pairs more are alike: `labnotes-classroom similar`"))
    if roster:
        hints += [Hint(s, f"is not in {FILE}") for s in students if s not in roster.students]
    return hints + [Hint(s, "handed in nothing") for s in roster.students if s not in students]


def again(course: Course, assignment: str) -> list[str]:
    """Who failed, or had a cell that took too long: a machine with too much to do can be why."""
    found = read_results(course, assignment)
    return [s for s, result in found.items() if _failed(result) or _slow(result)]


def _of_one(course: Course, assignment: str, student: str, result: Result | None) -> list[Hint]:
    if result is None:
        return [Hint(student, "not graded yet")]
    found = [f"failed to run: {result.reason}"] if _failed(result) else []
    if result.key != submission_key(course, assignment, student):
        found.append("handed in again, or the assignment has changed: grade again")
    return [Hint(student, what) for what in (*found, *result.notes)]


def _failed(result: Result) -> bool:
    return result.status == FAILED


def _slow(result: Result) -> bool:
    return any("was stopped after" in note for note in result.notes)
