"""Options of the book's tests, and a test for each chapter."""

from __future__ import annotations

import pytest
from built_book import HTML, book


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption(
        "--all-notebooks", action="store_true", help="run every chapter's notebook as on Colab"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow") or config.getoption("--all-notebooks"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def pytest_generate_tests(metafunc):
    """A test with the argument ``chapter`` runs once for each chapter.

    The tests of one chapter are run by one process (``--dist loadgroup``), which reads it once.
    """
    if "chapter" in metafunc.fixturenames:
        groups = [
            pytest.param(c, id=c.docname, marks=pytest.mark.xdist_group(c.docname)) for c in book()
        ]
        metafunc.parametrize("chapter", groups)


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): one process runs the tests of a group")


@pytest.fixture(scope="session", autouse=True)
def built():
    if not (HTML / "index.html").exists():
        pytest.exit("there is no book in _build/html: run make book first", returncode=1)
