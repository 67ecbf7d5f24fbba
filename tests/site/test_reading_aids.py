"""What helps a reader along, in the browser: pop-ups of key terms, chapters ticked off, the map."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath

import pytest
from built_site import holding, soup
from playwright.sync_api import expect
from visits import DRAWN, ask


@pytest.fixture
def terms() -> str:
    """A chapter with key terms."""
    return holding("ln-term")[0]


@pytest.fixture
def phone(browser, site):
    """A page of a phone: narrow, and touched."""
    context = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800}
    )
    page = context.new_page()
    yield lambda path: page.goto(f"{site}/{path}") and page
    context.close()


@pytest.mark.holding("ln-term")
def test_each_key_term_leads_to_its_glossary_entry_and_is_marked_once(path):
    links = soup(path).select("a.ln-term")
    names = [link["data-term"] for link in links]
    assert len(names) == len(set(names))
    for link in links:
        page, anchor = link["href"].split("#")
        term = soup(normpath(join(dirname(path), page))).find(id=anchor)
        assert term is not None and link["data-term"].lower() in term.get_text().lower()
        assert not link.find_parent(["a", "button", "label", "summary", "legend", "h1", "h2"])


def test_most_chapters_have_key_terms():
    chapters = holding("ln-badges")
    assert 2 * len(set(holding("ln-term")) & set(chapters)) > len(chapters)


def test_a_key_term_shows_its_entry_under_the_mouse_and_hides_it_after(visit, terms):
    page = visit().go(terms).page
    term, box = page.locator("a.ln-term").first, page.locator(".ln-popup")
    term.hover()
    expect(box).to_be_visible()
    expect(box).to_contain_text(term.get_attribute("data-text"))
    expect(box.locator("[lang=zh-Hans]")).to_have_text(term.get_attribute("data-zh"))
    box.hover()  # the way into the box does not close it
    page.wait_for_timeout(400)
    expect(box).to_be_visible()
    page.mouse.move(1, 1)
    expect(box).to_have_count(0)


def test_a_key_term_works_by_key(visit, terms):
    page = visit().go(terms).page
    term, box = page.locator("a.ln-term").first, page.locator(".ln-popup")
    term.focus()
    expect(box).to_be_visible()
    described = page.locator(f"#{term.get_attribute('aria-describedby')}")
    expect(described).to_have_text(term.get_attribute("data-text"))
    page.keyboard.press("Tab")
    expect(box.get_by_role("link", name="Glossary")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(term).to_be_focused()
    entry = term.get_attribute("href").split("/")[-1]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{entry}")


def test_a_mouse_does_not_take_the_pop_up_from_a_reader_within_it(visit, terms):
    """A page that scrolls at a key brings other terms under a mouse that rests."""
    page = visit().go(terms).page
    term, other = page.locator("a.ln-term").all()[:2]
    term.focus()
    page.keyboard.press("Tab")
    inside = page.locator(".ln-popup a")
    expect(inside).to_be_focused()
    other.dispatch_event("pointerover", {"pointerType": "mouse"})
    expect(inside).to_be_focused()
    expect(page.locator(".ln-popup")).to_contain_text(term.get_attribute("data-text"))


def test_a_headings_link_keeps_the_focus_when_the_mouse_leaves(visit, terms):
    """It shows under the mouse alone; a key that got there would lose its place with it."""
    page = visit().go(terms).page
    heading = page.locator("article h2:has(a.headerlink)").first
    heading.hover()
    link = heading.locator("a.headerlink")
    link.focus()
    page.mouse.move(1, 1)
    ask(page, DRAWN)
    expect(link).to_be_focused()
    expect(link).to_be_visible()


def test_every_pop_up_fits_a_phone_and_closes_at_a_tap_elsewhere(phone, terms):
    page = phone(terms)
    address, box = page.url, page.locator(".ln-popup")
    for term in page.locator("a.ln-term").all():
        if not term.is_visible():
            continue  # in a closed box
        term.scroll_into_view_if_needed()
        term.tap()
        expect(box).to_contain_text(term.get_attribute("data-text"))
        place = box.bounding_box()
        assert 0 <= place["x"] and place["x"] + place["width"] <= 390
        assert 0 <= place["y"] and place["y"] + place["height"] <= 800
        page.keyboard.press("Escape")  # it may lie over the next term
    assert page.url == address
    page.evaluate("scrollTo(0, 0)")
    page.locator(".bd-article h1").tap()
    expect(box).to_have_count(0)


def test_axe_has_no_complaint_about_an_open_pop_up(visit, terms):
    for theme in ("light", "dark"):
        seen = visit(theme, 390).go(terms)
        seen.page.locator("a.ln-term").first.focus()
        expect(seen.page.locator(".ln-popup")).to_be_visible()
        assert [each for each in seen.axe() if "ln-popup" in each or "ln-term" in each] == []
        assert seen.errors == []


def test_a_chapter_marked_as_read_stays_so_and_has_its_tick_in_every_list(visit):
    path, other = holding("ln-progress")[:2]
    page = visit().go(path).page
    button = page.get_by_role("button", name="Mark as read")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".ln-tick")).to_have_count(0)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.goto(page.url.replace(path, other))
    expect(page.get_by_role("button", name="Mark as read")).to_have_attribute(
        "aria-pressed", "false"
    )
    ticked = page.locator(".bd-links li > a:has(.ln-tick)")
    assert {link.evaluate("e => e.pathname") for link in ticked.all()} == {f"/{path}"}
    expect(ticked.first).to_contain_text("(read)")
    page.goto(page.url.replace(other, path))
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(page.locator(".ln-tick")).to_have_count(0)


def test_a_browser_that_keeps_nothing_still_ticks(visit):
    seen = visit()
    seen.page.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    )
    page = seen.go(holding("ln-progress")[0]).page
    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".ln-tick").first).to_be_attached()


def test_copy_buttons_and_section_links_are_there_without_a_mouse(phone, visit):
    path = next(p for p in holding("headerlink") if p in holding("ln-badges"))
    page = phone(path)
    expect(page.locator("h2 > a.headerlink, h1 > a.headerlink").first).to_be_visible()
    for copy in page.locator("button.copybtn").all():
        assert copy.evaluate("e => getComputedStyle(e).opacity") == "1"
    links = visit().go(path).page.locator("h1 > a.headerlink")  # a mouse uncovers them
    expect(links.first).to_be_hidden()


@pytest.mark.holding("ln-course-map")
def test_the_map_of_the_course_is_legible_on_a_phone(phone, path):
    page = phone(path)
    course = page.locator(".ln-course-map")
    assert course.evaluate(
        "e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().right <= 390"
    )
    sizes = course.locator("a, .ln-after").evaluate_all(
        "all => all.map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12


def test_each_page_has_one_viewport_and_pages_with_text_a_card():
    for path in holding("ln-badges") + ["index.html"]:
        head = soup(path).head
        assert len(head.find_all("meta", attrs={"name": "viewport"})) == 1, path
        assert len(head.find("meta", attrs={"name": "description"})["content"]) >= 40, path
        assert head.find("meta", property="og:title")["content"], path


def test_chinese_outside_of_tags_is_always_marked():
    for path in holding("ln-badges"):
        article = soup(path).select_one("article")
        for text in article.find_all(string=re.compile("[\u4e00-\u9fff]")):
            if not text.find_parent(["script", "style", "svg", "math", "textarea", "select"]):
                assert text.find_parent(lang="zh-Hans"), (path, text)
