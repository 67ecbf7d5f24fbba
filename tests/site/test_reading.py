"""What a reader does with the site: search, switch the theme, download, look things up."""

from __future__ import annotations

import re

import nbformat
import pytest
import yaml
from built_site import HTML, holding
from fontTools.ttLib import TTFont
from playwright.sync_api import expect

CHAPTER = "ln-badges"


def test_the_search_dialog_finds_a_word(visit):
    seen = visit().go("index.html")
    seen.page.keyboard.press("Control+k")
    seen.page.locator("#pst-search-dialog input[name=q]").fill("licences")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/search.html?q=licences*")
    hits = seen.page.locator("#search-results ul.search a")
    expect(hits.first).to_be_visible()
    assert any("data-and-licences.html" in a.get_attribute("href") for a in hits.all())
    assert seen.errors == [] and seen.foreign == []


def test_the_search_ranks_a_chapter_above_the_glossary(visit):
    page = visit().go("search.html?q=attention+scoring").page
    expect(page.locator("#search-results ul.search a").first).to_have_attribute(
        "href", re.compile("chapters/attention/scoring.html")
    )


def test_the_search_says_so_when_nothing_is_found(visit):
    page = visit().go("search.html?q=zyzzyva").page
    expect(page.locator("#search-results")).to_contain_text("did not match any documents")


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
    form.get_by_label("Words to look for").fill("residual")
    wanted = sum("residual" in n["says"].lower() for n in notes)
    shown = page.locator(".ln-note:visible")
    assert wanted <= shown.count() < len(notes)
    for row in shown.all():
        assert "residual" in row.inner_text().lower()
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
