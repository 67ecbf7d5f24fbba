"""Courses made of chapters: their sums are the chapters', and a course that does not fit is refused."""

from __future__ import annotations

import os
import random
from pathlib import Path

import networkx
import pytest
from bs4 import BeautifulSoup

from labnotes_site.export import notebooks
from labnotes_site.page import syllabus
from labnotes_site.page.course import (
    SHOWN,
    Assignment,
    Book,
    Facts,
    assignment_faults,
    assignments,
    before,
    faults,
    given_out,
    most_needed,
    parse,
    plan_faults,
    plans,
    sums,
)
from labnotes_site.page.exercises import exercises

from .test_directives import build, write_book

PAGE = "chapters/reference/for-teachers"


def chapter(title: str, minutes: int, needs: str, *tasks: str, questions: int = 1) -> str:
    question = ":::{question} Yes?\n- [x] Yes\n  It is.\n- [ ] No\n  It is not.\n:::\n\n"
    asked = "".join(
        f"::::{{exercise}} {task}\n:label: ex-{title.lower()}-{n}\nDo it.\n::::\n\n"
        for n, task in enumerate(tasks)
    )
    return (
        "---\njupytext: {text_representation: {extension: .md, format_name: myst}}\n"
        "kernelspec: {display_name: Python 3, language: python, name: python3}\n"
        f"labnotes: {{minutes: {minutes}, needs: [{needs}]}}\n---\n# {title}\n\n"
        f"{question * questions}{asked}"
    )


CHAPTERS = {
    "chapters/first": chapter(
        "First", 40, "", "Guess (predict, 5 min)", "Fill (fill in, 10 min)", "Do (build, 20 min)",
        questions=2,
    ),
    "chapters/second": chapter(
        "Second", 50, "first", "A < B? (predict, 5 min)", "Write (build, 25 min)"
    ),
    "chapters/third": chapter("Third", 30, "second", "Look (predict, 10 min)", questions=3),
}  # fmt: skip
PLANS = """
first: {before: Read., in_class: Talk., exercises: [predict, ex-first-1], homework: [build]}
second: {before: Read on., in_class: "Talk & more.", exercises: [predict], homework: [build]}
third: {before: Read all., in_class: Show., exercises: [predict], homework: []}
"""
ASSIGNMENT = """---
assignment: {title: A test, minutes: 75, chapters: [second], seconds: 60}
---
```{code-cell} ipython3
:task: {id: a-graded, kind: compare, points: 17}
secret = 1
```
+++ {"task": {"id": "b", "kind": "written", "points": 3}}
"""
GOOD = """hours: 2
minutes: 60
talk: 20
sessions:
- chapters: [first]
- {chapters: [third], at_home: [second]}
"""
#: A course that teaches one chapter and shows the others.
LOOK = """hours: 1
minutes: 60
talk: 20
sessions:
- {chapters: [first], shown: [third, second]}
"""


def write(
    root: Path,
    body: str,
    plans: str = PLANS,
    chapters: dict | None = None,
    assignment: str = ASSIGNMENT,
    more: str = "",
) -> None:
    course = f"```{{syllabus}}\n{body}```\n\n" if body else ""
    page = f"# For teachers\n\n{course}{more}"
    write_book(root, **(CHAPTERS | (chapters or {})), **{PAGE: page})
    (root / "data" / "teaching.yml").write_text(plans, "utf8")
    folder = root / "classroom" / "assignments"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exam.md").write_text(assignment, "utf8")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Build a small book with a syllabus; give its page and the warnings."""
    monkeypatch.setattr(notebooks, "write_notebooks", lambda *_: None)  # nothing is executed here
    runs = {"chapters/first": 5.2, "chapters/third": 61.0}
    monkeypatch.setattr(syllabus, "seconds", lambda env, docname: runs.get(docname))

    def make(*how) -> tuple[BeautifulSoup, str]:
        write(tmp_path, *(how or [GOOD]))
        app, warnings = build(tmp_path)
        html = (Path(app.outdir) / f"{PAGE}.html").read_text("utf8")
        return BeautifulSoup(html, "lxml"), warnings

    return make


def the_book(root: Path, plans_text: str = PLANS) -> Book:
    """What the build would know of the small book, without a build."""
    write(root, GOOD, plans_text)
    facts = {
        "first": Facts("First", 40, [], 2, exercises(CHAPTERS["chapters/first"])),
        "second": Facts("Second", 50, ["first"], 1, exercises(CHAPTERS["chapters/second"])),
        "third": Facts("Third", 30, ["second"], 3, exercises(CHAPTERS["chapters/third"])),
    }
    return Book(facts, plans(root), assignments(root))


def text(element) -> str:
    return " ".join(element.get_text(" ").replace("\xa0", " ").split()).replace(" ,", ",")


