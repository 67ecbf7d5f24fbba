"""How a class did: per task and per compared name, with a plot for each task."""

from __future__ import annotations

import base64
import io
import statistics
from collections import Counter
from dataclasses import dataclass, field
from html import escape

import matplotlib
from matplotlib.figure import Figure

from labnotes import plot

from ..course import Course
from ..gradebook import scores
from ..results import FAILED, Result
from ..source import is_kind, task

MOST = 3  # wrong values that are shown of a name


@dataclass
class Task:
    """A task, and what the class has in it."""

    name: str
    of: float
    points: list[float] = field(default_factory=list)
    waiting: int = 0  #: answers that no person has graded yet
    right: dict[str, float] = field(default_factory=dict)  #: by compared name, the share
    wrong: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  #: the most frequent

    @property
    def mean(self) -> float:
        return statistics.fmean(self.points) if self.points else 0.0

    @property
    def full(self) -> float:
        """The share of those graded who have all points."""
        return sum(points >= self.of for points in self.points) / max(1, len(self.points))

    def __str__(self) -> str:
        if not self.points:
            return f"{self.name}: no points given yet"
        return f"{self.name}: mean {self.mean:.2f} of {self.of:g}, all points {self.full:.0%}"


def tasks_of(course: Course, assignment: str, results: dict[str, Result]) -> list[Task]:
    """The tasks in the assignment's order. A submission that failed to run counts in none."""
    ran = {student: r for student, r in results.items() if r.status != FAILED}
    got = {student: scores(course, assignment, student) for student in ran}
    found = []
    for cell in course.master(assignment).cells:
        if not is_kind(cell, "compare", "written"):
            continue
        one = Task(task(cell)["id"], task(cell)["points"])
        points = [got[student][one.name][0] for student in ran]
        one.points = [p for p in points if p is not None]
        one.waiting = len(points) - len(one.points)
        _count_names(one, ran)
        found.append(one)
    return found


def _count_names(one: Task, ran: dict[str, Result]) -> None:
    verdicts = [r.verdicts[one.name] for r in ran.values() if one.name in r.verdicts]
    for name in verdicts[0] if verdicts else []:
        one.right[name] = sum(found.get(name, False) for found in verdicts) / len(verdicts)
        values = Counter(
            wrong[name] for r in ran.values() if name in (wrong := r.wrong.get(one.name, {}))
        )
        one.wrong[name] = values.most_common(MOST)


def body(tasks: list[Task], results: dict[str, Result]) -> str:
    """The page's content as HTML."""
    failed = sum(r.status == FAILED for r in results.values())
    parts = [f"<p>{len(results)} graded, {failed} of them failed to run and count in no task.</p>"]
    if times := [r.seconds for r in results.values() if r.seconds]:
        parts.append(
            f"<p>A notebook ran {statistics.median(times):.0f} s (median), {max(times):.0f} s at most.</p>"
        )
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{f'{one.mean:.2f}' if one.points else ''}</td>"
        f"<td>{one.of:g}</td><td>{f'{one.full:.0%}' if one.points else ''}</td>"
        f"<td>{one.waiting}</td></tr>"
        for one in tasks
    )
    parts.append(
        "<table><tr><th>task</th><th>mean</th><th>of</th><th>with all points</th><th>waiting</th></tr>"
        f"{rows}</table>"
    )
    return "".join([*parts, *map(_section, tasks)])


def _section(one: Task) -> str:
    parts = [f"<h2>{escape(one.name)}</h2>"]
    if one.points:
        parts.append(f'<img alt="{escape(str(one))}" src="data:image/png;base64,{_plot(one)}">')
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{share:.0%}</td><td>"
        + ", ".join(f"<code>{escape(text)}</code> ({count})" for text, count in one.wrong[name])
        + "</td></tr>"
        for name, share in sorted(one.right.items(), key=lambda pair: pair[1])
    )
    head = "<tr><th>compared</th><th>right</th><th>most frequent wrong values</th></tr>"
    return "".join([*parts, f"<table>{head}{rows}</table>" if rows else ""])


def _plot(one: Task) -> str:
    """How many have how many points, and the share that is right of each compared name."""
    with matplotlib.rc_context():
        plot.use()
        figure = Figure(figsize=(7, 2.2 + 0.18 * len(one.right)))
        axes = figure.subplots(1, 2 if one.right else 1, squeeze=False)[0]
        axes[0].hist(one.points, bins=10, range=(0, one.of), color=plot.BLUE)
        axes[0].set(xlabel="points", ylabel="students")
        if one.right:
            names = sorted(one.right, key=one.right.get, reverse=True)
            axes[1].barh(
                [name[:24] for name in names], [one.right[n] for n in names], color=plot.GREEN
            )
            axes[1].set(xlabel="share right", xlim=(0, 1))
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()
