"""How long grading will take, from its first second on."""

from __future__ import annotations

import time

from .course import Course
from .reference import seconds_of
from .results import Result


class Progress:
    """Counts results; before the first one it goes by how long the solution takes."""

    def __init__(self, course: Course, assignment: str, count: int, jobs: int):
        needed = seconds_of(course, assignment)
        self.what, self.count, self.jobs = assignment, count, jobs
        self.seconds = [needed] if needed else []
        self.done, self.started = 0, time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def first(self) -> str:
        """The line before anything runs."""
        return f"{self.what}: {self.count} submissions, {self.jobs} at a time{self._left()}"

    def after(self, result: Result) -> str:
        """What is left after a result; those graded before count with the time that they took."""
        self.done += 1
        if result.seconds:
            self.seconds.append(result.seconds)
        return self._left() if self.done < self.count else ""

    def _left(self) -> str:
        if not self.seconds:
            return ""
        mean = sum(self.seconds) / len(self.seconds)
        left = mean * (self.count - self.done) / self.jobs
        return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
