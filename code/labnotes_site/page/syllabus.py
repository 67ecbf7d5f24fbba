"""``syllabus``: a course made of chapters. Every sum in it is computed, and it must come out.

The page names sessions and chapters; ``data/teaching.yml`` says how a class works through a
chapter; minutes come from the chapters, run times from their last execution, and what a graded
assignment takes from its front matter. A course that does not fit its hours, or has a chapter
before one that it needs, is a warning, which breaks the build.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from ..source.frontmatter import chapter, chapters
from ..source.toc import parts
from .badges import duration, seconds
from .course import (
    ASSIGNMENTS,
    PLANS,
    QUESTION,
    SHOWN,
    Book,
    Course,
    Facts,
    Session,
    Sums,
    assignment_faults,
    assignments,
    faults,
    given_out,
    known,
    most_needed,
    parse,
    plan_faults,
    plans,
    sums,
)
from .exercises import LEVELS, exercises

LOG = logging.getLogger(__name__)


def book(env: BuildEnvironment) -> Book:
    """What the build knows once it has read all chapters; ValueError says what it cannot read."""
    facts = {}
    for docname in chapters(env):
        text = Path(env.doc2path(docname)).read_text("utf8")
        about = chapter(env, docname)
        try:
            found = exercises(text)
        except ValueError as error:
            raise ValueError(f"{docname}: {error}") from error
        facts[docname.removeprefix("chapters/")] = Facts(
            title=env.titles[docname].astext(),
            reading=about.get("minutes", 0),
            needs=about.get("needs", []),
            questions=len(re.findall(r"^:{3,}\{question\}", text, re.M)),
            exercises=found,
            running=seconds(env, docname),
        )
    root = Path(env.srcdir)
    return Book(facts, plans(root), assignments(root))


def check(app, env: BuildEnvironment) -> None:
    """Warn of every syllabus that does not come out."""
    pages = {d: env.metadata[d]["syllabi"] for d in env.found_docs if "syllabi" in env.metadata[d]}
    if not pages:
        return
    try:
        known_book = book(env)
    except ValueError as error:
        LOG.warning("syllabus: %s", error, location=min(pages))
        return
    for fault in plan_faults(known_book):
        LOG.warning("syllabus: %s: %s", PLANS, fault, location=min(pages))
    for fault in assignment_faults(known_book):
        LOG.warning("syllabus: %s/%s", ASSIGNMENTS, fault, location=min(pages))
    for docname, found in pages.items():
        for line, course in found:
            for fault in faults(course, known_book):
                LOG.warning("syllabus: %s", fault, location=(docname, line))


class syllabus(nodes.General, nodes.Element):
    """A course on a page; its table is made when the page is written."""


class SyllabusDirective(SphinxDirective):
    """A course of so many hours: a table of its sessions, with all times and their sums."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        try:
            found = parse("\n".join(self.content))
        except ValueError as error:
            raise self.error(f"syllabus: {error}") from error
        root = Path(self.env.srcdir)
        for file in (root / PLANS, *(root / ASSIGNMENTS).glob("*.md")):
            self.env.note_dependency(str(file))
        # Sphinx forgets a page's metadata when it reads the page again, and merges it.
        self.env.metadata[self.env.docname].setdefault("syllabi", []).append((self.lineno, found))
        return [syllabus(course=found)]


def visit(translator, node: syllabus) -> None:
    builder, course = translator.builder, node["course"]
    try:
        known_book = book(builder.env)
    except ValueError:  # check has said why
        raise nodes.SkipNode from None
    given = given_out(course, known_book)
    found = [
        sums(session, course.minutes, known_book, assignment)
        for session, assignment in zip(course.sessions, given, strict=True)
    ]
    total = sum(found, Sums())
    rows = "".join(
        _row(builder, known_book, n, session, part, assignment)
        for n, (session, part, assignment) in enumerate(
            zip(course.sessions, found, given, strict=True), 1
        )
    )
    heads = ("Session", "Before class", "In class", "Homework")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    translator.body.append(
        f"<p>{_summary(course, total)}</p>\n"
        '<div class="pst-scrollable-table-container ln-syllabus" role="region" tabindex="0" '
        f'aria-label="The sessions of {course.hours} hours">'
        f'<table class="table">\n<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>\n'
        f"<tfoot>{_foot(course, known_book, total, given)}</tfoot></table></div>\n"
    )
    raise nodes.SkipNode


class most_needed_table(nodes.General, nodes.Element):
    """What stands for each part where time is short; made when the page is written."""


class MostNeededDirective(SphinxDirective):
    """The chapter of each part on which most chapters of the book build."""

    def run(self) -> list[nodes.Node]:
        return [most_needed_table()]


