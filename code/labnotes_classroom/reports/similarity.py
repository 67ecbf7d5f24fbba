"""Answers that are alike: a hint that two of them are worth reading side by side, never a verdict.

Winnowing of tokens (Schleimer, Wilkerson and Aiken, *Winnowing: local algorithms for document
fingerprinting*, SIGMOD 2003, section 3): of all runs of `RUN` tokens each window of `WINDOW` keeps the
smallest hash. What the release holds does not count, nor what many of the class have in common: that
is how the task is usually solved. Names that a student chose count as one and the same.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import nbformat

from ..course import Course
from ..restore import blank
from ..source import is_kind, task

RUN, WINDOW = 6, 4  # tokens, runs: 9 tokens in a row that are alike are always found
COMMON = 0.25  # of the class: what more of them have is how it is done
LEAST = 8  # fingerprints that two must share
ALIKE = 0.6  # share of fingerprints from which two are named
LONG = 300  # characters of answers that two would hardly write alike, letter for letter
LONGEST = 20_000  # characters of an answer that are looked at

Texts = dict[str, dict[str, str]]  #: by student and task, an answer


@dataclass(frozen=True)
class Pair:
    """Two students, and the share of their fingerprints that both have."""

    one: str
    other: str
    share: float
    same: bool  #: letter for letter, comments too


def answers(course: Course, assignment: str) -> Texts:
    """All answers that were graded and differ from the release."""
    stubs = _answers(blank(course.master(assignment)))
    found: Texts = {}
    for student in course.students(assignment):
        path = course.notebook("autograded", assignment, student)
        if not path.is_file():  # grading says what is wrong with it
            continue
        mine = _answers(nbformat.read(path, 4))
        found[student] = {
            name: text[:LONGEST] for name, text in mine.items() if text.strip() != stubs[name]
        }
    return found


def _answers(notebook) -> dict[str, str]:
    cells = [cell for cell in notebook.cells if is_kind(cell, "answer", "written")]
    return {task(cell)["id"]: cell.source.strip() for cell in cells}


def alike(texts: Texts, release: str) -> list[Pair]:
    """The pairs that share much, most first.

    Parameters
    ----------
    texts
        Of :func:`answers`.
    release
        What all were given: it does not count.
    """
    given = fingerprints(release)
    prints = {
        student: set().union(*(fingerprints(text) for text in mine.values())) - given
        for student, mine in texts.items()
    }
    counts = Counter(mark for marks in prints.values() for mark in marks)
    common = {mark for mark, count in counts.items() if count > max(3, COMMON * len(prints))}
    rare = {student: marks - common for student, marks in prints.items()}
    found = []
    for one, other in combinations(sorted(texts), 2):
        shared = len(rare[one] & rare[other])
        share = shared / max(1, min(len(rare[one]), len(rare[other])))
        same = texts[one] == texts[other] and sum(map(len, texts[one].values())) >= LONG
        if same or (shared >= LEAST and share >= ALIKE):
            found.append(Pair(one, other, 1.0 if same else share, same))
    return sorted(found, key=lambda pair: (-pair.same, -pair.share, pair.one))


def released(course: Course, assignment: str) -> str:
    """All that the release says, as one text."""
    return "\n".join(cell.source for cell in blank(course.master(assignment)).cells)


def fingerprints(text: str) -> set[int]:
    """The winnowed hashes of a program's or a text's tokens."""
    words = _tokens(text)
    runs = [" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]
    hashes = [zlib.crc32(run.encode("utf8", "replace")) for run in runs]
    return {min(hashes[i : i + WINDOW]) for i in range(max(1, len(hashes) - WINDOW + 1)) if hashes}


def _tokens(text: str) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a student's text
            tree = ast.parse(text)
        return list(_program(tree, text))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return re.findall(r"\w+|[^\w\s]", text.lower())  # prose, or a program that does not run


def _program(tree: ast.AST, text: str) -> Iterator[str]:
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT and token.string.strip():
            yield "own" if token.string in own else token.string
