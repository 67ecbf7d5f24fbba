"""Find a Chromium for the site's tests and for print; run, install one where there is none.

``python -m labnotes_site.browser`` is what ``make test`` and ``make pdf`` call first. It tries, in
this order: the environment variable ``CHROMIUM``, a browser of the system, Playwright's own,
Debian's package (as root), and Playwright's download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: The first is Chromium without windows and menus: it opens a page in half the time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def find() -> str | None:
    """The path of a Chromium that is there, or None.

    Raises
    ------
    FileNotFoundError
        If ``CHROMIUM`` names a file that is not there.
    """
    if wanted := os.environ.get("CHROMIUM"):
        path = shutil.which(wanted)
        if path is None:
            raise FileNotFoundError(f"CHROMIUM is {wanted!r}, and there is no such program")
        return path
    return next(filter(None, map(shutil.which, NAMES)), None) or playwright_own()


def playwright_own() -> str | None:
    """The browser that Playwright has downloaded, if it has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def root_options() -> list[str]:
    """What Chromium must be started with: for root (in a container), no sandbox."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def install() -> str:
    """Get a Chromium: Debian's package as root, else Playwright's own.

    Raises
    ------
    RuntimeError
        If neither way works.
    """
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"])
        for name in NAMES[:2]:
            print(f"Installing {name} with apt-get")
            if subprocess.run(["apt-get", "install", "-y", "-qq", name]).returncode == 0:
                return find()
    print("Installing Playwright's Chromium")
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    path = find()
    if path is None:
        raise RuntimeError(
            "no Chromium, and none could be installed: install one, or name it in CHROMIUM"
        )
    return path


if __name__ == "__main__":
    print(find() or install())
