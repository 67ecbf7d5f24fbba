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
from functools import cache
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


@cache  # most chapters import the same modules
def _imports(source: str, module: str = "", is_package: bool = False) -> frozenset[str]:
    """Names of modules of the package that `source` may import (some may be functions)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: from the package this module stands in
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join(parts + ([node.module] if node.module else []))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(n for n in names if n == PACKAGE or n.startswith(f"{PACKAGE}."))


def module_closure(sources: list[str], code_root: Path) -> dict[str, Path]:
    """Every module of the package that running `sources` loads: name and file."""
    wanted: set[str] = set()
    for source in sources:
        wanted |= _imports(_plain_python(source))
        wanted |= {f"{PACKAGE}.exercises.{name}" for name in CHECK.findall(source)}
    found: dict[str, Path] = {}
    while wanted:
        name = wanted.pop()
        parts = name.split(".")
        # Importing a.b.c runs a and a.b first.
        for n in (".".join(parts[:i]) for i in range(1, len(parts) + 1)):
            file = module_file(n, code_root)
            if file is None or n in found:
                continue
            found[n] = file
            wanted |= _imports(file.read_text("utf8"), n, file.name == "__init__.py") - set(found)
    return found


def _plain_python(source: str) -> str:
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
        for suffix in (".js", ".css"):
            if (asset := file.with_suffix(suffix)).exists():
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
