"""The BLEU explorer: type a candidate and its references, see what matches and what it scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import traitlets

from labnotes.explore.base import Explorer, with_shared
from labnotes.metrics import BleuScore, bleu, bleu_d2l, ngrams
from labnotes.plot import BLUE, GREEN, GREY, SKY, VERMILION

HERE = Path(__file__).parent
PAPER = (
    "it is a guide to action that ensures that the military will forever heed Party commands",
    (
        "it is the guiding principle which guarantees the military forces always being under the "
        "command of the Party"
    ),
)

EXAMPLES = [
    {"name": "the notes' example", "candidate": "a b b c d", "references": ["a b c d e f"]},
    {
        "name": "one word, seven times",
        "candidate": "the the the the the the the",
        "references": ["the cat is on the mat", "there is a cat on the mat"],
    },
    {
        "name": "the paper's candidate 1",
        "candidate": (
            "it is a guide to action which ensures that the military always obeys the commands of "
            "the Party"
        ),
        "references": list(PAPER),
    },
    {
        "name": "the paper's candidate 2",
        "candidate": (
            "it is to insure the troops forever hearing the activity guidebook that Party direct"
        ),
        "references": list(PAPER),
    },
    {
        "name": "right words, wrong order",
        "candidate": "mat the on sat cat the",
        "references": ["the cat sat on the mat"],
    },
    {
        "name": "too short",
        "candidate": "the cat sat on",
        "references": ["the cat sat on the mat near the door"],
    },
]


class BleuExplorer(Explorer):
    """Sentence BLEU of what the reader types, with the matching n-grams marked in place.

    Parameters
    ----------
    candidate : str
        The sentence to score; words are split at white space.
    references : list of str
        One or two references; empty ones are left out.
    max_n : int
        The longest n-gram that counts, 1 to 4.
    shown : int
        The n whose matches are marked, 1 to `max_n`.
    """

    _esm = with_shared(HERE / "bleu.js")
    _css = HERE / "bleu.css"

    candidate = traitlets.Unicode(EXAMPLES[0]["candidate"]).tag(sync=True)
    references = traitlets.List(
        traitlets.Unicode(), default_value=EXAMPLES[0]["references"], minlen=1, maxlen=2
    ).tag(sync=True)
    max_n = traitlets.Int(4, min=1, max=4).tag(sync=True)
    shown = traitlets.Int(2, min=1, max=4).tag(sync=True)
    examples = traitlets.List(traitlets.Dict(), default_value=EXAMPLES).tag(sync=True)

    def result(self) -> BleuScore:
        """The score of the present sentences; all references empty counts as one empty reference."""
        return bleu(self.candidate.split(), self._reference_tokens(), self.max_n)

    def describe(self) -> str:
        score = self.result()
        counts = ", ".join(f"{m}/{t}" for m, t in zip(score.matches, score.totals, strict=True))
        return (
            f"BLEU explorer. Candidate “{self.candidate}” against “{self.references[0]}”: "
            f"n-gram matches {counts}, brevity penalty {score.brevity_penalty:.3f}, "
            f"BLEU-{self.max_n} {score.score:.3f}, the notes' variant {self._variant():.3f}."
        )

    def still_svg(self) -> str:
        score, references = self.result(), self._reference_tokens()
        n = min(self.shown, self.max_n)
        candidate = self.candidate.split()
        lines = [("Candidate", candidate, marks(candidate, references, n))]
        lines += [
            (f"Reference {i}", reference, known(reference, candidate, n))
            for i, reference in enumerate(references, start=1)
        ]
        parts, y = [], 30
        for label, tokens, kinds in lines:
            drawn, y = _text_lines(label, tokens, kinds, y)
            parts += drawn
        y += 6
        orders = zip(score.matches, score.totals, score.precisions, strict=True)
        rows = [(f"p{k}", f"{m} of {t}", p, GREEN) for k, (m, t, p) in enumerate(orders, 1)]
        lengths = f"length {score.candidate_length} to {score.reference_length}"
        rows.append(("BP", lengths, score.brevity_penalty, GREY))
        rows.append((f"BLEU-{self.max_n}", "the paper's", score.score, BLUE))
        rows.append(("variant", "the notes'", self._variant(), SKY))
        for label, detail, value, colour in rows:
            parts.append(
                f'<text x="16" y="{y}">{label}</text><text x="90" y="{y}">{detail}</text>'
                f'<rect x="220" y="{y - 11}" width="{max(1, 330 * value):.1f}" height="12" '
                f'fill="{colour}"/><text x="624" y="{y}" text-anchor="end">{value:.3f}</text>'
            )
            y += 20
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {y}" width="640" '
            f'height="{y}" role="img" font-family="monospace" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            f'<rect x="0.5" y="0.5" width="639" height="{y - 1}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/>{"".join(parts)}</svg>'
        )

    def _reference_tokens(self) -> list[list[str]]:
        return [tokens for text in self.references if (tokens := text.split())] or [[]]

    def _variant(self) -> float:
        return bleu_d2l(self.candidate.split(), self._reference_tokens()[0], self.max_n)


@dataclass
class Cover:
    """How n-grams cover a text.

    `words` holds for each word "hit" if an n-gram that counts covers it, "clipped" if only n-grams
    do whose matches are used up, or "". `joined[i]` says whether one that counts covers word i and
    the next.
    """

    words: list[str]
    joined: list[bool]


def marks(candidate: list[str], references: list[list[str]], n: int) -> Cover:
    """What counts in a candidate whose n-grams are matched from left to right."""
    left: dict[tuple[str, ...], int] = {}
    for reference in references:
        for gram, count in ngrams(reference, n).items():
            left[gram] = max(count, left.get(gram, 0))

    def kind(gram: tuple[str, ...]) -> str:
        if gram not in left:
            return ""
        left[gram] -= 1
        return "hit" if left[gram] >= 0 else "clipped"

    return _cover(candidate, n, kind)


def known(reference: list[str], candidate: list[str], n: int) -> Cover:
    """Which n-grams of a reference the candidate has."""
    have = ngrams(candidate, n)
    return _cover(reference, n, lambda gram: "hit" if gram in have else "")


def _cover(tokens: list[str], n: int, kind_of: Callable[[tuple[str, ...]], str]) -> Cover:
    cover = Cover([""] * len(tokens), [False] * max(0, len(tokens) - 1))
    for i in range(len(tokens) - n + 1):
        kind = kind_of(tuple(tokens[i : i + n]))
        if kind == "hit":
            cover.joined[i : i + n - 1] = [True] * (n - 1)
        for j in range(i, i + n):
            if kind == "hit" or not cover.words[j]:
                cover.words[j] = kind
    return cover


def _text_lines(label: str, tokens: list[str], cover: Cover, y: int) -> tuple[list[str], int]:
    """SVG of one text, what matches underlined, wrapped to the card; and the next free y."""
    step, parts = 8, [f'<text x="16" y="{y}">{label}</text>']  # px of a character, about
    x = 120
    for i, token in enumerate(tokens):
        width = step * len(token)
        if x > 120 and x + width > 624:
            x, y = 120, y + 22
        if kind := cover.words[i]:
            colour = GREEN if kind == "hit" else VERMILION
            dash = "" if kind == "hit" else ' stroke-dasharray="4 3"'
            reach = width + step if i < len(cover.joined) and cover.joined[i] else width
            parts.append(
                f'<path d="M{x} {y + 4}h{reach}" stroke="{colour}" stroke-width="3"{dash}/>'
            )
        parts.append(f'<text x="{x}" y="{y}" textLength="{width}">{escape(token)}</text>')
        x += width + step
    return parts, y + 26
