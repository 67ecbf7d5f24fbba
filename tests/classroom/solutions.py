"""What an assignment's own cells define, for tests of its solutions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from test_assignments import the

from labnotes_classroom.source import is_kind, task


@cache
def solution(name: str, given: Sequence[str] | None = None) -> dict:
    """The names that the answers of an assignment make, and the `given` cells before them.

    Without `given` all of these are run, but for the one that installs and the table of results.
    """
    names: dict = {}
    for cell in the(name).notebook.cells:
        if is_kind(cell, "answer") or (is_kind(cell, "given") and wanted(task(cell)["id"], given)):
            exec(cell.source, names)
    return names


def wanted(cell: str, given: Sequence[str] | None) -> bool:
    return cell not in ("install", "results") if given is None else cell in given
