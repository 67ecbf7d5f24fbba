"""The fill-mask explorer: a word is hidden, a BERT guesses it, and shows where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor

from labnotes.bert.corpus import Pieces
from labnotes.bert.pretraining import CLS, MASK, SEP, BertForPretraining
from labnotes.explore.base import Explorer, with_shared
from labnotes.plot import BLUE, GREY, ORANGE

HERE = Path(__file__).parent
BEST = 5  # guesses that are shown
MOST_PIECES = 40  # of a sentence
TENTHS = 10_000  # numbers in the state are whole numbers of this part


@dataclass
class Filled:
    """What a BERT says of one hidden place of a text.

    Attributes
    ----------
    best
        The five likeliest pieces and their probabilities, the likeliest first.
    chance
        The probability of the piece that stood there.
    rank
        Its rank, from 1.
    weights
        How much the place looks at each token, ``(layers * heads, tokens)``; each row sums to 1.
    """

    best: list[tuple[str, float]]
    chance: float
    rank: int
    weights: Tensor


class FillMaskExplorer(Explorer):
    """A reader hides one piece of a sentence and sees five guesses, and the attention behind them.

    All that is shown has been computed here, by the network, for each place of each sentence.

    Parameters
    ----------
    net
        A BERT with its word head, on any device.
    pieces
        Its vocabulary.
    sentences
        From which the reader may choose, each of 1 to 40 pieces.
    place
        Which piece of the first sentence is hidden at first, from 0.

    Raises
    ------
    ValueError
        If there is no sentence, one has no piece or more than 40, or there is not that place.
    """

    _esm = with_shared(HERE / "fill_mask.js")
    _css = HERE / "fill_mask.css"

    sentences = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tokens = traitlets.List().tag(sync=True)  # of each sentence: its pieces, [CLS] and [SEP] too
    guesses = traitlets.List().tag(sync=True)  # of each sentence and place: [[piece, tenths], ...]
    truths = traitlets.List().tag(sync=True)  # of each sentence and place: [tenths, rank]
    weights = traitlets.List().tag(sync=True)  # of each sentence and place: all rows, in tenths
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # [layers, heads]
    sentence = traitlets.Int(0, min=0).tag(sync=True)
    place = traitlets.Int(0, min=0).tag(sync=True)
    head = traitlets.Int(0, min=0).tag(sync=True)  # 0: the mean of all, then layer by layer

    def __init__(
        self, net: BertForPretraining, pieces: Pieces, sentences: Sequence[str], place: int = 0
    ):
        rows = [pieces.to_ids(sentence) for sentence in sentences]
        _check_rows(rows, place)
        found = [fill(net, pieces, row) for row in rows]
        super().__init__(
            sentences=list(sentences),
            tokens=[["[CLS]", *(pieces.tokens[i] for i in row), "[SEP]"] for row in rows],
            guesses=[[[[t, _tenths(p)] for t, p in one.best] for one in all_] for all_ in found],
            truths=[[[_tenths(one.chance), one.rank] for one in all_] for all_ in found],
            weights=[[(TENTHS * one.weights).round().int().flatten().tolist() for one in all_]
                     for all_ in found],
            shape=[len(net.bert.layers), net.bert.layers[0].self_attn.num_heads],
            place=place,
        )  # fmt: skip

    def looks(self) -> Tensor:
        """How much the hidden place looks at each token in what is chosen: ``(tokens,)``."""
        flat = torch.tensor(self.weights[self.sentence][self.place]) / TENTHS
        rows = flat.view(-1, len(self.tokens[self.sentence]))
        return rows.mean(0) if self.head == 0 else rows[self.head - 1]

    def describe(self) -> str:
        tokens = self.tokens[self.sentence]
        said = ", ".join(f"{t} {p / TENTHS:.2f}" for t, p in self._guesses())
        chance, rank = self.truths[self.sentence][self.place]
        at = tokens[int(self.looks().argmax())]
        return (
            f"Fill-mask explorer. The sentence is: {self.sentences[self.sentence]} Hidden is "
            f"“{tokens[self.place + 1]}”. The best guesses: {said}. The hidden piece has rank {rank}, "
            f"probability {chance / TENTHS:.2f}. The place looks most at “{at}”."
        )

    def _guesses(self) -> list:
        return self.guesses[self.sentence][self.place]

    def still_svg(self) -> str:
        tokens, looks = self.tokens[self.sentence], self.looks()
        parts, x, y = [], 14, 34
        for i, (token, weight) in enumerate(zip(tokens, looks.tolist(), strict=True)):
            wide = 8 * len(token) + 12
            if x + wide > 350:
                x, y = 14, y + 46
            hidden = i == self.place + 1
            fill = f'fill="{BLUE}"' if hidden else f'fill="{ORANGE}" fill-opacity="{weight:.3f}"'
            ink = ' fill="#ffffff" font-weight="bold"' if hidden else ""
            parts.append(
                f'<rect x="{x}" y="{y - 17}" width="{wide}" height="24" rx="4" {fill} '
                f'stroke="{GREY}"/><text x="{x + wide / 2:g}" y="{y}" text-anchor="middle"{ink}>'
                f"{escape(token)}</text>"
                f'<text x="{x + wide / 2:g}" y="{y + 19}" font-size="10" text-anchor="middle">'
                f"{100 * weight:.0f}</text>"
            )
            x += wide + 5
        top = y + 46
        for n, (token, tenths) in enumerate(self._guesses()):
            y, long = top + 24 * n, 190 * tenths / TENTHS
            parts.append(
                f'<text x="96" y="{y}" text-anchor="end">{escape(token)}</text>'
                f'<rect x="104" y="{y - 12}" width="{max(1, long):.1f}" height="15" fill="{BLUE}"/>'
                f'<text x="{110 + long:.1f}" y="{y}">{tenths / TENTHS:.2f}</text>'
            )
        height = top + 24 * BEST
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 364 {height}" width="364" '
            f'height="{height}" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f'<title>{escape(self.describe())}</title><rect x="0.5" y="0.5" width="363" '
            f'height="{height - 1}" rx="6" fill="#ffffff" stroke="{GREY}"/>{"".join(parts)}</svg>'
        )


@torch.no_grad()
def fill(net: BertForPretraining, pieces: Pieces, row: Sequence[int]) -> list[Filled]:
    """What a BERT says of each place of a text, hidden alone.

    Parameters
    ----------
    net
        In any mode; it is put into evaluation mode.
    pieces
        Its vocabulary.
    row
        Token numbers, without ``[CLS]`` and ``[SEP]``.
    """
    net.eval()
    device = net.bert.words.weight.device
    ids = torch.tensor([[CLS, *row, SEP]], device=device).repeat(len(row), 1)  # (places, tokens)
    chosen = torch.zeros_like(ids, dtype=torch.bool)
    chosen[:, 1:-1] = torch.eye(len(row), dtype=torch.bool, device=device)
    for layer in net.bert.layers:
        layer.need_weights = True
    chances = net(ids.masked_fill(chosen, MASK), chosen).words.softmax(-1).cpu()  # (places, V)
    weights = [layer.self_attn.weights[chosen[:, None].expand(-1, layer.self_attn.num_heads, -1)]
               .view(len(row), -1, ids.shape[1]).cpu() for layer in net.bert.layers]  # fmt: skip
    for layer in net.bert.layers:
        layer.need_weights = False
    found = []
    for n, true in enumerate(row):
        best = chances[n].topk(BEST)
        guesses = [(pieces.tokens[i], p) for p, i in zip(*map(Tensor.tolist, best), strict=True)]
        rank = int((chances[n] > chances[n, true]).sum()) + 1
        looks = torch.cat([layer[n] for layer in weights])  # (layers * heads, tokens)
        found.append(Filled(guesses, chances[n, true].item(), rank, looks))
    return found


def _tenths(chance: float) -> int:
    return round(TENTHS * chance)


def _check_rows(rows: list[list[int]], place: int) -> None:
    if not rows:
        raise ValueError("there is no sentence: give at least one")
    for row in rows:
        if not 0 < len(row) <= MOST_PIECES:
            raise ValueError(f"a sentence has {len(row)} pieces: give 1 to {MOST_PIECES}")
    if not 0 <= place < len(rows[0]):
        raise ValueError(f"place is {place}: the first sentence has 0 to {len(rows[0]) - 1}")
