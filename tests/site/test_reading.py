"""What a reader does with the site: search, switch the theme, download, look things up."""

from __future__ import annotations

import re
from urllib.parse import quote

import nbformat
import pytest
import yaml
from built_site import HTML, holding
from fontTools.ttLib import TTFont
from playwright.sync_api import expect

CHAPTER = "ln-badges"


def found(page) -> list[str]:
    """Where the search's hits lead, the best first."""
    expect(page.locator("#ln-search-says")).to_have_text(re.compile(r"\d+ places?|Nothing"))
    return [a.get_attribute("href") for a in page.locator("#search-results a").all()]


def test_the_search_dialog_finds_a_word(visit):
    seen = visit().go("index.html")
    seen.page.keyboard.press("Control+k")
    seen.page.locator("#pst-search-dialog input[name=q]").fill("licences")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/search.html?q=licences*")
    assert any("data-and-licences.html" in address for address in found(seen.page))
    assert seen.errors == [] and seen.foreign == []


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("dropout", ["dropout"]),
        ("why 1x1", ["nin", "googlenet"]),
        ("1×1", ["nin", "googlenet"]),
        ("n-gram", ["bleu"]),
        ("skip connection", ["resnet"]),
        ("BN", ["batchnorm"]),
        ("感受野", ["receptive-field"]),
        ("attention scoring", ["scoring"]),
        ("receptive feild", ["receptive-field"]),  # one letter wrong, or two changed places
        ("dropaut", ["dropout"]),
    ],
)
def test_the_search_finds_the_page_that_explains_it_first(visit, query, pages):
    page = visit().go(f"search.html?q={quote(query)}").page
    assert any(re.search(rf"/{name}\.html", found(page)[0]) for name in pages), found(page)[:5]


def test_the_search_takes_whole_words_and_leads_to_the_place(visit):
    page = visit().go("search.html?q=BN").page
    hits = found(page)
    assert any(re.search(r"glossary\.html#term-batch-normalization", each) for each in hits)
    assert any("#" in each and "batchnorm" in each for each in hits)
    marked = {mark.inner_text().lower() for mark in page.locator("#search-results mark").all()}
    assert not re.search("labnotes", " ".join(hits)) and "bn" in marked
    page.locator("#search-results a").nth(1).click()
    expect(page.locator(":target").first).to_be_visible()


def test_the_words_of_all_pages_come_when_something_is_asked(visit):
    seen = visit().go("search.html")
    assert not [file for file in seen.weight() if "search-data" in file]
    asked = visit().go("search.html?q=dropout")
    assert found(asked.page)
    assert [file for file in asked.weight() if "search-data" in file]


def test_what_a_listing_says_is_not_found(visit):
    page = visit().go("search.html?q=functools").page
    assert found(page) == []


def test_the_search_says_so_when_nothing_is_found(visit):
    page = visit().go("search.html?q=zyzzyva").page
    expect(page.locator("#ln-search-says")).to_contain_text("Nothing was found for “zyzzyva”")


def test_a_solution_opens_at_its_title_by_finger_and_key(visit):
    page = visit("light", 390).go(next(iter(holding("solution")))).page
    box = page.locator("details.solution").first
    expect(box.locator("section")).to_be_hidden()
    box.locator("summary").click()
    expect(box.locator("section")).to_be_visible()
    box.locator("summary").press("Enter")
    expect(box.locator("section")).to_be_hidden()
    assert "#" not in page.url


def test_the_drawer_of_a_page_closes_after_a_tap_and_at_escape(visit):
    page = visit("light", 390).go(holding(CHAPTER)[0]).page
    drawer = page.locator("#pst-secondary-sidebar-modal")
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: drawer.locator("a").nth(2).click(),
    ):
        page.locator(".secondary-toggle:visible").first.click()
        expect(drawer).to_be_visible()
        leave()
        expect(drawer).to_be_hidden()
    assert "#" in page.url


def test_a_figure_opens_at_full_size_on_a_phone(visit):
    page = visit("light", 390).go(holding(CHAPTER)[0]).page
    figure = page.locator("article img[data-least]:visible").first
    figure.scroll_into_view_if_needed()
    figure.click()
    large = page.locator("dialog.ln-zoom img")
    expect(large).to_be_visible()
    assert large.bounding_box()["width"] >= 390
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_a_wide_table_is_a_row_of_cards_on_a_phone_and_still_a_table(visit):
    page = visit("light", 390).go("chapters/convnets/lenet.html").page
    table = page.locator(".ln-cards table").first
    names = [e.inner_text() for e in table.locator("thead th").all()]
    cell = table.locator("tbody tr").first.locator("td").nth(1)
    before = cell.evaluate("e => getComputedStyle(e, '::before').content")
    assert len(names) > 1 and before != "none" and cell.get_attribute("data-head")
    assert table.get_attribute("role") == "table" and cell.get_attribute("role") == "cell"
    box = table.evaluate_handle("e => e.closest('.ln-cards')")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function("e => (e.scrollIntoView(), !e.matches('.ln-cards'))", arg=box)


