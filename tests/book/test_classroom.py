"""Nothing of the assignments' solutions or hidden tests is on the site."""

from __future__ import annotations

import json
import re
from functools import cache
from html import unescape
from pathlib import Path

import pytest
from built_book import HTML, ROOT

from labnotes_classroom.build import SHORTEST, dense, secrets
from labnotes_classroom.source import HIDDEN, read

ASSIGNMENTS = sorted((ROOT / "classroom" / "assignments").glob("*.md"))
TAG = re.compile(r"<[^>]*>")

pytestmark = pytest.mark.xdist_group("texts")  # one process reads them all


@cache
def texts() -> list[tuple[Path, str]]:
    """Every text file of the site, as a reader could read it."""
    found = []
    for path in sorted(HTML.rglob("*")):
        if path.suffix in {".html", ".md", ".txt", ".ipynb", ".json", ".js", ".py"}:
            text = path.read_text("utf8")
            if path.suffix == ".ipynb":
                cells = json.loads(text)["cells"]
                text = "\n".join("".join(cell["source"]) for cell in cells)
            text = unescape(TAG.sub("", text)) if path.suffix == ".html" else text
            found.append((path, dense(text)))
    return found


def test_there_are_pages_and_sources_to_look_through():
    assert len(ASSIGNMENTS) >= 4
    assert sum(path.suffix == ".ipynb" for path, _ in texts()) >= 5


@pytest.mark.parametrize("source", ASSIGNMENTS, ids=lambda p: p.stem)
def test_no_solution_and_no_hidden_test_is_on_the_site(source):
    hidden = [dense(s) for c in read(source, "").notebook.cells for s in secrets(c)]
    hidden = [secret for secret in hidden if len(secret) >= SHORTEST]
    assert len(hidden) >= 6
    for path, text in texts():
        for secret in [*hidden, *HIDDEN]:
            assert secret not in text, f"{path.relative_to(HTML)} holds:\n{secret}"
