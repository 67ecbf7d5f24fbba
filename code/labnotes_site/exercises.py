"""Exercises and solutions: sphinx-exercise gives the body of each the same id."""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

REPEATED = {"exercise-content", "solution-content"}


class UniqueIds(SphinxPostTransform):
    """Drop the ids that would stand in a page once for every exercise: nothing links to them."""

    default_priority = 5

    def run(self, **kwargs) -> None:
        for section in self.document.findall(nodes.section):
            section["ids"] = [i for i in section["ids"] if i not in REPEATED]
