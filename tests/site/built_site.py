"""The built site as files: its pages, and what their HTML says."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup
from lxml import html

#: ``LABNOTES_HTML`` tests a site built elsewhere.
HTML = Path(os.environ.get("LABNOTES_HTML") or Path(__file__).parents[2] / "_build" / "html")


@cache
def pages() -> list[str]:
    """Every page of the site, as the path below its root."""
    return sorted(
        p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts
    )


@cache
def text(page: str) -> str:
    return (HTML / page).read_text("utf8")


@cache
def soup(page: str) -> BeautifulSoup:
    """The parsed HTML of a page: slow (a third of a second), so only for what is asked of it."""
    return BeautifulSoup(text(page), "lxml")


@cache
def ids(page: str) -> list[str]:
    """The ids of a page's elements, in their order."""
    return html.fromstring(text(page)).xpath("//@id")


@cache
def holding(css_class: str) -> list[str]:
    """The pages with an element of `css_class`. (All are searched before any test starts.)"""
    there = re.compile(rf'<[^<>]*\sclass="(?:[^"]*\s)?{re.escape(css_class)}[\s"]')
    return [page for page in pages() if there.search(text(page))]
