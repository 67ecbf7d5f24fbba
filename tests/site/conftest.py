"""The built site in a real browser that can reach nothing but this machine."""

from __future__ import annotations

import os
import threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import find
from built_site import HTML, holding, pages
from playwright.sync_api import Browser, expect, sync_playwright
from visits import SCREENS, Visit, looked, open_page

THEMES = ("light", "dark")
# What is expected is there at once; a machine that is busy may take its time.
expect.set_options(timeout=30_000)


class Quiet(SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def built():
    if not (HTML / "index.html").exists():
        pytest.exit(f"there is no book in {HTML}: run make book first", returncode=1)


@pytest.fixture(scope="session")
def site() -> str:
    """The address of the site on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Browser:
    path = find()
    if path is None:
        pytest.exit("no Chromium found: run python tests/site/browser.py", returncode=1)
    options = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(browser: Browser):
    """A browser's profile, with its cache: pages that it has had before open in half the time."""
    return cache(lambda javascript: browser.new_context(java_script_enabled=javascript))


@pytest.fixture(scope="session")
def look(browser: Browser, profile, site: str):
    """What a visit finds: ``look(path, "dark", 390)["errors"]``. A page is opened only once.

    The first visit is that of a new reader, in a fresh profile, and axe looks at that one.
    """

    @cache
    def look(path: str, theme: str, width: int) -> dict:
        first = (theme, width) == SCREENS[0]
        context = browser.new_context() if first else profile(True)
        seen = open_page(context, site, theme, width)
        try:
            return looked(seen, path, axe=first)
        finally:
            context.close() if first else seen.page.close()

    return lambda path, theme=SCREENS[0][0], width=SCREENS[0][1]: look(path, theme, width)


@pytest.fixture
def visit(profile, site: str):
    """Make visits to touch: ``visit(theme="dark", width=390)``. Nothing stored is left to others."""
    made = []

    def make(theme: str = "light", width: int = 1280, javascript: bool = True) -> Visit:
        made.append(open_page(profile(javascript), site, theme, width))
        return made[-1]

    yield make
    for seen in made:
        seen.page.context.set_offline(False)
        if seen.page.url.startswith(site):
            seen.page.evaluate("localStorage.clear()")
        seen.page.close()


def pytest_generate_tests(metafunc):
    """A test with ``path`` runs for every page, with ``theme`` in both themes, ``screen`` on each.

    The tests of one page are run by one process (``--dist loadgroup``), which opens it once.
    """
    if "path" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("holding")
        found = holding(marker.args[0]) if marker else pages()
        metafunc.parametrize(
            "path", [pytest.param(p, id=p, marks=pytest.mark.xdist_group(p)) for p in found]
        )
    if "theme" in metafunc.fixturenames:
        metafunc.parametrize("theme", THEMES)
    if "screen" in metafunc.fixturenames:
        metafunc.parametrize("screen", SCREENS, ids=lambda s: f"{s[0]}-{s[1]}")


def pytest_configure(config):
    config.addinivalue_line("markers", "holding(css_class): only pages with such an element")
    config.addinivalue_line("markers", "xdist_group(name): one process runs the tests of a group")
