"""The parts of the package that some code can reach: functions, classes and constants, by name.

A room that many chapters use grows with every chapter. A record must not grow old because another
function has come to stand beside the one that it used.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ..keys import PACKAGE, homes_of, module_file, plain_python

ALL = "*"  # every definition of a module
#: What a name stands for: a module, and the name in it; None for the module itself.
Target = tuple[str, "str | None"]


class _Module:
    """A file of the package, cut into its definitions."""

    def __init__(self, source: str, is_package: bool):
        self.lines = source.split("\n")
        self.homes = homes_of(source) if is_package else {}
        self.imports: dict[str, Target] = {}
        self.defined: dict[str, list[ast.stmt]] = defaultdict(list)
        self.always: list[ast.stmt] = []  # what runs when the module is loaded
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports |= dict(_bound(node))
            else:
                names = _names(node)
                for name in names:
                    self.defined[name].append(node)
                self.always += [] if names else [node]
        for node in [n for kept in self.always for n in ast.walk(kept)]:
            if isinstance(node, ast.Import | ast.ImportFrom):  # under a condition
                self.imports |= dict(_bound(node))

    def text(self, node: ast.stmt) -> str:
        first = min(n.lineno for n in [node, *getattr(node, "decorator_list", [])])
        return "\n".join(self.lines[first - 1 : node.end_lineno])


_module = cache(_Module)  # every chapter asks for the same files


def _cut(file: Path | None) -> _Module | None:
    return file and _module(file.read_text("utf8"), file.name == "__init__.py")


def _names(node: ast.stmt) -> list[str]:
    """The names that a statement defines and does nothing else; none where it may do more.

    A decorator may enter its function in a list that other code reads, and a module's
    ``__getattr__`` is called by nobody's name.
    """
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        kind = {ast.unparse(d).split("(")[0] for d in node.decorator_list}
        harmless = kind <= {"cache", "lru_cache", "dataclass", "contextmanager"}
        return [node.name] if harmless and not node.name.startswith("__") else []
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        found = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
        if all(isinstance(n, ast.Name) for n in found):
            return [n.id for n in found]
    return []


def _bound(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
    """What an import of the package's modules binds (they name their module in full)."""
    for alias in node.names:
        base = alias.name if isinstance(node, ast.Import) else node.module or ""
        if base.split(".")[0] != PACKAGE:
            continue
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, (base, alias.name)
        else:
            yield alias.asname or PACKAGE, (base if alias.asname else PACKAGE, None)


class Reached:
    """All that some code can reach.

    Parameters
    ----------
    cells
        The cells of a chapter, in order: an import in one binds a name for those that follow.
    code_root
        The folder that the package lies in.
    """

    def __init__(self, cells: list[str], code_root: Path):
        self.module = cache(lambda name: _cut(module_file(name, code_root)))
        self.found: dict[str, set[str]] = defaultdict(set)
        self._follow(self._targets([ast.parse("\n".join(map(plain_python, cells)))], {}))

    def texts(self) -> dict[str, str]:
        """The code of each module that is reached, in its own order."""
        return {name: self._text(name, names) for name, names in sorted(self.found.items())}

    def _text(self, name: str, names: set[str]) -> str:
        module = self.module(name)
        nodes = {*module.always, *(n for wanted in names for n in module.defined.get(wanted, []))}
        return "\n".join(module.text(n) for n in sorted(nodes, key=lambda n: n.lineno))

    def _follow(self, targets: Iterable[Target]) -> None:
        waiting = list(targets)
        while waiting:
            name, wanted = waiting.pop()
            module = self.module(name)
            if module is None:
                continue
            if name not in self.found:
                self.found[name] = set()
                waiting += self._targets(module.always, module.imports, name)
                waiting += [(name.rpartition(".")[0], None)]
            if wanted is None or wanted in self.found[name]:
                continue
            self.found[name].add(wanted)
            waiting += self._of(name, module, wanted)

    def _of(self, name: str, module: _Module, wanted: str) -> list[Target]:
        """What a definition of a module reaches."""
        if wanted == ALL:
            whole = [*module.defined, *module.imports, *module.homes]
            return [(name, each) for each in whole]
        if wanted in module.homes:
            return [(f"{name}.{module.homes[wanted]}", wanted)]
        if wanted in module.defined:
            return self._targets(module.defined[wanted], module.imports, name)
        if wanted in module.imports:
            return [self._resolved(module.imports[wanted])]
        return [(name, ALL)]  # made in a way that this reading does not see

    def _resolved(self, target: Target) -> Target:
        """A module where the name in it is a module."""
        base, name = target
        module = self.module(base)
        known = module and (name in module.homes or name in module.defined)
        if name and not known and self.module(f"{base}.{name}"):
            return f"{base}.{name}", None
        return target

    def _targets(self, nodes: list[ast.AST], imports: dict, own: str | None = None) -> list[Target]:
        """What the names in `nodes` stand for."""
        inside = [n for node in nodes for n in ast.walk(node)]
        bound = dict(imports)
        for node in inside:
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound |= dict(_bound(node))
        parents = {n.value: n for n in inside if isinstance(n, ast.Attribute)}
        found = [self._resolved(target) for target in bound.values()] if own is None else []
        for node in inside:
            if not isinstance(node, ast.Name):
                continue
            if node.id in bound:
                found.append(self._at_the_end(node, self._resolved(bound[node.id]), parents))
            elif own and node.id in self.module(own).defined:
                found.append((own, node.id))
        return found

    def _at_the_end(self, node: ast.AST, target: Target, parents: dict) -> Target:
        """Where a chain of attributes leads: ``distributed.rank`` to the function."""
        while target[1] is None:
            node = parents.get(node)
            if node is None:
                return target[0], ALL  # the module itself is handed on
            target = self._resolved((target[0], node.attr))
        return target
