"""The beam explorer: which beginnings of a sentence survive, for a width and a length penalty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor

from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREY
from labnotes.sequence.search import Hypothesis, beam_search, gnmt_penalty, power_penalty

HERE = Path(__file__).parent
WIDEST, STRONGEST, NOTCH = 5, 2.0, 0.25  # of the width; of the exponent, and its smallest change
RULES = {"power": power_penalty, "gnmt": gnmt_penalty}
COLUMN, ROW = 68, 43  # where a beginning is drawn: by its place in the beam, and by its length


def read_tree(
    step: Callable[[Tensor], Tensor],
    start: Sequence[int],
    end: int,
    length: int,
    names: Sequence[str],
    source: str,
) -> dict:
    """All that the searches of the explorer meet, for every width, rule and exponent that it offers.

    Parameters
    ----------
    step, start, end, length
        As for :func:`labnotes.sequence.beam_search`.
    names
        How each token of the vocabulary is written.
    source
        The sentence that is translated.

    Returns
    -------
    dict
        ``source``; ``length``; ``tokens``, the names of the tokens that were met; ``end``, the number
        of the last one among them; ``rows``: for each beginning, its tokens joined by commas, the
        five most probable tokens that may follow, ``[token, log-probability]``.
    """
    rows: dict[tuple[int, ...], list[tuple[int, float]]] = {}

    def asked(prefixes: Tensor) -> Tensor:
        for prefix in prefixes.tolist():
            key = tuple(prefix[len(start) :])
            if key not in rows:
                best = step(torch.tensor([prefix]))[0].double().topk(min(WIDEST, len(names)))
                found = zip(best.indices.tolist(), best.values.tolist())
                rows[key] = [(token, round(value, 4)) for token, value in found]
        keys = [tuple(prefix[len(start) :]) for prefix in prefixes.tolist()]
        return _dense([rows[key] for key in keys], len(names))

    for width in range(1, WIDEST + 1):
        for rule in RULES.values():
            for notch in range(int(STRONGEST / NOTCH) + 1):
                beam_search(asked, start, width, length, end, rule(notch * NOTCH))
    met = sorted({token for row in rows.values() for token, _ in row} | {end})
    place = {token: i for i, token in enumerate(met)}
    return {
        "source": source,
        "length": length,
        "end": place[end],
        "tokens": [names[token] for token in met],
        "rows": {
            ",".join(str(place[token]) for token in key): [[place[t], v] for t, v in row]
            for key, row in rows.items()
        },
    }


def _dense(rows: list, vocabulary: int) -> Tensor:
    """Log-probabilities ``(rows, vocabulary)``, -inf for what is not listed."""
    found = torch.full((len(rows), vocabulary), -torch.inf, dtype=torch.float64)
    for i, row in enumerate(rows):
        for token, value in row:
            found[i, token] = value
    return found


class BeamTreeExplorer(Explorer):
    """The tree of a beam search through a model's own log-probabilities.

    Parameters
    ----------
    sentences : list of dict
        What :func:`read_tree` gives, at least one.
    sentence : int
        Which of them is shown, from 0.
    width : int
        Beginnings that are kept, 1 to 5.
    rule : str
        ``"power"`` divides by the length to the exponent, ``"gnmt"`` as Wu et al. (2016) do.
    alpha : float
        The exponent, 0 to 2.
    looked : int
        The beginning whose numbers are told, counted from 0 as they are drawn; -1 tells the result.

    Raises
    ------
    ValueError
        If there is no sentence, or not that one.
    """

    _esm = with_shared(HERE / "beam_tree.js")
    _css = HERE / "beam_tree.css"

    sentences = traitlets.List(traitlets.Dict()).tag(sync=True)
    sentence = traitlets.Int(0, min=0).tag(sync=True)
    width = traitlets.Int(3, min=1, max=WIDEST).tag(sync=True)
    rule = traitlets.Enum(list(RULES), "power").tag(sync=True)
    alpha = traitlets.Float(0.0, min=0.0, max=STRONGEST).tag(sync=True)
    looked = traitlets.Int(-1, min=-1).tag(sync=True)

    def __init__(self, sentences: Sequence[dict], **traits):
        super().__init__(sentences=list(sentences), **traits)
        if self.sentence >= len(self.sentences):
            raise ValueError(
                f"there are {len(self.sentences)} sentences and sentence is {self.sentence}: give "
                "what read_tree gives, and a number below theirs"
            )

    def lines(self) -> list[list[Hypothesis]]:
        """The beam after each step, the best first; the last line is the result."""
        tree = self.sentences[self.sentence]

        def step(prefixes: Tensor) -> Tensor:
            keys = [",".join(map(str, prefix[1:])) for prefix in prefixes.tolist()]
            return _dense([tree["rows"][key] for key in keys], len(tree["tokens"]))

        divide = RULES[self.rule](self.alpha)
        found: list[list[Hypothesis]] = []
        for steps in range(1, tree["length"] + 1):
            found.append(beam_search(step, [0], self.width, steps, tree["end"], divide))
            if all(h.tokens[-1] == tree["end"] for h in found[-1]):
                break
        return found

    def text(self, hypothesis: Hypothesis) -> str:
        """The words of a hypothesis."""
        tree = self.sentences[self.sentence]
        words = [tree["tokens"][t] for t in hypothesis.tokens if t != tree["end"]]
        return "".join(words).strip() or "(nothing)"

    def describe(self) -> str:
        best = self.lines()[-1][0]
        return (
            f"Beam explorer. The sentence is: {self.sentences[self.sentence]['source']} A beam of "
            f"{self.width} finds: {self.text(best)} Its log-probability is {best.score:.2f}; "
            f"probability {math.exp(best.score):.2g}."
        )

    def still_svg(self) -> str:
        lines, tree = self.lines(), self.sentences[self.sentence]
        best, parts = lines[-1][0].tokens, []
        for n, line in enumerate(lines):
            for i, h in enumerate(line):
                x, y = COLUMN * i + COLUMN / 2, ROW * n + 62
                before = lines[n - 1] if n else [Hypothesis([], 0.0)]
                stays = h in before
                parent = h.tokens if stays else h.tokens[:-1]
                origin = next(j for j, b in enumerate(before) if b.tokens == parent)
                px = COLUMN * (origin if n else (self.width - 1) / 2) + COLUMN / 2
                on = h.tokens == best[: len(h.tokens)]
                ink = f'stroke="{BLUE if on else GREY}" stroke-width="{3 if on else 1.2}"'
                ink += ' stroke-dasharray="2 4"' if stays else ""
                parts.append(f'<path d="M{px:g} {y - ROW + 16:g}L{x:g} {y - 14:g}" {ink}/>')
                if not stays:
                    token = tree["tokens"][h.tokens[-1]].strip()
                    parts.append(f'<text x="{x:g}" y="{y:g}">{escape(token)}</text>')
                    parts.append(
                        f'<text x="{x:g}" y="{y + 13:g}" font-size="10">{h.score:.2f}</text>'
                    )
        wide, tall = max(COLUMN * self.width, 300) + 12, ROW * len(lines) + 62
        head = f'<text x="{COLUMN * self.width / 2:g}" y="18" font-weight="bold">beginning</text>'
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 {wide} {tall}" width="{wide}" '
            f'height="{tall}" role="img" font-family="sans-serif" font-size="13" fill="#24292f" '
            f'text-anchor="middle"><title>{escape(self.describe())}</title>'
            f'<rect x="-5" y="-5" width="{wide - 2}" height="{tall - 2}" rx="6" fill="#ffffff" '
            f'stroke="{GREY}"/>{head}{"".join(parts)}</svg>'
        )
