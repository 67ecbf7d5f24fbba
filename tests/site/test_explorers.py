"""The explorers on the static page: alive by key and mouse, on screen and phone, or else a picture."""

from __future__ import annotations

from functools import partial

import pytest
from built_site import holding
from playwright.sync_api import Locator, expect
from visits import Visit, ask

LIVE = ".ln-explorer-live"
RANGES = "input[type=range]:not([disabled])"


def explorers(seen: Visit) -> list[Locator]:
    """The explorers of a page, all started."""
    places = seen.page.locator(".ln-explorer").all()
    for place in places:
        place.scroll_into_view_if_needed()
        expect(place.locator(LIVE)).to_be_visible()
        expect(place.locator(".ln-explorer-still")).to_be_hidden()
    return places


def spoken(place: Locator) -> list[str]:
    """What the explorer's live regions say, also in a section that waits far away."""
    return place.locator("[aria-live], output, [role=status]").all_text_contents()


def remember(place: Locator) -> None:
    """Note what the explorer draws now. (In the page: a drawing may have a million letters.)"""
    place.locator(LIVE).evaluate("(live) => { live.lnBefore = live.innerHTML; }")


def becomes_another(place: Locator) -> bool:
    """Whether the explorer draws something else than it did at `remember`, within 60 frames.

    Frames and not seconds: a machine that is busy draws fewer of them.
    """
    return place.locator(LIVE).evaluate(
        """async (live) => {
            for (let n = 0; n < 60 && live.innerHTML === live.lnBefore; n++) {
                await new Promise(requestAnimationFrame);
            }
            return live.innerHTML !== live.lnBefore;
        }"""
    )


#: Sections above get their height as they come near, so one scroll may not be enough: until the
#: place has stood still for a while.
COME_NEAR = """async (place) => {
    for (let n = 0, still = 0, top = 0; n < 60 && still < 8; n++) {
        place.scrollIntoView({ block: "center" });
        await new Promise(requestAnimationFrame);
        const now = place.getBoundingClientRect().top;
        still = now == top ? still + 1 : 0;
        top = now;
    }
}"""


def answer(place: Locator, script: str):
    """What a function of an element gives, see `ask`."""
    return ask(place.page, script, place.element_handle())


@pytest.mark.holding("ln-explorer")
def test_an_explorer_answers_keyboard_and_mouse_and_its_text_follows(path, screen, touch):
    seen = touch(path, *screen)
    for place in explorers(seen):
        answers_the_keyboard(place)
        answers_the_mouse(place)
    assert seen.errors == []


def answers_the_keyboard(place: Locator) -> None:
    before, heard, n = spoken(place), False, 0
    assert any(text.strip() for text in before), "an explorer says its result in a live region"
    controls = place.locator(f"{RANGES}, select, input[type=text], textarea")
    while n < controls.count():  # a control may add others or take them away
        control = controls.nth(n)
        n += 1
        remember(place)
        control.focus()
        kind = control.evaluate("e => e.type")
        for key in {"range": ["ArrowRight", "ArrowLeft", "ArrowLeft"]}.get(kind, ["ArrowDown"]):
            if kind in ("text", "textarea"):
                control.press_sequentially(" word")
            else:
                place.page.keyboard.press(key)
            if becomes_another(place):
                break
        else:
            if kind == "range":
                pytest.fail(f"nothing moves with {control.evaluate('e => e.outerHTML')}")
        heard = heard or spoken(place) != before
    assert heard, "no control changed what the explorer says"


