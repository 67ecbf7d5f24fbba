"""Every chapter has the whole anatomy that readers rely on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from built_book import ROOT, book, notes

from labnotes_site.page.course import before, plans

HEADINGS = [
    "After this chapter you can",
    "The problem",
    "The idea",
    "By hand",
    "In code",
    "Does it agree?",
    "Run it",
    "Questions from the notes",
    "Check yourself",
    "Exercises",
    "The paper in three passes",
    "Summary",
    "References",
]
#: The first chapter teaches the book itself: it has no one idea, paper or experiment.
START = ["After this chapter you can", "Check yourself", "Exercises", "Summary", "References"]
SETTLES_BLOCK = re.compile(r"^:{3,}\{settles\} (.+)$", re.M)
SETTLES_ROLE = re.compile(r"\{settles\}`([^`]+)`")


def front(chapter) -> dict:
    return chapter.notebook.metadata["labnotes"]


def prose(chapter) -> str:
    return "\n\n".join(c.source for c in chapter.notebook.cells if c.cell_type == "markdown")


def code_cells(chapter):
    return [c for c in chapter.notebook.cells if c.cell_type == "code"]


def test_the_book_has_its_chapters():
    assert len(book()) >= 17


def test_front_matter_says_what_the_site_needs(chapter):
    matter = front(chapter)
    assert {"notes", "needs", "gpu", "minutes"} <= set(matter)
    assert all((ROOT / "chapters" / f"{need}.md").exists() for need in matter["needs"])
    if "paper" in matter:
        assert f"{{{matter['paper']}," in (ROOT / "references.bib").read_text("utf8")


def test_who_speaks_of_momentum_comes_after_the_chapter_that_explains_it(chapter):
    """A word that many chapters use and one explains: `needs` has to lead there."""
    home, name = "start/training-loop", chapter.docname.removeprefix("chapters/")
    words = re.sub(r"`[^`]*`", "", prose(chapter))  # an argument may have the name
    if "momentum" in words and not name.startswith("start/"):
        needs = {c.docname.removeprefix("chapters/"): front(c).get("needs", []) for c in book()}
        assert home in before(name, needs)


def test_sections_stand_in_the_order_of_the_anatomy(chapter):
    found = re.findall(r"^## (.+)$", prose(chapter), re.M)
    wanted = START if chapter.docname == "chapters/start/how-to-use" else HEADINGS
    assert [h for h in found if h in wanted] == wanted
    assert len(re.findall(r"^# ", prose(chapter), re.M)) == 1


@pytest.fixture
def first():
    """The chapter that the book begins with."""
    return next(c for c in book() if c.docname == "chapters/start/how-to-use")


def test_the_first_chapter_is_read_in_a_quarter_of_an_hour(first):
    assert book()[0] is first
    assert len(prose(first).split()) <= 1500 and front(first)["minutes"] <= 15


def test_the_first_chapter_begins_with_ten_lines_that_run_on_their_own(first, tmp_path):
    cells = first.notebook.cells
    place = next(n for n, cell in enumerate(cells) if cell.cell_type == "code")
    assert sum(len(cell.source.split()) for cell in cells[:place]) <= 200
    ten = cells[place].source
    assert len(ten.splitlines()) == 10 and all(line.strip() for line in ten.splitlines())
    # With the stand-in, which is small; nothing else of the chapter has run.
    offline = os.environ | {
        "LABNOTES_DATA": "",
        "LABNOTES_OFFLINE": "1",
        "LABNOTES_CACHE": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", ten], env=offline, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # Ten kinds: chance is 10%.
    assert float(re.search(r"([\d.]+)% of the new pictures", done.stdout)[1]) > 30


def test_the_first_chapter_asks_for_no_word_of_later_ones(first):
    words = r"resnet|einsum|ilsvrc|imagenet|convolution|backpropagation|logit|attention|epoch\b"
    assert re.findall(words, prose(first), re.I) == []


def test_the_first_chapter_tells_how_to_read_listings_and_verdicts(first):
    said = " ".join(prose(first).split())
    assert "`_check…` functions in it only refuse bad input" in said, (
        "what listings call and do not show"
    )
    assert "three coins fall alike once in four times" in said, (
        "what equal signs of three seeds are worth"
    )


def test_every_note_of_the_front_matter_is_settled_in_one_place(chapter):
    blocks = [i for m in SETTLES_BLOCK.findall(prose(chapter)) for i in m.split()]
    settled = blocks + [i for m in SETTLES_ROLE.findall(prose(chapter)) for i in m.split()]
    assert sorted(settled) == sorted(front(chapter)["notes"])
    assert set(settled) <= set(notes())
    # What the notes leave open or get wrong is answered in a box of its own.
    answered = {i for i in settled if notes()[i]["verdict"] != "right"}
    assert answered <= set(blocks)


def test_no_note_is_settled_twice():
    times = Counter(i for c in book() for i in front(c)["notes"])
    assert [i for i, n in times.items() if n > 1] == []


def test_every_statement_of_the_notes_is_settled_and_what_is_not_right_has_its_box():
    """That each stands in a box is asked of every chapter; here, that none is left over."""
    settled = {i for c in book() for i in front(c)["notes"]}
    assert settled == set(notes()) and len(settled) == 454
    boxes = {i for c in book() for m in SETTLES_BLOCK.findall(prose(c)) for i in m.split()}
    assert Counter(notes()[i]["verdict"] for i in boxes) >= Counter(
        {"wrong": 45, "imprecise": 123, "open": 11}
    )


def test_cells_are_short_and_of_a_sitting(chapter):
    cells = code_cells(chapter)
    assert 10 <= len(cells) <= 60
    long = [c.source.splitlines()[0] for c in cells if len(c.source.splitlines()) > 25]
    assert long == []


def test_every_cell_is_led_in_by_prose(chapter):
    cells = chapter.notebook.cells
    bare = [
        b.source.splitlines()[0]
        for a, b in zip(cells, cells[1:])
        if b.cell_type == "code" and a.cell_type == "markdown" and not a.source.strip()
    ]
    assert bare == [] and cells[0].cell_type == "markdown"


def test_figures_have_caption_and_alternative_text(chapter):
    figures = [c for c in code_cells(chapter) if "plt.show(" in c.source or "mystnb" in c.metadata]
    assert figures
    for cell in figures:
        options = cell.metadata.get("mystnb", {})
        assert options.get("figure", {}).get("caption", "").strip(), cell.source
        assert len(options.get("image", {}).get("alt", "")) > 20, cell.source


def test_exercises_have_levels_times_and_solutions(chapter):
    titles = re.findall(r"^:{3,}\{exercise\} (.+)$", prose(chapter), re.M)
    labels = re.findall(r"^:label: (ex-[\w-]+)$", prose(chapter), re.M)
    assert len(titles) >= 5 and len(labels) == len(titles)
    levels = [re.search(r"\((predict|fill in|build), (\d+) min\)$", t) for t in titles]
    assert all(levels), titles
    assert {m[1] for m in levels} == {"predict", "fill in", "build"}
    solved = set(re.findall(r"\{solution\} (ex-[\w-]+)", prose(chapter)))
    solved |= set(
        re.findall(r"[Ss]olution to \{(?:num)?ref\}`(?:[^`<]*<)?(ex-[\w-]+)>?`", prose(chapter))
    )
    assert set(labels) <= solved


def test_questions_have_one_right_option_and_a_reason_for_each(chapter):
    found = re.findall(r"^(:{3,})\{question\} ?(.*?)^\1$", prose(chapter), re.M | re.S)
    assert 3 <= len(found) <= 6
    for _, body in found:
        options = re.split(r"^- \[", body, flags=re.M)[1:]
        assert len(options) >= 2
        assert sum(o.startswith(("x]", "X]")) for o in options) == 1
        assert all(
            len(o.strip().split("\n", 1)) == 2 and o.strip().split("\n", 1)[1].strip()
            for o in options
        ), body


def test_no_cell_hides_in_a_directive_and_no_footnote_is_used(chapter):
    assert "{code-cell}" not in prose(chapter)
    assert not re.search(r"\[\^[\w-]+\]", prose(chapter))


def test_key_terms_carry_their_chinese_form(chapter):
    assert re.search(r"[（(][^()（）]*[\u4e00-\u9fff]+[^()（）]*[)）]", prose(chapter))


def test_each_chapter_feeds_the_glossary(chapter):
    file = ROOT / "data" / "glossary" / chapter.path.parent.name / f"{chapter.path.stem}.yml"
    terms = yaml.safe_load(file.read_text("utf8"))
    assert len(terms) >= 5
    assert all(set(t) - {"also"} == {"term", "zh", "text"} and all(t.values()) for t in terms)


def test_each_chapter_has_a_plan_for_a_class(chapter):
    assert chapter.docname.removeprefix("chapters/") in plans(ROOT)


def test_the_first_page_has_a_card_for_each_chapter_and_each_card_names_its_part():
    page = (ROOT / "index.md").read_text("utf8")
    cards = re.findall(
        r"^::::{grid-item-card}[^\n]*\n:link: (chapters/\S+)\n(.*?)^::::$", page, re.M | re.S
    )
    assert {name for name, _ in cards} >= {c.docname for c in book()}
    assert [
        name for name, text in cards if not re.search(r":::{card-footer}\n[\w ]+\n:::\n", text)
    ] == []


@pytest.mark.parametrize("folder", ["chapters", "classroom", "code", "tests", "data", "benchmarks"])
def test_the_project_speaks_of_itself_alone(folder):
    """No absolute path of anybody's machine in any file; the jail's own home is nobody's."""
    home = re.compile(r"(?<![\w.}])/(?:work|root|home/(?!student/)\w+|tmp/\w+)/")
    bad = [
        f"{file.relative_to(ROOT)}:{n}"
        for file in sorted((ROOT / folder).rglob("*"))
        if file.is_file() and file.suffix in (".py", ".md", ".js", ".css", ".toml", ".yml")
        for n, line in enumerate(file.read_text("utf8").splitlines(), 1)
        if home.search(line)
    ]
    assert [b for b in bad if not b.startswith("tests/book/test_anatomy.py")] == []
