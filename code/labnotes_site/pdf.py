"""The whole book as one PDF, with an outline and links that work: ``make pdf``.

``python -m labnotes_site.pdf`` has Chromium print the built pages of ``_build/html`` one by one, in
the order of ``_toc.yml``, and joins what it printed into ``_build/labnotes.pdf``. A link to another
page of the book leads to the place in the PDF where that page went.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import Fit

from labnotes.files import replacing

from .browser import find, root_options
from .export.downloads import PDF, publish
from .source.toc import Part, parts

MARGIN = dict.fromkeys(("top", "bottom", "left", "right"), "15mm")
#: Chromium notes the place of an element in the PDF only if a link on the same page leads there:
#: so there is one to every element that has a name. It also loads no picture that is far below.
PREPARE = """async () => {
    const links = document.createElement("div");
    links.hidden = true;
    for (const { id } of document.querySelectorAll("[id]")) {
        links.append(Object.assign(document.createElement("a"), { href: "#" + encodeURIComponent(id) }));
    }
    document.body.append(links);
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.decode()));
    await document.fonts.ready;
}"""
#: A page's title and the titles of its sections, each as a reader sees it, a formula once.
HEADINGS = """() => [...document.querySelectorAll("article h1, article h2")].map((heading) => {
    const copy = heading.cloneNode(true);
    copy.querySelectorAll(".headerlink, .katex-html, annotation").forEach((e) => e.remove());
    const place = heading.closest("section[id]")?.id ?? heading.id;
    return [copy.textContent.replace(/\\s+/g, " ").trim(), place];
})"""


@dataclass
class Printed:
    """A printed page: its address, and the titles in it with the names of their places."""

    file: Path
    address: str
    headings: list[tuple[str, str]]


def print_pages(browser: Browser, html: Path, names: Iterable[str], folder: Path) -> dict:
    """Print the pages `names` of the site in `html` into `folder`: a :class:`Printed` by name."""
    tab = browser.new_page(color_scheme="light")
    done = {}
    for number, name in enumerate(names):
        address = (html / f"{name}.html").as_uri()
        file = folder / f"{number}.pdf"
        tab.goto(address)
        tab.evaluate(PREPARE)
        tab.pdf(path=file, format="A4", margin=MARGIN, print_background=True)
        done[name] = Printed(file, address, tab.evaluate(HEADINGS))
        print(f"  {name}", flush=True)
    tab.close()
    return done


class Joined:
    """The printed pages in one PDF.

    Parameters
    ----------
    printed
        What was printed, in the order of the book.
    root
        The address of the folder of the site, with ``/`` at its end. Links to what lies below it
        and was not printed would lead nowhere, and are left out.
    """

    def __init__(self, printed: Iterable[Printed], root: str):
        self.root = root
        self.writer = PdfWriter()
        self.first: dict[str, int] = {}  # the number of a page's first sheet
        self.places: dict[str, dict[str, tuple[int, Fit]]] = {}  # sheet and height on it
        self.lost: list[str] = []  # links to a place that was not printed
        readers = [(each.address, PdfReader(each.file)) for each in printed]
        for address, reader in readers:
            self._add_sheets(address, reader)
        for address, reader in readers:  # the places of all pages are known now
            self._add_links(address, reader)

    def _add_sheets(self, address: str, reader: PdfReader) -> None:
        self.first[address] = len(self.writer.pages)
        # Chromium calls the place of the element "idea" "/idea".
        self.places[address] = {
            unquote(name.removeprefix("/")): (
                self.first[address] + reader.get_destination_page_number(place),
                Fit.xyz(left=place.left, top=place.top),
            )
            for name, place in reader.named_destinations.items()
        }
        for sheet in reader.pages:
            self.writer.add_page(sheet, excluded_keys=["/Annots", "/StructParents"])

    def _add_links(self, address: str, reader: PdfReader) -> None:
        for number, sheet in enumerate(reader.pages, self.first[address]):
            for rectangle, target in _links(sheet, address):
                link = self._link(rectangle, target)
                if link is not None:
                    self.writer.add_annotation(number, link)

    def _link(self, rectangle, target: str) -> Link | None:
        page, name = urldefrag(target)
        if page in self.first:
            sheet, fit = self.place(page, unquote(name))
            return Link(rect=rectangle, target_page_index=sheet, fit=fit)
        return None if target.startswith(self.root) else Link(rect=rectangle, url=target)

    def place(self, address: str, name: str = "") -> tuple[int, Fit]:
        """The sheet and the height on it where the element `name` of a page begins."""
        if name in self.places[address]:
            return self.places[address][name]
        if name:
            self.lost.append(f"{address}#{name}")
        return self.first[address], Fit.xyz(top=self.writer.pages[self.first[address]].mediabox.top)

    def outline(self, title: str, printed: Printed, parent=None):
        """Add a page and its sections to the outline, below `parent`."""
        (_, top), *sections = printed.headings
        sheet, fit = self.place(printed.address, top)
        entry = self.writer.add_outline_item(
            title=title, page_number=sheet, parent=parent, fit=fit, is_open=False
        )
        for heading, name in sections:
            sheet, fit = self.place(printed.address, name)
            self.writer.add_outline_item(title=heading, page_number=sheet, parent=entry, fit=fit)


def _links(sheet: PageObject, address: str) -> Iterable[tuple[list[float], str]]:
    """The links on a sheet of the page at `address`: where they stand, and the address they mean."""
    for reference in sheet.get("/Annots", []):
        link = reference.get_object()
        if link.get("/Subtype") != "/Link":
            continue
        if "/Dest" in link:
            name = str(link["/Dest"]).removeprefix("/")
            yield link["/Rect"], f"{address}#{name}"
        elif "/URI" in link.get("/A", {}):
            yield link["/Rect"], str(link["/A"]["/URI"])


def join(book: list[Part], printed: dict[str, Printed], root: str, about: dict) -> Joined:
    """Join the printed pages, with parts, pages and sections as the outline."""
    joined = Joined([printed[name] for part in book for name in part.pages], root)
    for part in book:
        parent = None
        if part.caption:
            sheet, fit = joined.place(printed[part.pages[0]].address)
            parent = joined.writer.add_outline_item(
                title=part.caption, page_number=sheet, fit=fit, bold=True
            )
        for name in part.pages:
            joined.outline(printed[name].headings[0][0], printed[name], parent)
    joined.writer.add_metadata({f"/{key}": value for key, value in about.items()})
    joined.writer.page_mode = "/UseOutlines"  # the outline is open when the book is
    joined.writer.compress_identical_objects()
    return joined


def make(root: Path) -> None:
    """Print the book in the folder `root`, and link the PDF from its site.

    Raises
    ------
    FileNotFoundError
        If the book was not built, or there is no Chromium.
    """
    html, target = root / "_build" / "html", root / "_build" / PDF
    book = parts(root / "_toc.yml")
    names = [name for part in book for name in part.pages]
    chromium = find()
    _check(html, names, chromium)
    _warn_of_fonts()
    config = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    about = {"Title": config["title"], "Author": config["author"]}
    with tempfile.TemporaryDirectory(prefix="labnotes-pdf-") as folder:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=root_options())
            printed = print_pages(browser, html, names, Path(folder))
            browser.close()
        joined = join(book, printed, f"{html.as_uri()}/", about)
        with replacing(target) as file:
            joined.writer.write(file)
    for link in sorted(set(joined.lost)):
        print(f"A link leads to the beginning of its page, as its place is not printed: {link}")
    publish(target, html)
    print(f"{target}: {len(joined.writer.pages)} pages, {target.stat().st_size / 1e6:.1f} MB")


def _check(html: Path, names: list[str], chromium: str | None) -> None:
    missing = [name for name in names if not (html / f"{name}.html").exists()]
    if missing:
        raise FileNotFoundError(f"{html} lacks {', '.join(missing)}: run make book first")
    if chromium is None:
        raise FileNotFoundError("no Chromium found: run python -m labnotes_site.browser")


def _warn_of_fonts() -> None:
    """Say so if Chinese characters would be printed as empty boxes."""
    if shutil.which("fc-list") is None:
        return
    found = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True).stdout
    if not found.strip():
        print(
            "No font here has Chinese characters, so the PDF will show boxes in their place: "
            "install one, for example Debian's fonts-noto-cjk"
        )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m labnotes_site.pdf", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the book's folder")
    started = time.perf_counter()
    make(parser.parse_args(argv).root.resolve())
    print(f"Printed and joined in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
