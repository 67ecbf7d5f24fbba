"""The terms of ``data/glossary/<part>/<chapter>.yml``: the glossary, the pop-ups and the search
read them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from sphinx.errors import ExtensionError

FOLDER = Path("data", "glossary")


@dataclass(frozen=True)
class Term:
    """A term of the glossary."""

    names: tuple[str, ...]  #: the English one, the Chinese one, others
    text: str
    page: str  #: the chapter that brings it


def load_terms(root: Path) -> list[Term]:
    """The terms of the book at `root`, by file and in the order of the file.

    Raises
    ------
    ExtensionError
        If an entry lacks a field or has one that is unknown, or if a term is there twice.
    """
    files = sorted((root / FOLDER).rglob("*.yml"))
    return list(_load(root / FOLDER, tuple((file, file.stat().st_mtime_ns) for file in files)))


@lru_cache(maxsize=2)
def _load(folder: Path, files: tuple[tuple[Path, int], ...]) -> tuple[Term, ...]:
    """The files as they were when they were changed last: each page asks for all."""
    found: dict[str, tuple[str, Term]] = {}
    for file, _ in files:
        name = file.relative_to(folder)
        for entry in yaml.safe_load(file.read_text("utf8")):
            if set(entry) - {"also"} != {"term", "zh", "text"}:
                raise ExtensionError(f"{file}: {entry} needs term, zh and text (and may have also)")
            key = entry["term"].casefold()
            if key in found:
                raise ExtensionError(
                    f"{entry['term']!r} is in {name.as_posix()} and in {found[key][0]}"
                )
            names = (entry["term"], entry["zh"], *entry.get("also", []))
            page = f"chapters/{name.with_suffix('').as_posix()}"
            found[key] = name.as_posix(), Term(names, " ".join(entry["text"].split()), page)
    return tuple(term for _, term in found.values())
