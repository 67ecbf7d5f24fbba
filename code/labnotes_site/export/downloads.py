"""The links to the whole book as a PDF and as a zip, on a site beside whose pages these files lie.

The files are made from the built pages (``make pdf``, ``make offline``), so the links are written
into these afterwards; a page that is built anew gets them from the template.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

PDF = "labnotes.pdf"
ZIP = "labnotes-offline.zip"
WORDS = {PDF: "The book as a PDF", ZIP: "The site as a zip, to read offline"}
PLACE = re.compile(r'(<span class="ln-downloads">).*?(</span>)', re.DOTALL)


def links(names: set[str], page: str) -> str:
    """The links to the files `names`, which lie in the site's root, for the page at path `page`.

    Examples
    --------
    >>> links({"labnotes.pdf"}, "chapters/one.html")
    '<a href="../labnotes.pdf">The book as a PDF</a>'
    """
    up = "../" * page.count("/")
    return " ".join(f'<a href="{up}{name}">{WORDS[name]}</a>' for name in WORDS if name in names)


def there(html: Path) -> set[str]:
    """Which of the files the site in the folder `html` has."""
    return {name for name in WORDS if (html / name).exists()}


def linked(text: str, names: set[str], page: str) -> str:
    """The HTML `text` of a page, with links to the files `names` and to no other."""
    return PLACE.sub(lambda span: span[1] + links(names, page) + span[2], text)


def publish(file: Path, html: Path) -> None:
    """Put a file that was made from the site into it, and link it from every page."""
    shutil.copyfile(file, html / file.name)
    names = there(html)
    for path in html.rglob("*.html"):
        text = path.read_text("utf8")
        new = linked(text, names, path.relative_to(html).as_posix())
        if new != text:
            path.write_text(new, "utf8")


def in_template(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give the template of the footer the links."""
    context["downloads"] = links(there(Path(app.outdir)), pagename)