def answers_the_mouse(place: Locator) -> None:
    remember(place)
    for control in place.locator(f"{RANGES}, button:not([disabled])").all():
        if not control.is_visible():
            continue
        control.scroll_into_view_if_needed()
        box = control.bounding_box()
        for part in (0.9, 0.1):
            place.page.mouse.click(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
            if becomes_another(place):
                return
    pytest.fail("no control answers a click")


#: What the explorer shows and what is chosen, and where the page is, once it has stopped scrolling.
NOW = """async (place) => {
    for (let n = 0, still = 0, y = -1; n < 90 && still < 4; n++) {
        await new Promise(requestAnimationFrame);
        still = scrollY === y ? still + 1 : 0;
        y = scrollY;
    }
    const values = [...place.querySelectorAll("input, select, textarea")].map((e) => e.value);
    const said = [...place.querySelectorAll("output, [aria-live]")].map((e) => e.textContent);
    return [JSON.stringify([values, said]), scrollY];
}"""
#: Where a finger that scrolls may go down: the middle of each slider, and places all over the
#: drawings, but for what can be grabbed (it says so by its cursor).
PLACES = """(place) => [...place.querySelectorAll("svg, canvas, input[type=range]")].flatMap((e) => {
    const { left, top, width, height } = e.getBoundingClientRect();
    const parts = e.type == "range" ? [[0.3, 0.5]] : [[0.2, 0.2], [0.8, 0.5], [0.4, 0.8]];
    return parts.map(([x, y]) => ({ x: left + x * width, y: top + y * height })).filter(({ x, y }) => {
        const on = document.elementFromPoint(x, y);
        const cursor = on && getComputedStyle(on).cursor;
        return y > 150 && y < innerHeight - 20 && e.contains(on) && !/grab|resize/.test(cursor);
    });
})"""


def finger(page, x: float, y: float, up: float) -> None:
    """Put a finger down and draw it up the screen."""
    screen = page.context.new_cdp_session(page)
    touch = partial(screen.send, "Input.dispatchTouchEvent")
    touch({"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1):
        touch({"type": "touchMove", "touchPoints": [{"x": x + 2 * part, "y": y - part * up}]})
        page.wait_for_timeout(15)  # else the browser takes them for one
    touch({"type": "touchEnd", "touchPoints": []})
    screen.detach()


@pytest.fixture
def in_hand(browser, site):
    """A phone: a page in it, its explorers started."""
    context = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}
    )

    def take(path: str) -> list[Locator]:
        page = context.new_page()
        page.goto(f"{site}/{path}")
        places = page.locator(".ln-explorer").all()
        for place in places:
            answer(place, COME_NEAR)
            expect(place.locator(LIVE)).to_be_visible()
        return places

    yield take
    context.close()


@pytest.mark.holding("ln-explorer", some=6)
def test_a_finger_that_scrolls_the_page_changes_no_explorer(path, in_hand):
    for place in in_hand(path):
        answer(place, COME_NEAR)
        before, top = answer(place, NOW)
        for spot in place.evaluate(PLACES):
            finger(place.page, **spot, up=90)
            after, now = answer(place, NOW)
            assert now > top and after == before, spot
            place.page.evaluate("(top) => scrollTo({ top, behavior: 'instant' })", top)
            answer(place, NOW)


@pytest.mark.xdist_group("fingers")
@pytest.mark.parametrize(
    ("css_class", "grabbed"),
    [
        ("ln-explorer-boxes", ".bxx-box rect"),
        ("ln-explorer-roi-align", ".rax-region"),
        ("ln-explorer-attention-scoring", ".ax-dot"),
    ],
)
def test_a_finger_drags_what_can_be_grabbed_and_not_the_page(css_class, grabbed, in_hand):
    place = in_hand(holding(css_class)[0])[0]
    answer(place, COME_NEAR)
    before, top = answer(place, NOW)
    box = place.locator(grabbed).first.bounding_box()
    x, y = (box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    finger(place.page, x, y, up=40)
    after, now = answer(place, NOW)
    assert now == top and after != before


@pytest.mark.holding("ln-explorer")
def test_an_explorer_starts_in_the_place_of_its_picture_and_fits_a_phone(path, look):
    for place in look(path, "dark", 390)["explorers"]:
        assert place["live"] and not place["still"]
        assert place["wide"] == []


@pytest.mark.holding("ln-explorer")
def test_an_explorer_fits_a_phone_s_screen_and_shows_its_result_above_its_controls(path, look):
    for place in look(path, "dark", 390)["explorers"]:
        assert place["height"] <= 790
        assert place["shows"] <= place["takes"]


@pytest.mark.holding("ln-explorer")
def test_an_explorer_finds_its_room_ready(path, screen, look):
    """Whatever it takes more, the text below is pushed down, if the reader is there already."""
    for place in look(path, *screen)["explorers"]:
        assert place["height"] <= place["room"] + 4


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.holding("ln-explorer-normalization-axes")
def test_numbers_stay_in_their_cells_however_a_sample_is_scaled(path, width, touch):
    page = touch(path, "dark", 390).page
    page.set_viewport_size({"width": width, "height": 900})
    scale, shows = page.get_by_label("Scale sample"), page.get_by_label("Cells show")
    for shown in ("x", "x_hat"):
        shows.select_option(shown)
        for value in ("0.5", "2.75", "3", "1"):
            scale.fill(value)
            assert page.evaluate(OUTSIDE) == []
    shows.select_option("x")
    page.set_viewport_size({"width": 390, "height": 900})


#: Numbers that reach beyond their cell, or are too small to read.
OUTSIDE = """async () => {
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const boxes = [...document.querySelectorAll(".nax-cell")].map((e) => e.getBoundingClientRect());
    return [...document.querySelectorAll(".nax-drawing text:not(.nax-head)")].filter((e, i) => {
        const { left, right, top } = e.getBoundingClientRect(), cell = boxes[i];
        return left < cell.left || right > cell.right || top < cell.top - 2
            || parseFloat(getComputedStyle(e).fontSize) < 9;
    }).map((e) => e.textContent);
}"""


@pytest.mark.holding("ln-explorer")
def test_every_control_of_an_explorer_has_a_name_and_keeps_its_keys_in_jupyterlab(path, look):
    for place in look(path)["explorers"]:
        assert place["live"] and not place["still"]
        assert place["nameless"] == [] and place["robbed"] == []


@pytest.mark.holding("ln-explorer")
def test_without_javascript_the_picture_stays_and_says_what_it_shows(path, opened):
    seen = opened.without_javascript(path)
    for place in seen.page.locator(".ln-explorer").all():
        picture = place.locator(".ln-explorer-still img")
        expect(picture).to_be_visible()
        assert len(picture.get_attribute("alt")) > 20


@pytest.mark.holding("ln-explorer")
def test_an_explorer_that_fails_leaves_its_picture(path, visit):
    seen = visit()

    def break_modules(route):
        answer = route.fetch()
        body = answer.text().replace('"_esm": "', '"_esm": "throw new Error(0);')
        route.fulfill(response=answer, body=body)

    seen.page.route("**/*.html", break_modules)
    with seen.page.expect_console_message(lambda m: "could not start" in m.text):
        seen.page.goto(f"{seen.base}/{path}")
        first = seen.page.locator(".ln-explorer").first
        answer(first, COME_NEAR)
    expect(first.locator(".ln-explorer-still img")).to_be_visible()
    expect(first.locator(LIVE)).to_have_count(0)
