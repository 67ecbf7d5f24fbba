"""What students sent, as a learning platform or a mail folder gives it, into the course."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

from .course import NAMES, Course, CourseError, is_student


def collect(course: Course, assignment: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Copy notebooks to ``submitted/<student>/<assignment>/<assignment>.ipynb``.

    ``<folder>/<student>.ipynb``, or the only notebook in ``<folder>/<student>/``, whatever its name.
    The file's time becomes the time of handing in. What is in the course already is replaced, so
    that the last one counts. Nothing is opened here.

    Returns
    -------
    taken, left
        The students, and by name what was left alone and why.

    Raises
    ------
    CourseError
        If there is no such assignment or folder.
    """
    course.master(assignment)
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder}")
    taken, left = [], {}
    for entry in sorted(folder.iterdir()):
        found = sorted(entry.glob("*.ipynb")) if entry.is_dir() else [entry]
        student = entry.stem if entry.is_file() else entry.name
        if problem := _problem(entry, found, student):
            left[entry.name] = problem
            continue
        path = course.notebook("submitted", assignment, student)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found[0], path)
        time = datetime.datetime.fromtimestamp(found[0].stat().st_mtime, datetime.timezone.utc)
        path.with_name("timestamp.txt").write_text(f"{time:%Y-%m-%d %H:%M:%S} UTC\n")
        taken.append(student)
    return taken, left


def _problem(entry: Path, found: list[Path], student: str) -> str:
    if entry.is_symlink() or any(path.is_symlink() for path in found):
        return "a link"
    if len(found) != 1:
        return f"{len(found)} notebooks in it, give one"
    if found[0].suffix != ".ipynb":
        return "no notebook (*.ipynb)"
    if not is_student(student):
        return f"its name cannot be a student's: {NAMES}"
    return ""
