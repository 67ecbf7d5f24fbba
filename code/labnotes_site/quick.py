"""What Sphinx and pybtex look up anew at each reference, looked up once; and a collector of garbage
that does not look at each page again and again while it is read.

References are resolved when all pages have been read, so that nothing changes under them.
"""

from __future__ import annotations

import gc
from functools import cache, lru_cache

import pybtex.plugin
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment


class QuickNumbers(StandardDomain):
    """Sphinx's own domain; ``{numref}`` reads a page from the disk once, not for each reference."""

    def _resolve_numref_xref(self, env: BuildEnvironment, *where):
        return super()._resolve_numref_xref(_Reader(env), *where)


class _Reader:
    """The environment, to read in: its pages are shared, and nobody may change them."""

    def __init__(self, env: BuildEnvironment):
        self.env = env

    def __getattr__(self, name: str):
        return getattr(self.env, name)

    def get_doctree(self, docname: str) -> nodes.document:
        return _doctree(self.env, docname)


@lru_cache(maxsize=4)  # nearly all references lead to the page that they stand on
def _doctree(env: BuildEnvironment, docname: str) -> nodes.document:
    return env.get_doctree(docname)


def setup(app: Sphinx) -> None:
    # A page is a hundred thousand objects that all point at each other. By default Python searches
    # them for garbage at every 700 new ones, which takes most of the time of a build.
    gc.set_threshold(200_000, 10, 10)
    app.add_domain(QuickNumbers, override=True)
    # It goes through all packages that are installed, twice for each citation.
    load = pybtex.plugin._load_entry_point
    pybtex.plugin._load_entry_point = load if hasattr(load, "cache_clear") else cache(load)
