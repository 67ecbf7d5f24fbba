"""Exercises and solutions: their times, and ids that sphinx-exercise gives more than once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import solution_node

REPEATED = {"exercise-content", "solution-content"}
LEVELS = ("predict", "fill in", "build")
HEAD = re.compile(r"^[:`]{3,}\{exercise\} *(?P<title>.*)\n(?::label: +(?P<label>\S+))?", re.M)
TIMED = re.compile(r"(?P<name>.+) \((?P<level>[\w ]+), (?P<minutes>\d+) min\)")


@dataclass(frozen=True)
class Exercise:
    """An exercise of a chapter, with the time that it says it takes."""

    label: str
    title: str
    level: str
    minutes: int


def exercises(text: str) -> list[Exercise]:
    """The exercises in a chapter's source, in order.

    Raises
    ------
    ValueError
        If one has no label, no level that the book knows, or no time.

    Examples
    --------
    >>> exercises(":::{exercise} Count (fill in, 15 min)\\n:label: ex-count\\nHow many?\\n:::")
    [Exercise(label='ex-count', title='Count', level='fill in', minutes=15)]
    """
    found = []
    for head in HEAD.finditer(text):
        timed = TIMED.fullmatch(head["title"].strip())
        if not timed or timed["level"] not in LEVELS or not head["label"]:
            raise ValueError(
                f"exercise {head['title']!r}: end the title with a level of {', '.join(LEVELS)} and "
                "a time, as in (build, 20 min), and put its label below"
            )
        found.append(Exercise(head["label"], timed["name"], timed["level"], int(timed["minutes"])))
    return found


class UniqueIds(SphinxPostTransform):
    """Drop the ids that would stand in a page once for every exercise: nothing links to them."""

    default_priority = 5

    def run(self, **kwargs) -> None:
        for section in self.document.findall(nodes.section):
            section["ids"] = [i for i in section["ids"] if i not in REPEATED]


def visit_solution(translator, node: solution_node) -> None:
    """A solution is a box that opens at a tap on its title, with or without scripts."""
    title = node.next_node(nodes.title)
    words = title.astext()
    title.parent.remove(title)
    translator.body.append(
        translator.starttag(node, "details", CLASS="admonition").replace(" dropdown", "")
        + f'<summary class="admonition-title">{escape(words)}</summary>\n'
    )


def depart_solution(translator, node: solution_node) -> None:
    translator.body.append("</details>\n")
