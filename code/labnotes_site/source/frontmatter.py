"""A chapter's own front matter: the ``labnotes`` mapping at its top."""

from __future__ import annotations

import json
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOG = logging.getLogger(__name__)

FIELDS = {
    "notes": list,
    "needs": list,
    "gpu": bool,
    "paper": str,
    "minutes": int,
    "requires": list,
}


def chapter(env: BuildEnvironment, docname: str) -> dict[str, Any]:
    """The ``labnotes`` mapping of `docname`; empty for other pages and where it is faulty."""
    fields = _read(env, docname)
    return {} if _faults(fields) else fields


def _read(env: BuildEnvironment, docname: str) -> dict[str, Any]:
    # MyST hands nested front matter on as JSON text.
    return json.loads(env.metadata[docname].get("labnotes", "{}"))


def _faults(fields: dict[str, Any]) -> list[str]:
    """What is wrong with a chapter's fields, in words."""
    return [
        f"labnotes.{name} is unknown; known: {', '.join(FIELDS)}"
        if name not in FIELDS
        else f"labnotes.{name} is {value!r}, which is no {FIELDS[name].__name__}"
        for name, value in fields.items()
        if name not in FIELDS or not isinstance(value, FIELDS[name])
    ]


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of front matter that is faulty or names chapters that the book does not have."""
    for docname in chapters(env):
        for fault in _faults(_read(env, docname)):
            LOG.warning("front matter: %s", fault, location=docname)
        for need in chapter(env, docname).get("needs", []):
            if f"chapters/{need}" not in env.found_docs:
                LOG.warning(
                    "front matter: labnotes.needs names no chapter: %s", need, location=docname
                )
    try:
        steps(env)
    except CycleError as error:
        raise ExtensionError(
            f"front matter: labnotes.needs leads round in a circle: {' needs '.join(reversed(error.args[1]))}"
        ) from error


def steps(env: BuildEnvironment) -> list[list[str]]:
    """The chapters in steps: those of a step need only chapters of the steps before it.

    Raises
    ------
    graphlib.CycleError
        If chapters need each other.
    """
    order = chapters(env)
    needs = {d: [f"chapters/{need}" for need in chapter(env, d).get("needs", [])] for d in order}
    sorter = TopologicalSorter({d: [n for n in needs[d] if n in needs] for d in order})
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        found.append(sorted(ready, key=order.index))
    return found


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
