"""Metrics of answers to questions, as SQuAD counts them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class SquadScores(NamedTuple):
    """Means over all questions, from 0 to 1: answers that match exactly, and F1 of their words."""

    exact: float
    f1: float


def normalized(answer: str) -> str:
    """An answer as SQuAD compares it: lower case, no punctuation, no articles, single blanks.

    Examples
    --------
    >>> normalized("The  Cat's hat!")
    'cats hat'
    """
    text = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_scores(
    predictions: Sequence[str], references: Sequence[Sequence[str] | str]
) -> SquadScores:
    """Exact match (精确匹配) and F1 of answers, each against the best of its references.

    Parameters
    ----------
    predictions
        One answer to each question; ``""`` says that there is none.
    references
        For each question the answers that are right, a list or a single one. No answer at all
        (an empty list, or ``""``) is right where the prediction is empty too.

    Returns
    -------
    SquadScores
        The pair (exact, f1); times 100 they are the figures that papers print.

    Raises
    ------
    ValueError
        If there are not as many predictions as references, or none.

    References
    ----------
    Rajpurkar et al. (2016), SQuAD: 100,000+ questions for machine comprehension of text,
    section 6.1; Rajpurkar, Jia and Liang (2018) for questions without an answer.

    Examples
    --------
    >>> exact, f1 = squad_scores(["the big cat"], [["A cat", "Felix"]])
    >>> exact, round(f1, 3)
    (0.0, 0.667)
    """
    _check_answers(predictions, references)
    exact = f1 = 0.0
    for answer, right in zip(predictions, references, strict=True):
        right = [right] if isinstance(right, str) else list(right) or [""]
        exact += max(float(normalized(answer) == normalized(each)) for each in right)
        f1 += max(word_f1(answer, each) for each in right)
    return SquadScores(exact / len(predictions), f1 / len(predictions))


def word_f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall of the normalized words, repeated ones counted."""
    ours, theirs = normalized(answer).split(), normalized(reference).split()
    if not ours or not theirs:  # SQuAD 2.0: no answer is right only against no answer
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def _check_answers(predictions: Sequence, references: Sequence) -> None:
    if isinstance(predictions, str) or isinstance(references, str):
        raise ValueError("predictions and references are lists, with one item for each question")
    if len(predictions) != len(references) or not len(predictions):
        raise ValueError(
            f"there are {len(predictions)} predictions and {len(references)} references: give one "
            "of each for every question, and at least one question"
        )
