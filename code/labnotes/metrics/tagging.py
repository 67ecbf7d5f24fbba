"""Metrics of taggers: entities that were found whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Entity(NamedTuple):
    """A span of tokens of one kind: the first, and the one after the last."""

    kind: str
    start: int
    stop: int


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that a sentence's IOB2 tags mark, in order.

    ``B-PER`` begins a person, ``I-PER`` goes on with it, ``O`` is outside. As in the evaluation of
    CoNLL-2003, an ``I-`` that continues nothing of its kind begins an entity too.

    Raises
    ------
    ValueError
        If a tag is none of these.

    Examples
    --------
    >>> entities(["B-PER", "I-PER", "O", "I-LOC"])
    [Entity(kind='PER', start=0, stop=2), Entity(kind='LOC', start=3, stop=4)]
    """
    found: list[Entity] = []
    place = kind = None
    for i, tag in enumerate([*tags, "O"]):
        _check_tag(tag)
        prefix, _, here = tag.partition("-")
        if place is not None and (prefix != "I" or here != kind):
            found.append(Entity(kind, place, i))
            place = None
        if prefix != "O" and place is None:
            place, kind = i, here
    return found


def entity_f1(predicted: Sequence[Sequence[str]], true: Sequence[Sequence[str]]) -> float:
    """F1 (F1 值) of entities: one counts as found if its span and its kind are exactly right.

    Counted over all sentences together (micro average), as seqeval and the evaluation of
    CoNLL-2003 do.

    Parameters
    ----------
    predicted, true
        For each sentence its IOB2 tags, one for each token.

    Returns
    -------
    float
        ``2 right / (predicted + true)``, from 0 to 1; 0 where there is no entity at all.

    Raises
    ------
    ValueError
        If there are not as many sentences, or tags of a sentence, on both sides, or a tag is no
        IOB2 tag.

    References
    ----------
    Tjong Kim Sang and De Meulder (2003), Introduction to the CoNLL-2003 shared task, section 2.3.

    Examples
    --------
    >>> entity_f1([["B-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC"]])
    0.5
    """
    _check_sentences(predicted, true)
    found = {(n, e) for n, tags in enumerate(predicted) for e in entities(tags)}
    wanted = {(n, e) for n, tags in enumerate(true) for e in entities(tags)}
    if not found and not wanted:
        return 0.0
    return 2 * len(found & wanted) / (len(found) + len(wanted))


def _check_tag(tag: str) -> None:
    prefix, dash, kind = str(tag).partition("-")
    if tag != "O" and not (prefix in ("B", "I") and dash and kind):
        raise ValueError(f"a tag is {tag!r}: give O, or B- or I- with a kind, such as B-PER")


def _check_sentences(predicted: Sequence, true: Sequence) -> None:
    if len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} sentences were predicted, {len(true)} are true")
    for n, (ours, theirs) in enumerate(zip(predicted, true, strict=True)):
        if isinstance(ours, str) or isinstance(theirs, str):
            raise ValueError(f"sentence {n} is one string: give a list of tags for each sentence")
        if len(ours) != len(theirs):
            raise ValueError(
                f"sentence {n} has {len(ours)} predicted tags, {len(theirs)} true ones"
            )
