"""Show a record: in a frame of its own under the live output, and in the notebook for Colab."""

from __future__ import annotations

import base64
from datetime import date
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.utils import new_document
from myst_nb.core.read import myst_nb_reader_plugin
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from ..keys import Chapter
from . import Refused, stored, tagged
from .stored import Record

LOG = logging.getLogger(__name__)
STALE = "Made with earlier code."


class record_box(nodes.General, nodes.Element):
    """The recorded outputs of one cell, with `label` above and `facts` behind a click."""


class ShowRecords(SphinxTransform):
    """Put each record under the cell that it is of."""

    default_priority = 400  # before the pictures are collected

    def apply(self, **kwargs) -> None:
        cells = [
            node
            for node in self.document.findall(nodes.container)
            if node.get("nb_element") == "cell_code"
            and tagged.TAG in node["cell_metadata"].get("tags", [])
        ]
        if not cells:
            return
        root = Path(self.env.srcdir)
        path = Path(self.env.doc2path(self.env.docname))
        chapter = Chapter(self.env.docname, path, myst_nb_reader_plugin(str(path)))
        try:
            record = stored.load(root, tagged.name_of(chapter))
        except Refused as error:
            LOG.warning("%s", error, location=self.env.docname)
            return
        if record is None:
            return
        self.env.note_dependency(str(record.folder / "record.json"))
        stale = stored.is_stale(record, chapter, root / "code")
        for cell, outputs in zip(cells, stored.outputs_of(record, chapter), strict=True):
            if outputs:
                box = record_box(label=label(record), facts=facts(record), stale=stale)
                box += nodes.container(
                    "", *self._show(record, outputs, cell["cell_metadata"]), classes=["cell_output"]
                )
                cell.parent.insert(cell.parent.index(cell) + 1, box)

    def _show(self, record: Record, outputs: list[dict], metadata: dict) -> list[nodes.Node]:
        shown = []
        for output in outputs:
            if output["type"].startswith("image/"):
                path = record.folder / output["file"]
                uri = "/" + path.relative_to(self.env.srcdir).as_posix()
                shown.append(nodes.image(uri=uri, alt=alt(metadata)))
            elif output["type"] == "text/markdown":
                shown += self._parsed(record.text(output))
            elif output["type"] == "text/html":
                shown.append(
                    nodes.raw("", record.text(output), format="html", classes=["text_html"])
                )
            else:
                text = record.text(output).rstrip("\n")
                classes = ["output", "stream"]
                shown.append(nodes.literal_block(text, text, language="none", classes=classes))
        return shown

    def _parsed(self, text: str) -> list[nodes.Node]:
        document = new_document(self.document["source"], self.document.settings)
        MystParser().parse(text, document)
        for node in document.findall():
            # Of its own document it would keep all that Sphinx knows of the book: 25 MB a page.
            node.document = self.document
        return document.children


def alt(metadata: dict) -> str:
    """The alternative text of a recorded picture: that of the cell's own."""
    text = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    return f"From the recorded run. {text}".strip()


def label(record: Record) -> str:
    """The machine, the time and the date, for readers.

    The time of a processor is that of its computing, which other work on the machine does not
    lengthen; that of a graphics card is wall time.
    """
    made = record.made
    threads = made["threads"]
    where = made["machine"]
    if made["device"] == "cpu":
        where += ", one thread" if threads == 1 else f", {threads} threads"
    return f"{where}, {duration(seconds(made))}, {day(made['date'])}."


def seconds(made: dict) -> float:
    return made["cpu_seconds"] if made["device"] == "cpu" else made["seconds"]


def duration(time: float) -> str:
    """A time as a reader says it.

    Examples
    --------
    >>> duration(4.2), duration(95), duration(754), duration(5400)
    ('4 s', '95 s', '13 min', '90 min')
    """
    return f"{round(time)} s" if time < 100 else f"{round(time / 60)} min"


def day(iso: str) -> str:
    """A date as a reader says it.

    Examples
    --------
    >>> day("2026-03-05")
    '5 March 2026'
    """
    made = date.fromisoformat(iso)
    return f"{made.day} {made:%B} {made.year}"


def facts(record: Record) -> list[str]:
    """What else there is to say of how a record was made, one sentence each."""
    made = record.made
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    memory = made["peak_memory"] / 1e9
    found = [
        f"{versions}.",
        f"{made['seconds']:,.0f} s by the clock, {made['cpu_seconds']:,.0f} s of processor time, "
        f"at most {memory:.1f} GB of memory.",
    ]
    if made["runs"] > 1:
        found.append(f"Interrupted and continued {made['runs'] - 1} times.")
    if made["seeds"]:
        found.append(f"Seeds: {', '.join(map(str, made['seeds']))}.")
    if made["commit"]:
        found.append(f"Commit {made['commit']}.")
    for cell in made.get("left_out", []):
        found.append(f"Left out: {cell}.")
    return found


def visit(translator, node: record_box) -> None:
    stale = f' <span class="ln-record-stale">{STALE}</span>' if node["stale"] else ""
    translator.body.append(
        '<div class="ln-record cell" role="group" aria-label="Recorded run">\n'
        f'<p class="ln-record-label"><strong>Recorded:</strong> {escape(node["label"])}{stale}</p>\n'
    )


def depart(translator, node: record_box) -> None:
    lines = "".join(f"<li>{escape(fact)}</li>" for fact in node["facts"])
    translator.body.append(
        f"<details><summary>How it was recorded</summary><ul>{lines}</ul></details>\n</div>\n"
    )


# --- the notebook for Colab ---------------------------------------------------------------------------


def plain(record: Record, outputs: list[dict], stale: bool, metadata: dict) -> str:
    """The recorded outputs of a cell as Markdown that needs no file beside it."""
    head = f"**Recorded:** {label(record)}" + (f" *{STALE}*" if stale else "")
    parts = [head]
    for output in outputs:
        data = (record.folder / output["file"]).read_bytes()
        if output["type"].startswith("image/"):
            code = base64.b64encode(data).decode()
            parts.append(
                f'<img alt="{escape(alt(metadata))}" src="data:{output["type"]};base64,{code}">'
            )
        elif output["type"] == "text/plain":
            parts.append(f"```text\n{data.decode().rstrip()}\n```")
        else:
            parts.append(data.decode().strip())
    return "\n\n".join(parts)


def plain_cells(root: Path, chapter: Chapter) -> dict[int, str]:
    """The records of a chapter as Markdown, by the number of the cell in the notebook."""
    record = stored.load(root, tagged.name_of(chapter))
    if record is None:
        return {}
    stale = stored.is_stale(record, chapter, root / "code")
    numbers = [
        n
        for n, cell in enumerate(chapter.notebook.cells)
        if cell.cell_type == "code" and tagged.has_tag(cell, tagged.TAG)
    ]
    cells = chapter.notebook.cells
    return {
        n: plain(record, outputs, stale, cells[n].metadata)
        for n, outputs in zip(numbers, stored.outputs_of(record, chapter), strict=True)
        if outputs
    }
