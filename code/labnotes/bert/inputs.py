"""What BERT reads for each kind of task: one text, a pair, tagged words, a question on a passage.

Every input begins with ``[CLS]``, and every text of it ends with ``[SEP]``. Padding gets the number
0; what it is does not matter, since the mask hides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from labnotes.checks import check_positive
from labnotes.text.windows import pad
from labnotes.text.wordpiece import WordPiece

#: The label of a piece that is not to be learned from: torch's cross-entropy leaves it out.
IGNORE = -100
#: Signs that stand alone when BERT cuts a text into words, the usual ones.
SIGNS = frozenset(
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡§«¶·»¿‐‑‒–—―‖‘’‚“”„†‡•…‰′″‹›、。「」！，：；？（）"
)


class Row(NamedTuple):
    """One input: the numbers of its pieces, and the segment, 0 or 1, of each."""

    ids: list[int]
    segments: list[int]


class Inputs(NamedTuple):
    """A batch, in the order of the arguments of `Bert`; each tensor is ``(batch, length)``."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor


def encode(pieces: WordPiece, first: str, second: str | None = None, limit: int = 128) -> Row:
    """``[CLS] first [SEP]``, or ``[CLS] first [SEP] second [SEP]``, as numbers.

    What is too long is cut at its end, piece by piece from the longer of the two texts, as in
    BERT's code. An empty text has no pieces, and that is an input too.

    Parameters
    ----------
    pieces
        A tokenizer whose vocabulary gives numbers, such as that of `minilm`.
    first, second
        One text, or two.
    limit
        Pieces at most, the special ones included.

    Raises
    ------
    ValueError
        If a text is no string, or the special pieces alone are more than `limit`.
    """
    _check_texts(first, second)
    texts = [pieces.tokenize(text) for text in (first, second) if text is not None]
    _check_limit(limit, 1 + len(texts))
    while sum(map(len, texts)) > limit - 1 - len(texts):
        max(texts, key=len).pop()
    found = ["[CLS]", *texts[0], "[SEP]"]
    segments = [0] * len(found)
    for text in texts[1:]:
        found += [*text, "[SEP]"]
        segments += [1] * (len(text) + 1)
    return Row(pieces.vocabulary.to_ids(found), segments)


def batch_of(rows: Sequence[Row], device: torch.device | str = "cpu") -> Inputs:
    """Rows as one batch, padded to the longest.

    Raises
    ------
    ValueError
        If there is no row.
    """
    _check_rows(rows)
    ids, lengths = pad([row[0] for row in rows], 0)  # (batch, length), (batch,)
    segments, _ = pad([row[1] for row in rows], 0)
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return Inputs(*(part.to(device) for part in (ids, mask, segments)))


def encode_words(
    pieces: WordPiece, words: Sequence[str], limit: int = 128
) -> tuple[Row, list[int]]:
    """Words cut into pieces, and the place of the first piece of each word.

    A word of which no piece is left, such as one of control characters, becomes ``[UNK]``. The
    sentence is cut before the first word that does not fit, so there may be fewer places than words.

    Returns
    -------
    row : Row
        ``[CLS]``, the pieces, ``[SEP]``.
    places : list of int
        Of each word that is in `row`.

    Raises
    ------
    ValueError
        If `words` is one string, or the special pieces alone are more than `limit`.
    """
    _check_words(words)
    _check_limit(limit, 2)
    found, places = ["[CLS]"], []
    for word in words:
        cut = pieces.tokenize(word) or [pieces.unknown]
        if len(found) + len(cut) >= limit:
            break
        places.append(len(found))
        found += cut
    found.append("[SEP]")
    return Row(pieces.vocabulary.to_ids(found), [0] * len(found)), places


def labels_of_pieces(labels: Sequence[int], places: Sequence[int], length: int) -> list[int]:
    """One label for each piece: a word's stands at its first piece, all others are ignored.

    Parameters
    ----------
    labels
        One for each word, 0 or more.
    places
        As from :func:`encode_words`; words beyond them have been cut off.
    length
        Pieces of the row.

    Raises
    ------
    ValueError
        If there are more places than labels, a label is negative, or a place is not in the row.
    """
    _check_labels(labels, places, length)
    found = [IGNORE] * length
    for label, place in zip(labels, places):
        found[place] = label
    return found


@dataclass(frozen=True)
class Window:
    """A question and as much of its passage as fits beside it.

    Attributes
    ----------
    row : Row
        ``[CLS] question [SEP] part of the passage [SEP]``.
    spans : list
        For each piece the characters ``(start, stop)`` of the passage that its word covers; None
        for pieces that are not of the passage.
    """

    row: Row
    spans: list[tuple[int, int] | None]


