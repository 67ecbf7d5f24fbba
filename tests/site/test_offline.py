"""The site as a zip: unpacked into a folder, it works with no server (``file://``)."""

from __future__ import annotations

import zipfile

import pytest
from built_site import HTML
from playwright.sync_api import expect
from visits import ask

from labnotes_site import offline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The address of the unpacked zip."""
    where = tmp_path_factory.mktemp("offline")
    offline.pack(HTML, where / "site.zip")
    with zipfile.ZipFile(where / "site.zip") as zipped:
        zipped.extractall(where)
    return (where / offline.FOLDER).as_uri()


@pytest.fixture
def tab(browser):
    """A new tab that notes what goes wrong."""
    page = browser.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
    page.on("requestfailed", lambda request: page.faults.append(request.url))
    yield page
    page.close()


@pytest.mark.xdist_group("offline")
def test_a_chapter_opens_from_a_folder_and_its_explorer_starts(folder, tab):
    tab.goto(f"{folder}/index.html")
    tab.locator("#pst-primary-sidebar a[href$='receptive-field.html']").click()
    expect(tab.locator("article h1")).to_contain_text("eceptive field")
    explorer = tab.locator(".ln-explorer").first
    explorer.scroll_into_view_if_needed()
    expect(explorer).to_contain_class("ln-explorer-on")
    expect(explorer.locator(".ln-explorer-live")).to_be_visible()
    assert ask(tab, "() => document.fonts.ready.then(f => [...f].every(e => e.status != 'error'))")
    assert tab.faults == []


@pytest.mark.xdist_group("offline")
def test_the_search_finds_a_word_from_a_folder(folder, tab):
    tab.goto(f"{folder}/search.html?q=dropout")
    first = tab.locator("#search-results a").first
    expect(first).to_have_attribute("href", f"{folder}/chapters/generalization/dropout.html")
    first.click()
    expect(tab.locator("article h1")).to_contain_text("Dropout")
    assert tab.faults == []
