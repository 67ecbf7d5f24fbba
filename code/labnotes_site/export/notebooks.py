"""A notebook for Colab and Jupyter from every chapter: executed, and in plain Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import nbformat
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from labnotes.files import replacing

from ..keys import Chapter, chapters
from ..record.page import plain_cells
from ..source.notes import load_notes
from ..source.repository import repository
from .install_cell import INSTALL
from .plain_markdown import Book, Converter, Unknown

#: All notebooks in one file, beside the pages.
ZIP = Path("notebooks", "labnotes-notebooks.zip")
VIEW = "application/vnd.jupyter.widget-view+json"

PEERS = """\
for module, package in {modules!r}.items():  # what this chapter compares itself with
    if importlib.util.find_spec(module) is None:
        install(*package.split())
"""
#: d2l pins packages of 2023 that no Python of today can install: it is taken without them,
#: and gets the few that it imports (scipy and the like are on Colab; requests and pandas too).
WITHOUT_PINS = {"d2l": ["pandas", "requests", "scipy"]}

#: What code imports, where it has not the package's name.
MODULES = {"pyyaml": "yaml", "scikit-image": "skimage", "scikit-learn": "sklearn"}


def install_cell(chapter: Chapter, source: str) -> str:
    """The first cell: the package, then what the chapter's front matter says it ``requires``."""
    modules: dict[str, str] = {}
    for package in chapter.notebook.metadata.get("labnotes", {}).get("requires", []):
        name = re.split(r"[=<>!~\[ ]", package)[0]
        for needed in WITHOUT_PINS.get(name, []):
            modules[needed] = needed
        module = MODULES.get(name, name.replace("-", "_"))
        modules[module] = f"--no-deps {package}" if name in WITHOUT_PINS else package
    cell = INSTALL.format(source=source)
    return (cell + (PEERS.format(modules=modules) if modules else "")).rstrip()


def portable(
    chapter: Chapter,
    executed: nbformat.NotebookNode,
    book: Book,
    source: str,
    records: dict[int, str],
) -> nbformat.NotebookNode:
    """The executed chapter as a notebook that stands by itself.

    Parameters
    ----------
    chapter
        The chapter as written.
    executed
        The same notebook with its outputs.
    book
        What the rest of the book must tell (notes, references, links, numbers).
    source
        What ``pip install`` gets in the first cell; "" if it is not known.
    records
        What stands below a cell as its record, by the cell's number.

    Raises
    ------
    Unknown
        If the text uses a directive or role that has no plain form.
    """
    converter = Converter(book)
    cells = [new_code_cell(install_cell(chapter, source), metadata={"tags": ["setup"]}, id="setup")]
    for n, cell in enumerate(executed.cells):
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(converter.convert(cell.source), id=f"cell-{n}"))
        else:
            cells += code_cell(cell, n, converter)
            if n in records:
                cells.append(new_markdown_cell(records[n], id=f"record-{n}"))
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "colab": {
            "name": f"{Path(chapter.docname).name}.ipynb",
            "provenance": [],
            "toc_visible": True,
        },
    }
    if chapter.notebook.metadata.get("labnotes", {}).get("gpu"):
        metadata["accelerator"] = "GPU"
        metadata["colab"]["gpuType"] = "T4"
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def code_cell(cell, n: int, converter: Converter) -> list:
    tags = list(cell.metadata.get("tags", []))
    metadata: dict = {"tags": tags} if tags else {}
    if {"hide-input", "hide-cell"} & set(tags):
        metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
    outputs = [nbformat.from_dict(output) for output in cell.outputs]
    for output in outputs:
        # Without a kernel neither Colab nor GitHub shows a widget: they get its picture.
        if "data" in output:
            output.data.pop(VIEW, None)
            if shown := output.data.get("text/markdown"):
                output.data["text/markdown"] = converter.displayed(shown)
    new = new_code_cell(
        cell.source,
        metadata=metadata,
        outputs=outputs,
        execution_count=cell.execution_count,
        id=f"cell-{n}",
    )
    figure = cell.metadata.get("mystnb", {}).get("figure")
    if not figure:
        return [new]
    number = converter.number(figure.get("name", ""))
    caption = f"*{number}: {converter.inline(figure.get('caption', '').strip())}*"
    return [new, new_markdown_cell(caption, id=f"caption-{n}")]


def write_notebooks(app: Sphinx, exception: Exception | None = None) -> None:
    """At the build's end: ``notebooks/<chapter>.ipynb`` beside the pages, and all in one zip."""
    if exception or app.builder.format != "html":
        return
    root = Path(app.confdir)
    notes = load_notes(root)
    cache = get_cache(app.env.mystnb_config.execution_cache_path)
    repo = repository(root)
    labels = app.env.get_domain("std").anonlabels | app.env.get_domain("std").labels
    numbers = numbers_of(app)
    base = (app.config.html_baseurl or "").rstrip("/")
    texts: dict[str, str] = {}

    for chapter in chapters(root):

        def link(target: str, title: str, here: str = chapter.docname) -> str:
            """A link to another page of the site, or just its title where the site has no address."""
            doc, anchor = target.lstrip("/"), ""
            if target in labels:
                doc, anchor, *found = labels[target]
                title = title or (found[0] if found else target)
            elif not target.startswith("/"):
                doc = (Path(here).parent / target).as_posix()
            title = title or (app.env.titles[doc].astext() if doc in app.env.titles else target)
            address = f"{base}/{doc}.html" + (f"#{anchor}" if anchor else "")
            return f"[{title}]({address})" if base else f"*{title}*"

        _, executed = cache.merge_match_into_notebook(chapter.notebook)
        book = Book(notes, root / "references.bib", link, numbers)
        try:
            notebook = portable(
                chapter,
                executed,
                book,
                f"labnotes @ git+https://github.com/{repo}" if repo else "",
                plain_cells(root, chapter),
            )
        except (Unknown, KeyError) as error:
            # A warning this late would no longer fail the build.
            raise ExtensionError(f"no notebook for {chapter.docname}: {error}") from error
        target = Path(app.outdir) / "notebooks" / f"{chapter.docname}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = texts[chapter.docname] = nbformat.writes(notebook) + "\n"
        if not target.exists() or target.read_text("utf8") != text:
            target.write_text(text, "utf8")
    write_zip(Path(app.outdir) / ZIP, texts)


def numbers_of(app: Sphinx) -> dict[str, str]:
    """What the site calls its figures, tables, exercises and equations, by their labels."""
    forms = app.config.numfig_format | {"displaymath": "(%s)"}
    return {
        label.removeprefix("equation-"): forms.get(kind, f"{kind.capitalize()} %s")
        % ".".join(map(str, number))
        for kinds in app.env.toc_fignumbers.values()
        for kind, labels in kinds.items()
        for label, number in labels.items()
    }


def write_zip(target: Path, texts: dict[str, str]) -> None:
    """All notebooks in one file, in a folder of its own; the same texts give the same bytes.

    Parameters
    ----------
    target
        The file to write.
    texts
        The notebooks as JSON, by the names of their chapters.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, "wb") as file, ZipFile(file, "w") as archive:
        for docname, text in sorted(texts.items()):
            # Without a date of its own an entry is of 1980: no build differs from the last.
            entry = ZipInfo(f"{target.stem}/{docname.removeprefix('chapters/')}.ipynb")
            archive.writestr(entry, text, ZIP_DEFLATED)
