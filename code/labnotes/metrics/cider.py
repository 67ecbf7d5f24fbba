"""CIDEr (Vedantam et al. 2015): how alike a caption and people's captions are in their rare n-grams.

Everything here works on token lists, as in :mod:`labnotes.metrics.bleu`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labnotes.checks import check_positive
from labnotes.metrics.bleu import Tokens, ngrams

Gram = tuple[str, ...]


@dataclass(frozen=True)
class CiderScore:
    """A CIDEr score.

    Attributes
    ----------
    score : float
        The mean over the images, from 0 to 1. A text of fewer than `max_n` words has no n-gram of
        the longest orders, which count 0: it cannot reach 1.
    each : tuple of float
        The score of each image, the mean of its orders.
    orders : tuple of float
        The mean over the images for n-grams of n = 1 ... max_n.
    """

    score: float
    each: tuple[float, ...]
    orders: tuple[float, ...]


def document_frequency(references: Sequence[Sequence[Tokens]], n: int) -> Counter[Gram]:
    """In how many images an n-gram occurs, in at least one of the image's references.

    Examples
    --------
    >>> document_frequency([["a cat".split(), "a dog".split()], ["a car".split()]], 1)[("a",)]
    2
    """
    return Counter(
        gram for refs in references for gram in {g for ref in refs for g in ngrams(ref, n)}
    )


def tf_idf(tokens: Tokens, frequency: Counter[Gram], images: int, n: int) -> dict[Gram, float]:
    """The weight of each n-gram: its share of the text times log(images / images that have it).

    An n-gram that no reference has counts as one that a single image has.

    Examples
    --------
    >>> weights = tf_idf("a cat".split(), Counter({("a",): 2, ("cat",): 1}), 2, 1)
    >>> weights[("a",)], round(weights[("cat",)], 4)
    (0.0, 0.3466)
    """
    counts = ngrams(tokens, n)
    total = counts.total()
    return {g: k / total * math.log(images / max(1, frequency[g])) for g, k in counts.items()}


def cosine(a: dict[Gram, float], b: dict[Gram, float]) -> float:
    """The cosine of the angle between two sparse vectors; 0 if one of them is 0."""
    lengths = math.hypot(*a.values()) * math.hypot(*b.values())
    return sum(w * b[g] for g, w in a.items() if g in b) / lengths if lengths else 0.0


def cider(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], max_n: int = 4
) -> CiderScore:
    """CIDEr of a test set: of each n-gram order the mean cosine with the references, then the mean.

    Parameters
    ----------
    candidates
        One token list an image.
    references
        For each image the list of its references. From them, and from nothing else, the rarity of
        an n-gram is known: a score belongs to this test set.
    max_n
        The longest n-gram that counts, 4 in the paper.

    Returns
    -------
    CiderScore

    Raises
    ------
    TypeError
        If a text is a string instead of a token list.
    ValueError
        If there are fewer than two images (every n-gram would weigh nothing), the lists' lengths
        differ, an image has no reference, or `max_n` is no positive integer.

    Notes
    -----
    This is the paper's CIDEr without its first step, which cuts words to their stems. What the COCO
    server and most tables report is CIDEr-D, of the same paper: counts clipped to those of the
    reference, a penalty for another length, and ten times the number.

    References
    ----------
    Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", 2015.

    Examples
    --------
    >>> human = [["a red cross".split()], ["a blue cross".split()]]
    >>> cider(["a red cross".split(), "a red cross".split()], human, max_n=1).each
    (1.0, 0.0)
    """
    check_positive(max_n=max_n)
    _check_images(candidates, references)
    orders = []
    for n in range(1, max_n + 1):
        frequency, images = document_frequency(references, n), len(references)
        row = []
        for candidate, refs in zip(candidates, references, strict=True):
            c = tf_idf(candidate, frequency, images, n)
            row.append(sum(cosine(c, tf_idf(r, frequency, images, n)) for r in refs) / len(refs))
        orders.append(row)
    each = [sum(column) / max_n for column in zip(*orders)]
    return CiderScore(
        sum(each) / len(each), tuple(each), tuple(sum(row) / len(row) for row in orders)
    )


def _check_images(candidates: Sequence, references: Sequence) -> None:
    if isinstance(candidates, str) or isinstance(references, str):
        raise TypeError("candidates and references are lists, one entry an image; a string came")
    if len(candidates) != len(references):
        raise ValueError(
            f"{len(candidates)} candidates, but references for {len(references)} images: "
            "references[i] must be the list of references of candidates[i]"
        )
    if len(references) < 2:
        raise ValueError(
            f"{len(references)} image: with fewer than two, each n-gram is in all images and weighs "
            "log(1) = 0. Score a whole test set"
        )
    for refs in references:
        if isinstance(refs, str) or any(isinstance(ref, str) for ref in refs):
            raise TypeError("references[i] is a list of token lists, for example [text.split()]")
        if not refs:
            raise ValueError("an image has no reference: give at least one token list for each")
