"""The box that tells a reader which data a page was made with."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from labnotes.data import catalog, digits, english_french, fashion_mnist, photos, provenance


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.delenv("LABNOTES_DATA", raising=False)
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    return tmp_path


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("load", "wanted", "used"),
    [
        (fashion_mnist, "fashion_mnist", "Optical digits"),
        (english_french, "fra_eng", "A few English-French sentences"),
        (photos, "photos", "Scenes of discs and squares"),
    ],
)
def test_a_stand_in_shows_a_box_that_says_what_and_how_to_get_the_real(
    nothing_here, load, wanted, used
):
    origin = load(fallback=True).provenance
    page = Page(origin._repr_html_())
    tag, attributes = page.tags[0]
    assert (tag, attributes["class"], attributes["role"]) == ("div", "labnotes-standin", "note")
    assert page.open == []
    for shown in (
        page.text,
        origin._repr_markdown_().replace("`", ""),
        str(origin).replace("`", ""),
    ):
        assert "Stand-in data" in shown and used in shown and catalog.entry(wanted).title in shown
        assert f"labnotes data get {wanted}" in shown and "LABNOTES_DATA" in shown
        assert origin.licence in shown and origin.citation in shown
        assert str(nothing_here) not in shown, "a page shows no path of this machine"


def test_real_data_show_a_line_with_source_licence_and_citation(nothing_here):
    origin = digits().provenance
    page = Page(origin._repr_html_())
    assert page.tags[0] == ("p", {"class": "labnotes-provenance"}) and page.open == []
    for shown in (page.text, origin._repr_markdown_(), str(origin)):
        assert "bundled with labnotes" in shown and "CC BY 4.0" in shown and "Alpaydin" in shown
        assert "tand-in" not in shown


def test_signs_that_html_would_take_for_its_own_are_escaped():
    origin = provenance.Provenance(
        "x", "A <b> & C", "cache", "MIT", "me", stand_in=True, note="<script>alert(1)</script>"
    )
    page = Page(origin._repr_html_())
    assert "A <b> & C" in page.text and "<script>" in page.text
    assert {tag for tag, _ in page.tags} <= {"div", "p", "strong", "code"}


@pytest.mark.parametrize("source", ["LABNOTES_DATA", "cache", "download", "bundled"])
def test_every_source_can_be_told_in_words(source):
    origin = provenance.of(catalog.entry("photos"), source)
    assert origin.source == source and provenance.SOURCES[source] in str(origin)
