"""Every page: whole, light, readable for all, and silent towards other hosts."""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from conftest import HTML, Visit, soup

LIMIT = 500_000  # bytes a first visit may transfer, MathJax aside


def test_a_visit_is_free_of_errors_and_foreign_requests_and_axe_finds_nothing_serious(
    path, theme, visit
):
    seen = visit(theme).go(path)
    assert seen.errors == []
    assert seen.foreign == []
    # Boxes that open fade in: axe must see the colours at the end, not on the way.
    seen.page.evaluate(
        """async () => {
            document.querySelectorAll("details").forEach((box) => { box.open = true; });
            await new Promise(requestAnimationFrame);
            await Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {})));
        }"""
    )
    assert seen.axe() == []


@pytest.fixture(scope="session")
def measured(browser, site):
    """What one visit to a page measures, on a screen and then on a phone's width."""

    @cache
    def measure(path: str) -> dict:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        seen = Visit(context.new_page(), site)
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.go(path)
        found = {
            "sizes": seen.weight(),
            "formulas": seen.page.locator(".math").count(),
            "set": seen.page.locator("mjx-container").count(),
            "faulty": seen.page.locator("mjx-merror").count(),
        }
        seen.page.set_viewport_size({"width": 390, "height": 900})
        found["width"] = seen.page.evaluate("document.documentElement.scrollWidth")
        found["wide"] = seen.page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((e) => {
                const scrolls = e.closest("pre, .pst-scrollable-table-container, .math, .output");
                return e.getBoundingClientRect().right > 391 && !scrolls;
            }).slice(0, 5).map((e) => e.outerHTML.slice(0, 150))"""
        )
        context.close()
        return found

    return measure


def test_a_first_visit_is_light(path, measured):
    sizes = measured(path)["sizes"]
    assert sum(sizes.values()) <= LIMIT, sorted(sizes.items(), key=lambda item: -item[1])[:8]


def test_no_page_scrolls_sideways_on_a_phone(path, measured):
    assert measured(path)["width"] <= 390, measured(path)["wide"]


def test_every_formula_is_set(path, measured):
    found = measured(path)
    assert found["formulas"] <= found["set"] and found["faulty"] == 0


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
                other = soup(target.relative_to(HTML.resolve() if link.path else HTML).as_posix())
                if other.find(id=unquote(link.fragment)) is None:
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
    assert "unpkg.com" not in str(soup(path)) and "jsdelivr" not in str(soup(path))


def test_every_picture_has_a_text_alternative(path):
    bare = [
        str(img)[:160] for img in soup(path).select("article img") if not img.get("alt", "").strip()
    ]
    assert bare == []


def test_no_page_shows_a_traceback_or_markup_that_was_not_understood(path):
    text = soup(path).select_one("article").get_text() if soup(path).select_one("article") else ""
    assert "Traceback (most recent call last)" not in text
    assert soup(path).select(".problematic, .system-message") == []
    for cell in soup(path).select("pre"):
        cell_text = cell.get_text()
        assert not cell_text.startswith((":::{", "```{")), cell_text[:80]


def test_ids_are_unique(path):
    ids = [tag["id"] for tag in soup(path).find_all(id=True)]
    assert sorted({i for i in ids if ids.count(i) > 1}) == []
