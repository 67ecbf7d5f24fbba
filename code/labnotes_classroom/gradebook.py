"""Scores in nbgrader's gradebook, where the formgrader finds them; and out of it as CSV."""

from __future__ import annotations

import datetime
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.utils import parse_utc

from .course import Course, record_name
from .intake.deadlines import Deadline, deadline
from .intake.roster import Student, read_roster
from .reports.tables import write_table
from .results import FAILED, GRADED, Result

COLUMNS = (
    "student", "name", "status", "automatic", "by a person", "before lateness", "total", "of",
    "waiting for a person", "handed in", "seconds late", "reason",
)  # fmt: skip
NOTHING = "handed in nothing"
NOT_YET = "not graded yet"


def enter(course: Course, assignment: str, result: Result) -> None:
    """Put a result into the gradebook. What a person has given stays, and is shown for review."""
    student = record_name(result.student)
    roster = read_roster(course)
    with course.gradebook() as book:
        book.update_or_create_student(student, **_person(roster.students.get(result.student)))
        stamp = handed_in(course, assignment, result.student)
        about = {"timestamp": stamp} if stamp else {}
        submission = book.update_or_create_submission(assignment, student, **about)
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                grade.auto_score = result.scores.get(grade.name)
                grade.needs_manual_grade = (
                    grade.manual_score is not None or grade.auto_score is None
                )
        book.db.commit()


def _person(student: Student | None) -> dict[str, str]:
    """What the formgrader shows of a student of the roster."""
    if student is None:
        return {}
    last, comma, first = student.name.partition(",")
    if not comma:
        first, _, last = student.name.rpartition(" ")
    about = {"first_name": first.strip(), "last_name": last.strip()} if first and last else {}
    return about | {"email": student.email, "lms_user_id": student.platform_id}


def write_csv(course: Course, assignment: str, results: dict[str, Result], path: Path) -> Path:
    """The grades of an assignment, a row a student; a submission that failed has no total.

    Parameters
    ----------
    results
        By student, of :func:`labnotes_classroom.grade.grade`.
    """
    rows = grade_rows(course, assignment, results)
    return write_table(path, COLUMNS, ([row.get(name, "") for name in COLUMNS] for row in rows))


def grade_rows(course: Course, assignment: str, results: dict[str, Result]) -> list[dict]:
    """A row for each student who has handed in, or is in the roster; sorted by student.

    ``before lateness`` and ``total`` are there only if nothing waits for a person and nothing
    failed: a submission without a grade never looks like a zero.
    """
    roster = read_roster(course)
    students = {*course.students(assignment), *results, *roster.students}
    listed = [roster.students.get(student, Student(student)) for student in sorted(students)]
    own = {student.due.get(assignment, "") for student in listed}
    rules = {date: deadline(course, assignment, date) for date in own}
    with course.gradebook() as book:
        return [
            _row(
                book,
                course,
                assignment,
                one,
                results.get(one.id),
                rules[one.due.get(assignment, "")],
            )
            for one in listed
        ]


def _row(
    book, course: Course, assignment: str, listed: Student, result: Result | None, rule: Deadline
) -> dict:
    student = listed.id
    row = {"student": record_name(student), "name": listed.name}
    if result is None:
        there = course.notebook("submitted", assignment, student).parent.exists()
        return row | {"status": NOT_YET if there else NOTHING}
    row |= {"status": result.status, "reason": result.reason}
    try:
        submission = book.find_submission(assignment, record_name(student))
    except MissingEntry:  # not even the gradebook took it: the reason says why
        return row
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    by_hand = [g for g in grades if g.manual_score is not None]
    waiting = [g for g in grades if g.manual_score is None and g.auto_score is None]
    stamp = handed_in(course, assignment, student)
    late = rule.seconds_late(stamp and stamp.replace(tzinfo=datetime.timezone.utc))
    row |= {
        "of": submission.max_score,
        "waiting for a person": len(waiting),
        "handed in": f"{stamp:%Y-%m-%d %H:%M:%S} UTC" if stamp else "",
        "seconds late": "" if late is None else late,
    }
    if not waiting:
        row["status"] = GRADED  # a person may have graded what failed to run
    if row["status"] != FAILED:
        automatic = sum(g.auto_score or 0 for g in grades if g.manual_score is None)
        person = sum(g.manual_score + (g.extra_credit or 0) for g in by_hand)
        row |= {"automatic": automatic, "by a person": person}
        if not waiting:
            row["before lateness"] = automatic + person
            row["total"] = round(rule.left_of(automatic + person, late), 2)
    return row


def comments(course: Course, assignment: str, student: str) -> dict[str, str]:
    """What a person wrote to a student, by task."""
    with course.gradebook() as book:
        try:
            submission = book.find_submission(assignment, record_name(student))
        except MissingEntry:
            return {}
        return {
            comment.name: comment.comment
            for notebook in submission.notebooks
            for comment in notebook.comments
            if comment.comment
        }


def scores(course: Course, assignment: str, student: str) -> dict[str, tuple[float | None, float]]:
    """By task, what a student has (None: not graded yet) and what there is to have."""
    with course.gradebook() as book:
        submission = book.find_submission(assignment, record_name(student))
        return {
            grade.name: (
                None if grade.manual_score is None and grade.auto_score is None else grade.score,
                grade.max_score,
            )
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def handed_in(course: Course, assignment: str, student: str) -> datetime.datetime | None:
    """When it was, in UTC, as the exchange or ``collect`` noted it in ``timestamp.txt``."""
    path = course.notebook("submitted", assignment, student).with_name("timestamp.txt")
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open(encoding="utf8") as file:
            return parse_utc(file.read(100).strip())
    except (ValueError, OverflowError):  # no date: as if there were no such file
        return None
