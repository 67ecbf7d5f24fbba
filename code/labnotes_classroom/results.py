"""What became of each submission, kept in ``results/<assignment>/<student>.json`` of the course."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labnotes.files import replacing

from .course import Course, record_name

GRADED, PERSON, FAILED = "graded", "needs a person", "failed to run"


@dataclass
class Result:
    """What became of one submission."""

    student: str  #: the name of the folder
    status: str  #: GRADED, PERSON (written answers wait for one) or FAILED
    reason: str = ""  #: why it failed
    key: str = ""  #: of what was graded: the file and the assignment
    scores: dict[str, float | None] = field(default_factory=dict)  #: None: a person's to give
    verdicts: dict[str, dict[str, bool]] = field(default_factory=dict)
    #: by task and name, the beginning of a value that was not right
    wrong: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: float = 0.0
    memory: float = 0.0
    notes: list[str] = field(default_factory=list)  #: what else a person should look at


def read_result(course: Course, assignment: str, student: str) -> Result | None:
    """What is known of a student's submission; None if nothing is, or the file is damaged."""
    path = _path(course, assignment, student)
    try:
        return Result(**json.loads(path.read_text("utf8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def read_results(course: Course, assignment: str) -> dict[str, Result]:
    """By student, what is known of all that is handed in."""
    found = {s: read_result(course, assignment, s) for s in course.students(assignment)}
    return {student: result for student, result in found.items() if result}


def write_result(course: Course, assignment: str, result: Result) -> None:
    path = _path(course, assignment, result.student)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w", encoding="utf8") as file:
        json.dump(asdict(result), file, indent=1)


def _path(course: Course, assignment: str, student: str) -> Path:
    return course.root / "results" / assignment / f"{record_name(student)}.json"
