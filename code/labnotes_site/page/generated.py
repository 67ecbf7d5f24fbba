"""Pages that the build writes from what it knows: the notes map, corrections, run times, data,
glossary. Each is a directive on a page of ``chapters/reference``.

Their HTML is made when the page is written, because only then all chapters have been read.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from ..source.frontmatter import chapter, chapters, steps
from ..source.glossary import FOLDER, Term, load_terms
from ..source.notes import AREAS, VERDICTS, Note, load_notes
from .badges import duration, seconds
from .settles import LEADS, place

DATASETS = Path("code", "labnotes", "data", "datasets.toml")


class page_part(nodes.General, nodes.Element):
    """A part of a generated page: `part` names the function that writes it, `key` which piece."""


def visit(translator, node: page_part) -> None:
    translator.body.append(WRITERS[node["part"]](translator.builder, node["key"]))
    raise nodes.SkipNode


def _section(id_: str, title: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", title), *children, ids=[id_], names=[id_])


def _to(builder, note_id: str) -> str | None:
    """The address of the place that settles a statement, from the page being written."""
    there = place(builder.env, note_id)
    if there is None:
        return None
    return builder.get_relative_uri(builder.current_docname, there) + f"#note-{note_id}"


def _chapter_link(builder, docname: str) -> str:
    uri = builder.get_relative_uri(builder.current_docname, docname)
    return f'<a href="{uri}">{escape(builder.env.titles[docname].astext())}</a>'


def _chip(verdict: str) -> str:
    return f'<span class="ln-chip ln-{verdict}">{verdict}</span>'


# --- the notes map -------------------------------------------------------------------------------


class NotesMapDirective(SphinxDirective):
    """Every statement of the notes, by area, with its verdict and where the book settles it."""

    def run(self) -> list[nodes.Node]:
        notes = load_notes(Path(self.env.srcdir))
        sizes = Counter(note.area for note in notes.values())
        head = page_part(part="map-head", key="")
        return [head] + [
            _section(
                f"area-{area}", f"{title} ({sizes[area]})", page_part(part="map-area", key=area)
            )
            for area, title in AREAS.items()
            if sizes[area]
        ]


def _map_head(builder, key: str) -> str:
    notes = load_notes(Path(builder.env.srcdir))
    counts = Counter(note.verdict for note in notes.values())
    done = sum(place(builder.env, i) is not None for i in notes)
    verdicts = "".join(f"<li>{_chip(v)} {counts[v]}</li>" for v in VERDICTS)
    return (
        f"<p>The notes make {len(notes)} statements. The chapters written so far settle {done} of "
        f'them.</p>\n<ul class="ln-counts">{verdicts}</ul>\n<div id="ln-map-filter"></div>\n'
    )


def _map_area(builder, area: str) -> str:
    notes = [n for n in load_notes(Path(builder.env.srcdir)).values() if n.area == area]
    notes.sort(key=lambda note: place(builder.env, note.id) is None)  # what is settled comes first
    return (
        '<ul class="ln-notes">\n' + "".join(_map_row(builder, note) for note in notes) + "</ul>\n"
    )


def _map_row(builder, note: Note) -> str:
    there = place(builder.env, note.id)
    if there is None:
        where = '<span class="ln-later">on the way</span>'
    else:
        title = escape(builder.env.titles[there].astext())
        where = f'<a href="{_to(builder, note.id)}">{title}</a>'
    return (
        f'<li class="ln-note" id="map-{note.id}" data-verdict="{note.verdict}">'
        f'{_chip(note.verdict)} <span class="ln-words">{escape(note.says)}</span> {where}</li>\n'
    )


# --- corrections ---------------------------------------------------------------------------------


class CorrectionsDirective(SphinxDirective):
    """What the notes have wrong, imprecise or open, and what is true, as far as it is settled."""

    def run(self) -> list[nodes.Node]:
        return [
            _section(f"corrections-{v}", title, page_part(part="corrections", key=v))
            for v, title in (("wrong", "Wrong"), ("imprecise", "Imprecise"), ("open", "Left open"))
        ]


def _corrections(builder, verdict: str) -> str:
    notes = [n for n in load_notes(Path(builder.env.srcdir)).values() if n.verdict == verdict]
    done = [n for n in notes if place(builder.env, n.id)]
    rest = len(notes) - len(done)
    parts = [
        f'<div class="ln-correction ln-is-{verdict}">'
        f'<p class="ln-says"><span class="visually-hidden">{LEADS[verdict]}: </span>{escape(n.says)}</p>'
        f'<p class="ln-truth">{escape(n.truth)}</p>'
        f'<p class="ln-where">Settled in <a href="{_to(builder, n.id)}">'
        f"{escape(builder.env.titles[place(builder.env, n.id)].astext())}</a></p></div>\n"
        for n in done
    ]
    if rest:
        parts.append(
            f'<p class="ln-later">{rest} more will follow with the chapters on the way.</p>\n'
        )
    return "".join(parts)


# --- the map of the course -----------------------------------------------------------------------


class CourseMapDirective(SphinxDirective):
    """The chapters in steps: what can be read at once, and what builds on which chapter."""

    def run(self) -> list[nodes.Node]:
        return [page_part(part="course-map", key="")]


def _course_map(builder, key: str) -> str:
    env = builder.env
    items = []
    for step in steps(env):
        rows = []
        for docname in step:
            needs = [f"chapters/{need}" for need in chapter(env, docname).get("needs", [])]
            titles = [env.titles[need].astext() for need in needs if need in env.titles]
            after = escape(", ".join(titles))
            after = f' <span class="ln-after">after {after}</span>' if after else ""
            rows.append(f"<li>{_chapter_link(builder, docname)}{after}</li>\n")
        items.append(f"<li><ul>\n{''.join(rows)}</ul></li>\n")
    return f'<ol class="ln-course-map">\n{"".join(items)}</ol>\n'


# --- run times -----------------------------------------------------------------------------------


class RunTimesDirective(SphinxDirective):
    """How long the last execution of each chapter took."""

    def run(self) -> list[nodes.Node]:
        return [page_part(part="run-times", key="")]


def _run_times(builder, key: str) -> str:
    env = builder.env
    rows, total = [], 0.0
    for docname in chapters(env):
        time = seconds(env, docname)
        if time is None:
            continue
        total += time
        when = NbMetadataCollector.get_exec_data(env, docname)["mtime"]
        date = datetime.fromtimestamp(when, timezone.utc).date().isoformat()
        rows.append(
            f"<tr><td>{_chapter_link(builder, docname)}</td>"
            f'<td class="text-right">{duration(time)}</td><td>{date}</td></tr>\n'
        )
    # Columns of a given width: those of a long table would change while its rows still arrive.
    return (
        '<div class="pst-scrollable-table-container"><table class="table ln-run-times">\n'
        '<thead><tr><th>Chapter</th><th class="text-right">Time</th><th>Run on</th></tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody>\n"
        f'<tfoot><tr><th scope="row">{len(rows)} chapters</th>'
        f'<td class="text-right">{duration(total)}</td><td></td></tr></tfoot></table></div>\n'
    )


# --- glossary ------------------------------------------------------------------------------------


class TermsDirective(SphinxDirective):
    """All of ``data/glossary/<part>/<chapter>.yml`` as one glossary: ``{term}`` finds its entries."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        terms = sorted(load_terms(root), key=lambda term: term.names[0].casefold())
        if not terms:
            return []
        text = ["````{glossary}", *(line for t in terms for line in self._lines(t)), "````"]
        box = nodes.container(classes=["ln-glossary"])
        self.state.nested_parse(StringList(text, source=str(root / FOLDER)), 0, box)
        # Entries of the index would stand above every chapter in the search's results.
        for entry in list(box.findall(addnodes.index)):
            entry.parent.remove(entry)
        return [box]

    def _lines(self, term: Term) -> list[str]:
        """One entry in MyST; the Chinese word and others are names of the same term."""
        more = f" See {{doc}}`/{term.page}`." if term.page in self.env.found_docs else ""
        return [*term.names, f"  {term.text}{more}", ""]


