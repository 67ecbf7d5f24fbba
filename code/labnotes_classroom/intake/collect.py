"""What students sent, as a learning platform or a mail folder gives it, into the course."""

from __future__ import annotations

import contextlib
import datetime
import filecmp
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labnotes.data.archives import DAMAGED, BadArchive
from labnotes.files import replacing

from ..course import NAMES, Course, CourseError, is_student, read_saved, shown
from .archives import unpack_all, unpack_inner
from .platforms import Label, read_label
from .roster import Roster, normal, read_roster

IGNORED = {"__MACOSX", "Thumbs.db", "desktop.ini"}  # and what begins with a dot


@dataclass(frozen=True)
class Found:
    """A notebook that could be taken, and what the name of its file or folder says."""

    entry: str
    label: Label
    notebook: Path


@dataclass
class Collected:
    """What became of all that was sent."""

    taken: dict[str, str] = field(default_factory=dict)  #: by student, the name it came under
    news: dict[str, str] = field(default_factory=dict)  #: by student: "new", "changed", "as before"
    left: dict[str, str] = field(default_factory=dict)  #: by name, why it was left alone
    missing: list[str] = field(default_factory=list)  #: of the roster, who handed in nothing


def collect(course: Course, assignment: str, source: Path, dry_run: bool = False) -> Collected:
    """Copy notebooks to ``submitted/<student>/<assignment>/<assignment>.ipynb``.

    Each file or folder in `source` is a student's, named as in :mod:`labnotes_classroom.intake.platforms`. With a roster,
    that one decides whose; without, the name becomes the student's. The file's time becomes the
    time of handing in. What is in the course already is replaced, so that the last one counts. No
    notebook is opened here.

    Parameters
    ----------
    source
        A folder, or a zip archive as the platform gives it.
    dry_run
        Only say what would become whom.

    Raises
    ------
    CourseError
        If there is no such assignment or folder, or the archive or the roster is not as it must be.
    """
    course.master(assignment)
    roster = read_roster(course)
    result = Collected()
    with _opened(source, result.left) as (folder, scratch):
        found = [
            one
            for entry in _entries(folder, packed=folder != source)
            if (one := _found(entry, Path(scratch), result.left)) is not None
        ]
        _forget_comments(found, result.left)
        for student, one in _by_student(found, roster, result.left).items():
            try:
                result.news[student] = _take(course, assignment, student, one, dry_run)
                result.taken[student] = one.entry
            except (OSError, ValueError, OverflowError) as error:  # the others go on
                result.left[one.entry] = f"it could not be copied, {error}"
    there = {*course.students(assignment), *result.taken}
    result.missing = sorted(set(roster.students) - there)
    return result


def came_as(course: Course, assignment: str) -> dict[str, dict]:
    """By student, under which name the last submission came: ``entry``, ``platform``, ``number``."""
    return read_saved(_record(course, assignment))


def _record(course: Course, assignment: str) -> Path:
    return course.root / "collected" / f"{assignment}.json"


