"""``settles``: where a chapter settles statements of the study notes.

The directive answers what the notes left open or got wrong; the role marks the place where the
running text covers what they got right. Each statement is settled at exactly one place of the
book; :func:`check` turns every other state of affairs into a warning, which breaks the build.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ..source.frontmatter import chapter, chapters
from ..source.notes import Note, load_notes

LOG = logging.getLogger(__name__)
MAP = "chapters/reference/notes-map"
LEADS = {
    "right": "The notes are right",
    "imprecise": "The notes are imprecise",
    "wrong": "The notes are wrong",
    "open": "The notes leave this open",
}


class mark(nodes.Inline, nodes.Element):
    """The role's small mark in the text, which links to the notes map."""


def settled(env: BuildEnvironment) -> dict[str, list[tuple[str, int]]]:
    """Where each id is settled: a list of (page, line), of length one when all is well."""
    places = defaultdict(list)
    for docname, found in getattr(env, "labnotes_settled", {}).items():
        for note_id, line in found:
            places[note_id].append((docname, line))
    return places


def place(env: BuildEnvironment, note_id: str) -> str | None:
    """The page that settles `note_id`, or None if none does yet."""
    found = settled(env).get(note_id)
    return found[0][0] if found else None


def _record(env: BuildEnvironment, note_id: str, location: tuple[str, int]) -> Note | None:
    note = load_notes(Path(env.srcdir)).get(note_id)
    if note is None:
        LOG.warning("settles: no statement %r in data/notes.yml", note_id, location=location)
        return None
    if not hasattr(env, "labnotes_settled"):
        env.labnotes_settled = defaultdict(list)
    env.labnotes_settled[env.docname].append((note_id, location[1]))
    return note


class SettlesDirective(SphinxDirective):
    """What the notes say, the verdict on it, and the chapter's answer."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        where = (self.env.docname, self.lineno)
        found = [_record(self.env, i, where) for i in self.arguments[0].split()]
        box = nodes.container(classes=["ln-settles"])
        box += [_statement(note) for note in found if note]
        answer = nodes.container(classes=["ln-answer"])
        self.state.nested_parse(self.content, self.content_offset, answer)
        box += answer
        return [box]


def _statement(note: Note) -> nodes.container:
    """The notes' own words under their verdict; carries the anchor ``note-<id>``."""
    lead = nodes.paragraph(classes=["ln-lead"])
    lead += nodes.inline("", LEADS[note.verdict], classes=["ln-chip", f"ln-{note.verdict}"])
    words = nodes.paragraph(classes=["ln-says"])
    words += nodes.inline("", note.says)
    return nodes.container(
        "", lead, words, classes=["ln-statement", f"ln-is-{note.verdict}"], ids=[f"note-{note.id}"]
    )


class SettlesRole(SphinxRole):
    """A mark after the sentence that covers a statement of the notes."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        note = _record(self.env, self.text.strip(), (self.env.docname, self.lineno))
        if note is None:
            return [], []
        return [mark("", note=note.id, says=note.says, ids=[f"note-{note.id}"])], []


def visit_mark(translator, node: mark) -> None:
    builder = translator.builder
    href = "#" + node["ids"][0]
    if MAP in builder.env.found_docs:
        href = builder.get_relative_uri(builder.current_docname, MAP) + f"#map-{node['note']}"
    says = escape(node["says"], quote=True)
    translator.body.append(
        f'<a class="ln-mark" id="{node["ids"][0]}" href="{href}" title="The notes say: {says}">'
        '<span class="ln-mark-sign" aria-hidden="true"></span>'
        '<span class="visually-hidden">In the notes</span></a>'
    )
    raise nodes.SkipNode


def forget(app, env: BuildEnvironment, docname: str) -> None:
    """A page is read again: drop what it settled."""
    getattr(env, "labnotes_settled", {}).pop(docname, None)


def merge(app, env: BuildEnvironment, docnames, other: BuildEnvironment) -> None:
    """Take over what a parallel reader found."""
    if not hasattr(env, "labnotes_settled"):
        env.labnotes_settled = defaultdict(list)
    theirs = getattr(other, "labnotes_settled", {})
    env.labnotes_settled.update({d: theirs[d] for d in docnames if d in theirs})


def check(app, env: BuildEnvironment) -> None:
    """Compare the front matter of all chapters with what they settle."""
    promised: dict[str, list[str]] = defaultdict(list)
    for docname in chapters(env):
        for note_id in chapter(env, docname).get("notes", []):
            promised[note_id].append(docname)
    found = settled(env)
    for note_id, places in found.items():
        for where in places[1:]:
            LOG.warning(
                "settles: %s is settled here and in %s, line %s: settle it once",
                note_id,
                *places[0],
                location=where,
            )
        for docname, line in places:
            if docname not in promised.get(note_id, []):
                LOG.warning(
                    "settles: %s is missing from this chapter's front matter (labnotes.notes)",
                    note_id,
                    location=(docname, line),
                )
    for note_id, docnames in promised.items():
        for docname in docnames:
            if docname not in [d for d, _ in found.get(note_id, [])]:
                LOG.warning(
                    "settles: the front matter promises %s, and nothing on this page settles it",
                    note_id,
                    location=docname,
                )
