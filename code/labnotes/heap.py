"""Freed memory stays with the process: training asks for the same sizes again at every step.

Left alone, glibc gives a large block back to the system as soon as it is free, and the next step of
a training on the CPU must ask for it anew. The system hands it out in pages of four kilobytes, each
of them wiped and entered in a table first. For a LeNet that was a third of a step's time.

glibc takes blocks of any size from its own heap if it is told to ask the system for none apart, and
keeps up to `KEPT` bytes at the heap's end. The price: what is freed in the heap's middle is used
again, but does not go back. Other systems and other allocators (jemalloc, tcmalloc) do something
like it by themselves and are left alone, and so is a glibc that the environment has told otherwise
(`TOLD`). No result changes by it.

References
----------
The GNU C Library manual, "Malloc Tunable Parameters".
"""

from __future__ import annotations

import ctypes
import os
import sys

KEPT = 512 << 20
#: The parameters' numbers in glibc's ``malloc.h``, and their names in the environment.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
TOLD = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_"}


def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed; whether there was a glibc that did so."""
    if sys.platform != "linux" or TOLD & set(os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return mallopt(MMAP_MAX, 0) == mallopt(TRIM_THRESHOLD, KEPT) == 1


keep_freed_memory()
