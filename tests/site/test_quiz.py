"""The questions of "Check yourself": answered with no kernel, no network, by key, finger or mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from visits import switch

QUESTION = ".ln-question"
#: What of the visible reasons lies outside its box or the screen, or has no size.
MISFITS = """(group) => [...group.querySelectorAll("label, .ln-reason-text")]
    .filter((e) => e.getClientRects().length)
    .flatMap((e) => [e, ...e.querySelectorAll("p, li, code, .katex-html")])
    .filter((e) => {
        const box = e.getBoundingClientRect(), edge = group.getBoundingClientRect();
        const scrolls = e.closest("pre, .katex-display, .pst-scrollable-table-container");
        return !box.width || !box.height
            || (!scrolls && (box.right > edge.right + 1 || box.right > innerWidth + 1));
    }).map((e) => e.outerHTML.slice(0, 160))"""


#: What an option tells a reader now. (A reason may be a formula alone, which has no text.)
SHOWN = """(option) => {
    const seen = (e) => e.checkVisibility({ visibilityProperty: true })
        && e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().height > 0;
    const reason = option.querySelector(".ln-reason");
    const all = [...option.closest(".ln-question").querySelectorAll(".ln-reason-text")];
    return {
        checked: option.querySelector("input").checked,
        right: option.matches(".ln-right"),
        live: reason.getAttribute("aria-live"),
        text: seen(reason) ? reason.innerText : "",
        formulas: reason.querySelectorAll(".katex").length,
        shown: all.filter(seen).length,
        own: all.filter((e) => seen(e) && option.contains(e)).length,
    };
}"""


def groups(page: Page) -> list[Locator]:
    return page.locator(QUESTION).all()


def reason_alone_is_shown(option: Locator) -> None:
    """The option is chosen, its reason is there to read, in words of its own, and no other one."""
    found = option.evaluate(SHOWN)
    verdict = "Right." if found["right"] else "Not this one."
    assert found["checked"] and found["live"] == "polite"
    assert found["text"].startswith(verdict), found["text"]
    words = found["text"].removeprefix(verdict).strip()
    assert words or found["formulas"], "a verdict alone is no reason"
    assert found["shown"] == found["own"] == 1


def focus_is_visible(field: Locator) -> bool:
    style = "(e) => [getComputedStyle(e).outlineStyle, getComputedStyle(e).boxShadow]"
    return field.evaluate(style) != ["none", "none"]


@pytest.mark.holding("ln-question")
def test_every_reason_is_reached_by_keyboard_with_the_network_cut(path, touch):
    seen = touch(path, "light", 1280)
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
        if page.locator(":focus").evaluate("e => Boolean(e.closest('.ln-popup'))"):
            page.keyboard.press("Tab")  # a term stood before it, whose pop-up has a link
        expect(first).to_be_focused()
        assert focus_is_visible(first)
        page.keyboard.press("Space")
        for option in options:
            reason_alone_is_shown(option)
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
def test_every_reason_fits_a_phone(path, touch):
    """Whether its colours can be read is asked of each page: ``test_axe_finds_nothing_serious``."""
    seen = touch(path, "dark", 390)
    for group in groups(seen.page):
        for n, option in enumerate(group.locator(".ln-option").all()):
            label = option.locator("label")  # a tap on the first; to aim at all of them takes long
            label.evaluate("e => e.click()") if n else label.click()
            reason_alone_is_shown(option)
            assert group.evaluate(MISFITS) == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.errors == []


@pytest.mark.holding("ln-question")
def test_a_question_works_without_javascript(path, opened):
    seen = opened.without_javascript(path)
    for group in groups(seen.page):
        expect(group.locator(".ln-reason-text:visible")).to_have_count(0)
        group.locator("label").first.click()
        for option in group.locator(".ln-option").all():
            reason_alone_is_shown(option)
            seen.page.keyboard.press("ArrowDown")


def test_nothing_is_chosen_after_a_page_is_loaded_again(visit):
    page = visit().go("index.html").page
    page.locator(f"{QUESTION} label").first.click()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(1)
    page.reload()
    expect(page.locator(f"{QUESTION} input:checked")).to_have_count(0)
