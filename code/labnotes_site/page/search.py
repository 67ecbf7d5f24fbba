"""The search: what a page says in words, section by section, for ``search.js`` to look through.

Sphinx's own search ranks a variable's name in a listing like a heading, and finds "BN" within
"labnotes". Here code and what it prints stay out; titles, headings and the glossary come first.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx_exercise.nodes import solution_node

from ..outdated import GLOSSARY
from ..source.frontmatter import chapters
from ..source.glossary import load_terms
from .generated import page_part

MINISEARCH = Path("node_modules", "minisearch", "dist", "umd", "index.js")
FOLDER = Path("_static", "labnotes")
#: Not words of the text: listings, what cells print, formulas, and what is drawn by a script. Nor
#: solutions, which a page keeps folded: a list of finds must not show them.
OTHER = (
    nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.image, page_part,
    solution_node,
)  # fmt: skip
#: References whose own text is a label or a key, and no word.
LABELS = {("cite", "p"), ("cite", "t"), ("math", "eq"), ("std", "numref"), ("std", "ref")}


def no_index_of_sphinx(app: Sphinx) -> None:
    """Sphinx writes neither its index nor its page."""
    app.builder.search = False


def page(app: Sphinx):
    """The page that shows what is found."""
    yield "search", {"title": "Search"}, "search.html"


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Note the words of a page that has been read, for :func:`write`."""
    _store(app.env)[app.env.docname] = [
        {"anchor": section["ids"][0], "heading": _heading(section), "text": _words(section)}
        for section in doctree.findall(nodes.section)
        if _heading(section)  # the text of an exercise is a section without one
    ]


def write(app: Sphinx, exception: Exception | None) -> None:
    """The script that gives the search page its entries, and the library that it searches with.

    Raises
    ------
    ExtensionError
        If npm has not installed that library.
    """
    if exception or app.builder.format != "html":
        return
    library = Path(app.srcdir) / MINISEARCH
    if not library.exists():
        raise ExtensionError(f"MiniSearch is not in {library}: run `npm ci` in {app.srcdir} first")
    out = Path(app.outdir) / FOLDER
    out.mkdir(parents=True, exist_ok=True)
    (out / "minisearch.js").write_text(library.read_text("utf8"), "utf8")
    found = json.dumps(entries(app), ensure_ascii=False, separators=(",", ":"))
    # A script, because a page opened from a folder (file://) may load one, and may fetch nothing.
    (out / "search-data.js").write_text(f"globalThis.labnotesSearch = {found};\n", "utf8")


def entries(app: Sphinx) -> list[dict]:
    """What can be found: pages and sections with their words, and the terms of the glossary."""
    terms, env = load_terms(Path(app.srcdir)), app.env
    taught = set(chapters(env))
    found = []
    for docname, sections in sorted(_store(env).items()):
        if docname not in env.found_docs or docname == GLOSSARY:
            continue
        address = app.builder.get_target_uri(docname)
        for number, section in enumerate(sections):
            entry = {"title": sections[0]["heading"], "heading": section["heading"]}
            entry |= {"url": address + (f"#{section['anchor']}" if number else "")}
            entry |= {"kind": "section" if number else "page", "text": section["text"]}
            if not number:  # what a chapter teaches, in both languages
                entry["terms"] = " ; ".join(
                    name for term in terms if term.page == docname for name in term.names
                )
                entry["chapter"] = docname in taught
            found.append(entry)
    if GLOSSARY not in env.found_docs:
        return found
    objects = env.get_domain("std")._terms  # lower-case term: (page, anchor)
    for term in terms:
        _, anchor = objects[term.names[0].lower()]
        found.append({
            "kind": "term", "title": "Glossary", "heading": " ".join(term.names[:2]),
            "terms": " ; ".join(term.names), "text": term.text,
            "url": f"{app.builder.get_target_uri(GLOSSARY)}#{anchor}",
        })  # fmt: skip
    return found


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """A page is read again, or gone."""
    _store(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames, other: BuildEnvironment) -> None:
    """Take over what a parallel reader found."""
    _store(env).update({d: _store(other)[d] for d in docnames if d in _store(other)})


def _store(env: BuildEnvironment) -> dict[str, list[dict]]:
    if not hasattr(env, "labnotes_words"):
        env.labnotes_words = {}
    return env.labnotes_words


def _heading(section: nodes.section) -> str:
    title = section.children[0] if section.children else None
    return title.astext() if isinstance(title, nodes.title) else ""


def _words(section: nodes.section) -> str:
    """The words of a section, without those of its subsections."""
    parts: list[str] = []

    def walk(node: nodes.Node) -> None:
        for child in node.children:
            if isinstance(child, (nodes.title, *OTHER)) or _is_output(child) or _is_label(child):
                continue
            if isinstance(child, nodes.section) and _heading(child):
                continue
            if isinstance(child, nodes.Text):
                parts.append(child.astext())
                continue
            walk(child)
            if isinstance(child, (nodes.paragraph, nodes.list_item, nodes.entry, nodes.term)):
                parts.append(" ")

    walk(section)
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _is_label(node: nodes.Node) -> bool:
    """Whether a reference has no words of its own, but the name of its aim."""
    return (
        isinstance(node, pending_xref)
        and not node.get("refexplicit")
        and (node.get("refdomain"), node.get("reftype")) in LABELS
    )


def _is_output(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and node.get("nb_element") in (
        "cell_code_source", "cell_code_output", "mime_bundle",
    )  # fmt: skip