def windows(
    pieces: WordPiece, question: str, passage: str, limit: int = 192, overlap: int = 64
) -> list[Window]:
    """Windows that cover a passage, each with the question in front.

    Parameters
    ----------
    question, passage
        The question is cut where it has more than a third of `limit`.
    limit
        Pieces of a window at most.
    overlap
        Pieces that two neighbouring windows share.

    Returns
    -------
    list of Window
        One or more. An empty passage gives one window with none of it.

    Raises
    ------
    ValueError
        If windows of this size do not get on: `overlap` must be smaller than the room that is
        left for the passage.
    """
    asked = pieces.tokenize(question)[: limit // 3]
    room = limit - len(asked) - 3
    _check_room(room, overlap)
    cut = [(piece, span) for span in word_spans(passage)
           for piece in pieces.tokenize(passage[slice(*span)])]  # fmt: skip
    found = []
    for start in range(0, max(1, len(cut) - overlap), room - overlap):
        part = cut[start : start + room]
        text = ["[CLS]", *asked, "[SEP]", *(piece for piece, _ in part), "[SEP]"]
        segments = [0] * (len(asked) + 2) + [1] * (len(part) + 1)
        spans = [None] * (len(asked) + 2) + [span for _, span in part] + [None]
        found.append(Window(Row(pieces.vocabulary.to_ids(text), segments), spans))
    return found


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word and each sign of a text begins, and where it has ended.

    Examples
    --------
    >>> word_spans("In 1066, yes")
    [(0, 2), (3, 7), (7, 8), (9, 12)]
    """
    found, start = [], None
    for i, letter in enumerate(text + " "):
        alone = letter in SIGNS
        if start is not None and (alone or letter.isspace()):
            found.append((start, i))
            start = None
        if alone:
            found.append((i, i + 1))
        elif start is None and not letter.isspace():
            start = i
    return found


def places_of_answer(window: Window, start: int, stop: int) -> tuple[int, int]:
    """The first and the last piece of the answer ``passage[start:stop]``; ``(0, 0)`` if not inside.

    0 is the place of ``[CLS]``: there a network points that finds no answer.

    Raises
    ------
    ValueError
        If `start` is negative, or `stop` is smaller than `start`.
    """
    _check_answer(start, stop)
    inside = [i for i, s in enumerate(window.spans) if s and s[0] < stop and start < s[1]]
    if not inside:
        return 0, 0
    first, last = inside[0], inside[-1]
    whole = window.spans[first][0] <= start and stop <= window.spans[last][1]
    return (first, last) if whole else (0, 0)


def _check_limit(limit: int, least: int) -> None:
    check_positive(limit=limit)
    if limit < least:
        raise ValueError(f"limit is {limit}: [CLS] and [SEP] alone need {least}")


def _check_texts(first: str, second: str | None) -> None:
    if not isinstance(first, str) or not isinstance(second, str | None):
        kinds = f"{type(first).__name__} and {type(second).__name__}"
        raise ValueError(f"first and second are {kinds}: give one string, or two")


def _check_answer(start: int, stop: int) -> None:
    if not 0 <= start <= stop:
        raise ValueError(
            f"an answer from {start} to {stop}: give 0 <= start <= stop, in characters"
        )


def _check_rows(rows: Sequence) -> None:
    if not len(rows):
        raise ValueError("there is no row: a batch needs at least one")


def _check_words(words: Sequence[str]) -> None:
    if isinstance(words, str):
        raise ValueError(
            f"{words[:40]!r} is one string: give a list of words, such as text.split()"
        )


def _check_labels(labels: Sequence[int], places: Sequence[int], length: int) -> None:
    if len(places) > len(labels):
        raise ValueError(
            f"{len(places)} words have a place and {len(labels)} a label: give all one"
        )
    if any(label < 0 for label in labels):
        raise ValueError(f"a label is {min(labels)}: give numbers of classes, 0 or more")
    if any(not 0 <= place < length for place in places):
        raise ValueError(
            f"places go from {min(places)} to {max(places)}, but the row has {length} pieces"
        )


def _check_room(room: int, overlap: int) -> None:
    if not 0 <= overlap < room:
        raise ValueError(
            f"overlap is {overlap}, and beside the question there is room for {room} pieces: "
            "give a larger limit, or an overlap from 0 to one less than that"
        )