# --- data and licences ---------------------------------------------------------------------------


class DataDirective(SphinxDirective):
    """The data sets of the catalogue: what they are, who made them, under which licence."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(Path(self.env.srcdir) / DATASETS))
        return [
            _section(f"data-{name}", fields["title"], page_part(part="dataset", key=name))
            for name, fields in _datasets(self.env.srcdir).items()
        ]


def _datasets(root: Path | str) -> dict[str, dict]:
    return tomllib.loads(Path(root, DATASETS).read_text("utf8"))


def _dataset(builder, name: str) -> str:
    fields = _datasets(builder.env.srcdir)[name]
    home = escape(fields["homepage"], quote=True)
    facts = [
        ("What it holds", escape(fields["items"])),
        ("What the book does with it", escape(fields["use"])),
        ("Licence", escape(fields["licence"])),
        ("Cite as", escape(fields["citation"])),
        ("Home", f'<a href="{home}">{home}</a>'),
        ("Name in the catalogue", f'<code class="literal">{escape(name)}</code>'),
    ]
    rows = "".join(f"<dt>{label}</dt><dd>{text}</dd>\n" for label, text in facts)
    return f'<dl class="ln-facts">\n{rows}</dl>\n'


WRITERS = {
    "course-map": _course_map,
    "map-head": _map_head,
    "map-area": _map_area,
    "corrections": _corrections,
    "run-times": _run_times,
    "dataset": _dataset,
}
