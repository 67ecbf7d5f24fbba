"""Freed memory stays with the process, so that a step need not ask the system for it again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Page faults of a block that is filled and freed, once the process has had some of its size.
FAULTS = """
import resource, sys
{first}
import torch
fill = lambda: torch.ones({megabytes} << 18) is None
for _ in range(30):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


def faults(first: str, megabytes: int, **environment: str) -> float:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first, megabytes=megabytes)],
        env=inherited | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
@pytest.mark.parametrize("megabytes", [16, 128])  # glibc's own limit for its heap is 32
def test_a_block_that_was_freed_is_used_again(megabytes):
    """16 MiB are 4,096 pages of 4 KiB, or eight of 2 MiB; none has to be asked for again."""
    told = {"MALLOC_MMAP_THRESHOLD_": "131072"}  # the environment has the last word
    assert faults("import labnotes", megabytes) < 2
    assert faults("import labnotes", megabytes, **told) > 4


def test_importing_the_package_loads_the_heap_alone():
    loaded = "import sys, labnotes; print(*sorted(m for m in sys.modules if m[:8] == 'labnotes'))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True)
    assert done.stdout.split() == ["labnotes", "labnotes.heap"]
