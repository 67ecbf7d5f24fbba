"""On paper nothing is cut, and nothing stays closed: there is no scrolling and no opening there."""

from __future__ import annotations

import pytest

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
    stills = page.evaluate(LIVE)
    assert all(still and not live for still, live in stills), stills
