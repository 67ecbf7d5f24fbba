"""The explorers on the static page: alive by key and by mouse in both themes, or else a picture."""

from __future__ import annotations

import pytest
from conftest import Visit
from playwright.sync_api import Locator, expect

LIVE = ".ln-explorer-live"
RANGES = "input[type=range]:not([disabled])"


def explorers(seen: Visit) -> list[Locator]:
    """The explorers of a page, all started."""
    places = seen.page.locator(".ln-explorer").all()
    for place in places:
        place.scroll_into_view_if_needed()
        expect(place.locator(LIVE)).to_be_visible(timeout=15_000)
        expect(place.locator(".ln-explorer-still")).to_be_hidden()
    return places


def spoken(place: Locator) -> list[str]:
    """What the explorer's live regions say."""
    return place.locator("[aria-live], output, [role=status]").all_inner_texts()


@pytest.mark.holding(".ln-explorer")
def test_an_explorer_answers_the_keyboard_and_its_text_follows(path, theme, visit):
    seen = visit(theme).go(path)
    for place in explorers(seen):
        before = spoken(place)
        assert any(text.strip() for text in before), "an explorer says its result in a live region"
        heard = False
        controls = place.locator(f"{RANGES}, select, input[type=text], textarea")
        n = 0
        while n < controls.count():  # a control may add others or take them away
            control = controls.nth(n)
            n += 1
            picture = place.locator(LIVE).inner_html()
            control.focus()
            kind = control.evaluate("e => e.type")
            for key in {"range": ["ArrowRight", "ArrowLeft", "ArrowLeft"]}.get(kind, ["ArrowDown"]):
                if kind in ("text", "textarea"):
                    control.press_sequentially(" word")
                else:
                    seen.page.keyboard.press(key)
                seen.page.wait_for_timeout(120)
                if place.locator(LIVE).inner_html() != picture:
                    break
            else:
                if kind == "range":
                    pytest.fail(f"nothing moves with {control.evaluate('e => e.outerHTML')}")
            heard = heard or spoken(place) != before
        assert heard, "no control changed what the explorer says"
    assert seen.errors == []


@pytest.mark.holding(".ln-explorer")
def test_an_explorer_answers_the_mouse(path, theme, visit):
    seen = visit(theme).go(path)
    for place in explorers(seen):
        before = place.locator(LIVE).inner_html()
        for control in place.locator(f"{RANGES}, button:not([disabled])").all():
            if not control.is_visible():
                continue
            control.scroll_into_view_if_needed()
            box = control.bounding_box()
            for part in (0.9, 0.1):
                seen.page.mouse.click(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
                seen.page.wait_for_timeout(120)
            if place.locator(LIVE).inner_html() != before:
                break
        assert place.locator(LIVE).inner_html() != before
    assert seen.errors == []


@pytest.mark.holding(".ln-explorer")
def test_an_explorer_fits_a_phone(path, visit):
    seen = visit(width=390).go(path)
    for place in explorers(seen):
        too_wide = place.evaluate(
            """place => [...place.querySelectorAll("button, input, select, svg, output")]
                .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 120))"""
        )
        assert too_wide == []


@pytest.mark.holding(".ln-explorer")
def test_every_control_of_an_explorer_has_a_name(path, visit):
    for place in explorers(visit().go(path)):
        nameless = place.locator("input, select, textarea, button").evaluate_all(
            """all => all.filter((e) => !(e.labels?.length || e.ariaLabel || e.getAttribute("aria-labelledby")
                || (e.tagName == "BUTTON" && e.innerText.trim()))).map((e) => e.outerHTML)"""
        )
        assert nameless == []


@pytest.mark.holding(".ln-explorer")
def test_without_javascript_the_picture_stays_and_says_what_it_shows(path, visit):
    seen = visit(javascript=False)
    seen.page.goto(f"{seen.base}/{path}")
    for place in seen.page.locator(".ln-explorer").all():
        picture = place.locator(".ln-explorer-still img")
        expect(picture).to_be_visible()
        assert len(picture.get_attribute("alt")) > 20


@pytest.mark.holding(".ln-explorer")
def test_an_explorer_that_fails_leaves_its_picture(path, visit):
    seen = visit()

    def break_modules(route):
        answer = route.fetch()
        body = answer.text().replace('"_esm": "', '"_esm": "throw new Error(0);')
        route.fulfill(response=answer, body=body)

    seen.page.route("**/*.html", break_modules)
    seen.go(path)
    first = seen.page.locator(".ln-explorer").first
    first.scroll_into_view_if_needed()
    expect(first.locator(".ln-explorer-still img")).to_be_visible()
    expect(first.locator(LIVE)).to_have_count(0)
    assert any("could not start" in error for error in seen.errors)
