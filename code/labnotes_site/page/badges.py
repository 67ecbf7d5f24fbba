"""The row under a chapter's title: what it takes, what it settles, and its notebook's buttons.

Most of it comes from the front matter; the running time comes from the last execution, which
MyST-NB keeps with the page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx

from ..source.frontmatter import chapter
from ..source.repository import repository
from .settles import MAP

RUN_TIMES = "chapters/reference/run-times"
#: The branch that the generated notebooks are published on.
NOTEBOOK_BRANCH = "gh-pages"


class badges(nodes.General, nodes.Element):
    """Stands under the title; its HTML is made when the page is written."""


def insert(app: Sphinx, doctree: nodes.document) -> None:
    """Put the row after the title of every chapter."""
    title = next(doctree.findall(nodes.title), None)
    if chapter(app.env, app.env.docname) and title is not None:
        title.parent.insert(title.parent.index(title) + 1, badges())


def visit(translator, node: badges) -> None:
    """Write the row, with links relative to the page."""
    builder = translator.builder
    docname = builder.current_docname
    fields = chapter(builder.env, docname)
    items = "".join(
        f'<li class="ln-badge ln-badge-{kind}"><span>{html}</span></li>\n'
        for kind, html in _items(builder, docname, fields)
    )
    translator.body.append(
        '<div class="ln-badges">\n<ul aria-label="About this chapter">\n'
        f"{items}</ul>\n{_buttons(builder, docname)}</div>\n"
    )
    raise nodes.SkipNode


def _items(builder, docname: str, fields: dict) -> list[tuple[str, str]]:
    """The badges as (kind, HTML)."""
    env = builder.env
    items = []
    if minutes := fields.get("minutes"):
        items.append(("read", f"{minutes} min to read"))
    if (time := seconds(env, docname)) is not None:
        items.append(("run", _link(builder, docname, RUN_TIMES, f"runs in {duration(time)}")))
    items.append(("device", "full size wants a GPU" if fields.get("gpu") else "no GPU needed"))
    if needs := fields.get("needs"):
        links = [
            _link(builder, docname, f"chapters/{need}", _title(env, f"chapters/{need}"))
            for need in needs
        ]
        items.append(("needs", "read first: " + ", ".join(links)))
    if count := len(fields.get("notes", [])):
        noun = "statement" if count == 1 else "statements"
        items.append(
            ("notes", _link(builder, docname, MAP, f"settles {count} {noun} of the notes"))
        )
    return items


def _title(env, docname: str) -> str:
    return env.titles[docname].astext() if docname in env.titles else docname


def _link(builder, here: str, there: str, text: str) -> str:
    """`text` as a link to the page `there`, or plain where the book has no such page."""
    if there not in builder.env.found_docs:
        return escape(text)
    return f'<a href="{builder.get_relative_uri(here, there)}">{escape(text)}</a>'


def _buttons(builder, docname: str) -> str:
    colab, download = notebook_links(builder.app, docname)
    if not download:
        return ""
    open_in = f'<a class="ln-button ln-colab" href="{colab}">Open in Colab</a>\n' if colab else ""
    return (
        f'<p class="ln-actions">{open_in}'
        f'<a class="ln-button ln-download" href="{download}" download>Download notebook</a></p>\n'
    )


def notebook_links(app: Sphinx, docname: str) -> tuple[str, str]:
    """Addresses of a page's notebook: on Colab, and here. Empty where there is none.

    Colab needs to know the repository; the notebook itself is always part of the site.
    """
    if "kernelspec" not in app.env.metadata[docname]:
        return "", ""
    here = "../" * docname.count("/") + f"notebooks/{docname}.ipynb"
    name = repository(Path(app.srcdir))
    if not name:
        return "", here
    base = "https://colab.research.google.com/github"
    return f"{base}/{name}/blob/{NOTEBOOK_BRANCH}/notebooks/{docname}.ipynb", here


def seconds(env, docname: str) -> float | None:
    """How long the last execution of a chapter took; None for a page that runs nothing."""
    record = NbMetadataCollector.get_exec_data(env, docname)
    return record["runtime"] if record else None


def duration(time: float) -> str:
    """Seconds as a reader says them.

    Examples
    --------
    >>> duration(0.4), duration(23.4), duration(95)
    ('1 s', '23 s', '1 min 35 s')
    """
    total = max(1, round(time))
    return f"{total} s" if total < 60 else f"{total // 60} min {total % 60} s"


def top_buttons(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give the template of the bar at the top the addresses of the page's notebook."""
    if doctree is not None:
        context["notebook_colab"], context["notebook_download"] = notebook_links(app, pagename)
