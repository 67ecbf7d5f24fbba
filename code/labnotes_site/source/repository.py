"""Where the book's source lives, if that is known: for the Colab links and the install cell."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

GITHUB = re.compile(r"github\.com[:/](?P<name>[\w.-]+/[\w.-]+?)(\.git)?/?$")


def repository(root: Path) -> str:
    """``owner/name`` on GitHub, from ``GITHUB_REPOSITORY`` or the git remote; "" if there is none."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return name
    remote = subprocess.run(
        ["git", "-C", str(root), "remote", "get-url", "origin"], capture_output=True, text=True
    )
    match = GITHUB.search(remote.stdout.strip())
    return match["name"] if match else ""
