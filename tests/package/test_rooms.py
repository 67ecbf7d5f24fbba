"""Every room is small and says what is in it; what belongs to a chapter has its part and its name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from labnotes_site.keys import chapters

ROOT = Path(__file__).parents[2]
MOST = 20
LEFT_OUT = {"__pycache__", "bundled", "wrong", "course_source", "labnotes.egg-info"}


def folders(*names: str) -> list[Path]:
    """The folders below `names` that hold files, caches left out."""
    found = [ROOT / n for n in names] + [f for n in names for f in (ROOT / n).rglob("*")]
    return [f for f in found if f.is_dir() and not LEFT_OUT & set(f.parts) and files(f)]


def files(folder: Path) -> list[Path]:
    return [f for f in folder.iterdir() if f.is_file() and f.suffix != ".pyc"]


def said(name) -> str:
    return Path(name).relative_to(ROOT).as_posix()


PACKAGES = [f for f in folders("code", "tests/package") if any(x.suffix == ".py" for x in files(f))]
ROOMS = folders("code", "tests", "chapters", "data", "classroom/assignments")
CHAPTERS = [(c.path.parent.name, c.path.stem) for c in chapters(ROOT) if c.path.parent != ROOT]


@pytest.mark.parametrize("room", ROOMS, ids=said)
def test_a_room_holds_at_most_twenty_files(room):
    assert len(files(room)) <= MOST, sorted(f.name for f in files(room))


@pytest.mark.parametrize("room", PACKAGES, ids=said)
def test_a_room_says_in_one_line_what_is_in_it(room):
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf8")))
    first, _, more = (text or "").partition("\n")
    assert first.endswith(".") and not more.partition("\n")[0], "one line, then nothing or a blank"


@pytest.mark.parametrize("part, name", CHAPTERS, ids="/".join)
def test_a_chapters_checkers_terms_and_tests_stand_in_the_room_of_its_part(part, name):
    module = name.replace("-", "_")
    for file in (
        f"code/labnotes/exercises/{part}/{module}.py",
        f"data/glossary/{part}/{name}.yml",
        f"tests/package/exercises/{part}/test_{module}.py",
    ):
        assert (ROOT / file).is_file(), f"chapters/{part}/{name}.md needs {file}"


@pytest.mark.parametrize(
    "folder, pattern",
    [
        ("code/labnotes/exercises", "*/*.py"),
        ("data/glossary", "*/*.yml"),
        ("tests/package/exercises", "*/test_*.py"),
    ],
)
def test_nothing_stands_in_a_chapters_room_that_has_no_chapter(folder, pattern):
    found = {
        (f.parent.name, f.stem.removeprefix("test_").replace("_", "-"))
        for f in (ROOT / folder).glob(pattern)
        if f.name != "__init__.py"
    }
    assert found == set(CHAPTERS)


def test_no_two_chapters_have_one_name():
    """An exercise is called by its chapter's name, ``check("resnet.pre_activation", …)``."""
    names = [name for _, name in CHAPTERS]
    assert sorted(set(names)) == sorted(names)


def test_an_explorers_folder_holds_its_python_its_script_and_its_style():
    found = [f for f in folders("code/labnotes/explore") if f.name != "explore"]
    assert found
    for folder in found:
        names = {f.name for f in files(folder)}
        assert names == {"__init__.py", f"{folder.name}.js", f"{folder.name}.css"}
