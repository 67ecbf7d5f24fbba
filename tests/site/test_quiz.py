"""The questions of "Check yourself": answered with no kernel, no network, by key, finger or mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from visits import DRAWN, ask, switch

QUESTION = ".ln-question"


def groups(page: Page) -> list[Locator]:
    return page.locator(QUESTION).all()


def is_chosen(option: Locator, group: Locator) -> None:
    """The option is chosen, its reason shown and no other; what it says is asked of every page below."""
    expect(option.locator("input")).to_be_checked()
    expect(option.locator(".ln-reason-text")).to_be_visible()
    expect(group.locator(".ln-reason-text:visible")).to_have_count(1)


def press(page: Page, key: str) -> None:
    """A key, and a moment to see what it has done: a section far away gets its layout first."""
    page.keyboard.press(key)
    ask(page, DRAWN)


def focus_is_visible(field: Locator) -> bool:
    style = "(e) => [getComputedStyle(e).outlineStyle, getComputedStyle(e).boxShadow]"
    return field.evaluate(style) != ["none", "none"]


@pytest.mark.holding("ln-question", some=4)
def test_every_reason_is_reached_by_keyboard_with_the_network_cut(path, touch):
    seen = touch(path, "light", 1280)
    page = seen.page
    page.mouse.move(1, 1)  # a heading under a resting mouse shows its link, which takes the focus
    page.context.set_offline(True)
    asked = len(seen.requests)
    for group in groups(page):
        options = group.locator(".ln-option").all()
        assert group.locator(".ln-reason-text:visible").count() == 0
        first = options[0].locator("input")
        first.focus()
        press(page, "Shift+Tab")  # back, and in again as a reader comes
        expect(first).not_to_be_focused()
        press(page, "Tab")
        if page.evaluate("Boolean(document.activeElement.closest('.ln-popup, .headerlink'))"):
            press(page, "Tab")  # the link of a term's pop-up, or of a heading where the mouse rests
        expect(first).to_be_focused()
        assert focus_is_visible(first)
        page.keyboard.press("Space")
        for option in options:
            is_chosen(option, group)
            page.keyboard.press("ArrowDown")
        expect(first).to_be_checked()  # round the circle: all options were reached
    # An answer to one question leaves the others as they are.
    assert page.locator(f"{QUESTION} input:checked").count() == len(groups(page))
    switch(page, "dark")
    for group in groups(page):
        group.locator("input:checked").focus()
        assert focus_is_visible(group.locator("input:checked")), "not in the dark theme"
    assert len(seen.requests) == asked and seen.errors == []


@pytest.mark.holding("ln-question")
def test_every_reason_says_why_alone_and_fits(path, screen, look):
    """Whether its colours can be read is asked of each page: ``test_axe_finds_nothing_serious``."""
    found = look(path, *screen)["options"]
    assert found["silent"] and found["all"] and found["each"]
    for option in found["all"]:
        verdict = "Right." if option["right"] else "Not this one."
        assert option["checked"] and option["live"] == "polite"
        assert option["text"].startswith(verdict), option["text"]
        words = option["text"].removeprefix(verdict).strip()
        assert words or option["formulas"], "a verdict alone is no reason"
        assert option["shown"] == option["own"] == 1
        assert option["misfits"] == []
    assert found["width"] <= screen[1]


@pytest.mark.holding("ln-question", some=4)
def test_a_finger_chooses_on_a_phone(path, touch):
    seen = touch(path, "dark", 390)
    for group in groups(seen.page):
        for option in group.locator(".ln-option").all():
            option.locator("label").click()
            is_chosen(option, group)
    assert seen.errors == []


@pytest.mark.holding("ln-question", some=4)
def test_a_question_works_without_javascript(path, opened):
    seen = opened.without_javascript(path)
    for group in groups(seen.page):
        expect(group.locator(".ln-reason-text:visible")).to_have_count(0)
        group.locator("label").first.click()
        for option in group.locator(".ln-option").all():
            is_chosen(option, group)
            seen.page.keyboard.press("ArrowDown")


def test_nothing_is_chosen_after_a_page_is_loaded_again(visit):
    page = visit().go("index.html").page
    page.locator(f"{QUESTION} label").first.click()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(1)
    page.reload()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(0)
