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
POINTS = re.compile(r"^(?::task:|\+\+\+).*?\"?points\"?: *(\d+)", re.M)

# --- what a page writes --------------------------------------------------------------------------


@dataclass(frozen=True)
class Session:
    """One meeting: the chapters that it is about, and what goes with it."""

    chapters: list[str]
    at_home: list[str] = field(default_factory=list)  #: chapters that are read before, not taught
    assignment: str = ""  #: the graded assignment that is given out at the end


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
    homework: int = 0
    reading: int = 0
    graded: int = 0
    running: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sums)))

    @property
    def talk(self) -> int:
        """What questions and exercises leave of the time in class."""
        return self.session - self.questions - self.exercises

    @property
    def at_home(self) -> int:
        return self.reading + self.homework + self.graded


def sums(session: Session, minutes: int, book: Book) -> Sums:
    """The minutes of one session, as far as its names are known."""
    taught = [(book.facts[n], book.plans[n]) for n in session.chapters if known(n, book)]
    home = [book.facts[n] for n in session.at_home if n in book.facts]
    graded = book.assignments.get(session.assignment)
    return Sums(
        session=minutes,
        questions=QUESTION * sum(facts.questions for facts, _ in taught),
        exercises=sum(e.minutes for f, plan in taught for e in f.chosen(plan.exercises)),
        homework=sum(e.minutes for f, plan in taught for e in f.chosen(plan.homework)),
        reading=sum(facts.reading for facts in [*home, *(f for f, _ in taught)]),
        graded=graded.minutes if graded else 0,
        running=sum(facts.running or 0 for facts, _ in taught),
    )


def known(name: str, book: Book) -> bool:
    return name in book.facts and name in book.plans


def faults(course: Course, book: Book) -> list[str]:
    """What is wrong with a course, in words."""
    found, seen = [], set()
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
        for name in session.chapters:
            if name in book.facts and name not in book.plans:
                found.append(f"{here}: {PLANS} has no plan for {name}")
        if (left := sums(session, course.minutes, book).talk) < course.talk:
            found.append(
                f"{here}: questions and exercises leave {left} of {course.minutes} minutes, "
                f"and talk wants {course.talk}"
            )
        found += [f"{here}: {f}" for f in _assignment_faults(session.assignment, seen, book)]
    return found


def _chapter_faults(name: str, seen: set[str], book: Book) -> list[str]:
    if name not in book.facts:
        return [f"there is no chapter {name}"]
    found = [
        f"{name} needs {need}: put it earlier, or under at_home"
        for need in book.facts[name].needs
        if need not in seen
    ]
    return found + ([f"{name} is there twice"] if name in seen else [])


def _assignment_faults(name: str, seen: set[str], book: Book) -> list[str]:
    if not name:
        return []
    if name not in book.assignments:
        there = ", ".join(book.assignments) or "none"
        return [f"there is no assignment {name} in {ASSIGNMENTS}; there: {there}"]
    return [
        f"the assignment {name} needs {need}: give it out later"
        for need in book.assignments[name].chapters
        if need not in seen
    ]


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
