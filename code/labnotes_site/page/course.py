"""A course made of chapters: what a syllabus says, what the book knows, and whether both agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import yaml

from .exercises import LEVELS, Exercise

PLANS = Path("data", "teaching.yml")
ASSIGNMENTS = Path("classroom", "assignments")
#: Minutes for a question in class: vote, talk to a neighbour, vote again, hear the reason.
QUESTION = 3
#: Minutes for a chapter that is shown: its problem, its picture or explorer, what came out.
SHOWN = 8
POINTS = re.compile(r"^(?::task:|\+\+\+).*?\"?points\"?: *(\d+)", re.M)

# --- what a page writes --------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """One meeting: the chapters that it is about, and what goes with it."""

    chapters: list[str]
    at_home: list[str] = field(default_factory=list)  #: chapters that are read before, not taught
    shown: list[str] = field(default_factory=list)  #: those the class has a look at, and no more


@dataclass(frozen=True)
class Course:
    """The body of a ``syllabus`` directive."""

    hours: int
    minutes: int  #: length of a session
    talk: int  #: minutes of a session that must be left to explain and to show
    sessions: list[Session]


@dataclass(frozen=True)
class Plan:
    """How a class works through a chapter, from ``data/teaching.yml``."""

    before: str
    in_class: str
    exercises: list[str]  #: levels or labels: done in class
    homework: list[str]


def read(kind: type, value: object):
    """`value`, a mapping from a YAML file, as a `kind` of the classes above.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no mapping of fields to values")
    known = {f.name: f for f in fields(kind)}
    for name in value:
        if name not in known:
            raise ValueError(f"{name} is unknown; known: {', '.join(known)}")
    for name, f in known.items():
        if name not in value and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{name} is missing")
        wanted = {"list": list, "int": int, "str": str}[f.type.partition("[")[0]]
        if name in value and type(value[name]) is not wanted:
            raise ValueError(f"{name} is {value[name]!r}, which is no {wanted.__name__}")
    return kind(**value)


def parse(text: str) -> Course:
    """The course in the body of a directive; ValueError says what is wrong with it."""
    try:
        found = read(Course, yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error
    return Course(
        found.hours, found.minutes, found.talk, [read(Session, s) for s in found.sessions]
    )


# --- what the book knows -------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What the build knows of a chapter."""

    title: str
    reading: int  #: minutes
    needs: list[str]
    questions: int
    exercises: list[Exercise]
    running: float | None = None  #: seconds of the last execution

    def chosen(self, wanted: Iterable[str]) -> list[Exercise]:
        """The exercises of these levels or labels."""
        return [e for e in self.exercises if e.level in wanted or e.label in wanted]


@dataclass(frozen=True)
class Assignment:
    """What an assignment says of itself. Its tasks and solutions stay where they are."""

    title: str
    minutes: int
    points: int
    chapters: list[str]


@dataclass(frozen=True)
class Book:
    """All that a syllabus is checked against, by name (``convnets/resnet``, ``residual``)."""

    facts: Mapping[str, Facts]
    plans: Mapping[str, Plan]
    assignments: Mapping[str, Assignment]


def plans(root: Path) -> dict[str, Plan]:
    """The plans of the book at `root`; ValueError says what is wrong with them."""
    path, found = root / PLANS, {}
    entries = yaml.safe_load(path.read_text("utf8")) if path.exists() else {}
    for name, entry in entries.items():
        try:
            found[name] = read(Plan, entry)
        except ValueError as error:
            raise ValueError(f"{PLANS}: {name}: {error}") from error
    return found


def assignments(root: Path) -> dict[str, Assignment]:
    """The graded assignments of the book at `root`; ValueError names one that lacks its fields."""
    found = {}
    for path in sorted((root / ASSIGNMENTS).glob("*.md")):
        text = path.read_text("utf8")
        try:
            about = yaml.safe_load(text.split("---\n")[1])["assignment"]
            title, minutes, needs = about["title"], about["minutes"], about["chapters"]
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError(
                f"{ASSIGNMENTS / path.name}: no assignment with title, minutes and chapters at the top"
            ) from error
        points = sum(map(int, POINTS.findall(text)))
        found[path.stem] = Assignment(title, minutes, points, needs)
    return found


# --- sums, and whether they come out -------------------------------------------------------------


@dataclass(frozen=True)
class Sums:
    """Minutes of a session, or of a whole course; `running` is in seconds."""

    session: int = 0
    questions: int = 0
    exercises: int = 0
    shown: int = 0
    homework: int = 0
    reading: int = 0
    graded: int = 0
    running: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sums)))

    @property
    def talk(self) -> int:
        """What questions, exercises and chapters that are shown leave of the time in class."""
        return self.session - self.questions - self.exercises - self.shown

    @property
    def at_home(self) -> int:
        return self.reading + self.homework + self.graded


