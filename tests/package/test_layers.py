"""Imports run one way: tools, then the parts of the book, then training, then what uses them all."""

from __future__ import annotations

import ast
import graphlib
import importlib
import importlib.util
from pathlib import Path

import pytest

import labnotes

CODE = Path(labnotes.__file__).parents[1]
#: The floor of a room; whatever is not named is a part of the book. Nothing imports upwards.
FLOORS = {
    **dict.fromkeys(("checks", "files", "heap", "lazy", "modules", "runtime"), 0),
    **dict.fromkeys(("plot", "show", "timing"), 1),
    **dict.fromkeys(("train",), 3),
    **dict.fromkeys(("cli", "exercises", "explore"), 4),
    **dict.fromkeys(("__main__",), 5),
}
PART = 2
#: A loss that tells how much it has counted speaks the language of the loop.
ALLOWED = {"labnotes.sequence.seq2seq imports labnotes.train.measure"}


def name_of(file: Path) -> str:
    parts = file.relative_to(CODE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(f): f for f in sorted((CODE / "labnotes").rglob("*.py"))}


def stands_in(package: str, name: str) -> str:
    """The module that ``from package import name`` takes its name from."""
    homes = getattr(importlib.import_module(package), "_homes", {})
    if name in homes:
        return f"{package}.{homes[name]}"
    return f"{package}.{name}" if f"{package}.{name}" in MODULES else package


def imported(source: str) -> set[str]:
    """The modules of the package that `source` imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports in the package name their module in full"
            if node.module.partition(".")[0] == "labnotes":
                found |= {stands_in(node.module, alias.name) for alias in node.names}
    return found & set(MODULES)


GRAPH = {name: imported(file.read_text("utf8")) for name, file in MODULES.items()}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor(module: str) -> int:
    return FLOORS.get(room(module), PART) if room(module) else 0


def upward(graph: dict[str, set[str]]) -> list[str]:
    return [
        f"{above} imports {below}"
        for above in sorted(graph)
        for below in sorted(graph[above])
        if floor(below) > floor(above)
    ]


def cycle(graph: dict[str, set[str]]) -> str:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return ""


def test_no_module_imports_from_a_floor_above_its_own():
    assert set(upward(GRAPH)) == ALLOWED


def test_no_imports_run_in_a_circle():
    assert cycle(GRAPH) == ""


def test_every_named_room_exists():
    assert set(FLOORS) <= {room(module) for module in MODULES}


def test_the_graph_is_that_of_the_package():
    assert GRAPH["labnotes.train.epochs"] >= {"labnotes.runtime", "labnotes.data.batches"}
    assert GRAPH["labnotes.explore.bleu"] >= {"labnotes.metrics.bleu", "labnotes.plot"}
    # A lazy package: the name stands in a module of its own.
    assert stands_in("labnotes.convnets", "receptive_field") == (
        "labnotes.convnets.receptive_field.arithmetic"
    )


@pytest.mark.parametrize(
    "importer, line, said",
    [
        (
            "labnotes.convnets.nin",
            "from labnotes.train import fit",
            "labnotes.convnets.nin imports labnotes.train.fit",
        ),
        (
            "labnotes.runtime",
            "def f():\n    from labnotes import plot",
            "labnotes.runtime imports labnotes.plot",
        ),
        (
            "labnotes.train.fit",
            "import labnotes.cli",
            "labnotes.train.fit imports labnotes.cli",
        ),
    ],
)
def test_an_arrow_upwards_is_named(importer, line, said):
    assert said in upward(GRAPH | {importer: GRAPH[importer] | imported(line)})


def test_a_circle_is_named():
    planted = GRAPH["labnotes.train.place"] | {"labnotes.train.measure"}
    found = cycle(GRAPH | {"labnotes.train.place": planted})
    assert "labnotes.train.measure -> labnotes.train.place" in found
