"""Grades and feedback in the form that a learning platform takes back.

======  =================================  ====================================================
for     grades (CSV)                       feedback (zip)
======  =================================  ====================================================
moodle  the grading worksheet's columns    a folder a student, named as the submission was
canvas  the gradebook's columns            a file a student, named as the submission was
plain   :func:`.gradebook.write_csv`       a file a student, named after the student
======  =================================  ====================================================

Only grades that are there are written: who waits for a person or failed is left out and named, so
that the platform never takes a missing grade for a zero.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from labnotes.files import replacing

from ..course import Course, record_name
from ..gradebook import NOTHING, grade_rows, write_csv
from ..intake.collect import came_as
from ..intake.roster import Roster, read_roster
from ..results import Result
from .tables import write_table

PLATFORMS = ("moodle", "canvas", "plain")
MOODLE = (
    "Identifier", "Full name", "Email address", "ID number", "Grade", "Maximum Grade",
    "Last modified (grade)",
)  # fmt: skip
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


@dataclass
class Exported:
    """The two files, and by student why something is not in them."""

    grades: Path
    feedback: Path
    rows: int = 0
    pages: int = 0
    left: dict[str, str] = field(default_factory=dict)


def export(course: Course, assignment: str, platform: str, results: dict[str, Result]) -> Exported:
    """Write ``exports/<assignment>-<platform>.csv`` and ``….zip``.

    Parameters
    ----------
    platform
        One of `PLATFORMS`.
    results
        By student.
    """
    base = course.root / "exports"
    found = Exported(
        base / f"{assignment}-{platform}.csv", base / f"{assignment}-{platform}-feedback.zip"
    )
    names = came_as(course, assignment)
    roster = read_roster(course)
    graded = []
    for row in grade_rows(course, assignment, results):
        if row.get("total", "") == "":
            if row["status"] != NOTHING:
                found.left[row["student"]] = f"no grade: {row['status']}"
        else:
            graded.append(row)
    if platform == "plain":
        write_csv(course, assignment, results, found.grades)
        found.rows = len(graded)
    else:
        table = _moodle if platform == "moodle" else _canvas
        columns, rows = table(assignment, graded, names, roster, found.left)
        write_table(found.grades, columns, rows)
        found.rows = len(rows) - (platform == "canvas")  # Canvas has a row of the points to get
    found.pages = _pack(course, assignment, platform, results, names, found)
    return found


def _moodle(assignment: str, graded: list[dict], names: dict, roster: Roster, left: dict):
    rows = []
    for row in graded:
        came, listed = names.get(row["student"], {}), roster.students.get(row["student"])
        number = came.get("number", "") if came.get("platform") == "moodle" else ""
        email = listed.email if listed else ""
        if not number and not email:
            left[row["student"]] = "Moodle cannot know whose it is: give an e-mail in roster.csv"
            continue
        name = row["name"] or came.get("person", "")
        identifier = f"Participant {number}" if number else ""
        rows.append([identifier, name, email, row["student"], row["total"], row["of"], ""])
    return MOODLE, rows


def _canvas(assignment: str, graded: list[dict], names: dict, roster: Roster, left: dict):
    rows = [["    Points Possible", "", "", "", "", graded[0]["of"] if graded else ""]]
    for row in graded:
        came, listed = names.get(row["student"], {}), roster.students.get(row["student"])
        number = came.get("number", "") if came.get("platform") == "canvas" else ""
        number = number or (listed.platform_id if listed else "")
        if not number:
            left[row["student"]] = (
                "Canvas cannot know whose it is: give a platform id in roster.csv"
            )
            continue
        name = row["name"] or came.get("person", row["student"])
        rows.append([name, number, "", "", "", row["total"]])
    return [*CANVAS, assignment], rows


def _pack(course, assignment: str, platform: str, results: dict, names: dict, found: Exported):
    pages = 0
    with replacing(found.feedback) as file, zipfile.ZipFile(file, "w") as archive:
        for student in sorted(results):
            page = course.notebook("feedback", assignment, student).with_suffix(".html")
            name = _place(platform, assignment, student, names.get(student, {}))
            if not page.is_file():
                found.left.setdefault(record_name(student), "no feedback page: write it first")
            elif not name:
                found.left.setdefault(
                    record_name(student),
                    f"no feedback in the archive: it did not come from {platform}",
                )
            else:
                archive.write(page, name, zipfile.ZIP_DEFLATED)
                pages += 1
    return pages


def _place(platform: str, assignment: str, student: str, came: dict) -> str:
    """The name in the archive by which the platform knows the student; "" if there is none."""
    if platform == "plain":
        return f"{record_name(student)}.html"
    if came.get("platform") != platform:
        return ""
    if platform == "moodle":
        person = came["person"].replace("/", "-")
        return f"{person}_{came['number']}_assignsubmission_file_/{assignment}.html"
    return str(Path(came["entry"]).with_suffix(".html"))


def for_the_exchange(course: Course, assignment: str) -> None:
    """Put beside each page what nbgrader's ``release_feedback`` wants to find there."""
    for student in course.students(assignment):
        page = course.notebook("feedback", assignment, student).with_suffix(".html")
        for name in ("timestamp.txt", "submission_secret.txt"):
            source = course.notebook("submitted", assignment, student).with_name(name)
            if page.is_file() and source.is_file() and not source.is_symlink():
                shutil.copyfile(source, page.with_name(name))
