"""The built book, as the tests see it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from jupyter_cache import get_cache

from labnotes_site.keys import Chapter, chapters

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption("--all-notebooks", action="store_true", help="run every chapter's notebook as on Colab")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow") or config.getoption("--all-notebooks"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


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
    return get_cache(ROOT / "_build" / ".jupyter_cache").merge_match_into_notebook(chapter.notebook)[1]


def run_times() -> dict[str, dict]:
    return json.loads((ROOT / "_build" / "executions.json").read_text())


def pytest_generate_tests(metafunc):
    """A test with the argument ``chapter`` runs once for each chapter."""
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", book(), ids=[c.docname for c in book()])


@pytest.fixture(scope="session", autouse=True)
def built():
    if not (HTML / "index.html").exists():
        pytest.exit("there is no book in _build/html: run make book first", returncode=1)
