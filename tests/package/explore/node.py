"""Runs an explorer's JavaScript in Node, for tests that compare it with the package's Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path


def imported(script: Path, body: str, data) -> object:
    """What `body`, JavaScript that sees the module as `m` and `data`, prints as JSON."""
    return _printed(
        f"""
        import * as m from {json.dumps(script.as_uri())};
        const data = JSON.parse({json.dumps(json.dumps(data))});
        {body}
        """
    )


def inside(script: str, expression: str, given) -> object:
    """The value of `expression` in a module that has the explorer's functions, and `given`."""
    return _printed(
        f"const given = {json.dumps(given)};\n{script}\nconsole.log(JSON.stringify({expression}));"
    )


def _printed(program: str) -> object:
    done = subprocess.run(
        ["node", "--input-type=module", "-"], input=program, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
