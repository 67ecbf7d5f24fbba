"""What is looked up once is what Sphinx and pybtex find when they look it up each time."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pybtex.plugin
import pytest
from bs4 import BeautifulSoup
from pybtex.backends.plaintext import Backend
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import docutils_namespace

from labnotes_site import quick

from .test_directives import CONFIG, write_book

FIGURE = "```{{figure}} dot.svg\n:name: fig-{}\nA dot.\n```\n\n"
SEE = "See {{numref}}`fig-one`, {{numref}}`fig-two` and, once more, {{numref}}`fig-{}`.\n"


@pytest.fixture
def book(tmp_path) -> Path:
    write_book(
        tmp_path,
        one="# One\n\n" + (FIGURE + SEE).format("one", "one"),
        two="# Two\n\n" + FIGURE.format("other") + (FIGURE + SEE).format("two", "two"),
    )
    (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return tmp_path


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The pages that Sphinx has read from the disk, in order."""
    names, get_doctree = [], BuildEnvironment.get_doctree
    monkeypatch.setattr(
        BuildEnvironment,
        "get_doctree",
        lambda env, name: names.append(name) or get_doctree(env, name),
    )
    return names


def numbers(app: Sphinx, page: str) -> list[str]:
    soup = BeautifulSoup((Path(app.outdir) / f"{page}.html").read_text("utf8"), "lxml")
    return [a.get_text() for a in soup.select("article p a.reference")]


def application(root: Path, out: str) -> Sphinx:
    config = CONFIG | {"numfig": True}
    return Sphinx(
        root, None, root / out, root / out / "trees", "html", config, status=None,
        warning=StringIO(),
    )  # fmt: skip


def test_the_numbers_are_those_that_sphinx_finds_with_less_reading(book, read, monkeypatch):
    with docutils_namespace():
        ours = application(book, "ours")
        ours.build()
    often, found = len(read), [numbers(ours, page) for page in ("one", "two")]
    monkeypatch.setattr(quick, "setup", lambda app: None)
    read.clear()
    with docutils_namespace():
        plain = application(book, "plain")
        plain.build()
    assert found == [numbers(plain, page) for page in ("one", "two")]
    assert found == [["Fig. 1", "Fig. 3", "Fig. 1"], ["Fig. 1", "Fig. 3", "Fig. 3"]]
    assert often < len(read)


def test_a_page_that_has_changed_is_read_again_by_the_next_build(book):
    page = book / "one.md"
    for more in ("", FIGURE.format("new") + "And {numref}`fig-new`.\n"):
        page.write_text(page.read_text("utf8") + more)
        with docutils_namespace():
            app = application(book, "ours")
            app.build()
    assert numbers(app, "one") == ["Fig. 1", "Fig. 4", "Fig. 1", "Fig. 2"]


def test_a_plugin_of_pybtex_is_the_one_of_its_name():
    for _ in range(2):
        assert pybtex.plugin.find_plugin("pybtex.backends", "plaintext") is Backend
        with pytest.raises(pybtex.plugin.PluginNotFound):
            pybtex.plugin.find_plugin("pybtex.backends", "no-such-thing")
