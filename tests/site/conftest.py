"""The built site in a real browser that can reach nothing but this machine."""

from __future__ import annotations

import gzip
import os
import threading
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browser import find
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, sync_playwright

#: ``LABNOTES_HTML`` tests a site built elsewhere.
HTML = Path(os.environ.get("LABNOTES_HTML") or Path(__file__).parents[2] / "_build" / "html")
THEMES = ("light", "dark")
PACKED = {".html", ".css", ".js", ".svg", ".json"}  # what any web server sends compressed


def pages() -> list[str]:
    """Every page of the site, as the path below its root."""
    return sorted(
        p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts
    )


@cache
def soup(page: str) -> BeautifulSoup:
    """The parsed HTML of a page."""
    return BeautifulSoup((HTML / page).read_text("utf8"), "lxml")


def holding(selector: str) -> list[str]:
    """The pages with an element that matches `selector`."""
    return [page for page in pages() if soup(page).select_one(selector)]


class Quiet(SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *args) -> None:
        pass


@dataclass
class Visit:
    """A page as a reader meets it, and what happened meanwhile."""

    page: Page
    base: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, path: str) -> Visit:
        """Open a page, wait for its formulas, and scroll through so that all explorers start."""
        self.page.goto(f"{self.base}/{path}")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        self.page.evaluate(
            """async () => {
                for (let y = 0; y < document.documentElement.scrollHeight; y += 600) {
                    window.scrollTo(0, y);
                    await new Promise((done) => setTimeout(done, 15));
                }
                window.scrollTo(0, 0);
            }"""
        )
        self.page.wait_for_load_state("networkidle")
        return self

    @property
    def foreign(self) -> list[str]:
        """Requests to any other host."""
        return [
            u
            for u in self.requests
            if urlsplit(u).scheme in ("http", "https") and not u.startswith(self.base)
        ]

    def weight(self) -> dict[str, int]:
        """Bytes transferred for each file but MathJax, compressed where a server compresses."""
        sizes = {}
        for url in self.requests:
            path = unquote(urlsplit(url).path).lstrip("/") or "index.html"
            if urlsplit(url).scheme in ("http", "https") and "/mathjax/" not in path:
                data = (HTML / path).read_bytes()
                sizes[path] = len(gzip.compress(data)) if Path(path).suffix in PACKED else len(data)
        return sizes

    def axe(self, within: str = "html") -> list[str]:
        """What axe-core calls serious or critical, one line for each element."""
        self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate(
            "(within) => axe.run({include: [[within]]}, {resultTypes: ['violations']})", within
        )
        return [
            f"{rule['id']}: {node['target']} {node['html'][:120]} {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]


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


@pytest.fixture
def visit(browser: Browser, site: str):
    """Make visits: ``visit(theme="dark", width=390)``. Each has a fresh profile."""
    contexts = []

    def make(theme: str = "light", width: int = 1280, javascript: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=javascript,
        )
        contexts.append(context)
        new = Visit(context.new_page(), site)
        new.page.on("pageerror", lambda error: new.errors.append(f"uncaught: {error}"))
        new.page.on(
            "console",
            lambda m: new.errors.append(m.text) if m.type in ("error", "warning") else None,
        )
        new.page.on("request", lambda request: new.requests.append(request.url))
        new.page.on("requestfailed", lambda request: new.errors.append(f"failed: {request.url}"))
        return new

    yield make
    for context in contexts:
        context.close()


def pytest_generate_tests(metafunc):
    """A test with the argument ``path`` runs for every page, one with ``theme`` in both themes."""
    if "path" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("holding")
        found = holding(marker.args[0]) if marker else pages()
        metafunc.parametrize("path", found)
    if "theme" in metafunc.fixturenames:
        metafunc.parametrize("theme", THEMES)


def pytest_configure(config):
    config.addinivalue_line("markers", "holding(selector): only pages with such an element")
