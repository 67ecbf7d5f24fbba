"""The next-word explorer: type a beginning, and see what an n-gram model expects after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.checks import check_positive
from labnotes.data.text import tokenize
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREY
from labnotes.sequence import NGram, sampling_distribution
from labnotes.text import Vocabulary

HERE = Path(__file__).parent
#: What a token's number is written with: one sign, or two for the rarer ones.
SIGNS = "".join(chr(i) for i in range(33, 127) if chr(i) not in "\"&'<=>\\")
#: Most bytes of text and words that a page has to carry.
ROOM = 60_000
SMOOTHINGS = {
    "none": "none: counts alone",
    "add-1": "add 1",
    "add-0.01": "add 0.01",
    "kneser-ney": "Kneser-Ney",
}
CUTS = {
    "all": "every word",
    "top-1": "the likeliest word",
    "top-5": "the 5 likeliest (top-k)",
    "top-20": "the 20 likeliest (top-k)",
    "nucleus-0.5": "the nucleus, p = 0.5",
    "nucleus-0.9": "the nucleus, p = 0.9",
}


@dataclass
class NextWord:
    """What may come next, by the number of the word.

    Attributes
    ----------
    model
        The model's probability of each word, and last that of anything new.
    drawn
        What the next word is drawn with, after temperature and cut; nothing is drawn that has no
        word (number 0, and the new). All 0 if the model knows nothing.
    """

    model: list[float]
    drawn: list[float]


def pack(ids: Sequence[int], size: int) -> str:
    """Token numbers below `size` as text, the small numbers with one sign, the others with two.

    Raises
    ------
    ValueError
        If `size` is more than two signs can tell apart, or a number is not below it.
    """
    base = len(SIGNS)
    leads = _leads(size)
    wrong = [i for i in ids if not 0 <= i < size]
    if wrong:
        raise ValueError(f"{wrong[0]} is no token's number: they go from 0 to {size - 1}")
    single = base - leads

    def signs(i: int) -> str:
        if i < single:
            return SIGNS[i]
        lead, last = divmod(i - single, base)
        return SIGNS[single + lead] + SIGNS[last]

    return "".join(signs(i) for i in ids)


def _leads(size: int) -> int:
    """How many of the signs must be first ones of two, so that `size` numbers have room."""
    check_positive(size=size)
    base = len(SIGNS)
    for leads in range(base + 1):
        if base - leads + leads * base >= size:
            return leads
    raise ValueError(f"size is {size}: two signs tell at most {base * base} tokens apart")


class NextWordExplorer(Explorer):
    """An n-gram model in the page: it counts a text, predicts the next word and writes.

    Build it with :meth:`of`.

    Parameters
    ----------
    words : list of str
        The words with a number of their own; number 0 stands for all others.
    ids : list of int
        The text that is counted, as numbers of words.
    title : str
        What was counted.
    beginning : str
        What the reader has typed.
    order : int
        n of the n-grams, from 1 to 5.
    smoothing, cut : str
        Names of `SMOOTHINGS` and `CUTS`.
    temperature : float
        From 0.1 to 10.

    Raises
    ------
    ValueError
        If the text has fewer than 5 words, a number is no word's, or both together take more
        than `ROOM` bytes.
    """

    _esm = with_shared(HERE / "next_word.js")
    _css = HERE / "next_word.css"

    words = traitlets.List(traitlets.Unicode(), minlen=1).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)  # the packed numbers
    signs = traitlets.Unicode(SIGNS).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    beginning = traitlets.Unicode("").tag(sync=True)
    order = traitlets.Int(3, min=1, max=5).tag(sync=True)
    smoothing = traitlets.Enum(list(SMOOTHINGS), "kneser-ney").tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True)
    cut = traitlets.Enum(list(CUTS), "all").tag(sync=True)
    draws = traitlets.Int(0, min=0).tag(sync=True)  # how many words chance has written
    smoothings = traitlets.Dict(SMOOTHINGS).tag(sync=True)
    cuts = traitlets.Dict(CUTS).tag(sync=True)

    def __init__(self, words: Sequence[str], ids: Sequence[int], **traits):
        words, ids = list(words), list(ids)
        packed = pack(ids, len(words))
        _check_size(words, ids, packed)
        super().__init__(words=words, text=packed, **traits)
        self._ids = ids

    @classmethod
    def of(cls, tokens: Sequence[str], words: int = 800, **traits) -> NextWordExplorer:
        """The explorer of a text: its most frequent words, and as much of it as has room.

        Parameters
        ----------
        tokens
            The text. Its beginning is used if the whole takes too much room.
        words
            How many words have a number of their own.
        **traits
            As for the class.
        """
        check_positive(words=words)
        tokens = list(tokens)
        kept = Vocabulary([tokens]).tokens[: words + 1]
        vocabulary = Vocabulary([], reserved=kept)  # the number 0 is <unk>
        packed, used, room = 0, 0, ROOM - 2000 - _bytes(kept)
        ids = vocabulary.to_ids(tokens)
        single = len(SIGNS) - _leads(len(kept))
        while used < len(ids) and packed < room:
            packed += 1 if ids[used] < single else 2
            used += 1
        return cls(kept, ids[:used], **traits)

    def context(self) -> list[int]:
        """The numbers of the last n - 1 words of what was typed."""
        numbers = {word: i for i, word in enumerate(self.words)}
        typed = [numbers.get(token, 0) for token in tokenize(self.beginning)]
        return typed[len(typed) - min(len(typed), self.order - 1) :]

    def result(self) -> NextWord:
        """The distribution of the next word in the present state."""
        kind, _, k = self.smoothing.partition("-")
        if kind == "kneser":
            model = NGram(self.order)
        else:
            model = NGram(self.order, "add-k", k=float(k or 0))
        model.fit(self._ids)
        new = len(self.words)
        context = self.context()
        chances = [model.probability(i, context) for i in range(new + 1)]
        drawable = torch.tensor(chances, dtype=torch.float64)
        drawable[[0, new]] = 0
        if not drawable.sum():
            return NextWord(chances, [0.0] * len(chances))
        way, _, size = self.cut.partition("-")
        drawn = sampling_distribution(
            drawable / drawable.sum(), self.temperature,
            top_k=int(size) if way == "top" else None,
            top_p=float(size) if way == "nucleus" else None,
        )  # fmt: skip
        return NextWord(chances, drawn.tolist())

    def likeliest(self, count: int = 8) -> list[int]:
        """The numbers of the words that the model holds likeliest."""
        chances = self.result().model
        named = [i for i in range(1, len(self.words)) if chances[i] > 0]
        return sorted(named, key=lambda i: -chances[i])[:count]

    def describe(self) -> str:
        chances = self.result().model
        best = ", ".join(f"{self.words[i]} {chances[i]:.2f}" for i in self.likeliest(5))
        return (
            f"Next-word explorer: after “{self.beginning}” a {self.order}-gram model of "
            f"{self.title or 'a text'} ({SMOOTHINGS[self.smoothing]}) expects {best or 'nothing'}."
        )

    def still_svg(self) -> str:
        chances, rows = self.result().model, []
        for row, i in enumerate(self.likeliest()):
            y = 78 + 28 * row
            rows.append(
                f'<text x="150" y="{y}" text-anchor="end">{escape(self.words[i])}</text>'
                f'<rect x="162" y="{y - 13}" width="{max(1, 360 * chances[i]):.1f}" height="16" '
                f'fill="{BLUE}"/><text x="624" y="{y}" text-anchor="end">{chances[i]:.2f}</text>'
            )
        # A light card of its own: a picture does not know the page's theme.
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 320" width="640" '
            'height="320" role="img" font-family="sans-serif" font-size="15" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            '<rect x="0.5" y="0.5" width="639" height="319" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/><text x="20" y="36" font-weight="bold">'
            f"{escape(self.beginning)} …</text>{''.join(rows)}</svg>"
        )


def _bytes(words: Sequence[str]) -> int:
    return sum(len(word.encode()) + 4 for word in words)  # quotes, comma and blank of JSON


def _check_size(words: list[str], ids: list[int], packed: str) -> None:
    if len(ids) < 5:
        raise ValueError(f"there are {len(ids)} tokens to count: give at least 5")
    size = _bytes(words) + len(packed)
    if size > ROOM:
        raise ValueError(
            f"words and text take {size:,} bytes, more than {ROOM:,}: give fewer words or tokens"
        )