def sums(session: Session, minutes: int, book: Book, assignment: str = "") -> Sums:
    """The minutes of one session, as far as its names are known."""
    taught = [(book.facts[n], book.plans[n]) for n in session.chapters if known(n, book)]
    home = [book.facts[n] for n in session.at_home if n in book.facts]
    graded = book.assignments.get(assignment)
    return Sums(
        session=minutes,
        questions=QUESTION * sum(facts.questions for facts, _ in taught),
        exercises=sum(e.minutes for f, plan in taught for e in f.chosen(plan.exercises)),
        shown=SHOWN * len(session.shown),
        homework=sum(e.minutes for f, plan in taught for e in f.chosen(plan.homework)),
        reading=sum(facts.reading for facts in [*home, *(f for f, _ in taught)]),
        graded=graded.minutes if graded else 0,
        running=sum(facts.running or 0 for facts, _ in taught),
    )


def known(name: str, book: Book) -> bool:
    return name in book.facts and name in book.plans


def given_out(course: Course, book: Book) -> list[str]:
    """The graded assignment at the end of each session, "" for none.

    An assignment is given out as soon as its chapters are done, taught or read, and one a session:
    where two are ready, the later has to wait. One that is not ready in time is left out.
    """
    done, waiting, given = set(), [], []
    left = list(book.assignments)
    for session in course.sessions:
        done.update(session.at_home, session.chapters)
        ready = [name for name in left if done.issuperset(book.assignments[name].chapters)]
        left = [name for name in left if name not in ready]
        waiting += ready
        given.append(waiting.pop(0) if waiting else "")
    return given


def before(name: str, needs: Mapping[str, Iterable[str]]) -> set[str]:
    """All chapters that come before one: those that it needs, and what these need.

    Examples
    --------
    >>> sorted(before("c", {"a": [], "b": ["a"], "c": ["b"]}))
    ['a', 'b']
    """
    found, new = set(), {name}
    while new := {need for each in new for need in needs.get(each, [])} - found:
        found |= new
    return found


def most_needed(
    parts: Mapping[str, list[str]], needs: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, int]]:
    """Of each part the chapter on which most chapters of the book build, and how many do.

    It stands for the part where time is short. Of equals it is the first.

    Examples
    --------
    >>> needs = {"line": [], "curve": ["line"], "tree": [], "forest": ["tree", "curve"]}
    >>> most_needed({"Lines": ["line", "curve"], "Trees": ["tree", "forest"]}, needs)
    {'Lines': ('line', 2), 'Trees': ('tree', 1)}
    """
    builds_on = {name: before(name, needs) for name in needs}
    count = {name: sum(name in all_before for all_before in builds_on.values()) for name in needs}
    best = {part: max(names, key=count.__getitem__) for part, names in parts.items()}
    return {part: (name, count[name]) for part, name in best.items()}


def faults(course: Course, book: Book) -> list[str]:
    """What is wrong with a course, in words."""
    found, seen, looked_at = [], set(), set()
    total = len(course.sessions) * course.minutes
    if total != 60 * course.hours:
        found.append(
            f"{len(course.sessions)} sessions of {course.minutes} minutes are {total} minutes, "
            f"and {course.hours} hours are {60 * course.hours}"
        )
    for n, session in enumerate(course.sessions, 1):
        here = f"session {n}"
        for name in [*session.at_home, *session.chapters]:
            found += [f"{here}: {fault}" for fault in _chapter_faults(name, seen, book)]
            seen.add(name)
        for name in session.shown:  # a look at it asks for nothing, and nothing can build on it
            found += [f"{here}: {fault}" for fault in _name_faults(name, seen | looked_at, book)]
            looked_at.add(name)
        for name in session.chapters:
            if name in book.facts and name not in book.plans:
                found.append(f"{here}: {PLANS} has no plan for {name}")
        if (left := sums(session, course.minutes, book).talk) < course.talk:
            found.append(
                f"{here}: questions, exercises and what is shown leave {left} of "
                f"{course.minutes} minutes, and talk wants {course.talk}"
            )
    return found


def _chapter_faults(name: str, seen: set[str], book: Book) -> list[str]:
    needs = book.facts[name].needs if name in book.facts else []
    missing = [
        f"{name} needs {n}: put it earlier, or under at_home" for n in needs if n not in seen
    ]
    return missing + _name_faults(name, seen, book)


def _name_faults(name: str, there: set[str], book: Book) -> list[str]:
    if name not in book.facts:
        return [f"there is no chapter {name}"]
    return [f"{name} is there twice"] if name in there else []


def plan_faults(book: Book) -> list[str]:
    """What is wrong with the plans, in words."""
    found = []
    for name, plan in book.plans.items():
        if name not in book.facts:
            found.append(f"{name}: there is no such chapter")
            continue
        there = {e.label for e in book.facts[name].exercises} | set(LEVELS)
        for wanted in [*plan.exercises, *plan.homework]:
            if wanted not in there or not book.facts[name].chosen([wanted]):
                found.append(f"{name}: the chapter has no exercise {wanted}")
        chosen = book.facts[name].chosen
        for twice in set(chosen(plan.exercises)) & set(chosen(plan.homework)):
            found.append(f"{name}: {twice.label} is done in class and at home")
    return found


def assignment_faults(book: Book) -> list[str]:
    """Chapters of graded assignments that are none, in words."""
    return [
        f"{name}.md: there is no chapter {chapter}"
        for name, assignment in book.assignments.items()
        for chapter in assignment.chapters
        if chapter not in book.facts
    ]
