"""Articles to pretrain on, and the word pieces that they teach."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labnotes.bert.pretraining import SPECIAL, UNK
from labnotes.checks import check_positive
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.corpora import Text, time_machine, wikitext2
from labnotes.data.provenance import Provenance
from labnotes.text.byte_pairs import END, BytePairs
from labnotes.text.wordpiece import WordPiece, basic_tokens

TITLE = re.compile(r"= [^=].* =")
STAND_IN_PIECE = 3_000  # characters of an "article" of a text that has none


@dataclass(frozen=True)
class Articles:
    """Texts of some length each, in three parts, and where they came from.

    Attributes
    ----------
    train, valid, test : list of str
        One string for each article.
    provenance : Provenance
        Where they came from.
    """

    train: list[str]
    valid: list[str]
    test: list[str]
    provenance: Provenance

    def __repr__(self) -> str:
        sizes = (f"{part} {len(getattr(self, part)):,}" for part in ("train", "valid", "test"))
        return f"{self.provenance.title}: {', '.join(sizes)} articles"


def wiki_articles(fallback: bool = False) -> Articles:
    """The articles of WikiText-2 without their headings; rare words are ``[UNK]``.

    Parameters
    ----------
    fallback
        If they are not to be had, cut another text into stretches: The Time Machine, or chapters
        of Moby-Dick. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    """
    try:
        text = wikitext2()
    except DatasetUnavailable:
        if not fallback:
            raise
        text = time_machine(fallback=True)
        return _cut_up(text)
    parts = (_articles(part) for part in (text.train, text.valid, text.test))
    return Articles(*parts, text.provenance)


def _articles(text: str) -> list[str]:
    """The paragraphs below each title; WikiText writes ``@-@`` for a hyphen inside a word."""
    found: list[list[str]] = []
    text = re.sub(r" @(.)@ ", r"\1", text).replace("<unk>", SPECIAL[UNK])
    for line in map(str.strip, text.split("\n")):
        if TITLE.fullmatch(line) or not found:
            found.append([])
        elif not line.startswith("= ="):
            found[-1].append(line)
    return [joined for lines in found if (joined := " ".join(lines).strip())]


def _cut_up(text: Text) -> Articles:
    """Stretches of a text without articles; the last tenth of its training part is `valid`."""
    cut = len(text.train) * 9 // 10
    parts = (text.train[:cut], text.train[cut:], text.test)
    return Articles(
        *(
            [part[i : i + STAND_IN_PIECE] for i in range(0, len(part), STAND_IN_PIECE)]
            for part in parts
        ),
        text.provenance,
    )


def learn_pieces(words: Mapping[str, int], size: int) -> list[str]:
    """A WordPiece vocabulary: special tokens, frequent characters, and the most frequent pieces.

    Byte-pair encoding joins what often stands together, as many times as the vocabulary has room.
    The pieces that it then cuts the words into are counted, apart for the beginning of a word and
    its inside, where they get ``##``. (BERT's own pieces were learned by a program that was not
    published.)

    Parameters
    ----------
    words
        Words without blanks, in small letters, and how often each occurs.
    size
        Entries; fewer where the words have no more pieces.

    Raises
    ------
    ValueError
        If there is no word, or no room behind the special tokens and the characters.

    Examples
    --------
    >>> learn_pieces({"low": 9, "lower": 5, "newer": 4}, size=17)[5:]
    ['##e', '##o', '##r', '##w', 'l', 'n', 'low', 'lower', 'newer']
    """
    check_positive(size=size)
    pairs = BytePairs.learn(words, merges=size)
    characters, pieces = Counter(), Counter()
    for word, count in words.items():
        for i, character in enumerate(word):
            characters[("##" if i else "") + character] += count
        cut = [piece.removesuffix(END) for piece in pairs.tokenize(word)]
        for i, piece in enumerate(filter(None, cut)):
            pieces[("##" if i else "") + piece] += count
    rare = sum(characters.values()) / 200_000
    first = sorted(c for c, count in characters.items() if count > rare)
    _check_room(size, len(first))
    others = [piece for piece, _ in pieces.most_common() if piece not in first]
    return [*SPECIAL, *first, *others][:size]


class Pieces:
    """Text to the numbers of its word pieces, and back.

    Parameters
    ----------
    tokens
        The vocabulary, in the order of its numbers: :func:`learn_pieces`.

    Attributes
    ----------
    tokens : list of str
        As given.

    Examples
    --------
    >>> pieces = Pieces([*SPECIAL, "low", "##er"])
    >>> pieces.to_ids("Lower [MASK] low"), pieces.to_text([5, 6, 5])
    ([5, 6, 4, 5], 'lower low')
    """

    def __init__(self, tokens: Sequence[str]):
        self.tokens = list(tokens)
        self._numbers = {token: i for i, token in enumerate(self.tokens)}
        self._wordpiece = WordPiece(self._numbers, unknown=SPECIAL[UNK])
        self._known: dict[str, list[int]] = {}  # words that were cut before

    def __len__(self) -> int:
        return len(self.tokens)

    def to_ids(self, text: str) -> list[int]:
        """The numbers; a special token is one where blanks stand around it."""
        return [i for word in text.split() for i in self._word(word)]

    def to_text(self, ids: Iterable[int]) -> str:
        """The pieces, put together again to words with blanks between them."""
        return " ".join(self.tokens[i] for i in ids).replace(" ##", "")

    def _word(self, word: str) -> list[int]:
        if word not in self._known:
            pieces = [word] if word in SPECIAL else self._wordpiece.tokenize(word)
            self._known[word] = [self._numbers[piece] for piece in pieces]
        return self._known[word]


def count_words(texts: Iterable[str]) -> Counter:
    """How often each word and sign occurs, in small letters, special tokens left out.

    Examples
    --------
    >>> count_words(["The time, the [UNK]"]).most_common(1)
    [('the', 2)]
    """
    found = Counter()
    for word, count in Counter(w for text in texts for w in text.split()).items():
        for token in [] if word in SPECIAL else basic_tokens(word):
            found[token] += count
    return found


def _check_room(size: int, characters: int) -> None:
    least = len(SPECIAL) + characters + 1
    if size < least:
        raise ValueError(
            f"size is {size}: {len(SPECIAL)} special tokens and {characters} characters need room, "
            f"give at least {least}"
        )