def visit_most_needed(translator, node: most_needed_table) -> None:
    builder = translator.builder
    try:
        known_book = book(builder.env)
    except ValueError:  # check says why, if the page has a syllabus
        raise nodes.SkipNode from None
    there = {}
    for part in parts(Path(builder.env.srcdir, "_toc.yml")):
        names = [page.removeprefix("chapters/") for page in part.pages]
        if taught := [name for name in names if name in known_book.facts]:
            there[part.caption] = taught
    found = most_needed(there, {name: facts.needs for name, facts in known_book.facts.items()})
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Part", "Chapter", "Chapters that build on it")
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(part)}</th><td>{_link(builder, known_book, name)}</td>'
        f"<td>{number}</td></tr>\n"
        for part, (name, number) in found.items()
    )
    translator.body.append(
        '<div class="pst-scrollable-table-container"><table class="table">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
    raise nodes.SkipNode


def clock(minutes: int) -> str:
    """Minutes as a reader says them, in one line.

    Examples
    --------
    >>> [clock(m).replace("\\xa0", " ") for m in (45, 120, 230)]
    ['45 min', '2 h', '3 h 50 min']
    """
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours}\xa0h"] * bool(hours) + [f"{rest}\xa0min"] * bool(rest or not hours)
    return "\xa0".join(parts)


def _summary(course: Course, total: Sums) -> str:
    return (
        f"{len(course.sessions)} sessions of {course.minutes} minutes, {clock(total.session)} in "
        f"all: {clock(total.talk)} to explain and to show, {clock(total.questions)} for questions "
        f"({QUESTION} minutes each), {clock(total.exercises)} for exercises"
        + (f", {clock(total.shown)} for chapters that are shown" if total.shown else "")
        + f". At home a student reads for {clock(total.reading)}, works on exercises for "
        f"{clock(total.homework)} and on graded assignments for {clock(total.graded)}: "
        f"{clock(total.at_home)} together."
    )


def _row(builder, book: Book, number: int, session: Session, part: Sums, assignment: str) -> str:
    taught = [n for n in session.chapters if known(n, book)]
    what = [f"<p>{number}</p>"]
    for name in taught:
        facts = book.facts[name]
        what.append(f"<p>{_link(builder, book, name)}</p>{_cost(facts.reading, facts.running)}")
    before = [f"<p>{escape(book.plans[n].before)}</p>" for n in taught]
    before += [
        f"<p>Also read {_link(builder, book, n)}, {clock(book.facts[n].reading)}.</p>"
        for n in session.at_home
        if n in book.facts
    ]
    in_class = [f"<p>{escape(book.plans[n].in_class)}</p>" for n in taught]
    in_class += [_exercises(builder, book, n, book.plans[n].exercises) for n in taught]
    count = sum(book.facts[n].questions for n in taught)
    in_class.append(f"<p>{count} questions, {clock(part.questions)}</p>" if count else "")
    if looked_at := [_link(builder, book, n) for n in session.shown if n in book.facts]:
        in_class.append(f"<p>Shown, {clock(SHOWN)} each: {', '.join(looked_at)}</p>")
    in_class.append(f"<p>To explain and to show: {clock(part.talk)}</p>")
    home = [_exercises(builder, book, n, book.plans[n].homework) for n in taught]
    if graded := book.assignments.get(assignment):
        home.append(
            f"<p>Graded, {clock(graded.minutes)}: <em>{escape(graded.title)}</em>, "
            f"{graded.points} points</p>"
        )
    cells = "".join(f"<td>{''.join(parts)}</td>" for parts in (before, in_class, home))
    return f'<tr><th scope="row">{"".join(what)}</th>{cells}</tr>\n'


def _foot(course: Course, book: Book, total: Sums, given: list[str]) -> str:
    points = [book.assignments[name].points for name in given if name]
    graded = f"<p>{len(points)} graded, {clock(total.graded)}, {sum(points)} points</p>"
    return (
        f'<tr><th scope="row"><p>{len(course.sessions)} sessions, {clock(total.session)}</p>'
        f"{_cost(total.reading, total.running)}</th><td></td>"
        f"<td><p>Exercises, {clock(total.exercises)}</p><p>Questions, {clock(total.questions)}</p>"
        f"{f'<p>Shown, {clock(total.shown)}</p>' if total.shown else ''}"
        f"<p>To explain and to show: {clock(total.talk)}</p></td>"
        f"<td><p>Exercises, {clock(total.homework)}</p>{graded if points else ''}</td></tr>"
    )


def _cost(reading: int, running: float | None) -> str:
    """What the badges of a chapter say of its time."""
    runs = f", runs in {duration(running)}" if running else ""
    return f'<p class="ln-cost">{clock(reading)} to read{runs}</p>'


def _address(builder, name: str) -> str:
    return builder.get_relative_uri(builder.current_docname, f"chapters/{name}")


def _link(builder, book: Book, name: str) -> str:
    return f'<a href="{_address(builder, name)}">{escape(book.facts[name].title)}</a>'


def _exercises(builder, book: Book, name: str, wanted: list[str]) -> str:
    """The exercises of a chapter by level, each a link, with the minutes of a level."""
    chosen = book.facts[name].chosen(wanted)
    lines = []
    for level in LEVELS:
        if found := [e for e in chosen if e.level == level]:
            links = ", ".join(
                f'<a href="{_address(builder, name)}#{e.label}">{escape(e.title)}</a>'
                for e in found
            )
            lines.append(
                f"<p>{level.capitalize()}, {clock(sum(e.minutes for e in found))}: {links}</p>"
            )
    return "".join(lines)
