"""A chapter's notebook runs from Colab's starting point, and leaves torch as it was."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built_book import HTML, ROOT, book

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


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A virtual environment like a new Colab machine: its Python."""
    folder = tmp_path_factory.mktemp("colab") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", python_of_colab(), str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *START],
        check=True,
    )
    return python


def versions(python) -> list[str]:
    return json.loads(
        subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout
    )


def chosen(config) -> list[str]:
    """All chapters, or the one whose install cell has the most to do."""
    names = [c.docname for c in book()]
    return names if config.getoption("--all-notebooks") else ["chapters/sequences/bleu"]


@pytest.mark.slow
def test_the_notebook_runs_green_and_keeps_torch(fresh, tmp_path, request):
    before = versions(fresh)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # Building the package leaves files in its folder: give it a copy.
    source = tmp_path / "checkout"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "code", source / "code", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
    )
    env |= {
        "LABNOTES_SOURCE": str(source),
        "OMP_NUM_THREADS": "1",
        "LABNOTES_CACHE": str(tmp_path / "cache"),
    }
    for docname in chosen(request.config):
        notebook = HTML / "notebooks" / f"{docname}.ipynb"
        command = [
            fresh,
            "-m",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "--output",
            str(tmp_path / "done.ipynb"),
            str(notebook),
        ]
        done = subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=1800
        )
        assert done.returncode == 0, f"{docname}\n{done.stderr[-6000:]}"
        assert versions(fresh) == before, docname
