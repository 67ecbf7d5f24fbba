"""A chapter's own front matter: the ``labnotes`` mapping at its top."""

from __future__ import annotations

import json
from typing import Any

from sphinx.environment import BuildEnvironment

FIELDS = {
    "notes": list,
    "needs": list,
    "gpu": bool,
    "paper": str,
    "minutes": int,
    "requires": list,
}


def chapter(env: BuildEnvironment, docname: str) -> dict[str, Any]:
    """The ``labnotes`` mapping of `docname`; empty for a page that is not a chapter.

    Raises
    ------
    ValueError
        If a field is unknown or has the wrong type.
    """
    # MyST hands nested front matter on as JSON text.
    fields = json.loads(env.metadata[docname].get("labnotes", "{}"))
    for name, value in fields.items():
        if name not in FIELDS:
            raise ValueError(f"front matter: labnotes.{name} is unknown; known: {', '.join(FIELDS)}")
        if not isinstance(value, FIELDS[name]):
            raise ValueError(
                f"front matter: labnotes.{name} is {value!r}: give a {FIELDS[name].__name__}"
            )
    return fields


def chapters(env: BuildEnvironment) -> list[str]:
    """The names of all chapters, in the order of the table of contents."""
    found = [d for d in env.found_docs if "labnotes" in env.metadata[d]]
    order = {doc: i for i, doc in enumerate(reading_order(env))}
    return sorted(found, key=lambda d: (order.get(d, len(order)), d))


def reading_order(env: BuildEnvironment) -> list[str]:
    """All pages as the table of contents leads through them."""
    order, waiting = [], [env.config.root_doc]
    while waiting:
        doc = waiting.pop(0)
        if doc not in order:
            order.append(doc)
            waiting = env.toctree_includes.get(doc, []) + waiting
    return order
