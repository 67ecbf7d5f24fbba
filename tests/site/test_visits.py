"""What the shared visit finds is what is there: planted faults are found."""

from __future__ import annotations

import sys

import pytest
import visits
from built_site import holding
from playwright.sync_api import TimeoutError as TooLong
from visits import ANSWER, ask

PAGE = "chapters/reference/data-and-licences.html"
#: Hardly to be told from the ground of the page. (The ground's own colour is no fault to axe: it
#: takes such a text for hidden.)
FAINT = {"light": "#bbb", "dark": "#444"}


def contrasts(seen) -> list[str]:
    return [line for line in seen.axe() if line.startswith("color-contrast")]


def test_the_marked_texts_stand_for_all_of_them(visit):
    """A fault of many elements is found with some of them, whatever kind of element has it."""
    seen = visit().go(PAGE)
    seen.page.add_style_tag(content="article a, article th, article code {color: #ddd !important}")
    found = contrasts(seen)
    all_kinds = ask(
        seen.page,
        """() => {
            axe.reset();  // to all texts
            return axe.run("html", { runOnly: ["color-contrast"], preload: false })
                .then((r) => [...new Set(r.violations.flatMap((v) => v.nodes)
                    .map((node) => document.querySelector(node.target[0]).localName))]);
        }""",
    )
    assert len(all_kinds) >= 2
    for kind in all_kinds:
        assert any(f"<{kind}" in line for line in found), kind


@pytest.mark.parametrize("selector", ["article h1", "article p", "footer p"])
def test_one_text_that_is_too_faint_is_found(theme, selector, visit):
    seen = visit(theme).go(PAGE)
    seen.page.locator(selector).first.evaluate(
        "(e, colour) => e.style.setProperty('color', colour, 'important')", FAINT[theme]
    )
    assert len(contrasts(seen)) >= 1


def test_faults_in_listings_and_formulas_are_found_and_the_page_is_as_it_was(visit):
    """Axe sees less of them than the reader, and all that it could complain of."""
    seen = visit().go(holding("ln-explorer")[0])
    html = seen.page.evaluate("document.querySelector('article').outerHTML.length")
    assert seen.axe() == []
    marks = seen.page.locator("article [data-look]").count()
    after = seen.page.evaluate("document.querySelector('article').outerHTML.length")
    assert html <= after <= html + marks * len(' data-look=""')
    seen.page.add_style_tag(content="article pre .n {color: #ddd !important}")
    seen.page.locator(".katex-display .katex-html").first.evaluate(
        """(e) => {
            e.style.paddingRight = "3000px";  // wider than its box, which no key can scroll
            const box = e.closest(".katex-display");
            box.style.overflowX = "auto";
            box.removeAttribute("tabindex");
            box.querySelectorAll("[tabindex]").forEach((each) => each.removeAttribute("tabindex"));
        }"""
    )
    seen.page.locator("article pre:visible").first.evaluate(
        "(e) => e.setAttribute('role', 'nonsense')"
    )
    found = seen.axe()
    assert any(line.startswith("color-contrast") and "<span" in line for line in found), found
    assert any(line.startswith("scrollable-region-focusable") for line in found), found
    assert any(line.startswith("aria-roles") for line in found), found


def test_a_fault_in_an_answer_is_found(visit):
    seen = visit().go("index.html")
    seen.page.evaluate(ANSWER, "right")
    assert contrasts(seen) == []
    seen.page.add_style_tag(content=".ln-reason-text, .ln-reason-text * {color: #bbb !important}")
    assert any("ln-" in line for line in contrasts(seen))


def test_what_never_comes_is_not_waited_for_without_end(visit, monkeypatch):
    page = visit().go(PAGE).page
    monkeypatch.setattr(visits, "PATIENCE", 500)
    with pytest.raises(TooLong):
        ask(page, "() => new Promise(() => {})")
    assert ask(page, "(n) => Promise.resolve(n - 1)", 1) == 0


def test_a_page_that_stood_still_gets_a_second_look_and_no_third(opened, monkeypatch):
    def facts(times: int):
        left = iter([True] * times + [False])

        def looked(*_) -> str:
            if next(left):
                raise TooLong("no frame")
            return "seen"

        monkeypatch.setattr(sys.modules[type(opened).__module__], "looked", looked)
        with pytest.warns(UserWarning, match="index.html in light at 1280 px stood still"):
            return opened._facts("index.html", "light", 1280)

    monkeypatch.setattr(opened, "_load", lambda *_: None)
    assert facts(1) == "seen"
    with pytest.raises(TooLong):
        facts(2)


def test_errors_and_requests_to_other_hosts_are_written_down(visit):
    seen = visit().go(PAGE)
    assert seen.errors == [] and seen.foreign == []
    ask(
        seen.page,
        "() => new Promise((done) => Object.assign(new Image(), "
        "{ onerror: () => done(), src: 'https://example.org/x.png' }))",
    )
    with seen.page.expect_event("pageerror"):
        seen.page.evaluate("() => { setTimeout(() => { throw new Error('planted'); }); }")
    assert seen.foreign == ["https://example.org/x.png"]
    assert any("example.org" in e for e in seen.errors)
    assert any("planted" in e for e in seen.errors)
