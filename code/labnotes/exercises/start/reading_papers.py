"""Checkers for the exercises of the chapter start/reading-papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labnotes.exercises import Case, checker


@checker("reading_papers.reading_hours")
def reading_hours(answer: Callable) -> Iterator[Case]:
    """``answer(papers, hours, shares)``: int, list, list -> float.

    Expected: for each pass the papers times the product of all shares before it times its hours.
    """
    once = "with one pass no share is used: papers times hours"
    yield _hours_case(answer, 3, [2.0], [], once)
    yield _hours_case(answer, 10, [1.0, 5.0], [0.2], "the second pass reads a fifth of the papers")
    third = "the third pass reads the share of a share: multiply both"
    yield _hours_case(answer, 20, [0.5, 1.0, 4.0], [0.25, 0.2], third)
    yield _hours_case(answer, 8, [0.3, 0.3, 0.3, 0.3], [0.5, 1.0, 0.25], third)


def _hours_case(
    answer: Callable, papers: int, hours: list[float], shares: list[float], hint: str
) -> Case:
    expected = 0.0
    for number, each in enumerate(hours):
        left = papers
        for share in shares[:number]:
            left *= share
        expected += left * each
    return Case(
        call=f"reading_hours({papers}, {hours}, {shares})",
        got=answer(papers, list(hours), list(shares)),
        expected=float(expected),
        hint=hint,
    )


@checker("reading_papers.ancestors")
def ancestors(answer: Callable) -> Iterator[Case]:
    """``answer(paper, cites)``: str, dict of lists -> sorted list of str.

    Expected: the papers that are reached by going from cited paper to cited paper until nothing is
    added.
    """
    chain = {"a": [], "b": ["a"], "c": ["b"]}
    yield _ancestors_case(answer, "a", chain, "a paper that cites none has no ancestors")
    yield _ancestors_case(answer, "c", chain, "c cites b, and b cites a: both count")
    diamond = {"old": [], "left": ["old"], "right": ["old"], "new": ["right", "left"], "other": []}
    hint = "each paper once, sorted, and only those that are reached"
    yield _ancestors_case(answer, "new", diamond, hint)
    yield _ancestors_case(answer, "left", diamond, hint)


def _ancestors_case(answer: Callable, paper: str, cites: dict[str, list[str]], hint: str) -> Case:
    found: set[str] = set(cites[paper])
    while more := {e for p in found for e in cites[p]} - found:
        found |= more
    return Case(
        call=f"ancestors({paper!r}, {cites})",
        got=answer(paper, {p: list(earlier) for p, earlier in cites.items()}),
        expected=sorted(found),
        hint=hint,
    )
