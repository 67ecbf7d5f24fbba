"""Scores in nbgrader's gradebook, where the formgrader finds them; and out of it as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.utils import parse_utc

from labnotes.files import replacing

from .course import Course, record_name
from .results import FAILED, GRADED, Result

COLUMNS = (
    "student", "status", "automatic", "by a person", "total", "of", "waiting for a person",
    "seconds late", "reason",
)  # fmt: skip


def enter(course: Course, assignment: str, result: Result) -> None:
    """Put a result into the gradebook. What a person has given stays, and is shown for review."""
    student = record_name(result.student)
    with course.gradebook() as book:
        book.update_or_create_student(student)
        stamp = _timestamp(course, assignment, result.student)
        about = {"timestamp": stamp} if stamp else {}
        submission = book.update_or_create_submission(assignment, student, **about)
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                grade.auto_score = result.scores.get(grade.name)
                grade.needs_manual_grade = (
                    grade.manual_score is not None or grade.auto_score is None
                )
        book.db.commit()


def write_csv(course: Course, assignment: str, results: dict[str, Result], path: Path) -> Path:
    """The grades of an assignment, a row a student; a submission that failed has no total.

    Parameters
    ----------
    results
        By student, of :func:`labnotes_classroom.grade.grade`.
    """
    with course.gradebook() as book:
        rows = [_row(book, assignment, results[student]) for student in sorted(results)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def _row(book, assignment: str, result: Result) -> dict:
    student = record_name(result.student)
    row = {"student": student, "status": result.status, "reason": result.reason}
    try:
        submission = book.find_submission(assignment, student)
    except MissingEntry:  # not even the gradebook took it: the reason says why
        return row
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    by_hand = [g for g in grades if g.manual_score is not None]
    waiting = [g for g in grades if g.manual_score is None and g.auto_score is None]
    row |= {
        "of": submission.max_score,
        "waiting for a person": len(waiting),
        "seconds late": round(submission.total_seconds_late),
    }
    if not waiting:
        row["status"] = GRADED  # a person may have graded what failed to run
    if row["status"] != FAILED:
        automatic = sum(g.auto_score or 0 for g in grades if g.manual_score is None)
        person = sum(g.manual_score + (g.extra_credit or 0) for g in by_hand)
        row |= {"automatic": automatic, "by a person": person}
        row["total"] = automatic + person if not waiting else ""
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


def _timestamp(course: Course, assignment: str, student: str):
    """When it was handed in, as the exchange or the teacher noted it in ``timestamp.txt``."""
    path = course.notebook("submitted", assignment, student).with_name("timestamp.txt")
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open(encoding="utf8") as file:
            return parse_utc(file.read(100).strip())
    except (ValueError, OverflowError):  # no date: as if there were no such file
        return None
