"""A lazy package loads a module when a name of it is asked for, and never mixes the two up."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import labnotes
from labnotes import (
    attention,
    convnets,
    data,
    detection,
    foundations,
    generalization,
    metrics,
    normalization,
    optim,
    optimization,
    sequence,
    style,
    text,
    train,
)

PACKAGES = [
    attention, convnets, convnets.receptive_field, data, detection, foundations, generalization,
    metrics, normalization, optim, optimization, sequence, style, text, train,
]  # fmt: skip
PACKAGES[2] = sys.modules["labnotes.convnets.receptive_field"]  # the name is the function's too


CODE = Path(labnotes.__file__).parents[1]
# Every folder of the package; an explorer's folder is one module, with its pictures and its script.
PARTS = sorted(
    ".".join(file.parent.relative_to(CODE).parts)
    for file in CODE.glob("labnotes/**/__init__.py")
    if file.parent.parent.name != "explore"
)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A lazy package whose module ``shape`` holds a function of the same name, and ``size``."""
    folder = tmp_path / "scratch_rooms"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        'from labnotes.lazy import lazy\n__all__ = lazy(__name__, {"shape": ["shape", "size"], '
        '"other": ["broken"]})\n'
    )
    (folder / "shape.py").write_text("def shape(): return 4\ndef size(): return 5\n")
    (folder / "other.py").write_text("raise RuntimeError('loaded')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "scratch_rooms"]:
        del sys.modules[name]


def test_a_name_is_found_and_other_modules_are_not_loaded(scratch):
    import scratch_rooms

    assert "scratch_rooms.shape" not in sys.modules
    assert scratch_rooms.size() == 5
    assert "scratch_rooms.shape" in sys.modules and "scratch_rooms.other" not in sys.modules


def test_a_function_keeps_its_name_whoever_loads_the_module_of_that_name_first(scratch):
    module = importlib.import_module("scratch_rooms.shape")
    from scratch_rooms import shape

    assert shape() == 4 and shape is module.shape


def test_what_a_module_raises_is_not_hidden(scratch):
    import scratch_rooms

    with pytest.raises(RuntimeError, match="loaded"):
        scratch_rooms.broken  # noqa: B018


def test_an_unknown_name_is_an_attribute_error_as_of_any_module(scratch):
    import scratch_rooms

    with pytest.raises(AttributeError, match="'scratch_rooms' has no attribute 'shapes'"):
        scratch_rooms.shapes  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'shapes'"):
        from scratch_rooms import shapes  # noqa: F401


def test_a_star_and_dir_give_every_name(scratch):
    import scratch_rooms

    assert scratch_rooms.__all__ == ["broken", "shape", "size"]
    assert {"broken", "shape", "size", "__name__"} <= set(dir(scratch_rooms))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_every_name_of_a_package_is_the_one_of_its_module(package):
    for name in package.__all__:
        home = sys.modules[getattr(package, name).__module__]
        assert home.__name__.startswith("labnotes."), name
        assert getattr(home, name) is getattr(package, name)


@cache
def loaded_by() -> dict[str, list[str]]:
    """What the import of each part, one after the other, loads of the package besides it."""
    code = (
        "import importlib, json, sys, labnotes, labnotes.lazy\nfound = {}\n"
        f"for part in {PARTS}:\n    before = {{*sys.modules, part}}\n"
        "    importlib.import_module(part)\n"
        "    found[part] = [m for m in sys.modules if m.startswith('labnotes') and m not in before]\n"
        "print(json.dumps(found))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


@pytest.mark.parametrize("part", PARTS)
def test_importing_a_part_loads_none_of_its_modules_nor_of_anothers(part):
    assert loaded_by()[part] == []


def test_one_network_brings_no_other():
    code = (
        "import sys; from labnotes.convnets import nin_small;"
        "print(*[m for m in sys.modules if m.startswith('labnotes.')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) == {
        "labnotes.convnets", "labnotes.convnets.nin", "labnotes.checks", "labnotes.heap",
        "labnotes.lazy",
    }  # fmt: skip
