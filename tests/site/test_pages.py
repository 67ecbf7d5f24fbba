"""Every page: whole, light, readable for all, and silent towards other hosts."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from functools import cache
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from built_site import HTML, holding, ids, pages, soup, text
from inks import Ink, contrast, of_png, of_svg

from labnotes_site.page.cells import fetches_tools

LIMIT = 500_000  # bytes a first visit may transfer


def test_a_visit_is_free_of_errors_and_foreign_requests(path, screen, look):
    found = look(path, *screen)
    assert found["errors"] == []
    assert found["foreign"] == []


def test_axe_finds_nothing_serious(path, theme, look):
    assert look(path)["axe"][theme] == []


def test_a_first_visit_is_light(path, look):
    sizes = look(path)["weight"]
    assert sum(sizes.values()) <= LIMIT, sorted(sizes.items(), key=lambda item: -item[1])[:8]


def test_no_page_scrolls_sideways_on_a_phone(path, look):
    found = look(path, "dark", 390)
    assert found["width"] <= 390, found["too wide"]


def test_nothing_sticks_out_on_the_narrowest_phone(path, look):
    found = look(path, "dark", 390)["narrow"]
    assert found == {"width": 320, "explorers": []}


def test_nothing_jumps_while_a_page_is_read(path, screen, look):
    found = look(path, *screen)["shift"]
    assert found["sum"] < 0.02, found["of"]


def test_every_formula_is_set(path, look):
    found = look(path)["formulas"]
    assert found["there"] == found["set"] == found["spoken"] and found["faulty"] == 0


def test_no_formula_is_cut_or_too_small_to_read(path, screen, look):
    found = look(path, *screen)["formulas"]
    assert found["cut"] == []
    assert found["smallest"] is None or found["smallest"] >= 12


def test_no_picture_is_stretched(path, screen, look):
    assert look(path, *screen)["out of shape"] == []


def test_letters_of_figures_are_legible_on_a_phone(path, look):
    assert look(path, "dark", 390)["too small"] == []


def test_ink_of_figures_stands_out_in_both_themes(path, screen, look):
    """WCAG 2.2: letters 4.5 to 1 (1.4.3), what else has to be made out 3 to 1 (1.4.11)."""
    faint = []
    for picture in look(path, *screen)["pictures"]:
        page = tuple(int(part) / 255 for part in re.findall(r"\d+", picture["ground"])[:3])
        for ink in inks_of(picture["src"]):
            if ink.kind == "mark" and ink.ground is not None:
                continue  # what is on a coloured shape may be any shade of it
            colour, ground = (
                tuple(min(1, part * picture["bright"]) for part in each) if each else page
                for each in (ink.colour, ink.ground)
            )
            # On a heat map's cell letters are black or white, whichever was better in one theme.
            least = 4.5 if ink.kind == "text" and ink.ground is None else 3
            if (found := contrast(colour, ground)) < least:
                faint.append((picture["src"][-30:], ink.kind, round(found, 2), colour, ink.where))
    assert faint == []


@cache
def inks_of(address: str) -> list[Ink]:
    """What a picture is drawn in; a photograph has none."""
    kind, _, data = address.partition(";base64,")
    if data:
        return of_svg(BytesIO(b64decode(data))) if kind == "data:image/svg+xml" else []
    file = HTML / "_images" / PurePosixPath(address).name
    reader = {".svg": of_svg, ".png": of_png, ".webp": of_png}.get(file.suffix)
    return reader(file) if reader and file.is_file() else []


def test_no_table_is_cut_without_a_sign(path, screen, look):
    assert look(path, *screen)["tables"] == []


def test_a_page_asks_for_no_script_to_set_its_formulas(path, look):
    loaded = look(path)["weight"]
    assert not [file for file in loaded if "mathjax" in file.lower()]
    if not look(path)["formulas"]["there"]:
        assert not [file for file in loaded if "katex" in file.lower()]


def test_every_internal_link_and_anchor_and_file_is_there(path):
    here = PurePosixPath(path)
    broken = []
    for element, attribute in (("a", "href"), ("link", "href"), ("img", "src"), ("script", "src")):
        for found in soup(path).find_all(element, **{attribute: True}):
            link = urlsplit(found[attribute])
            if link.scheme or link.netloc:
                continue
            target = (
                (HTML / here.parent / unquote(link.path)).resolve() if link.path else HTML / here
            )
            if not target.is_file():
                broken.append(found[attribute])
            elif link.fragment and target.suffix == ".html":
                other = target.relative_to(HTML.resolve() if link.path else HTML).as_posix()
                if unquote(link.fragment) not in ids(other):
                    broken.append(found[attribute])
    assert broken == []


def test_no_page_names_another_host_but_in_links(path):
    loads = [
        str(tag)[:160]
        for tag in soup(path).find_all(
            ["script", "link", "img", "iframe", "source", "video", "audio"]
        )
        for name in ("src", "href", "srcset")
        if str(tag.get(name, "")).startswith(("http:", "https:", "//"))
        and tag.get("rel") != ["canonical"]
    ]
    assert loads == []
    assert "unpkg.com" not in text(path) and "jsdelivr" not in text(path)


def test_every_picture_has_a_text_alternative(path):
    bare = [
        str(img)[:160] for img in soup(path).select("article img") if not img.get("alt", "").strip()
    ]
    assert bare == []


def test_no_page_shows_a_traceback_or_markup_that_was_not_understood(path):
    article = soup(path).select_one("article")
    assert not article or "Traceback (most recent call last)" not in article.get_text()
    assert soup(path).select(".problematic, .system-message") == []
    for cell in soup(path).select("pre"):
        cell_text = cell.get_text()
        assert not cell_text.startswith((":::{", "```{")), cell_text[:80]


@pytest.mark.holding("ln-hidden")
def test_a_fold_says_what_it_opens(path):
    """A reader who wants an answer, or the output, does not look for it under "the code"."""
    for fold in soup(path).select("details.ln-hidden"):
        code, output = (fold.select_one(f".{part}") for part in ("cell_input", "cell_output"))
        what = (
            "the code and its output" if code and output else "the code" if code else "the output"
        )
        cell = fold.find_parent(class_="cell")
        if "tag_exercise-solution" in cell["class"]:
            what = "the solution"
        elif not cell.select_one(".cell_output"):
            what = "the imports" if fetches_tools(code.get_text()) else "helper code"
        says = [e.get_text() for e in fold.find("summary").find_all("span")]
        assert says == [f"Show {what}", f"Hide {what}"], fold.get_text()[:80]


@pytest.mark.holding("ln-badges")
def test_no_plumbing_stands_open_before_the_idea(path):
    """Cells that show nothing: at most a screen of their code is left for the reader to pass."""
    lines = 0
    for part in soup(path).select(".cell, #the-idea"):
        if part.get("id"):
            break
        if part.select_one("details.ln-hidden, .cell_output"):
            continue
        code = part.select_one(".cell_input").get_text().strip()
        assert not fetches_tools(code), code
        lines += code.count("\n") + 1
    else:
        return  # a page without this section
    assert lines <= 32


def test_ids_are_unique(path):
    assert [name for name, times in Counter(ids(path)).items() if times > 1] == []


def test_the_pages_that_hold_something_are_found_by_their_text_as_by_their_elements():
    some = [page for page in pages() if re.search("bleu|index|notes-map", page)]
    for css_class in ("ln-explorer", "ln-question", "ln-badges"):
        there = [page for page in some if soup(page).select_one(f".{css_class}")]
        assert there and there == [page for page in some if page in holding(css_class)]