@contextlib.contextmanager
def _opened(source: Path, left: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """The folder of what was sent, and an empty one for archives."""
    with tempfile.TemporaryDirectory(prefix="collect-") as scratch:
        if source.is_dir():
            yield source, scratch
        elif source.is_file() and zipfile.is_zipfile(source):
            folder = Path(scratch, "all")
            try:
                unpack_all(source, folder, left)
            except DAMAGED as error:
                raise CourseError(f"{source.name} is damaged: {error}") from error
            yield folder, scratch
        elif source.exists():
            raise CourseError(f"{source} is no folder and no zip archive")
        else:
            raise CourseError(f"there is no folder or archive {source}")


def _entries(folder: Path, packed: bool) -> list[Path]:
    """The files and folders of students; a single folder around them all does not count."""
    there = _visible(folder)
    while len(there) == 1 and _is_around(there[0], packed):
        there = _visible(there[0])
    return there


def _visible(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.name not in IGNORED and not path.name.startswith(".")
    )


def _is_around(path: Path, packed: bool) -> bool:
    """Whether it is a folder of submissions with a platform's names, or one packed with several."""
    if path.is_symlink() or not path.is_dir() or read_label(path.name).platform:
        return False
    inner = [one for one in _visible(path) if one.is_dir() or _stem(one) != one.name]
    named = any(read_label(_stem(one)).platform for one in inner)
    return named or (packed and len(inner) > 1)


def _stem(path: Path) -> str:
    return path.stem if path.suffix.lower() in (".ipynb", ".zip") else path.name


def _found(entry: Path, scratch: Path, left: dict[str, str]) -> Found | None:
    try:
        notebooks, problem = _notebooks(entry, scratch), ""
    except BadArchive as error:
        notebooks, problem = [], f"{error}"
    except OSError as error:
        notebooks, problem = [], f"it cannot be read, {error.strerror or error}"
    if entry.is_symlink() or any(path.is_symlink() for path in notebooks):
        problem = "a link"
    elif not problem and not notebooks and not entry.is_dir() and not _is_zip(entry):
        problem = "no notebook (*.ipynb)"
    elif not problem and len(notebooks) != 1:
        problem = f"{len(notebooks)} notebooks in it, give one"
    if problem:
        left[entry.name] = problem
        return None
    return Found(entry.name, read_label(normal(_stem(entry))), notebooks[0])


def _forget_comments(found: list[Found], left: dict[str, str]) -> None:
    """Blackboard gives a text file beside each notebook: no news."""
    attempts = {(one.label.logins, one.label.attempt) for one in found if one.label.attempt}
    for name in list(left):
        label = read_label(normal(Path(name).stem))
        if name.endswith(".txt") and (label.logins, label.attempt) in attempts:
            del left[name]


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _notebooks(entry: Path, scratch: Path) -> list[Path]:
    """The notebooks of an entry; those in the student's own archive, if there are no others."""
    if entry.is_symlink():
        return []
    if entry.is_file():
        if _is_zip(entry):
            return _inside(unpack_inner(entry, scratch))
        return [entry] if entry.suffix.lower() == ".ipynb" else []
    if not entry.is_dir():  # a pipe, a device
        return []
    found = _inside(entry)
    archives = [path for path in entry.iterdir() if _is_zip(path) and not path.is_symlink()]
    if not found and len(archives) == 1:
        return _inside(unpack_inner(archives[0], scratch))
    return found


def _inside(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == ".ipynb"
        and (path.is_file() or path.is_symlink())
        and not any(
            part in IGNORED or part.startswith(".") for part in path.relative_to(folder).parts
        )
    )


def _by_student(found: list[Found], roster: Roster, left: dict[str, str]) -> dict[str, Found]:
    """Whose each is. Two of one student are both left alone, unless a platform numbers attempts."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        student, problem = roster.find(one.label) if roster else _named(one.label)
        if problem:
            left[one.entry] = problem
        else:
            groups.setdefault(student, []).append(one)
    chosen = {}
    for student, group in groups.items():
        group.sort(key=lambda one: one.label.attempt)
        *others, last = group
        if all(one.label.attempt and one.label.attempt < last.label.attempt for one in others):
            chosen[student] = last
            left.update({one.entry: "an earlier attempt" for one in others})
        else:
            names = " and ".join(one.entry for one in group)
            left.update({one.entry: f"{names} would all be {student}: give one" for one in group})
    return chosen


def _named(label: Label) -> tuple[str, str]:
    """The student's name made of a file's name, or why it cannot be."""
    student = re.sub(r"[^\w.@+-]+", "_", label.person).strip("_")
    if not is_student(student):
        return "", f"its name cannot be a student's: {NAMES}"
    return student, ""


def _take(course: Course, assignment: str, student: str, one: Found, dry_run: bool) -> str:
    path = course.notebook("submitted", assignment, student)
    moment = int(one.notebook.stat().st_mtime)
    when = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    if not path.is_file():
        news = "new"
    elif not filecmp.cmp(one.notebook, path, shallow=False):
        news = "changed"
    else:
        news = "as before"
    if dry_run:
        return news
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(one.notebook, "rb") as content, replacing(path) as file:
        shutil.copyfileobj(content, file)
    if moment:
        with replacing(path.with_name("timestamp.txt"), "w") as file:
            file.write(f"{when:%Y-%m-%d %H:%M:%S} UTC\n")
    else:
        path.with_name("timestamp.txt").unlink(missing_ok=True)
    _note(course, assignment, student, one)
    return news


def _note(course: Course, assignment: str, student: str, one: Found) -> None:
    about = came_as(course, assignment)
    label = {k: shown(v) if isinstance(v, str) else v for k, v in asdict(one.label).items()}
    about[student] = {"entry": shown(one.entry), **label}
    path = _record(course, assignment)
    path.parent.mkdir(exist_ok=True)
    with replacing(path, "w", encoding="utf8") as file:
        json.dump(about, file, indent=1, ensure_ascii=False)
