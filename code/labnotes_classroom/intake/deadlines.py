"""When an assignment is due, for whom it is later, and what lateness costs.

The date stands in the assignment's front matter (``due:``, ``late:``), or the teacher gives one for
this course, which then counts: it is kept in ``deadlines.json`` of the course. A student's own date
stands in the roster (:mod:`labnotes_classroom.intake.roster`).
"""

from __future__ import annotations

import datetime
import json
import math
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path

from labnotes.files import replacing

from ..course import Course, CourseError, read_saved

FORM = (
    "YEAR-MONTH-DAY HOUR:MINUTE, and a time zone if it is not this machine's (+01:00, Europe/Rome)"
)
DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Deadline:
    """A date, and how many percent of the points each day costs that has begun after it."""

    due: datetime.datetime | None = None
    percent: float = 0.0

    def __str__(self) -> str:
        if self.due is None:
            return "no due date"
        utc = self.due.astimezone(datetime.timezone.utc)
        cost = (
            f"each day late costs {self.percent:g} %" if self.percent else "lateness costs nothing"
        )
        return f"due {self.due:%A %Y-%m-%d %H:%M %z} ({utc:%Y-%m-%d %H:%M} UTC), {cost}"

    def seconds_late(self, handed_in: datetime.datetime | None) -> int | None:
        """0 if it was in time; None if there is no date, or no time of handing in."""
        if self.due is None or handed_in is None:
            return None
        return max(0, math.floor((handed_in - self.due).total_seconds()))

    def left_of(self, points: float, seconds_late: int | None) -> float:
        """What lateness leaves of the points.

        Examples
        --------
        >>> Deadline(percent=10).left_of(20, 1), Deadline(percent=10).left_of(20, 25 * 3600)
        (18.0, 16.0)
        """
        days = math.ceil((seconds_late or 0) / DAY)
        return max(0.0, points * (100 - self.percent * days) / 100) if days else points


def moment(text: str) -> datetime.datetime:
    """A date with its time and zone, as a teacher writes it; without a zone it is this machine's.

    Raises
    ------
    CourseError
        If it is none.
    """
    found = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d[ T]\d\d?:\d\d)(?::\d\d)?\s*(\S*)\s*", str(text))
    try:
        day = datetime.datetime.strptime(found[1].replace("T", " "), "%Y-%m-%d %H:%M")
        if re.fullmatch(r"[+-]\d\d:?\d\d", found[2]):
            return day.replace(tzinfo=datetime.datetime.strptime(found[2], "%z").tzinfo)
        return day.replace(tzinfo=zoneinfo.ZoneInfo(found[2])) if found[2] else day.astimezone()
    except (TypeError, ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise CourseError(f"{text!r} is no date: give {FORM}") from error


def of_source(about: dict, where: object) -> dict:
    """The date of an assignment's front matter, as the course keeps it.

    Raises
    ------
    CourseError
        If one of them is not as it must be.
    """
    known = {key: about[key] for key in ("due", "late") if key in about}
    try:
        if "due" in known:
            known["due"] = str(known["due"])
            moment(known["due"])
        percent(known.get("late", 0))
    except CourseError as error:
        raise CourseError(f"{where}: {error}") from error
    return known


def percent(value: object) -> float:
    """What a day costs: from 0 to 100."""
    try:
        number = float(str(value).removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise CourseError(f"late is {value!r}: give the percent that each day costs, from 0 to 100")
    return number


def set_deadline(course: Course, assignment: str, due: str | None, late: str | None) -> Deadline:
    """Keep a date and a rule for this course, beside or instead of the front matter's."""
    course.master(assignment)
    saved = read_saved(_path(course))
    mine = saved.setdefault(assignment, {})
    if due is not None:
        if due != "none":
            moment(due)
        mine["due"] = "" if due == "none" else due
    if late is not None:
        mine["late"] = percent(late)
    with replacing(_path(course), "w", encoding="utf8") as file:
        json.dump(saved, file, indent=1)
    return deadline(course, assignment)


def deadline(course: Course, assignment: str, own: str = "") -> Deadline:
    """What counts for an assignment; `own` is a student's date, of the roster."""
    about = dict(course.master(assignment).metadata.get("assignment", {}))
    about |= read_saved(_path(course)).get(assignment, {})
    due = own or about.get("due", "")
    return Deadline(moment(due) if due else None, percent(about.get("late", 0)))


def _path(course: Course) -> Path:
    return course.root / "deadlines.json"
