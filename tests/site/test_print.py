"""On paper nothing is cut, and nothing stays closed: there is no scrolling and no opening there."""
# What is looked at on the screen of a printed page is not all: code was missing from a PDF whose
# boxes the page called open. So the PDF itself is read, too.

from __future__ import annotations

import io
import re

import pytest
from pypdf import PdfReader

from labnotes_site.pdf import MARGIN

#: A4 less margins of 15 mm, at 96 pixels per inch.
PAPER = 680
#: Pages with the widest tables and formulas, and with the most that is collapsed.
WIDE = ("chapters/convnets/compare.html", "chapters/convnets/batchnorm.html")
COLLAPSED = "chapters/sequences/bleu.html"
PAGES = [pytest.param(p, marks=pytest.mark.xdist_group(p)) for p in (*WIDE, COLLAPSED)]

#: What goes on beyond the paper's edge, or beyond that of a box that shows no more than fits. Of a
#: formula the parts in which it is set count; what is there for screen readers does not.
CUT = """(paper) => [...document.querySelectorAll("main *")].filter((e) => {
    if (!e.checkVisibility({ visibilityProperty: true })) return false;
    if (e.closest(".katex-mathml, .visually-hidden, .sr-only, svg svg, .hide-tail")) return false;
    if (e.closest(".katex") && !e.matches(".base")) return false;
    const box = e.getBoundingClientRect();
    if (!box.width || !box.height) return false;
    const hides = getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1
        && getComputedStyle(e).display !== "inline";
    return hides || box.right > paper + 1 || box.left < -1;
}).map((e) => `${e.localName}.${e.className} ${Math.round(e.getBoundingClientRect().right)} `
    + `${e.scrollWidth}/${e.clientWidth} ${e.textContent.trim().slice(0, 50)}`)"""
CLOSED = """() => [...document.querySelectorAll("main details:not([open]), main .toggle-hidden")]
    .filter((e) => e.checkVisibility()).map((e) => e.textContent.trim().slice(0, 60))"""
FADED = """() => [...document.querySelectorAll(".ln-more-left, .ln-more-right")]
    .filter((e) => getComputedStyle(e).maskImage !== "none").map((e) => e.outerHTML.slice(0, 80))"""
#: Words of a table's head that go on in another line.
BROKEN = """() => [...document.querySelectorAll("main th")].flatMap((cell) => {
    const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
    for (let text; (text = walk.nextNode());) {
        for (const word of text.data.matchAll(/[A-Za-z]+/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            if (range.getClientRects().length > 1) found.push(word[0]);
        }
    }
    return found;
})"""
#: All code of a page, folded or not.
CODE = (
    """() => [...document.querySelectorAll("main div.highlight pre")].map((e) => e.textContent)"""
)
LIVE = """() => [...document.querySelectorAll(".ln-explorer")].map((e) => [
    e.querySelector(".ln-explorer-still img, .ln-explorer-still svg")?.checkVisibility() ?? false,
    e.querySelector(".ln-explorer-live")?.checkVisibility() ?? false])"""


@pytest.fixture
def on_paper(visit):
    """A page as it is printed: ``on_paper(path)``."""

    def lay(path: str):
        page = visit("light", PAPER).go(path).page
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        return page

    return lay


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_paper_and_nothing_stays_closed(name, on_paper):
    page = on_paper(name)
    assert page.evaluate(CUT, PAPER) == []
    assert page.evaluate(CLOSED) == []
    assert page.evaluate(FADED) == []
    assert page.evaluate(BROKEN) == []
    stills = page.evaluate(LIVE)
    assert all(still and not live for still, live in stills), stills


def printed(page) -> str:
    """The words of the PDF that the browser makes of a page, without spaces and breaks."""
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4", margin=MARGIN))).pages
    return squeezed("".join(sheet.extract_text() for sheet in sheets))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize(
    ("name", "javascript"),
    [
        pytest.param(name, scripts, marks=pytest.mark.xdist_group(name))
        for name, scripts in ((COLLAPSED, True), (COLLAPSED, False), (WIDE[0], True))
    ],
)
def test_every_line_of_code_is_on_paper_the_folded_ones_too(name, javascript, profile, site):
    page = profile(javascript).new_page()
    try:
        page.goto(f"{site}/{name}")
        code = page.evaluate(CODE)
        folded = page.locator("main details.ln-hidden div.highlight pre").count()
        assert folded > 3, "a page without folded code proves nothing"
        text = printed(page)
    finally:
        page.close()
    lost = [line for cell in code for line in cell.splitlines() if squeezed(line) not in text]
    assert lost == []
    assert not re.search("(Show|Hide)the(code|output|solution)", text)  # nothing to tap on paper
