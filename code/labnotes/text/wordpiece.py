"""WordPiece: words cut into the longest pieces that a vocabulary has, as BERT reads them."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator

LONGEST = 100  # characters of a word; a longer one is unknown as a whole
CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


def basic_tokens(text: str, lowercase: bool = True) -> list[str]:
    """Words and signs of a text, before they are cut into pieces.

    Control characters go, Chinese characters and punctuation stand alone, and with `lowercase`
    capitals and accents go too.

    References
    ----------
    The tokenizer of Devlin et al., "BERT", 2019 (their code, ``tokenization.py``).

    Examples
    --------
    >>> basic_tokens("Écoute: 你好!")
    ['ecoute', ':', '你', '好', '!']
    """
    text = "".join(f" {c} " if _is_chinese(c) else c for c in text if not _is_control(c))
    if lowercase:
        text = unicodedata.normalize("NFD", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Mn").lower()
    return "".join(f" {c} " if _is_punctuation(c) else c for c in text).split()


class WordPiece:
    """Cut words into the longest pieces in a vocabulary, from left to right.

    Parameters
    ----------
    vocabulary
        Anything that knows whether a piece is in it: a :class:`labnotes.text.Vocabulary`, a
        dictionary, a set. Pieces inside a word begin with ``##``.
    unknown
        What stands for a word that cannot be cut.
    lowercase
        As in :func:`basic_tokens`.

    References
    ----------
    Wu et al., "Google's Neural Machine Translation System", 2016, section 4.1; greedy as in BERT.

    Examples
    --------
    >>> WordPiece({"un", "##aff", "##able", "[UNK]"}).tokenize("Unaffable affairs")
    ['un', '##aff', '##able', '[UNK]']
    """

    def __init__(self, vocabulary: Container[str], unknown: str = "[UNK]", lowercase: bool = True):
        self.vocabulary, self.unknown, self.lowercase = vocabulary, unknown, lowercase

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text."""
        words = basic_tokens(text, self.lowercase)
        return [piece for word in words for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        found, start = [], 0
        while start < len(word):
            longest = next((p for p in self._from(word, start) if p in self.vocabulary), None)
            if longest is None or len(word) > LONGEST:
                return [self.unknown]
            found.append(longest)
            start += len(longest) - (2 if start else 0)  # ## are no characters of the word
        return found

    def _from(self, word: str, start: int) -> Iterator[str]:
        """All pieces that begin at `start`, the longest first."""
        for end in range(len(word), start, -1):
            yield ("##" if start else "") + word[start:end]


def _is_chinese(char: str) -> bool:
    return any(low <= ord(char) <= high for low, high in CHINESE)


def _is_control(char: str) -> bool:
    if char in "\t\n\r":
        return False
    return char in "\0\ufffd" or unicodedata.category(char).startswith("C")


def _is_punctuation(char: str) -> bool:
    if unicodedata.category(char).startswith("P"):
        return True
    return char.isascii() and not char.isalnum() and not char.isspace() and char.isprintable()
