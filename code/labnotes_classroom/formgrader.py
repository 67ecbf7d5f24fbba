"""What nbgrader's own *Generate Feedback* writes: our page, without hidden tests.

``nbgrader_config.py`` names the class. Without it nbgrader would write the graded notebook as it is,
hidden tests included, over the page of ``labnotes-classroom feedback``.
"""

from __future__ import annotations

from pathlib import Path

from nbconvert.exporters import HTMLExporter

from .course import Course, CourseError
from .feedback import page
from .results import read_result


class FeedbackPage(HTMLExporter):
    """Exports a graded notebook as the page that ``labnotes-classroom feedback`` writes."""

    def from_notebook_node(self, nb, resources=None, **kwargs):
        about, course = resources["nbgrader"], Course(Path.cwd())  # nbgrader goes to the course
        assignment, student = about["assignment"], about["student"]
        result = read_result(course, assignment, student)
        if result is None:
            raise CourseError(f"{student} is not graded: `labnotes-classroom grade {assignment}`")
        text = page(course, assignment, result, nb, course.master(assignment))
        return text, {**self._init_resources(resources), "output_extension": ".html"}
