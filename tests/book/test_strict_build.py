"""A book with a fault does not build."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from built_book import ROOT

from labnotes_site.keys import chapters

FRONT = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A scratch chapter

Some words.

"""
CELL = "```{code-cell} ipython3\n%s\n```\n"


def build(folder: Path, chapters: dict[str, str], *options) -> subprocess.CompletedProcess:
    """Build a book of these chapters: each build costs seconds, so one answers several questions."""
    (folder / "chapters").mkdir(exist_ok=True)
    listed = "".join(f"- file: chapters/{name}\n" for name in chapters)
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{listed}")
    (folder / "_config.yml").write_text(
        "title: Scratch\nonly_build_toc_files: true\n"
        "execute: {execute_notebooks: cache, cache: _build/.jupyter_cache}\n"
        "html: {use_repository_button: false}\n"
    )
    (folder / "index.md").write_text("# Scratch\n\nWords.\n")
    for name, text in chapters.items():
        (folder / "chapters" / f"{name}.md").write_text(text)
    command = [sys.executable, "-m", "labnotes_site.build", "--root", str(folder), *options]
    env = os.environ | {"PYTHONPATH": str(ROOT / "code")}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=600)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_cell_that_raises_and_a_chapter_with_no_cell_stop_the_build(tmp_path, jobs):
    book = {"raises": FRONT + CELL % "1/0", "empty": FRONT, "good": FRONT + CELL % "print(1)"}
    done = build(tmp_path, book, "--jobs", jobs)
    assert done.returncode == 1
    assert re.search(r"FAILED chapters/raises .*\n(?s:.*?)ZeroDivisionError", done.stdout)
    assert re.search(r"FAILED chapters/empty .*\nno cell of this chapter was executed", done.stdout)
    assert "2 chapters failed" in done.stdout
    assert not (tmp_path / "_build" / "html").exists()


def test_a_chapter_that_is_no_notebook_stops_the_build(tmp_path):
    done = build(tmp_path, {"scratch": "# Only words\n"})
    assert done.returncode != 0 and "not a notebook" in done.stderr


def test_a_reference_to_nothing_stops_the_build(tmp_path):
    done = build(tmp_path, {"scratch": FRONT + CELL % "print(1)" + "\nSee {ref}`nowhere`.\n"})
    assert done.returncode != 0 and "nowhere" in done.stderr


def test_a_good_book_builds_side_by_side_and_a_second_time_runs_nothing(tmp_path):
    book = {"one": FRONT + CELL % "print(6 * 7)", "two": FRONT + CELL % "print(6 * 9)"}
    first = build(tmp_path, book, "--jobs", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 of 2 chapters to run" in first.stdout
    for name, answer in (("one", "42"), ("two", "54")):
        page = (tmp_path / "_build" / "html" / "chapters" / f"{name}.html").read_text()
        assert answer in page
    runs = json.loads((tmp_path / "_build" / "executions.json").read_text())
    assert all(0 < run["cpu"] for run in runs.values()) and len(runs) == 2
    again = build(tmp_path, book, "--jobs", "2")
    assert "0 of 2 chapters to run" in again.stdout


def children_cpu() -> float:
    """Seconds of processor time of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_book_itself_builds_again_in_little_time_and_runs_and_writes_nothing():
    def pages() -> dict[Path, int]:
        found = (ROOT / "_build" / "html" / "chapters").rglob("*.html")
        return {page: page.stat().st_mtime_ns for page in found}

    written, used = pages(), children_cpu()
    command = [sys.executable, "-m", "labnotes_site.build", "--root", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=1200)
    used = children_cpu() - used
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 of" in f"\n{done.stdout}"
    assert pages() == written
    # Processor time, for other work on the machine may make any build long.
    assert used < 20 + 1.5 * len(chapters(ROOT))
