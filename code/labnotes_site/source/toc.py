"""The parts of the book, as ``_toc.yml`` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml


@dataclass
class Part:
    """A part of the book: its caption ("" for the first page) and its pages."""

    caption: str
    pages: list[str]


def parts(toc: Path) -> list[Part]:
    """The book's parts, with the names of their pages, in the order of ``_toc.yml``."""
    site = parse_toc_yaml(toc)

    def below(page: str) -> list[str]:
        trees = site[page].subtrees
        return [page, *(name for t in trees for f in t.files() for name in below(str(f)))]

    found = [
        Part(tree.caption or "", [name for file in tree.files() for name in below(str(file))])
        for tree in site.root.subtrees
    ]
    return [Part("", [site.root.docname]), *found]
