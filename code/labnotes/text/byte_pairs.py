"""Byte-pair encoding: words cut into pieces that a text has taught."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import pairwise

from labnotes.checks import check_positive

END = "</w>"  # stands for the end of a word, as a symbol of its own


class BytePairs:
    """Cut words into pieces by joining pairs of symbols, in the order in which they were learned.

    A word begins as its characters and the symbol ``"</w>"``. One merge after the other, two
    neighbouring symbols are joined wherever they stand side by side. A character that was never
    seen stays alone.

    Parameters
    ----------
    merges
        Pairs of strings, the first to be joined first.

    Attributes
    ----------
    merges : list of (str, str)
        As given.

    Raises
    ------
    ValueError
        If an entry is no pair of strings that are not empty.

    References
    ----------
    Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units",
    2016, algorithm 1.

    Examples
    --------
    >>> pieces = BytePairs.learn({"low": 5, "lower": 2, "newest": 6, "widest": 3}, merges=5)
    >>> pieces.merges
    [('e', 's'), ('t', '</w>'), ('es', 't</w>'), ('l', 'o'), ('lo', 'w')]
    >>> pieces.tokenize("slowest low")
    ['s', 'low', 'est</w>', 'low', '</w>']
    >>> pieces.join(['s', 'low', 'est</w>', 'low', '</w>'])
    'slowest low'
    """

    def __init__(self, merges: Iterable[tuple[str, str]]):
        self.merges = [_checked_merge(pair) for pair in merges]
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, list[str]] = {}  # words that were cut before, and their pieces

    @classmethod
    def learn(cls, words: Mapping[str, int] | Iterable[str], merges: int) -> BytePairs:
        """Join the most frequent pair of neighbouring symbols, `merges` times.

        Of equally frequent pairs comes first the one whose left symbol is the older, and then the
        one whose right symbol is: characters are as old as their code points are small, ``"</w>"``
        follows them, then what was joined, in its order. So does the `tokenizers` library.

        Parameters
        ----------
        words
            Words and how often each occurs, or the words themselves as they come in a text.
        merges
            How many; fewer are learned where every word is one piece before.

        Raises
        ------
        ValueError
            If `merges` is below 1, there is no word, a word is not one (empty, no string, with a
            space or ``"</w>"`` in it), or a count is below 1.
        """
        check_positive(merges=merges)
        counts = _counted(words)
        cut = {word: [*word, END] for word in counts}
        age = {symbol: i for i, symbol in enumerate([*sorted(set("".join(counts))), END])}
        pairs, where = Counter(), defaultdict(set)  # how often each pair stands, in which words

        def count(word, sign):
            for pair in pairwise(cut[word]):
                pairs[pair] += sign * counts[word]
                where[pair].add(word)

        def entry(pair):  # the smallest entry is the most frequent pair, then the oldest
            return -pairs[pair], age[pair[0]], age[pair[1]], pair

        for word in cut:
            count(word, 1)
        queue, learned = sorted(map(entry, pairs)), []  # what is sorted is a heap
        while queue and len(learned) < merges:
            best = heappop(queue)
            pair = best[-1]
            if best == entry(pair) and pairs[pair]:
                learned.append(pair)
                joined, changed = "".join(pair), where.pop(pair)
                age.setdefault(joined, len(age))
                for word in changed:
                    count(word, -1)
                    cut[word] = _joined(cut[word], pair)
                    count(word, 1)
                # Only pairs with the new symbol can have become more frequent.
                for new in {p for word in changed for p in pairwise(cut[word]) if joined in p}:
                    heappush(queue, entry(new))
            elif pairs[pair]:  # rarer than when it was queued
                heappush(queue, entry(pair))
        return cls(learned)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of the words of `text`, which white space divides.

        Raises
        ------
        ValueError
            If ``"</w>"`` stands in the text, or it is no string.
        """
        _check_text(text)
        return [piece for word in text.split() for piece in self._pieces(word)]

    def join(self, tokens: Iterable[str]) -> str:
        """The text of some pieces: ``</w>`` becomes a blank, except at the very end."""
        return "".join(tokens).replace(END, " ").removesuffix(" ")

    def _pieces(self, word: str) -> list[str]:
        if word not in self._known:
            symbols = [*word, END]
            while pairs := [pair for pair in pairwise(symbols) if pair in self._rank]:
                symbols = _joined(symbols, min(pairs, key=self._rank.get))
            self._known[word] = symbols
        return self._known[word]


def _joined(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with each such pair as one, from left to right."""
    found = []
    for symbol in symbols:
        if found and (found[-1], symbol) == pair:
            found[-1] += symbol
        else:
            found.append(symbol)
    return found


def _counted(words: Mapping[str, int] | Iterable[str]) -> Counter:
    if isinstance(words, str):
        raise ValueError(f"{words[:40]!r} is one string: give words, such as text.split()")
    try:
        counts = Counter(words)
    except TypeError as error:  # a list of lists, or no list at all
        raise ValueError(f"words are no strings in a row: give text.split() ({error})") from error
    for word, count in counts.items():
        if not isinstance(word, str) or word.split() != [word] or END in word:
            raise ValueError(f"{word!r} is no word: give strings without white space and {END!r}")
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{word!r} is counted {count!r} times: give a positive integer")
    if not counts:
        raise ValueError("there is no word to learn from: give at least one")
    return counts


def _checked_merge(pair: tuple[str, str]) -> tuple[str, str]:
    symbols = tuple(pair) if isinstance(pair, (tuple, list)) else ()
    if len(symbols) != 2 or not all(isinstance(symbol, str) and symbol for symbol in symbols):
        raise ValueError(f"{pair!r} is no merge: give pairs of strings that are not empty")
    return symbols


def _check_text(text: str) -> None:
    if not isinstance(text, str) or END in text:
        raise ValueError(f"{text!r:.60} is no text: give one string without {END!r} in it")
