"""The built book, as the tests see it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache

from labnotes_site.keys import Chapter, chapters

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


@cache
def book() -> tuple[Chapter, ...]:
    return tuple(chapters(ROOT))


@cache
def notes() -> dict[str, dict]:
    return {n["id"]: n for n in yaml.safe_load((ROOT / "data" / "notes.yml").read_text("utf8"))}


@cache
def executed(docname: str) -> nbformat.NotebookNode:
    """The chapter with its outputs, from the build's cache."""
    chapter = next(c for c in book() if c.docname == docname)
    return get_cache(ROOT / "_build" / ".jupyter_cache").merge_match_into_notebook(
        chapter.notebook
    )[1]


def run_times() -> dict[str, dict]:
    return json.loads((ROOT / "_build" / "executions.json").read_text())