def test_an_empty_cell_of_a_card_is_seen_to_be_empty(visit):
    page = visit("light", 390).go("chapters/generalization/model-selection.html").page
    empty = page.locator(".ln-cards td:not(:first-child)").filter(has_not_text=re.compile(r"\S"))
    assert empty.count()
    assert empty.first.evaluate("e => getComputedStyle(e, '::after').content") == '"–"'


def test_a_syllabus_is_read_on_a_phone_without_scrolling_sideways(visit):
    page = visit(width=390).go("chapters/reference/for-teachers.html").page
    boxes = page.locator(".ln-syllabus").all()
    assert len(boxes) >= 4
    for box in boxes:
        box.scroll_into_view_if_needed()
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
        cell = box.get_by_role("cell").first
        assert cell.evaluate("e => getComputedStyle(e, '::before').content") == '"Before class"'


def test_the_theme_switch_changes_the_theme_and_it_stays(visit):
    seen = visit("light").go("index.html")
    page = seen.page
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        page.locator(".theme-switch-button").first.click()
        if page.evaluate("document.documentElement.dataset.mode") == "dark":
            break
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    seen.go("chapters/reference/notes-map.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_dark_theme_prints_on_white(visit):
    page = visit("dark").go("index.html").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.evaluate("""() => addEventListener("beforeprint", () => {
        document.body.dataset.printed = getComputedStyle(document.body).backgroundColor; })""")
    page.pdf()
    assert page.evaluate("document.body.dataset.printed") == "rgb(255, 255, 255)" != dark
    assert page.evaluate(ground) == dark


def test_the_menu_of_a_phone_opens_and_closes_by_keyboard(visit):
    page = visit(width=390).go("index.html").page
    entry = page.get_by_role("link", name="Notes map", exact=True).first
    expect(entry).to_be_hidden()
    page.locator(".primary-toggle").first.focus()
    page.keyboard.press("Enter")
    expect(entry).to_be_visible()
    page.keyboard.press("Escape")
    expect(entry).to_be_hidden()


def test_the_sidebar_can_be_put_away_on_a_wide_screen(visit):
    page = visit().go("index.html").page
    sidebar = page.locator("#pst-primary-sidebar")
    expect(sidebar).to_be_visible()
    page.locator(".primary-toggle").first.click()
    expect(sidebar).to_be_hidden()


@pytest.mark.holding(CHAPTER)
def test_the_download_button_saves_a_valid_executed_notebook(path, look):
    name, content = look(path)["notebook"]
    assert name.endswith(".ipynb")
    notebook = nbformat.reads(content, 4)
    nbformat.validate(notebook)
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.holding(CHAPTER)
def test_the_badges_tell_the_time_of_the_last_run(path, look):
    badges = look(path)["badges"]
    assert re.search(r"runs in \d+ (s|min)", badges), badges
    assert re.search(r"\d+ min to read", badges), badges


def test_there_are_chapters_questions_and_explorers_to_test():
    assert holding(CHAPTER) and holding("ln-question") and holding("ln-explorer")


def test_the_notes_map_lists_every_statement_and_filters_them(visit):
    page = visit().go("chapters/reference/notes-map.html").page
    notes = yaml.safe_load((HTML.parents[1] / "data" / "notes.yml").read_text("utf8"))
    assert page.locator(".ln-note").count() == len(notes)
    form = page.locator("#ln-map-filter form")
    # It opens with what there is to follow.
    first = page.locator(".ln-note:visible")
    assert form.get_by_role("radio", name="settled", exact=True).is_checked()
    assert 0 < first.count() == page.locator(".ln-note:has(a)").count()
    form.get_by_role("radio", name="all", exact=True).check()
    assert first.count() == len(notes)
    form.get_by_label("Words to look for").fill("residual")
    wanted = sum("residual" in n["says"].lower() for n in notes)
    shown = page.locator(".ln-note:visible")
    assert wanted <= shown.count() < len(notes)
    for row in shown.all():
        assert "residual" in row.text_content().lower()
    expect(form.locator("output")).to_have_text(f"{shown.count()} of {len(notes)} statements")
    form.get_by_label("Words to look for").fill("")
    for verdict in ("imprecise", "wrong", "open"):
        form.get_by_role("checkbox", name=verdict, exact=True).uncheck()
    assert shown.count() == sum(n["verdict"] == "right" for n in notes)


def test_a_link_to_a_statement_shows_it_though_the_filter_hid_it(visit):
    page = visit().go("chapters/reference/notes-map.html").page
    page.get_by_label("Words to look for").fill("no such words in the notes")
    page.evaluate("location.hash = '#map-found-linear-regression'")
    expect(page.locator("#map-found-linear-regression")).to_be_visible()


def test_every_icon_that_is_shown_is_in_the_font(path, screen, look):
    known = set(TTFont(HTML / "_static" / "labnotes" / "icons.woff2").getBestCmap())
    found = look(path, *screen)
    assert found["icon fonts"] == 1
    assert len(found["icons"]) >= 5
    assert set(map(ord, found["icons"])) <= known
