"""The courses of the page for teachers come out, and take in the whole book as they say."""

from __future__ import annotations

import re
from functools import cache

import pytest

from labnotes_site.keys import Chapter, chapters
from labnotes_site.page.course import (
    Book,
    Course,
    Facts,
    assignments,
    before,
    faults,
    given_out,
    most_needed,
    parse,
    plans,
)
from labnotes_site.page.exercises import exercises
from labnotes_site.source.toc import parts

from .test_directives import ROOT


@cache
def book() -> tuple[Chapter, ...]:
    return tuple(chapters(ROOT))


def front(chapter) -> dict:
    return chapter.notebook.metadata["labnotes"]


@cache
def syllabi() -> dict[int, Course]:
    """The courses of the page for teachers, by hours, and the one that it gives as an example."""
    page = (ROOT / "chapters" / "reference" / "for-teachers.md").read_text("utf8")
    bodies = re.findall(r"^```(?:{syllabus}|yaml)\n(hours:.*?)^```$", page, re.M | re.S)
    return {course.hours: course for course in map(parse, bodies)}


def names(course: Course) -> set[str]:
    """The chapters that a course teaches, or has read at home."""
    return {name for s in course.sessions for name in [*s.chapters, *s.at_home]}


def stand_for_their_parts() -> tuple[set[str], dict[str, list[str]]]:
    """The chapter of each part that the others need most; and the needs of all."""
    needs = {c.docname.removeprefix("chapters/"): front(c).get("needs", []) for c in book()}
    found = {
        part.caption: [n for page in part.pages if (n := page.removeprefix("chapters/")) in needs]
        for part in parts(ROOT / "_toc.yml")
    }
    most = most_needed({part: there for part, there in found.items() if there}, needs)
    return {name for name, _ in most.values()}, needs


def test_there_are_courses_of_6_12_24_40_and_90_hours_and_the_longest_has_every_chapter():
    assert list(syllabi()) == [6, 12, 24, 40, 90, 3]
    assert names(syllabi()[90]) == {c.docname.removeprefix("chapters/") for c in book()}


@pytest.mark.parametrize("hours", [6, 12, 24, 40, 90])
def test_a_course_takes_in_all_parts_with_the_chapter_of_each_that_the_others_need_most(hours):
    there = names(syllabi()[hours]) | {n for s in syllabi()[hours].sessions for n in s.shown}
    assert stand_for_their_parts()[0] <= there


def test_in_forty_hours_each_of_these_is_taught_or_read_and_so_is_what_the_assignments_ask_for():
    wanted, needs = stand_for_their_parts()
    wanted = wanted.union(*(found.chapters for found in assignments(ROOT).values()))
    wanted = wanted.union(*(before(name, needs) for name in wanted))
    assert wanted <= names(syllabi()[40])
    assert not any(session.shown for session in syllabi()[40].sessions)


@pytest.mark.parametrize("hours", [3, 6, 12, 24, 40, 90])
def test_a_course_of_the_page_comes_out(hours):
    """The build asks the same of its own; this one takes no build, and the example is none."""
    facts = {
        c.docname.removeprefix("chapters/"): Facts(
            c.docname, front(c).get("minutes", 0), front(c).get("needs", []),
            c.path.read_text("utf8").count("{question}"), exercises(c.path.read_text("utf8")),
        )
        for c in book()
    }  # fmt: skip
    assert faults(syllabi()[hours], Book(facts, plans(ROOT), assignments(ROOT))) == []


@pytest.mark.parametrize("hours", [40, 90])
def test_a_long_course_gives_out_all_assignments_each_after_its_chapters(hours):
    there, sessions = assignments(ROOT), syllabi()[hours].sessions
    given = given_out(syllabi()[hours], Book({}, {}, there))
    assert {name for name in given if name} == set(there)
    for name, assignment in there.items():
        done = {n for s in sessions[: given.index(name) + 1] for n in [*s.chapters, *s.at_home]}
        assert done >= set(assignment.chapters)


def test_the_page_tells_of_each_assignment():
    page = (ROOT / "chapters" / "reference" / "for-teachers.md").read_text("utf8")
    assert set(re.findall(r"^- \*(\w+)\*: ", page, re.M)) >= set(assignments(ROOT))
