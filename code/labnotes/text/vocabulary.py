"""A vocabulary: each token has a number, each number a token."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from labnotes.checks import check_positive
from labnotes.files import replacing

UNKNOWN = "<unk>"


class Vocabulary:
    """The tokens of some documents, numbered (词表).

    The reserved tokens come first, in the order given, then all others, the most frequent first;
    of equally frequent ones the first in the order of their characters.

    Parameters
    ----------
    documents
        Lists of tokens (strings).
    min_freq
        A token that occurs less often has no number of its own.
    reserved
        Tokens that have a number in any case. With ``"<unk>"`` among them, it stands for all
        tokens that have none.

    Raises
    ------
    ValueError
        If `min_freq` is below 1, a reserved token comes twice, or a document is one string.

    Examples
    --------
    >>> vocabulary = Vocabulary([["the", "time", "the"], ["a", "time", "the"]], min_freq=2)
    >>> vocabulary.to_ids(["the", "time", "machine"])
    [1, 2, 0]
    >>> vocabulary.to_tokens([1, 2, 0])
    ['the', 'time', '<unk>']
    """

    def __init__(
        self,
        documents: Iterable[Sequence[str]],
        min_freq: int = 1,
        reserved: Sequence[str] = (UNKNOWN,),
    ):
        check_positive(min_freq=min_freq)
        self.counts = Counter()
        for document in documents:
            _check_document(document)
            self.counts.update(document)
        ranked = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        others = [token for token, count in ranked if count >= min_freq and token not in reserved]
        self._number([*reserved, *others])

    def _number(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._ids = {token: i for i, token in enumerate(tokens)}
        if len(self._ids) < len(tokens):
            twice = [token for token, n in Counter(tokens).items() if n > 1]
            raise ValueError(f"tokens that come twice: {twice}. Give each once")

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def to_ids(self, tokens: Sequence[str]) -> list[int]:
        """The number of each token.

        Raises
        ------
        KeyError
            If a token has none, and there is no ``"<unk>"`` to stand for it.
        """
        _check_document(tokens)
        unknown = self._ids.get(UNKNOWN)
        found = [self._ids.get(token, unknown) for token in tokens]
        if None in found:
            raise KeyError(
                f"{tokens[found.index(None)]!r} is not among the {len(self)} tokens: reserve "
                f"{UNKNOWN!r}, or use tokens of the vocabulary"
            )
        return found

    def to_tokens(self, ids: Sequence[int]) -> list[str]:
        """The token of each number.

        Raises
        ------
        IndexError
            If a number is negative or too large.
        """
        wrong = [int(i) for i in ids if not 0 <= i < len(self)]
        if wrong:
            raise IndexError(f"{wrong[0]} is no token's number: they go from 0 to {len(self) - 1}")
        return [self.tokens[i] for i in ids]

    def save(self, path: str | Path) -> None:
        """Write the tokens, in their order, and their counts to a JSON file."""
        with replacing(Path(path), "w") as file:
            json.dump({"tokens": self.tokens, "counts": self.counts}, file, ensure_ascii=False)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """The vocabulary that :meth:`save` has written."""
        saved = json.loads(Path(path).read_text("utf8"))
        vocabulary = cls([], reserved=())
        vocabulary.counts = Counter(saved["counts"])
        vocabulary._number(saved["tokens"])
        return vocabulary


def _check_document(document) -> None:
    if isinstance(document, str):
        raise ValueError(
            f"{document[:40]!r} is one string: give a list of tokens, such as text.split() for "
            "words or list(text) for characters"
        )
