"""The book as one PDF: what Chromium prints of two small pages, joined."""

from __future__ import annotations

import pytest
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

from labnotes_site import pdf
from labnotes_site.browser import find, root_options
from labnotes_site.source import toc

ONE = """<article><section id="one"><h1>One</h1>
<p><a id="start" href="#idea">down</a> <a href="sub/two.html#idea">over</a> <a href="sub/two.html">there</a>
<a href="https://example.org/x">out</a> <a href="notebooks/one.ipynb">no page of the PDF</a>
<a href="sub/two.html#hidden">to what is not printed</a></p>
<section id="idea" style="break-before: page"><h2>The idea<a class="headerlink" href="#idea">#</a></h2></section>
</section></article>"""
TWO = """<article><section id="two"><h1>Two</h1><p><a href="../one.html#start">back</a></p><i id="hidden" hidden></i>
<section id="idea" style="break-before: page"><p>A word.</p><h2>The idea</h2></section></section></article>"""


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """Two pages, in two parts, with a place of the same name in both."""
    if find() is None:
        pytest.skip("no Chromium")
    html = tmp_path_factory.mktemp("site")
    (html / "sub").mkdir()
    (html / "one.html").write_text(ONE, "utf8")
    (html / "sub" / "two.html").write_text(TWO, "utf8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=root_options())
        printed = pdf.print_pages(browser, html, ["one", "sub/two"], html)
        browser.close()
    book = [toc.Part("", ["one"]), toc.Part("Second part", ["sub/two"])]
    made = pdf.join(book, printed, f"{html.as_uri()}/", {"Title": "Small"})
    made.writer.write(html / "book.pdf")
    return made, PdfReader(html / "book.pdf")


def targets(reader: PdfReader) -> list[tuple[int, object]]:
    """The links: the sheet of each, and the sheet or the address it leads to."""
    numbers = {page.indirect_reference.idnum: i for i, page in enumerate(reader.pages)}
    found = []
    for number, page in enumerate(reader.pages):
        for link in (reference.get_object() for reference in page.get("/Annots", [])):
            inside = "/Dest" in link
            to = numbers[list.__getitem__(link["/Dest"], 0).idnum] if inside else link["/A"]["/URI"]
            found.append((number, to))
    return found


def test_all_sheets_are_there_in_the_order_of_the_book(joined):
    _, reader = joined
    words = [page.extract_text() for page in reader.pages]
    assert len(words) == 4 and "One" in words[0] and "Two" in words[2] and "A word" in words[3]
    assert reader.metadata.title == "Small"


def test_the_outline_has_parts_pages_and_sections(joined):
    _, reader = joined

    def named(entries):
        return [
            named(entry)
            if isinstance(entry, list)
            else (entry.title, reader.get_destination_page_number(entry))
            for entry in entries
        ]

    assert named(reader.outline) == [
        *[("One", 0), [("The idea", 1)]],
        *[("Second part", 2), [("Two", 2), [("The idea", 3)]]],
    ]


def test_links_lead_to_the_page_that_they_mean_and_outside_ones_stay(joined):
    _, reader = joined
    assert targets(reader) == [
        *[(0, 1), (0, 3), (0, 2), (0, "https://example.org/x"), (0, 2)],
        *[(1, 1), (2, 0)],
    ]


def test_a_link_leads_to_the_height_of_its_place(joined):
    _, reader = joined
    heights = [float(a.get_object()["/Dest"][3]) for a in reader.pages[2]["/Annots"]]
    stands = reader.pages[0]["/Annots"][0].get_object()["/Rect"]  # of the link that is meant
    # Chromium counts from the sheet's edge, not from the margin: 15 mm are 42.5 points.
    assert heights[0] - float(stands[3]) == pytest.approx(42.5, abs=3)


def test_a_link_to_what_is_not_printed_is_told(joined):
    made, _ = joined
    assert [link.rpartition("/")[2] for link in made.lost] == ["two.html#hidden"]


def test_the_order_is_that_of_the_table_of_contents(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n- caption: A\n  chapters:\n  - file: z\n"
        "    sections:\n    - file: zz\n  - file: b\n- caption: B\n  chapters:\n  - file: a\n"
    )
    assert toc.parts(tmp_path / "_toc.yml") == [
        *[toc.Part("", ["index"]), toc.Part("A", ["z", "zz", "b"]), toc.Part("B", ["a"])]
    ]


def test_a_book_that_was_not_built_is_refused_and_leaves_the_old_pdf(tmp_path):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "_build").mkdir()
    PdfWriter().write(tmp_path / "_build" / "labnotes.pdf")
    before = (tmp_path / "_build" / "labnotes.pdf").read_bytes()
    with pytest.raises(FileNotFoundError, match="index: run make book first"):
        pdf.make(tmp_path)
    assert (tmp_path / "_build" / "labnotes.pdf").read_bytes() == before


@pytest.mark.parametrize("fonts, warned", [("", True), ("/f.ttc: Noto Sans CJK SC\n", False)])
def test_a_machine_without_chinese_characters_is_told_of_the_boxes(
    fonts, warned, monkeypatch, capsys, tmp_path
):
    listing = tmp_path / "fc-list"
    listing.write_text(f"#!/bin/sh\n[ \"$1\" = :lang=zh ] && printf '%s' '{fonts}'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    pdf._warn_of_fonts()
    assert ("fonts-noto-cjk" in capsys.readouterr().out) is warned
