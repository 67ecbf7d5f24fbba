"""The package as a whole: cheap to import, documented, and holding every name that the chapters use."""

import ast
import doctest
import inspect
import os
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import jupytext
import pytest
import yaml

import labnotes

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "code"
FILES = sorted((CODE / "labnotes").rglob("*.py"))
CHAPTERS = sorted((ROOT / "chapters").rglob("*.md"))
# Chapters and tests compare with these; whoever only imports the package must not need them.
PEERS = {
    "d2l", "nltk", "pandas", "pycocotools", "sacrebleu", "scipy", "skimage", "sklearn", "tokenizers",
}  # fmt: skip


def module_name(file: Path) -> str:
    parts = file.relative_to(CODE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(f) for f in FILES]


def run(code: str, **environment: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_importing_labnotes_adds_less_than_a_fifth_of_a_second_to_torch():
    code = (
        "import torch, time; t = time.process_time(); import labnotes, labnotes.runtime;"
        "print(time.process_time() - t)"
    )
    assert min(float(run(code)) for _ in range(2)) < 0.2


def test_importing_labnotes_alone_loads_neither_torch_nor_matplotlib():
    run("import sys, labnotes; assert not {'torch', 'matplotlib', 'numpy'} & set(sys.modules)")


def test_no_module_of_the_package_loads_a_peer():
    code = f"import importlib, sys\nfor m in {MODULES}: importlib.import_module(m)\nprint(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run(code).split()}
    assert "torch" in loaded
    assert not loaded & PEERS


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_no_function_of_the_package_imports_a_peer_either(file):
    imported = {
        name.partition(".")[0] for _, name, _ in imports(ast.parse(file.read_text("utf-8")))
    }
    assert not imported & PEERS


def test_the_code_folder_is_no_package():
    """A package named code would hide the standard library's, which the debugger needs."""
    assert not (CODE / "__init__.py").exists()
    assert Path(inspect.getfile(import_module("code"))).parent != CODE


# ---- every public name is documented ----

# torch's own words for saving and loading; they need no explaining.
PROTOCOL = {"forward", "state_dict", "load_state_dict"}
# A checker is called by the name of its exercise, never by its own.
NAMED_BY_THE_READER = [m for m in MODULES if not m.startswith("labnotes.exercises.")]


@cache
def exported() -> set[str]:
    """The full names of what the subpackages re-export: the classes a reader meets."""
    found = set()
    for name in MODULES:
        module = import_module(name)
        things = {n: getattr(module, n) for n in getattr(module, "__all__", [])}
        found |= {f"{t.__module__}.{n}" for n, t in things.items() if inspect.isclass(t)}
    return found


def public(module: ModuleType):
    """Functions and classes that `module` defines, and the methods of those that are exported."""
    for name, thing in vars(module).items():
        if name.startswith("_") or not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        if thing.__module__ != module.__name__:
            continue
        yield name, thing
        if inspect.isclass(thing) and f"{module.__name__}.{name}" in exported():
            for method, function in vars(thing).items():
                if (
                    not method.startswith("_")
                    and method not in PROTOCOL
                    and inspect.isfunction(function)
                ):
                    yield f"{name}.{method}", getattr(thing, method)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name):
    assert (import_module(name).__doc__ or "").strip()


@pytest.mark.parametrize("name", NAMED_BY_THE_READER)
def test_every_public_name_has_a_docstring(name):
    # An override may inherit its text; a dataclass's own signature is no text.
    bare = [
        n
        for n, thing in public(import_module(name))
        if not inspect.getdoc(thing) or inspect.getdoc(thing).startswith(f"{n}(")
    ]
    assert not bare


@pytest.mark.parametrize("name", MODULES)
def test_every_name_that_a_module_exports_is_there_and_listed_once(name):
    module = import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert [n for n in names if not hasattr(module, n)] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run_and_print_what_they_say(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder()
    tests = [t for name in MODULES for t in finder.find(import_module(name))]
    assert sum(len(t.examples) for t in tests) >= 4


# ---- the chapters use only what exists ----


def imports(tree: ast.AST):
    """``(bound name, module, member)`` of each import in `tree`; a plain ``import a.b`` has no member."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, node.module, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name, None


def missing_names(code: str) -> list[str]:
    """The names of labnotes that `code` uses and the package does not have."""
    tree = ast.parse(code)
    missing, modules = [], {}
    for bound, module, member in imports(tree):
        if module.partition(".")[0] != "labnotes":
            continue
        try:
            found = import_module(module)
        except ModuleNotFoundError:
            missing.append(module)
            continue
        if member is None:
            modules[bound] = found if bound != "labnotes" else import_module("labnotes")
            continue
        try:
            lazy = f"{module}.{member}"
            thing = getattr(found, member) if hasattr(found, member) else import_module(lazy)
        except ModuleNotFoundError:
            missing.append(f"{module}.{member}")
            continue
        if isinstance(thing, ModuleType):
            modules[bound] = thing
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        ):
            owner = modules[node.value.id]
            if not hasattr(owner, node.attr):
                missing.append(f"{owner.__name__}.{node.attr}")
    return missing


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_labnotes_name_that_a_chapter_uses_exists(chapter):
    cells = [c.source for c in jupytext.read(chapter).cells if c.cell_type == "code"]
    assert missing_names("\n".join(cells)) == []


def test_a_name_that_does_not_exist_is_found():
    used = "from labnotes import plot, nothing\nfrom labnotes.runtime import device, devise\nplot.use(); plot.sue()"
    assert missing_names(used) == [
        "labnotes.nothing",
        "labnotes.runtime.devise",
        "labnotes.plot.sue",
    ]
    assert missing_names("import labnotes.nowhere") == ["labnotes.nowhere"]


def test_there_are_chapters_to_look_at():
    assert CHAPTERS


def test_the_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["version"] == project["version"] == labnotes.__version__
    assert f"version {labnotes.__version__}" in (ROOT / "README.md").read_text("utf-8")