def test_a_syllabus_shows_each_session_with_its_times(make):
    page, _ = make()
    first, second = page.select(".ln-syllabus tbody tr")
    assert text(first.th) == "1 First 40 min to read, runs in 5 s"
    before, in_class, home = first.select("td")
    assert text(before) == "Read."
    assert text(in_class) == (
        "Talk. Predict, 5 min: Guess Fill in, 10 min: Fill 2 questions, 6 min "
        "To explain and to show: 39 min"
    )
    assert text(home) == "Build, 20 min: Do"
    assert text(second.th) == "2 Third 30 min to read, runs in 1 min 1 s"
    before, in_class, home = second.select("td")
    assert text(before) == "Read all. Also read Second, 50 min."
    assert "Predict, 10 min: Look 3 questions, 9 min To explain and to show: 41 min" in text(
        in_class
    )
    assert text(home) == "Graded, 1 h 15 min: A test, 20 points"


def test_the_sums_are_those_of_the_chapters(make):
    page, _ = make()
    what, before, in_class, home = page.select(".ln-syllabus tfoot tr > *")
    assert text(what) == "2 sessions, 2 h 2 h to read, runs in 1 min 6 s"
    assert (
        text(in_class) == "Exercises, 25 min Questions, 15 min To explain and to show: 1 h 20 min"
    )
    assert text(home) == "Exercises, 20 min 1 graded, 1 h 15 min, 20 points"
    said = text(page.select_one(".ln-syllabus").find_previous("p"))
    assert said == (
        "2 sessions of 60 minutes, 2 h in all: 1 h 20 min to explain and to show, 15 min for "
        "questions (3 minutes each), 25 min for exercises. At home a student reads for 2 h, works "
        "on exercises for 20 min and on graded assignments for 1 h 15 min: 3 h 35 min together."
    )


def test_chapters_and_exercises_are_links_and_the_wide_table_can_be_scrolled_by_keyboard(make):
    page, warnings = make()
    box = page.select_one(".pst-scrollable-table-container.ln-syllabus")
    assert (box["role"], box["tabindex"]) == ("region", "0") and "2 hours" in box["aria-label"]
    links = {a.get_text(): a["href"] for a in box.select("a")}
    assert links["First"] == "../first.html" and links["Fill"] == "../first.html#ex-first-1"
    assert links["Second"] == "../second.html"
    assert [th["scope"] for th in box.select("th")] == 4 * ["col"] + 3 * ["row"]
    assert "syllabus" not in warnings
    assert "secret" not in page.get_text()


def test_words_of_a_plan_are_text_and_no_markup(make):
    body = GOOD.replace("third], at_home: [second]", "second]")
    page, _ = make(body)
    assert "Talk & more." in page.get_text() and "A < B?" in page.get_text()


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("[first]", "[zeroth]", "session 1: there is no chapter zeroth"),
        (
            ", at_home: [second]",
            "",
            "session 2: third needs second: put it earlier, or under at_home",
        ),
        ("chapters: [first]", "chapters: [second]", "session 1: second needs first"),
        ("at_home: [second]", "at_home: [second, first]", "session 2: first is there twice"),
        (
            "hours: 2",
            "hours: 3",
            "2 sessions of 60 minutes are 120 minutes, and 3 hours are 180",
        ),
        ("hours: 2", "hours: 1", "2 sessions of 60 minutes are 120 minutes, and 1 hours are 60"),
        (
            "talk: 20",
            "talk: 40",
            "session 1: questions, exercises and what is shown leave 39 of 60 minutes, and talk wants",
        ),
        (
            "at_home: [second]",
            "at_home: [second], shown: [fourth]",
            "session 2: there is no chapter",
        ),
        (
            "at_home: [second]",
            "at_home: [second], shown: [first]",
            "session 2: first is there twice",
        ),
        (
            "- chapters: [first]\n",
            "- {chapters: [first], shown: [third, third]}\n",
            "session 1: third is there twice",
        ),
        (  # to be shown is not to be taught
            "chapters: [third], at_home: [second]",
            "chapters: [third], shown: [second]",
            "session 2: third needs second",
        ),
    ],
)
def test_a_course_that_does_not_come_out_has_its_faults_named(tmp_path, old, new, complaint):
    assert old in GOOD and faults(parse(GOOD), the_book(tmp_path)) == []
    found = faults(parse(GOOD.replace(old, new)), the_book(tmp_path))
    assert any(fault.startswith(complaint) for fault in found), found


def test_a_fault_is_a_warning_at_the_place_of_the_syllabus(make):
    _, warnings = make(GOOD.replace(", at_home: [second]", "").replace("hours: 2", "hours: 3"))
    assert "for-teachers.md:3: WARNING: syllabus: session 2: third needs second" in warnings
    assert "for-teachers.md:3: WARNING: syllabus: 2 sessions of 60 minutes" in warnings


