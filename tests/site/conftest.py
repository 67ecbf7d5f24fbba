"""The built site in a real browser that can reach nothing but this machine."""

from __future__ import annotations

import threading
import warnings
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from built_site import HTML, holding, pages
from playwright.sync_api import Browser, expect, sync_playwright
from playwright.sync_api import TimeoutError as TooLong
from visits import PATIENCE, SCREENS, Visit, looked, open_page

from labnotes_site.browser import find, root_options

THEMES = ("light", "dark")
expect.set_options(timeout=PATIENCE)


DEBTS = Path(__file__).with_name("debts.txt")


def pytest_collection_modifyitems(items):
    """Tests known to fail on a page are run; one that passes must leave the list."""
    known = {line for line in DEBTS.read_text("utf8").splitlines() if not line.startswith("#")}
    for item in items:
        if item.name in known:
            item.add_marker(pytest.mark.xfail(reason="see tests/site/debts.txt", strict=True))


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
        pytest.exit("no Chromium found: run python -m labnotes_site.browser", returncode=1)
    options = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", *root_options()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(browser: Browser):
    """A browser's profile, with its cache: pages that it has had before open in half the time."""
    return cache(lambda javascript: browser.new_context(java_script_enabled=javascript))


class Pages:
    """The pages of the site, each opened once for a screen and looked at; those of one path stay open.

    The first visit is that of a new reader, in a fresh profile, and axe looks at that one.
    """

    def __init__(self, browser: Browser, profile, site: str):
        self.browser, self.profile, self.site = browser, profile, site
        self.path, self.open = "", {}
        self.facts = cache(self._facts)

    def _facts(self, path: str, theme: str, width: int) -> dict:
        """At a browser that stopped in mid-visit, once in thousands, a second look; no third."""
        axe = (theme, width) == SCREENS[0]
        try:
            return looked(self._load(path, theme, width), path, axe)
        except TooLong as error:
            warnings.warn(
                f"{path} in {theme} at {width} px stood still at first: {error}", stacklevel=1
            )
            return looked(self._load(path, theme, width), path, axe)

    def touch(self, path: str, theme: str, width: int) -> Visit:
        """A page to touch: as it is when it has been loaded, whoever had it before."""
        self.facts(path, theme, width)
        if path != self.path or (theme, width) not in self.open:  # looked at, and closed since
            self._load(path, theme, width).go(path)
        return self.open[theme, width].reset(theme)

    def without_javascript(self, path: str) -> Visit:
        """A page in a browser that runs no script."""
        if path != self.path or "plain" not in self.open:
            seen = open_page(self.profile(False), self.site, *SCREENS[0])
            self._keep(path, "plain", seen).page.goto(f"{self.site}/{path}")
        return self.open["plain"]

    def _load(self, path: str, theme: str, width: int) -> Visit:
        new = (theme, width) == SCREENS[0]
        context = self.browser.new_context() if new else self.profile(True)
        return self._keep(path, (theme, width), open_page(context, self.site, theme, width))

    def _keep(self, path: str, screen, seen: Visit) -> Visit:
        if path != self.path:
            self.close()
        self.path, self.open[screen] = path, seen
        return seen

    def close(self) -> None:
        for screen, seen in self.open.items():
            seen.page.context.close() if screen == SCREENS[0] else seen.page.close()
        self.open = {}


@pytest.fixture(scope="session")
def opened(browser: Browser, profile, site: str) -> Pages:
    """The pages that are open now."""
    found = Pages(browser, profile, site)
    yield found
    found.close()


@pytest.fixture(scope="session")
def look(opened: Pages):
    """What a visit finds: ``look(path, "dark", 390)["errors"]``."""
    return lambda path, theme=SCREENS[0][0], width=SCREENS[0][1]: opened.facts(path, theme, width)


@pytest.fixture
def touch(opened: Pages):
    """A page that was looked at, to touch: ``touch(path, "dark", 390)``. It is lent, not loaded."""
    lent = []

    def lend(path: str, theme: str, width: int) -> Visit:
        lent.append(opened.touch(path, theme, width))
        return lent[-1]

    yield lend
    for seen in lent:
        seen.page.context.set_offline(False)


@pytest.fixture
def visit(profile, site: str):
    """Make visits of one's own: ``visit(theme="dark", width=390)``. Nothing stored is left to others."""
    made = []

    def make(theme: str = "light", width: int = 1280) -> Visit:
        made.append(open_page(profile(True), site, theme, width))
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
        if marker and (some := marker.kwargs.get("some")):
            found = found[:: max(1, len(found) // some)][:some]
        metafunc.parametrize(
            "path", [pytest.param(p, id=p, marks=pytest.mark.xdist_group(p)) for p in found]
        )
    if "theme" in metafunc.fixturenames:
        metafunc.parametrize("theme", THEMES)
    if "screen" in metafunc.fixturenames:
        metafunc.parametrize("screen", SCREENS, ids=lambda s: f"{s[0]}-{s[1]}")


def pytest_configure(config):
    config.addinivalue_line("markers", "holding(css_class, some): only pages with such an element")
    config.addinivalue_line("markers", "xdist_group(name): one process runs the tests of a group")
