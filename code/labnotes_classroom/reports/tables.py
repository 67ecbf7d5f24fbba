"""CSV that any spreadsheet opens and none runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from labnotes.files import replacing

#: With these a spreadsheet begins a formula; the last four are the wide forms that it reads alike.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def quoted(cell: object) -> object:
    """A cell as it is safe in a spreadsheet: a text that could be a formula gets an apostrophe.

    Examples
    --------
    >>> quoted("=1+1"), quoted(-1.5), quoted("Anna")
    ("'=1+1", -1.5, 'Anna')
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table as CSV, whole or not at all, in UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow([quoted(cell) for cell in columns])
        writer.writerows([quoted(cell) for cell in row] for row in rows)
    return path