def test_chapters_that_are_shown_take_their_minutes_and_nothing_at_home(make, tmp_path):
    book = the_book(tmp_path)
    course = parse(LOOK)
    assert faults(course, book) == []  # though third needs second
    (session,) = course.sessions
    found = sums(session, 60, book)
    assert (found.shown, found.talk) == (2 * SHOWN, 60 - 2 * SHOWN - 21)
    assert found.reading == 40
    page, warnings = make(LOOK)
    row = text(page.select_one(".ln-syllabus tbody tr"))
    assert f"Shown, {SHOWN} min each: Third, Second To explain and to show: 23 min" in row
    assert f"Shown, {2 * SHOWN} min" in text(page.select_one(".ln-syllabus tfoot"))
    said = text(page.select_one(".ln-syllabus").find_previous("p"))
    assert f"15 min for exercises, {2 * SHOWN} min for chapters that are shown. At home" in said
    assert "syllabus" not in warnings


def give(course: str, **chapters: list[str]) -> list[str]:
    """The assignments of a course, by session; `chapters` of each assignment by its name."""
    made = {name: Assignment(name, 60, 20, needs) for name, needs in chapters.items()}
    return given_out(parse(course), Book({}, {}, made))


def test_an_assignment_is_given_out_as_soon_as_its_chapters_are_done():
    assert give(GOOD, one=["first"], two=["third", "first"]) == ["one", "two"]
    assert give(GOOD, home=["second"]) == ["", "home"]
    assert give(GOOD, other=["fourth"]) == ["", ""]
    assert give(LOOK, seen=["third"]) == [""]  # who has had a look at it is not ready


def test_two_that_are_ready_together_are_given_out_one_after_the_other():
    assert give(GOOD, b=["first"], a=["first"]) == ["b", "a"]
    assert give(GOOD, b=["first"], a=["first"], late=["third"]) == ["b", "a"]  # late is left out
    assert give(GOOD) == ["", ""]


def test_an_assignment_after_a_chapter_that_is_none_is_a_warning(make, tmp_path):
    assert assignment_faults(the_book(tmp_path)) == []
    about = {"exam": Assignment("Exam", 60, 20, ["first", "fifth"])}
    book = the_book(tmp_path)
    assert assignment_faults(Book(book.facts, {}, about)) == ["exam.md: there is no chapter fifth"]
    _, warnings = make(GOOD, PLANS, None, ASSIGNMENT.replace("[second]", "[fifth]"))
    assert "syllabus: classroom/assignments/exam.md: there is no chapter fifth" in warnings


def test_what_comes_before_a_chapter_is_what_networkx_calls_its_ancestors():
    rng = random.Random(0)
    names = [f"c{n}" for n in range(30)]
    needs = {name: rng.sample(names[:n], min(n, rng.randrange(3))) for n, name in enumerate(names)}
    graph = networkx.DiGraph([(need, name) for name in names for need in needs[name]])
    graph.add_nodes_from(names)
    for name in names:
        assert before(name, needs) == networkx.ancestors(graph, name)
    parts = {"early": names[10:20], "late": names[20:]}
    for part, (name, count) in most_needed(parts, needs).items():
        counts = [len(networkx.descendants(graph, n)) for n in parts[part]]
        assert (count, name) == (max(counts), parts[part][counts.index(max(counts))])


def test_the_chapter_of_each_part_that_the_others_need_most_is_a_table(make):
    page, _ = make("", PLANS, None, ASSIGNMENT, "```{most-needed}\n```\n")
    [table] = page.select("article table")
    assert [text(row) for row in table.select("tr")] == [
        "Part Chapter Chapters that build on it",
        "First 2",  # this small book's part has no name
    ]
    assert [a["href"] for a in table.select("a")] == ["../first.html"]


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("third:", "fourth:", "fourth: there is no such chapter"),
        ("ex-first-1", "ex-first-9", "first: the chapter has no exercise ex-first-9"),
        ("homework: []", "homework: [build]", "third: the chapter has no exercise build"),
        ("ex-first-1", "ex-first-2", "first: ex-first-2 is done in class and at home"),
    ],
)
def test_plans_that_do_not_fit_the_chapters_have_their_faults_named(tmp_path, old, new, complaint):
    assert plan_faults(the_book(tmp_path)) == []
    assert plan_faults(the_book(tmp_path, PLANS.replace(old, new))) == [complaint]


