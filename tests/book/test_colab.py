"""A chapter's notebook runs from Colab's starting point, and leaves torch as it was."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from built_book import HTML, ROOT, book
from filelock import FileLock

from labnotes.data.catalog import cache_folder

#: What Colab brings, as far as the notebooks rely on it; torch as the book's own environment has
#: it, so that a release of today cannot meet a limit that this machine sets for pip.
START = [
    *(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "torchvision")),
    "numpy",
    "matplotlib",
    "pip",
    "ipykernel",
    "nbclient",
    "nbconvert",
    "ipywidgets",
]
VERSIONS = "import json, torch, torchvision, numpy; print(json.dumps([m.__version__ for m in (torch, torchvision, numpy)]))"


def python_of_colab() -> str:
    """Python 3.13, Colab's, where the machine has one that starts; else the one of the tests."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which("python3.13"), *sorted(pyenv.glob("3.13*/bin/python"))]
    for python in filter(None, candidates):
        if subprocess.run([python, "-c", "import ssl, venv"], capture_output=True).returncode == 0:
            return str(python)
    return sys.executable


def made_once(start: list[str], python: str) -> Path:
    """The folder of an environment with `start` installed, made at the first call and kept.

    It stands in the user's cache, under a name that changes with what is in it; delete it to get
    newer releases of what has no version. It is never used, only copied, so it stays as it was.
    """
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout
    about = [python, version, platform.platform(), *start]
    name = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    folder = cache_folder() / "test-environments" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # another run of the tests may be making it
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half made
            uv = [sys.executable, "-m", "uv"]
            new = [*uv, "venv", "--quiet", "--relocatable", "--python", python, str(folder)]
            subprocess.run(new, check=True)
            if start:
                at = ["--python", str(folder / "bin" / "python")]
                install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", *at, *start]
                subprocess.run(install, check=True)
            (folder / "complete").touch()
    return folder


def linked(source: str, target: str) -> None:
    """A second name for the same file: nothing that installs packages writes into old files."""
    try:
        os.link(source, target)
    except OSError:  # a file system that cannot
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def fresh():
    """A virtual environment like a new Colab machine: its Python, and what Colab brings.

    One for all notebooks: what the first has installed the others find there.
    """
    original = made_once(START, python_of_colab())
    with tempfile.TemporaryDirectory(dir=original.parent, prefix="copy-") as folder:
        copy = Path(folder) / "venv"
        shutil.copytree(original, copy, symlinks=True, copy_function=linked)
        yield copy / "bin" / "python"


def versions(python) -> list[str]:
    return json.loads(
        subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout
    )


def pytest_generate_tests(metafunc):
    """All chapters, or the one whose install cell has the most to do."""
    if "docname" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-notebooks")
        names = [c.docname for c in book()] if every else ["chapters/sequences/bleu"]
        metafunc.parametrize("docname", names)


def test_an_environment_is_made_once_and_a_half_made_one_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path))
    first = made_once([], sys.executable)  # nothing to install: made in a moment
    (first / "mine").touch()
    assert made_once([], sys.executable) == first and (first / "mine").exists()
    (first / "complete").unlink()
    assert made_once([], sys.executable) == first and not (first / "mine").exists()
    assert (first / "complete").exists()
    assert {path.suffix for path in first.parent.iterdir()} <= {"", ".lock"}


@pytest.mark.slow
def test_the_notebook_runs_green_and_keeps_torch(docname, fresh, tmp_path):
    before = versions(fresh)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # Building the package leaves files in its folder: give it a copy.
    source, folder = tmp_path / "checkout", tmp_path / "chosen"
    for new in (source, folder):
        new.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "code", source / "code", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    env |= {
        "LABNOTES_SOURCE": str(source),
        "OMP_NUM_THREADS": "1",
        "LABNOTES_CACHE": str(tmp_path / "cache"),
        "PYTHON": str(fresh),
    }
    shutil.copy(HTML / "notebooks" / f"{docname}.ipynb", folder)
    # The script that runs all of them in Colab's own image, once a week.
    command = ["bash", ROOT / ".github" / "run_notebooks.sh", folder, tmp_path / "report.md"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"
    assert versions(fresh) == before
