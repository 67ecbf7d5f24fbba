"""The list of the class, ``roster.csv`` in the course's folder: who is who on which platform.

Its first line names the columns, in any order: ``id`` (the only one that must be there), ``name``,
``email``, ``platform id`` (the number or login name that the platform writes into file names), and
``due ASSIGNMENT`` for a student's own date. Other columns are left alone.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ..course import NAMES, Course, CourseError, is_student
from .deadlines import moment
from .platforms import Label

FILE = "roster.csv"
COLUMNS = {
    "id": "id", "name": "name", "email": "email", "e-mail": "email", "email address": "email",
    "platform id": "platform_id", "platform_id": "platform_id",
}  # fmt: skip


@dataclass(frozen=True)
class Student:
    """A row of the roster."""

    id: str
    name: str = ""
    email: str = ""
    platform_id: str = ""
    due: dict[str, str] = field(default_factory=dict)  #: by assignment, a date of the student's own

    @property
    def called(self) -> str:
        """The id, and the name if there is one."""
        return f"{self.id} ({self.name})" if self.name else self.id


class Roster:
    """All students of a course, by id; empty if the course has no list."""

    def __init__(self, students: list[Student]):
        self.students = {student.id: student for student in students}

    def __bool__(self) -> bool:
        return bool(self.students)

    def called(self, student: str) -> str:
        """A student's id, with the name that the list knows."""
        return self.students[student].called if student in self.students else student

    def find(self, label: Label) -> tuple[str, str]:
        """Who it is that a file's name means: an id and "", or "" and why nobody can be told.

        An id, an e-mail address or a platform's id decides. A name decides if only one student has
        it, and if the platform's id does not speak against it.
        """
        numbered = self._known_as(label.number)
        found = self._known_as(label.person, *label.logins)
        if not found and (label.platform != "moodle" or label.person == "Participant"):
            found = numbered
        if not found:  # Moodle's numbers are others for each assignment: there the name counts
            found = [s for s in self.students.values() if _same_name(s.name, label.person)]
            if label.platform == "canvas":  # its numbers are a person's own: this is another one
                found = [student for student in found if not student.platform_id]
            found = [student for student in found if student in numbered] or found
        if len(found) == 1:
            return found[0].id, ""
        if found:
            return "", f"it could be {' or '.join(sorted(s.called for s in found))}: rename it"
        number = f" (number {label.number})" if label.number else ""
        return "", f"nobody in {FILE} is {label.person}{number}"

    def _known_as(self, *texts: str) -> list[Student]:
        """Whose id, e-mail address or platform's id one of the texts is."""
        keys = {_key(text) for text in texts} - {""}
        return [student for student in self.students.values() if keys & _handles(student)]


def read_roster(course: Course) -> Roster:
    """The roster of a course.

    Raises
    ------
    CourseError
        If the file is not as it must be; the text names the line.
    """
    path = course.root / FILE
    if not path.exists():
        return Roster([])
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not in UTF-8: save it as CSV UTF-8") from error
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
    rows = [[cell.strip() for cell in row] for row in reader]
    header = [" ".join(cell.lower().split()) for cell in (rows[0] if rows else [])]
    if "id" not in header:
        raise CourseError(f"{path} has no column `id`; its first line must name the columns")
    _refuse_unknown_dates(path, header, course)
    students = [
        _student(path, line, dict(zip(header, row)))
        for line, row in enumerate(rows[1:], 2)
        if any(row)
    ]
    _refuse_twice(path, students)
    return Roster(students)


def _student(path: Path, line: int, row: dict[str, str]) -> Student:
    known = {COLUMNS[key]: normal(value) for key, value in row.items() if key in COLUMNS}
    due = {key[4:]: value for key, value in row.items() if key.startswith("due ") and value}
    if not is_student(known["id"]):
        raise CourseError(f"{path}, line {line}: {known['id']!r} cannot be an id: give {NAMES}")
    try:
        for date in due.values():
            moment(date)
    except CourseError as error:
        raise CourseError(f"{path}, line {line}: {error}") from error
    return Student(due=due, **known)


def _refuse_unknown_dates(path: Path, header: list[str], course: Course) -> None:
    there = {p.name for p in (course.root / "source").glob("*")}
    for column in header:
        if column.startswith("due ") and column[4:] not in there:
            raise CourseError(f"{path}: the column {column!r} names no assignment of the course")


def _refuse_twice(path: Path, students: list[Student]) -> None:
    for what in ("id", "email", "platform_id"):
        seen: set[str] = set()
        for student in students:
            key = _key(getattr(student, what))
            if key and key in seen:
                raise CourseError(f"{path}: {what.replace('_', ' ')} {key!r} stands there twice")
            seen.add(key)


def normal(text: str) -> str:
    """A name as everybody writes it: letters composed (a Mac takes them apart), single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _key(text: str) -> str:
    return normal(text).casefold()


def _handles(student: Student) -> set[str]:
    return {_key(student.id), _key(student.email), _key(student.platform_id)} - {""}


def _same_name(name: str, other: str) -> bool:
    """ "Anna Müller" is "Müller, Anna", and Canvas's "mülleranna"."""
    words, others = (re.findall(r"\w+", _key(text)) for text in (name, other))
    if not words:
        return False
    squeezed = {"".join(words[i:] + words[:i]) for i in range(len(words))}
    return sorted(words) == sorted(others) or (len(others) == 1 and others[0] in squeezed)
