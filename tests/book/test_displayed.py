"""What a cell computes to be seen is seen: a notebook shows a cell's last expression alone."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import typing

import pytest

#: How a page knows to show an object as more than its ``repr``.
RICH = ("_repr_html_", "_repr_markdown_", "_repr_mimebundle_", "_repr_svg_", "_repr_png_")


def is_rich(kind) -> bool:
    return inspect.isclass(kind) and any(hasattr(kind, name) for name in RICH)


def gives_display(thing) -> bool:
    """Whether calling `thing` gives an object that is made to be displayed."""
    if inspect.isclass(thing):
        return is_rich(thing)
    if not inspect.isfunction(thing):
        return False
    try:
        return is_rich(typing.get_type_hints(thing).get("return"))
    except (NameError, TypeError):  # a hint that needs a module which is not imported
        return False


def imported(trees: list[ast.Module]) -> set[str]:
    """The names of a chapter that it imports from labnotes and that give displayed objects."""
    found = set()
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labnotes"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if gives_display(getattr(module, alias.name, None)):
                    found.add(alias.asname or alias.name)
    return found


def called(node: ast.AST) -> str | None:
    """``f`` of the call ``f(...)``, and ``g`` of ``a.g(...)``."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None)


def on_an_object(node: ast.AST) -> bool:
    """``a.g(...)`` is no call of a function ``g`` that the chapter defines."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def own(trees: list[ast.Module], names: set[str]) -> set[str]:
    """Functions of the chapter that return what one of `names` gives."""
    found = set(names)
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    while True:
        more = {
            f.name
            for f in functions
            for n in ast.walk(f)
            if isinstance(n, ast.Return) and called(n.value) in found
        } - found
        if not more:
            return found
        found |= more


def tree_of(cell: str) -> ast.Module:
    lines = [line if not line.lstrip().startswith(("%", "!")) else "" for line in cell.split("\n")]
    return ast.parse("\n".join(lines))


def unseen(cells: list[str]) -> list[str]:
    """The expressions of these cells whose value the page was to show and does not.

    Those are calls that give a displayed object, and expressions that do nothing but have a value
    (a name, an attribute, a sum of names), wherever they are not the last statement of a cell. A
    semicolon after the last one hides it too, and so does a name that no cell asks for.
    """
    trees = [tree_of(cell) for cell in cells]
    names = own(trees, imported(trees))
    defined = {f.name for tree in trees for f in tree.body if isinstance(f, ast.FunctionDef)}
    asked = {
        n.id
        for tree in trees
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    lost = []
    for cell, tree in zip(cells, trees):
        hidden = cell.rstrip().endswith(";")
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and called(node.value) in names - (
                defined if on_an_object(node.value) else set()
            ):
                kept = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
                if not kept & asked:
                    lost.append(ast.unparse(node))
            if not isinstance(node, ast.Expr) or (tree.body[-1] is node and not hidden):
                continue
            value = node.value
            shown = called(value) in names - (defined if on_an_object(value) else set())
            acts = (ast.Call, ast.Constant, ast.Await, ast.Yield, ast.YieldFrom)
            idle = not any(isinstance(part, acts) for part in ast.walk(value))
            if shown or idle:
                lost.append(ast.unparse(node))
    return lost


def test_every_table_that_a_cell_computes_is_seen(chapter):
    assert unseen(chapter.code) == []


IMPORTS = "from labnotes.show import source, table as grid\nfrom labnotes.exercises import check"


@pytest.mark.parametrize(
    ("cell", "lost"),
    [
        ("grid(rows)\nprint('done')", ["grid(rows)"]),
        ("grid(rows);", ["grid(rows)"]),
        ("for rows in both:\n    grid(rows)", ["grid(rows)"]),
        ("if both:\n    source(f)\nelse:\n    grid(rows)", ["source(f)", "grid(rows)"]),
        ("def mine():\n    return grid(rows)\n\n\nmine()\nx = 1", ["mine()"]),
        ("def show():\n    return grid(rows)\n\n\nplt.show()\nx = 1", []),
        ("fashion.provenance\nx = 1", ["fashion.provenance"]),
        ("loss == mark\nprint(loss)", ["loss == mark"]),
        ("print('done')\ngrid(rows)", []),
        ("shown = grid(rows)\nprint(shown)", []),
        ("shown = grid(rows)\nprint('done')", ["shown = grid(rows)"]),
        ("print(grid(rows))\ndisplay(grid(rows))\nx = 1", []),
        ("check('a.b', f);", []),
        ("'''A text.'''\nnet.eval()\n(one.eval(), two.eval())\nx = 1", []),
        ("%matplotlib inline\nfashion.provenance", []),
    ],
)
def test_a_table_in_the_middle_of_a_cell_is_found(cell, lost):
    assert unseen([IMPORTS, cell]) == lost


def test_an_explorer_and_a_function_of_the_package_count_as_displayed():
    assert gives_display(importlib.import_module("labnotes.show").table)
    assert gives_display(
        importlib.import_module("labnotes.explore.feature_maps").FeatureMapExplorer
    )
    assert not gives_display(importlib.import_module("labnotes.exercises").check)
    assert not gives_display(builtins.print)
