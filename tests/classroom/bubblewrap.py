"""Look for bubblewrap, which the classroom's tests need; run as a script, install it where it is not.

``python tests/classroom/bubblewrap.py`` is called by ``make test``: with Debian's package, as root.
Where that cannot be, the tests that need a jail are skipped (and fail under CI).
"""

from __future__ import annotations

import os
import shutil
import subprocess


def install() -> bool:
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing bubblewrap with apt-get")
        if subprocess.run(["apt-get", "update", "-qq"]).returncode == 0:
            subprocess.run(["apt-get", "install", "-y", "-qq", "bubblewrap"])
    return shutil.which("bwrap") is not None


if __name__ == "__main__":
    print(shutil.which("bwrap") or install() or "no bubblewrap: the jail's tests will be skipped")
