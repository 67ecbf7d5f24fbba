"""First contact in a terminal: an interrupt at the start, a console with few letters, a wrong Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = str(ROOT / "code")

INTERRUPTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
"""


@pytest.mark.parametrize("words", [["doctor"], ["train", "lenet"]])
def test_an_interrupt_during_the_imports_is_answered_in_one_line(tmp_path, words):
    (tmp_path / "torch.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-m", "labnotes", *words], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), CODE])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background
    )  # fmt: skip
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "labnotes: interrupted\n"


ANSWERS = r"""
from labnotes import exercises

@exercises.checker("scratch.it")
def it(answer):
    yield exercises.Case("it('\u2603')", answer("\u2603"), "\u2603", hint="caf\u00e9 \u2603")

import sys, types
sys.modules["labnotes.exercises.scratch"] = types.ModuleType("scratch")

def later(text):
    raise NotImplementedError("soon")

def wrong(text):
    raise ValueError("\ud83d \u2603")

print([exercises.check("scratch.it", f) for f in (str, later, wrong, lambda text: "\u2603\u2603")])
"""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf8"])
def test_check_works_on_a_console_that_lacks_its_signs(encoding):
    done = subprocess.run(
        [sys.executable, "-c", ANSWERS], capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": CODE},
    )  # fmt: skip
    out = done.stdout.decode(encoding)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    plain = encoding != "utf8"
    assert ("[ok] scratch.it: all 1 checks pass." if plain else "✓ scratch.it: all") in out
    assert ("[to do] scratch.it: not written yet" if plain else "○ scratch.it: not written") in out
    assert rf"{'[wrong]' if plain else '✗'} scratch.it: your code raised ValueError: \ud83d" in out
    snowman = r"\u2603" if plain else "☃"
    assert f"  called    it('{snowman}')" in out and f"  got       '{snowman * 2}'" in out
    assert ("café" in out) == (encoding != "ascii")
    assert out.splitlines()[-1] == "[True, False, False, False]"


# The rule of the Makefile that sets the environment up, with Pythons that only say who they are.

NEW = """#!/bin/sh
case "$1 $2" in
  "-m venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo new > .venv/made-by ;;
  "-m pip") printf '#!/bin/sh\\n' > .venv/bin/uv; chmod +x .venv/bin/uv ;;
esac
"""
OLD = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def tree(tmp_path):
    """A checkout whose environment was made with a Python that is too old."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, text in {
        "requirements.txt": "",
        "pyproject.toml": "",
        "new": NEW,
        "old": OLD,
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(tmp_path / "old", tmp_path / ".venv" / "bin" / "python")
    (tmp_path / ".venv" / "made-by").write_text("old")
    return tmp_path


def make(tree: Path, python: str) -> subprocess.CompletedProcess:
    command = ["make", ".venv/.ready", f"PYTHON={tree / python}"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


def test_an_environment_of_a_wrong_python_is_made_anew_with_the_one_that_is_given(tree):
    done = make(tree, "new")
    assert done.returncode == 0, done.stderr
    assert (tree / ".venv" / "made-by").read_text() == "new\n"
    assert (tree / ".venv" / ".ready").exists()


def test_a_link_to_an_environment_of_a_wrong_python_is_replaced_and_what_it_shows_stays(tree):
    (tree / ".venv").rename(tree / "elsewhere")
    (tree / ".venv").symlink_to("elsewhere")
    assert make(tree, "new").returncode == 0
    assert not (tree / ".venv").is_symlink() and (tree / "elsewhere" / "made-by").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(tree):
    (tree / ".venv" / "bin" / "python").unlink()
    assert make(tree, "new").returncode == 0
    assert (tree / ".venv" / "made-by").read_text() == "new\n"


def test_with_no_right_python_at_hand_it_says_how_to_choose_one_and_takes_nothing_away(tree):
    done = make(tree, "old")
    assert done.returncode != 0 and "choose one with make PYTHON=python3.12" in done.stdout
    assert (tree / ".venv" / "made-by").read_text() == "old"


def test_a_right_environment_stays(tree):
    shutil.copy(tree / "new", tree / ".venv" / "bin" / "python")
    assert make(tree, "old").returncode == 0
    assert (tree / ".venv" / "made-by").read_text() == "old"