def test_a_session_on_a_chapter_without_a_plan_is_a_fault(tmp_path):
    found = faults(parse(GOOD), the_book(tmp_path, PLANS.partition("third:")[0]))
    assert "session 2: data/teaching.yml has no plan for third" in found


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("before: Read., ", "", "data/teaching.yml: first: before is missing"),
        ("[predict, ex-first-1]", "predict", "first: exercises is 'predict', which is no list"),
    ],
)
def test_a_plan_with_a_slip_is_refused(tmp_path, old, new, complaint):
    with pytest.raises(ValueError, match=complaint):
        the_book(tmp_path, PLANS.replace(old, new))


def test_plans_with_faults_are_warnings_and_leave_the_page_standing(make):
    page, warnings = make(GOOD, PLANS.replace("ex-first-1", "ex-first-9"))
    assert "WARNING: syllabus: data/teaching.yml: first: the chapter has no exercise" in warnings
    assert page.select_one(".ln-syllabus")


@pytest.mark.parametrize("title", ["Guess", "Guess (predict)", "Guess (ponder, 5 min)"])
def test_an_exercise_without_level_or_time_is_refused(title):
    with pytest.raises(ValueError, match=r"end the title with a level .* \(build, 20 min\)"):
        exercises(chapter("First", 40, "", title))
    with pytest.raises(ValueError, match="put its label below"):
        exercises("::::{exercise} Guess (predict, 5 min)\nWithout a label.\n::::\n")


def test_such_an_exercise_is_a_warning_that_names_its_chapter(make):
    page, warnings = make(GOOD, PLANS, {"chapters/first": chapter("First", 40, "", "Guess")})
    assert "WARNING: syllabus: chapters/first: exercise 'Guess'" in warnings
    assert page.select_one(".ln-syllabus") is None


@pytest.mark.parametrize(
    "body, complaint",
    [
        (GOOD.replace("talk: 20\n", ""), "talk is missing"),
        (GOOD + "weeks: 3\n", "weeks is unknown; known: hours, minutes, talk, sessions"),
        (GOOD.replace("hours: 2", "hours: two"), "hours is 'two', which is no int"),
        (GOOD.replace("[first]", "first"), "chapters is 'first', which is no list"),
        (GOOD.replace("at_home", "homework"), "homework is unknown"),
        ("hours: [\n", "no YAML"),
        ("- a\n", "is no mapping"),
    ],
)
def test_a_body_with_a_slip_is_refused_with_its_fault(body, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse(body)


def test_such_a_body_is_a_warning(make):
    page, warnings = make(GOOD + "weeks: 3\n")
    assert "syllabus: weeks is unknown" in warnings and page.select_one(".ln-syllabus") is None


def test_a_chapter_or_a_plan_that_changes_changes_the_page(make, tmp_path):
    make()
    path = tmp_path / "chapters" / "first.md"
    path.write_text(path.read_text("utf8").replace("minutes: 40", "minutes: 45"), "utf8")
    os.utime(path, (2e9, 2e9))
    build(tmp_path)
    page = tmp_path / "_build" / "html" / f"{PAGE}.html"
    assert "45\xa0min to read" in page.read_text("utf8")
    path = tmp_path / "data" / "teaching.yml"
    path.write_text(PLANS.replace("Talk.", "Listen."), "utf8")
    os.utime(path, (2e9, 2e9))
    build(tmp_path)
    assert "Listen." in page.read_text("utf8")


def test_an_assignment_tells_its_time_and_points_and_nothing_of_its_tasks(tmp_path):
    write(tmp_path, GOOD)
    (found,) = assignments(tmp_path).values()
    assert (found.title, found.minutes, found.points) == ("A test", 75, 20)
    assert found.chapters == ["second"]


@pytest.mark.parametrize("head", ["# None\n", "---\nassignment: {title: A}\n---\n"])
def test_an_assignment_without_its_fields_is_named(tmp_path, head):
    write(tmp_path, GOOD)
    (tmp_path / "classroom" / "assignments" / "exam.md").write_text(head, "utf8")
    with pytest.raises(ValueError, match="exam.md: no assignment with title, minutes"):
        assignments(tmp_path)


def test_a_course_reads_as_it_is_written():
    found = parse(GOOD)
    assert (found.hours, found.minutes, found.talk) == (2, 60, 20)
    assert [s.chapters for s in found.sessions] == [["first"], ["third"]]
    assert [s.at_home for s in found.sessions] == [[], ["second"]]


def test_exercises_are_found_in_all_fences_and_only_there():
    source = (
        "::::{exercise} One (predict, 5 min)\n:label: ex-one\n::::\n"
        "`````{exercise} Two, or more (fill in, 10 min)\n:label: ex-two\n`````\n"
        "The exercise Three (build, 20 min) is told in words.\n"
        ":::{solution} ex-one\n:::\n"
    )
    assert [(e.label, e.title, e.level, e.minutes) for e in exercises(source)] == [
        ("ex-one", "One", "predict", 5),
        ("ex-two", "Two, or more", "fill in", 10),
    ]
