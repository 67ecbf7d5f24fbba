"""What a chapter's results depend on, as one short key: change it, and the chapter runs again.

jupyter-cache looks at a notebook's code alone. Our key adds the modules of the package that the
code imports (directly or through another module), the data catalogue, where data come from, the
device, and the versions of Python and torch.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import platform
import re
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import nbformat
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from sphinx_external_toc.parsing import parse_toc_yaml

PACKAGE = "labnotes"
#: A checker is loaded by the exercise's name: ``check("bleu.clipped_precision", …)``.
CHECK = re.compile(r"""\bcheck\(\s*["'](\w+)\.""")
#: Weights are loaded by name too: ``recorded("convnets/lenet/clothes", net)``.
RECORDED = re.compile(r"""\brecorded\(\s*["']([\w/-]+)["']""")


@dataclass(frozen=True)
class Chapter:
    """A page that is a notebook: its name in the book, its file, and what the file holds."""

    docname: str
    path: Path
    notebook: nbformat.NotebookNode

    @property
    def code(self) -> list[str]:
        return [c.source for c in self.notebook.cells if c.cell_type == "code"]


def chapters(root: Path) -> list[Chapter]:
    """The notebooks of the book, in the order of ``_toc.yml``.

    Raises
    ------
    ValueError
        If a file under ``chapters/`` is missing from ``_toc.yml``, or a chapter is no notebook.
    """
    listed = list(parse_toc_yaml(root / "_toc.yml"))
    stray = {
        file.relative_to(root).with_suffix("").as_posix()
        for file in (root / "chapters").rglob("*.md")
    } - set(listed)
    if stray:
        raise ValueError(
            f"not in _toc.yml: {', '.join(sorted(stray))}. Add them, or move them away"
        )
    found = []
    for docname in listed:
        path = root / f"{docname}.md"
        if not path.exists():
            raise ValueError(f"_toc.yml names {docname}, but there is no {docname}.md")
        if is_myst_markdown_notebook(path.read_text("utf8")):
            found.append(Chapter(docname, path, myst_nb_reader_plugin(str(path))))
        elif docname.startswith("chapters/") and not docname.startswith("chapters/reference/"):
            raise ValueError(
                f"{docname}.md has no jupytext and kernelspec front matter: not a notebook"
            )
    return found


# --- the package's modules ---------------------------------------------------------------------


def module_file(name: str, code_root: Path) -> Path | None:
    """The file of module `name` of the package, or None if there is no such module."""
    base = code_root.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def checkers(chapter: str, code_root: Path) -> list[str]:
    """The module that ``check("chapter.exercise", …)`` loads: it stands in the room of its part."""
    rooms = code_root / PACKAGE / "exercises"
    return [f"{PACKAGE}.exercises.{f.parent.name}.{chapter}" for f in rooms.glob(f"*/{chapter}.py")]


@cache  # most chapters import the same modules
def _uses(source: str, module: str = "", is_package: bool = False) -> frozenset[tuple[str, ...]]:
    """What `source` takes from the package: a module's name, then attributes; ``*`` for any of them.

    ``from labnotes.convnets import vgg`` gives ``("labnotes.convnets", "vgg")``. Where a name is
    then used alone, and not for an attribute of it, nobody knows what will be asked of it.
    """
    nodes = list(ast.walk(ast.parse(source)))
    uses: set[tuple[str, ...]] = set()
    bound: dict[str, tuple[str, ...]] = {}  # what a name in `source` stands for
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                uses.add((alias.name,) if alias.asname else (alias.name, "*"))
                if alias.asname:
                    bound[alias.asname] = (alias.name,)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: from the package this module stands in
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join(parts + ([node.module] if node.module else []))
            for alias in node.names:
                bound[alias.asname or alias.name] = (base, alias.name)
    uses |= set(bound.values())
    attribute = {n.value: n.attr for n in nodes if isinstance(n, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in bound:
            uses.add((*bound[node.id], attribute.get(node, "*")))
    return frozenset(u for u in uses if u[0] == PACKAGE or u[0].startswith(f"{PACKAGE}."))


@cache
def homes_of(source: str) -> dict[str, str]:
    """In which module each name of a lazy package stands, as its ``__init__`` says."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "lazy"
        ):
            return {
                n: home for home, names in ast.literal_eval(node.args[1]).items() for n in names
            }
    return {}


class _Closure:
    """The modules that are loaded, as more and more are asked for.

    It asks for a module hundreds of times, and looks at the disk once: files may change between
    two closures, not under one.
    """

    def __init__(self, code_root: Path):
        self.found: dict[str, Path] = {}
        self.file_of = cache(partial(module_file, code_root=code_root))
        self.homes_in = cache(lambda file: homes_of(file.read_text("utf8")))

    def load(self, module: str) -> None:
        """Add a module, the packages it stands in, and all that these use in turn."""
        parts = module.split(".")
        for name in (".".join(parts[:i]) for i in range(1, len(parts) + 1)):
            file = self.file_of(name)
            if file is None or name in self.found:
                continue
            self.found[name] = file
            for use in _uses(file.read_text("utf8"), name, file.name == "__init__.py"):
                self.take(*use)

    def take(self, module: str, *attributes: str) -> None:
        """Add a module and what asking it for attributes, one of the other, loads."""
        self.load(module)
        for attribute in attributes:
            file = self.found.get(module)
            homes = self.homes_in(file) if file and file.name == "__init__.py" else {}
            if attribute == "*":
                for home in set(homes.values()):
                    self.load(f"{module}.{home}")
            if attribute in homes:
                self.load(f"{module}.{homes[attribute]}")
            if attribute in homes or self.file_of(f"{module}.{attribute}") is None:
                return  # a function, a class, a number: its attributes are no modules
            module = f"{module}.{attribute}"
            self.load(module)


def module_closure(sources: list[str], code_root: Path) -> dict[str, Path]:
    """Every module of the package that running `sources` loads: name and file."""
    closure = _Closure(code_root)
    for use in _uses("\n".join(map(plain_python, sources))):
        closure.take(*use)
    for chapter in {name for source in sources for name in CHECK.findall(source)}:
        for module in checkers(chapter, code_root):
            closure.load(module)
    return closure.found


def plain_python(source: str) -> str:
    """Cell source without IPython's magics, which are not Python."""
    return "\n".join(
        "pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n")
    )


# --- keys --------------------------------------------------------------------------------------


@cache
def surroundings() -> str:
    """What every chapter's result depends on: versions, the device, which data sets are here."""
    from labnotes.data import catalog
    from labnotes.runtime import device

    here = [name for name in catalog.catalog() if catalog.locate(name)]
    return "\n".join(
        [
            "python " + ".".join(platform.python_version_tuple()[:2]),
            *(
                f"{name} {importlib.metadata.version(name)}"
                for name in ("torch", "torchvision", "numpy")
            ),
            f"device {device().type}",
            "data " + ", ".join(here),  # the others have stand-ins
        ]
    )


def execution_key(chapter: Chapter, code_root: Path) -> str:
    """The key of a chapter's results. Prose is not in it: a change of words runs nothing."""
    digest = hashlib.sha256(surroundings().encode())
    for source in chapter.code:
        digest.update(b"\0cell\0" + source.encode())
    modules = module_closure(chapter.code, code_root)
    files = sorted(modules.items())
    if f"{PACKAGE}.data" in modules:
        folder = code_root / PACKAGE / "data"
        files += [
            (f.name, f)
            for f in sorted(folder.rglob("*"))
            if f.is_file() and f.suffix not in (".py", ".pyc")
        ]
    files += [(f.name, f) for f in recorded_weights(chapter.code, code_root)]
    for name, file in files:
        digest.update(f"\0{name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def recorded_weights(sources: list[str], code_root: Path) -> list[Path]:
    """The files of recorded weights that `sources` load by name."""
    names = {name for source in sources for name in RECORDED.findall(source)}
    files = [code_root / PACKAGE / "records" / f"{name}.safetensors" for name in sorted(names)]
    return [file for file in files if file.is_file()]


def page_key(chapter: Chapter, code_root: Path) -> str:
    """The key of a chapter's page: its results, and the explorers' scripts and styles."""
    digest = hashlib.sha256(execution_key(chapter, code_root).encode())
    for _, file in sorted(module_closure(chapter.code, code_root).items()):
        if file.name == "__init__.py":  # an explorer's folder holds its script and its style
            for asset in sorted([*file.parent.glob("*.js"), *file.parent.glob("*.css")]):
                digest.update(asset.read_bytes())
    return digest.hexdigest()


def page_keys(root: Path) -> dict[str, str]:
    """The page key of every chapter, by its name in the book."""
    return {c.docname: page_key(c, root / "code") for c in chapters(root)}


def site_key(root: Path) -> str:
    """The key of what makes every page: this extension, its assets, the configuration, the order."""
    digest = hashlib.sha256()
    folders = [root / "code" / "labnotes_site", root / "_static"]
    files = [
        f for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"
    ]
    files += [
        root / name for name in ("_config.yml", "_toc.yml", "package-lock.json", "references.bib")
    ]
    for file in sorted(f for f in files if f.exists()):
        digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return digest.hexdigest()
