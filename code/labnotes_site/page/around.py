"""What stands around a page's text: its description for others, its end, and a way to answer."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from textwrap import shorten
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

from ..source.frontmatter import chapter
from ..source.repository import repository

VIEWPORT = re.compile(r'<meta\b[^>]*\bname="viewport"[^>]*>\s*')
#: Characters of a description: as many as search engines and messengers show.
SHOWN = 200
#: A paragraph with fewer describes no page.
LEAST = 40
#: Without scripts nothing can be remembered: reading.js shows the button.
READ = (
    '<p class="ln-progress" hidden><button type="button" class="ln-button" aria-pressed="false">'
    "Mark as read</button></p>\n"
)


def told(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Describe the page in its head, end a chapter with its button, and tell where to report."""
    if doctree is None:
        return
    title = app.env.titles[pagename].astext()
    # The theme has a viewport of its own; docutils adds one more.
    context["metatags"] = VIEWPORT.sub("", context.get("metatags", "")) + card(
        title, description(doctree)
    )
    if chapter(app.env, pagename) and "body" in context:
        context["body"] += READ
    if name := repository(Path(app.srcdir)):
        context["feedback"] = f"https://github.com/{name}/issues/new?title={quote(title, safe='')}"


def card(title: str, text: str) -> str:
    """The tags from which search engines and messengers make a page's card."""
    tags = [("name", "twitter:card", "summary"), ("property", "og:title", title)]
    if text:
        tags += [("name", "description", text), ("property", "og:description", text)]
    return "".join(
        f'\n<meta {kind}="{name}" content="{escape(value)}">' for kind, name, value in tags
    )


def description(doctree: nodes.document) -> str:
    """A page's first paragraph that is running text, cut to a card's length; "" if there is none."""
    for paragraph in doctree.findall(nodes.paragraph):
        words = " ".join(paragraph.astext().split())
        if _is_text(paragraph) and len(words) >= LEAST:
            return shorten(words, SHOWN, placeholder=" …")
    return ""


def _is_text(paragraph: nodes.paragraph) -> bool:
    # Formulas would be read out in TeX; lists, boxes and what cells print depend on what is around.
    within = paragraph.parent
    plain = isinstance(within, (nodes.section, nodes.document)) or (
        isinstance(within, nodes.container) and "nb_element" not in within
    )
    return plain and not any(True for _ in paragraph.findall(nodes.math))
