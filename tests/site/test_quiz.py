"""The questions of "Check yourself": answered with no kernel, no network, by key, finger or mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

QUESTION = ".ln-question"
#: What of the visible reasons lies outside its box or the screen, or has no size.
MISFITS = """(group) => [...group.querySelectorAll("label, .ln-reason-text")]
    .filter((e) => e.getClientRects().length)
    .flatMap((e) => [e, ...e.querySelectorAll("p, li, code, mjx-container")])
    .filter((e) => {
        const box = e.getBoundingClientRect(), edge = group.getBoundingClientRect();
        const scrolls = e.closest("pre, div.math, .pst-scrollable-table-container");
        return !box.width || !box.height
            || (!scrolls && (box.right > edge.right + 1 || box.right > innerWidth + 1));
    }).map((e) => e.outerHTML.slice(0, 160))"""


def groups(page: Page) -> list[Locator]:
    return page.locator(QUESTION).all()


def reason_alone_is_shown(group: Locator, option: Locator) -> None:
    """The reason of `option` is there to read, in words of its own, and no other one."""
    right = "ln-right" in option.get_attribute("class")
    verdict = "Right." if right else "Not this one."
    reason = option.locator(".ln-reason")
    expect(reason).to_have_attribute("aria-live", "polite")
    expect(reason.get_by_text(verdict, exact=True)).to_be_visible()
    words = reason.inner_text().removeprefix(verdict).strip()
    assert words or reason.locator("mjx-container").count(), "a verdict alone is no reason"
    assert group.locator(".ln-reason-text:visible").count() == 1


@pytest.mark.holding(QUESTION)
def test_every_reason_is_reached_by_keyboard_with_the_network_cut(path, theme, visit):
    seen = visit(theme).go(path)
    page = seen.page
    page.context.set_offline(True)
    asked = len(seen.requests)
    for group in groups(page):
        options = group.locator(".ln-option").all()
        assert group.locator(".ln-reason-text:visible").count() == 0
        first = options[0].locator("input")
        first.focus()
        page.keyboard.press("Shift+Tab")  # back, and in again as a reader comes
        expect(first).not_to_be_focused()
        page.keyboard.press("Tab")
        expect(first).to_be_focused()
        style = first.evaluate(
            "(e) => [getComputedStyle(e).outlineStyle, getComputedStyle(e).boxShadow]"
        )
        assert style != ["none", "none"], "the focus is visible"
        page.keyboard.press("Space")
        for option in options:
            expect(option.locator("input")).to_be_checked()
            reason_alone_is_shown(group, option)
            page.keyboard.press("ArrowDown")
        expect(first).to_be_checked()  # round the circle: all options were reached
    # An answer to one question leaves the others as they are.
    assert page.locator(f"{QUESTION} input:checked").count() == len(groups(page))
    assert len(seen.requests) == asked and seen.errors == []


@pytest.mark.holding(QUESTION)
def test_every_reason_fits_a_phone_and_can_be_read_in_its_colours(path, theme, visit):
    seen = visit(theme, 390).go(path)
    for group in groups(seen.page):
        for option in group.locator(".ln-option").all():
            option.locator("label").click()
            reason_alone_is_shown(group, option)
            assert group.evaluate(MISFITS) == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    for kind in (".ln-right", ".ln-wrong"):
        for group in groups(seen.page):
            group.locator(f"{kind} label").first.click()
        assert seen.axe(QUESTION) == []


@pytest.mark.holding(QUESTION)
def test_a_question_works_without_javascript(path, visit):
    seen = visit(javascript=False)
    seen.page.goto(f"{seen.base}/{path}")
    for group in groups(seen.page):
        expect(group.locator(".ln-reason-text:visible")).to_have_count(0)
        for option in group.locator(".ln-option").all():
            option.locator("label").click()
            reason_alone_is_shown(group, option)


def test_nothing_is_chosen_after_a_page_is_loaded_again(visit):
    page = visit().go("index.html").page
    page.locator(f"{QUESTION} label").first.click()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(1)
    page.reload()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(0)
