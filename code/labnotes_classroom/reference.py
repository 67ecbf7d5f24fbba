"""What the solution computes on this machine, with the data that is here: the values to reach."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labnotes.files import replacing

from . import jail
from .compare import is_comparable, value
from .course import Course, CourseError, read_saved
from .source import is_kind, task


def values(
    course: Course, assignment: str, limits: jail.Limits, withheld: list[str], jailed: bool
) -> dict[str, dict[str, Any]]:
    """For each compare cell its names and values; run once, and again when something changed.

    Raises
    ------
    CourseError
        If the solution does not run, or a cell gives nothing to compare with.
    """
    path = _path(course, assignment)
    if path.exists():
        saved = json.loads(path.read_text("utf8"))
        if saved["key"] == _key(course, assignment, limits):
            return saved["values"]
    notebook = course.master(assignment)
    ran = jail.run(notebook, limits, withheld, jailed)
    found = checked(notebook, ran)
    with contextlib.suppress(OSError):  # a full disk: computed anew the next time
        keep(course, assignment, limits, found, ran.seconds)
    return found


def keep(course: Course, assignment: str, limits: jail.Limits, found: dict, seconds: float) -> None:
    """Remember the values that a run of the solution gave, and how long it took."""
    path = _path(course, assignment)
    path.parent.mkdir(exist_ok=True)
    with replacing(path, "w", encoding="utf8") as file:
        about = {"key": _key(course, assignment, limits), "values": found}
        json.dump(about | {"seconds": round(seconds, 1)}, file, indent=1)


def seconds_of(course: Course, assignment: str) -> float | None:
    """How long the solution took when it last ran here; None if that is not known."""
    return read_saved(_path(course, assignment)).get("seconds")


def _path(course: Course, assignment: str) -> Path:
    return course.root / "reference" / f"{assignment}.json"


def checked(notebook, ran: jail.Ran) -> dict[str, dict[str, Any]]:
    """The values of a solution's compare cells, from a run that must be without any error."""
    if not ran.done:
        raise CourseError(f"the solution does not run: {ran.status} (cell {ran.cell or 'unknown'})")
    for name, outputs in ran.outputs.items():
        for output in outputs:
            if output["output_type"] == "error":
                raise CourseError(
                    f"the solution fails in cell {name}: {output['ename']}: {output['evalue']}"
                )
    found = {}
    for cell in notebook.cells:
        if is_kind(cell, "compare"):
            name = task(cell)["id"]
            found[name] = value(ran.outputs[cell.id])
            if problem := is_comparable(found[name]):
                raise CourseError(f"task {name} cannot be compared: {problem}")
    return found


def _key(course: Course, assignment: str, limits: jail.Limits) -> str:
    """Changes with the source, the versions, the data folders and the limits."""
    parts = [
        course.notebook("source", assignment).read_text("utf8"),
        *(version(name) for name in ("labnotes", "torch", "numpy")),
        platform.python_version(),
        platform.machine(),
        *(f"{folder} {sorted(p.name for p in folder.iterdir())}" for folder in jail.data_folders()),
        str(asdict(limits)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
