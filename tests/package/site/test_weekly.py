"""The scripts of the weekly run in Colab's image: run the notebooks, open an issue."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

SCRIPTS = Path(__file__).parents[3] / ".github"
GH = """#!/bin/sh
echo "$@" >> calls
if [ "$2" = list ]; then printf '%s' "$OPEN"; exit; fi
while [ "$1" != --body-file ]; do shift; done
cp "$2" body
"""


def run(script: str, *args, cwd: Path, **env) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", SCRIPTS / script, *args],
        cwd=cwd, env=os.environ | env, capture_output=True, text=True,
    )  # fmt: skip


def notebooks(folder: Path, **sources: str) -> None:
    folder.mkdir()
    for name, source in sources.items():
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), folder / f"{name}.ipynb")


def test_a_notebook_that_fails_is_named_with_its_error_and_the_others_run(tmp_path):
    notebooks(tmp_path / "n", a="1 / 0", b="open('ran', 'w').close()")
    done = run("run_notebooks.sh", "n", "report.md", cwd=tmp_path, PYTHON=sys.executable)
    assert done.returncode == 1
    assert "FAILED  n/a.ipynb" in done.stdout and "ok      n/b.ipynb" in done.stdout
    report = (tmp_path / "report.md").read_text()
    assert "n/a.ipynb" in report and "ZeroDivisionError" in report and "\x1b" not in report
    assert "b.ipynb" not in report and (tmp_path / "n" / "ran").exists()


def test_no_notebook_at_all_is_a_failure(tmp_path):
    (tmp_path / "n").mkdir()
    done = run("run_notebooks.sh", "n", "report.md", cwd=tmp_path, PYTHON=sys.executable)
    assert done.returncode == 1 and "no notebook" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("number", "does"), [("", "issue create --title Red"), ("7", "issue comment 7")]
)
def test_a_red_week_opens_an_issue_or_adds_to_the_open_one(tmp_path, number, does):
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "report.md").write_text("### a.ipynb")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run("open_issue.sh", "Red", "report.md", "RUN", cwd=tmp_path, PATH=path, OPEN=number)
    assert done.returncode == 0, done.stderr
    assert does in (tmp_path / "calls").read_text().splitlines()[1]
    body = (tmp_path / "body").read_text()
    assert "RUN" in body and "### a.ipynb" in body
