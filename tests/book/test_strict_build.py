"""A book with a fault does not build."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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


def build(tmp_path, chapter: str, *options) -> subprocess.CompletedProcess:
    (tmp_path / "chapters").mkdir(exist_ok=True)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n- file: chapters/scratch\n"
    )
    (tmp_path / "_config.yml").write_text(
        "title: Scratch\nonly_build_toc_files: true\n"
        "execute: {execute_notebooks: cache, cache: _build/.jupyter_cache}\n"
        "html: {use_repository_button: false}\n"
    )
    (tmp_path / "index.md").write_text("# Scratch\n\nWords.\n")
    (tmp_path / "chapters" / "scratch.md").write_text(chapter)
    command = [sys.executable, "-m", "labnotes_site.build", "--root", str(tmp_path), *options]
    env = os.environ | {"PYTHONPATH": str(ROOT / "code")}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)


def test_a_cell_that_raises_stops_the_build_and_is_shown(tmp_path):
    done = build(tmp_path, FRONT + CELL % "1/0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout and "chapters/scratch" in done.stdout
    assert not (tmp_path / "_build" / "html").exists()


def test_a_chapter_with_no_cell_stops_the_build(tmp_path):
    done = build(tmp_path, FRONT)
    assert done.returncode == 1
    assert "no cell of this chapter was executed" in done.stdout


def test_a_chapter_that_is_no_notebook_stops_the_build(tmp_path):
    done = build(tmp_path, "# Only words\n")
    assert done.returncode != 0 and "not a notebook" in done.stderr


def test_a_reference_to_nothing_stops_the_build(tmp_path):
    done = build(tmp_path, FRONT + CELL % "print(1)" + "\nSee {ref}`nowhere`.\n")
    assert done.returncode != 0 and "nowhere" in done.stderr


def test_a_good_book_builds_and_a_second_time_runs_nothing(tmp_path):
    first = build(tmp_path, FRONT + CELL % "print(6 * 7)")
    assert first.returncode == 0, first.stdout + first.stderr
    page = (tmp_path / "_build" / "html" / "chapters" / "scratch.html").read_text()
    assert "42" in page
    again = build(tmp_path, FRONT + CELL % "print(6 * 7)")
    assert "0 of 1 chapters to run" in again.stdout


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_chapters_run_one_at_a_time_or_side_by_side(tmp_path, jobs):
    done = build(tmp_path, FRONT + CELL % "print(6 * 7)", "--jobs", jobs, "--only", "scratch")
    assert done.returncode == 0 and "1 of 1 chapters to run" in done.stdout


def test_the_book_itself_builds_again_in_little_time_and_runs_nothing():
    started = time.perf_counter()
    command = [sys.executable, "-m", "labnotes_site.build", "--root", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 of" in f"\n{done.stdout}"
    # About 15 to 20 s with 17 chapters; other tests run beside this one.
    assert time.perf_counter() - started < 20 + 1.5 * len(chapters(ROOT))
