"""Whether an assignment would be graded with other data than its students have."""

from __future__ import annotations

import re

from labnotes.data import catalog

from .course import Course

# What a notebook's `….provenance` shows (labnotes.data.provenance); a stand-in names what it is for.
REAL = re.compile(r"Provenance\(name='(\w+)'.*?stand_in=False", re.DOTALL)
WANTED = re.compile(r"labnotes data get (\w+)")


def data_sets(outputs: dict[str, list[dict]]) -> list[str]:
    """The data sets that a run of the solution used, or would have used."""
    texts = [str(o.get("data", {}).get("text/plain", "")) for os in outputs.values() for o in os]
    names = {name for text in texts for form in (REAL, WANTED) for name in form.findall(text)}
    return sorted(names & set(catalog.catalog()))


def missing_data(course: Course, assignment: str) -> str:
    """Which of them are not on this machine, and what that means; "" if all are."""
    names = course.master(assignment).metadata.get("assignment", {}).get("data", [])
    missing = [name for name in names if catalog.locate(name) is None]
    if not missing:
        return ""
    get = " and ".join(f"`labnotes data get {name}`" for name in missing)
    return (
        f"{assignment} uses {' and '.join(missing)}, which this machine does not have, so a stand-in "
        "takes its place; students who have the real data quote other numbers. "
        f"Run {get}, or set LABNOTES_DATA."
    )
