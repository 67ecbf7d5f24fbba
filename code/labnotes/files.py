"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: str | os.PathLike, mode: str = "wb", **options) -> Iterator[IO]:
    """Write a file under another name and rename it: a reader of `path` never sees half of it.

    ``with replacing(path) as file: file.write(...)``. If anything fails inside, `path` is as it was
    and nothing is left beside it.

    Parameters
    ----------
    path
        The file to write, or to replace.
    mode, options
        As for :func:`open`.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the other's place
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
