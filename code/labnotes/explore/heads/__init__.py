"""The heads explorer: where each head of a trained encoder looks, for sentences that a reader types."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor, nn

from labnotes.attention import masks
from labnotes.explore.base import Explorer, with_shared
from labnotes.explore.carried import check_bytes, check_numbers
from labnotes.plot import BLUE, GREY, ORANGE
from labnotes.sequence.translation import END, PAD, UNKNOWN, Language
from labnotes.text.byte_pairs import END as WORD_END
from labnotes.transformer import Encoder

HERE = Path(__file__).parent
MOST_BYTES = 450_000  # of one network: what a reader's page may have to fetch
MOST_TOKENS = 12  # that are read of a sentence, its end among them
PADS = 2  # tokens that fill a sentence up, where padding is asked for
TENTHS = 10_000  # weights in the state are whole numbers of this part
PADDINGS = {
    "none": "none",
    "hidden": f"{PADS} tokens, hidden",
    "seen": f"{PADS} tokens, not hidden",
}


@dataclass
class Looks:
    """Where the heads look.

    Attributes
    ----------
    tokens
        The word pieces as they are shown: one that does not end its word has a hyphen behind it.
    weights
        ``(layers, heads, queries, keys)``; each row sums to 1.
    """

    tokens: list[str]
    weights: Tensor

    def entropies(self) -> Tensor:
        """The entropy of each row in nats, ``(layers, heads, queries)``."""
        return torch.special.entr(self.weights).sum(-1)


class HeadsExplorer(Explorer):
    """An encoder's heads: the reader chooses a word and sees where it looks in each of them.

    The matrices are rounded to 8 bits, each row with a scale of its own; all that is shown is
    computed from the rounded ones. In a notebook the network comes with the widget. The site keeps
    it in a file of its own, beside the page, which is then told in `places` where it is; what the
    page shows before stands in the state.

    Parameters
    ----------
    encoder
        With pre-norm blocks and ReLU.
    language
        Its word pieces.
    sentences
        From which the reader may choose, at least one. Of a long one 11 pieces are read.
    word
        Which piece of the first sentence is chosen, from 0.

    Raises
    ------
    ValueError
        If there is no sentence, or not that word; if the encoder is another one, has another
        vocabulary, takes more than 450 kB or has a number that is not finite.
    """

    _esm = with_shared(HERE / "heads.js", "filed.js")
    _css = HERE / "heads.css"

    sentences = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tokens = traitlets.List().tag(sync=True)  # of each sentence, as they are shown
    plain = traitlets.List().tag(sync=True)  # of each, all weights one after the other, in tenths
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # [layers, heads]
    most_tokens = traitlets.Int(MOST_TOKENS).tag(sync=True)
    pads = traitlets.Int(PADS).tag(sync=True)
    paddings = traitlets.Dict(PADDINGS).tag(sync=True)
    byte_counts = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)  # base64, or "" and a place
    places = traitlets.List(traitlets.Unicode()).tag(sync=True)  # addresses, as the page sees them
    sentence = traitlets.Int(0, min=0).tag(sync=True)
    own = traitlets.Unicode("").tag(sync=True)  # the reader's, which goes before the chosen one
    word = traitlets.Int(0, min=0).tag(sync=True)
    padding = traitlets.Enum(list(PADDINGS), "none").tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    silent = traitlets.List(traitlets.Int()).tag(sync=True)  # heads off: layer * heads + head

    def __init__(
        self, encoder: Encoder, language: Language, sentences: Sequence[str], word: int = 0
    ):
        _check_encoder(encoder, language)
        packed = pack(encoder, language)
        check_bytes("encoder", packed, MOST_BYTES, "a smaller one, or fewer word pieces")
        net = rounded(encoder)
        found = [look(net, language, sentence) for sentence in sentences]
        _check_word(found, word)
        super().__init__(
            sentences=list(sentences),
            tokens=[looks.tokens for looks in found],
            plain=[(TENTHS * looks.weights).round().int().flatten().tolist() for looks in found],
            shape=list(found[0].weights.shape[:2]),
            byte_counts=[len(packed)],
            weights=[base64.b64encode(packed).decode("ascii")],
            places=[""],
            word=word,
        )

    def looks(self) -> Looks:
        """What the first picture shows: the chosen sentence, nothing hidden, all heads on."""
        tokens = self.tokens[self.sentence]
        weights = torch.tensor(self.plain[self.sentence]) / TENTHS
        return Looks(tokens, weights.view(*self.shape, len(tokens), len(tokens)))

    def describe(self) -> str:
        looks = self.looks()
        rows = looks.weights[:, :, self.word].flatten(0, 1)  # (layers * heads, keys)
        said = ", ".join(
            f"{_head(n, self.shape[1])} at “{looks.tokens[int(row.argmax())]}” {row.max():.2f}"
            for n, row in enumerate(rows)
        )
        return (
            f"Heads explorer. The sentence is: {self.sentences[self.sentence]} Where "
            f"“{looks.tokens[self.word]}” looks most in each head, layer.head, and with which "
            f"weight: {said}."
        )

    def still_svg(self) -> str:
        looks, heads = self.looks(), self.shape[1]
        wide = max(34, 300 // len(looks.tokens))
        left, top, tall = 52, 112, 30
        right = left + wide * len(looks.tokens)
        parts = [
            f'<rect x="{left + wide * self.word}" y="14" width="{wide}" height="90" rx="4" '
            f'fill="{BLUE}"/><text x="14" y="100">head</text>'
            f'<text x="{right + 8}" y="100">entropy</text>'
        ]
        for i, token in enumerate(looks.tokens):
            x = left + wide * (i + 0.5) + 4
            ink = ' fill="#ffffff" font-weight="bold"' if i == self.word else ""
            parts.append(
                f'<text x="{x:g}" y="98" transform="rotate(-90 {x:g} 98)"{ink}>{escape(token)}'
                "</text>"
            )
        rows = looks.weights[:, :, self.word].flatten(0, 1)  # (layers * heads, keys)
        entropies = looks.entropies()[:, :, self.word].flatten()
        for n, (row, entropy) in enumerate(zip(rows.tolist(), entropies.tolist(), strict=True)):
            foot = top + tall * (n + 1) + 10 * (n // heads)
            parts.append(
                f'<path d="M{left} {foot}H{right}" stroke="{GREY}"/>'
                f'<text x="14" y="{foot - 4}">{_head(n, heads)}</text>'
                f'<text x="{right + 46}" y="{foot - 4}" text-anchor="end">{entropy:.2f}</text>'
            )
            for i, weight in enumerate(row):
                x, high = left + wide * i, (tall - 15) * weight
                parts.append(
                    f'<rect x="{x + 2:g}" y="{foot - high:.1f}" width="{wide - 4}" '
                    f'height="{high:.1f}" fill="{ORANGE}" stroke="#24292f" stroke-width="0.5"/>'
                )
                if weight >= 0.095:
                    parts.append(
                        f'<text x="{x + wide / 2:g}" y="{foot - high - 2:.1f}" font-size="11" '
                        f'text-anchor="middle">{int(100 * weight + 0.5)}</text>'
                    )
        width, height = right + 66, top + tall * len(rows) + 10 * self.shape[0] + 10
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
            f'font-size="13" fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6" '
            f'fill="#ffffff" stroke="{GREY}"/>{"".join(parts)}</svg>'
        )


@torch.no_grad()
def look(
    encoder: Encoder,
    language: Language,
    sentence: str,
    padding: str = "none",
    causal: bool = False,
    silent: Collection[tuple[int, int]] = (),
) -> Looks:
    """Where each head of an encoder looks while it reads a sentence.

    Parameters
    ----------
    encoder
        In evaluation mode, on the CPU; left as it was.
    language
        Its word pieces.
    sentence
        A string. At most 12 tokens are read, the end among them.
    padding
        A name of `PADDINGS`: whether two tokens of padding stand behind the end, and whether a
        mask hides them.
    causal
        Whether each token sees only itself and those before it, as in a decoder.
    silent
        Heads ``(layer, head)``, from 0, whose output is 0.

    Raises
    ------
    ValueError
        If `padding` is no name of `PADDINGS`.
    """
    _check_padding(padding)
    ids = _read(language, sentence)
    ids += [PAD] * (0 if padding == "none" else PADS)
    tokens = torch.tensor([ids])  # (1, length)
    hidden = tokens == PAD if padding == "hidden" else None
    future = masks.causal(len(ids)) if causal else None
    x, found = encoder.embedding(tokens), []  # x: (1, length, d_model)
    for n, layer in enumerate(encoder.layers):
        layer = _without(layer, [head for at, head in silent if at == n])
        layer.need_weights = True
        x = layer(x, future, hidden)
        found.append(layer.self_attn.weights[0])  # (heads, length, length)
    return Looks([shown(language, i) for i in ids], torch.stack(found))


def shown(language: Language, number: int) -> str:
    """A token as the explorer writes it: a piece inside a word has a hyphen behind it.

    Examples
    --------
    >>> language = Language(["low lower"], merges=3)
    >>> [shown(language, number) for number in language.to_ids("lower low")]
    ['low-', 'er-', '·', 'low-', '·', 'end']
    """
    special = {PAD: "pad", UNKNOWN: "?", END: "end"}
    if number in special:
        return special[number]
    (piece,) = language.vocabulary.to_tokens([number])
    return (piece.removesuffix(WORD_END) or "·") if piece.endswith(WORD_END) else piece + "-"


def rounded(encoder: Encoder) -> Encoder:
    """A copy of an encoder, its matrices rounded to 8 bits, on the CPU, for use."""
    net = copy.deepcopy(encoder).cpu().float().eval().requires_grad_(False)
    for weight in net.parameters():
        if weight.dim() == 2:
            whole, scales = _in_8_bits(weight)
            weight.copy_(whole * scales)
    return net


def pack(encoder: Encoder, language: Language) -> bytes:
    """An encoder and how its language is cut into pieces, as the script reads them.

    First the length of a header, uint32; the header in JSON: sizes, merges, tokens, and the words
    that keep a capital at the beginning of a sentence. Then the numbers that the weights of all
    heads depend on, in the order of the state dict: the embedding, of each block attention,
    feed-forward network and norms, of the last one only the projections of queries and keys and
    the first norm. A vector is float32; a matrix the scales of its rows, float32, and then whole
    numbers, int8. All are little-endian.
    """
    header = {
        "heads": encoder.layers[0].self_attn.num_heads,
        "layers": len(encoder.layers),
        "width": encoder.embedding.table.embedding_dim,
        "hidden": encoder.layers[0].linear1.out_features,
        "merges": language.pieces.merges,
        "tokens": language.vocabulary.tokens,
        "names": _names(language),
    }
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    numbers = [_packed(weight.detach().cpu().float()) for weight in _numbers(encoder)]
    return b"".join([np.array(len(head), "<u4").tobytes(), head, *numbers])


def _numbers(encoder: Encoder) -> list[Tensor]:
    found = [encoder.embedding.table.weight]
    for layer in encoder.layers[:-1]:
        found += layer.parameters()
    last, d = encoder.layers[-1], encoder.embedding.table.embedding_dim
    attention = last.self_attn
    queries_keys = [attention.in_proj_weight[: 2 * d], attention.in_proj_bias[: 2 * d]]
    return [*found, *queries_keys, *last.norm1.parameters()]


def _packed(weight: Tensor) -> bytes:
    if weight.dim() == 1:
        return weight.numpy().astype("<f4").tobytes()
    whole, scales = _in_8_bits(weight)
    return scales.numpy().astype("<f4").tobytes() + whole.numpy().astype("i1").tobytes()


def _in_8_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers from -127 to 127, and what they are multiplied by: ``(rows, 1)``."""
    scales = weight.detach().abs().amax(dim=1, keepdim=True) / 127
    scales[scales == 0] = 1.0
    return (weight.detach() / scales).round(), scales


def _names(language: Language) -> list[str]:
    """The words that keep their capital where a sentence begins with them."""
    counted = language._inside  # no one else needs these counts
    return sorted(w for w in counted if w[0].lower() != w[0] and language.words(w)[0] == w)


def _head(number: int, heads: int) -> str:
    return f"{number // heads + 1}.{number % heads + 1}"


def _read(language: Language, sentence: str) -> list[int]:
    """Numbers of at most `MOST_TOKENS` tokens, the last of which is the end."""
    ids = language.to_ids(sentence)
    return ids if len(ids) <= MOST_TOKENS else [*ids[: MOST_TOKENS - 1], END]


def _without(layer: nn.Module, heads: list[int]) -> nn.Module:
    """A copy of a block, the outputs of some heads left out of its last projection."""
    layer = copy.deepcopy(layer)
    size = layer.self_attn.embed_dim // layer.self_attn.num_heads
    for head in heads:
        layer.self_attn.out_proj.weight[:, head * size : (head + 1) * size] = 0
    return layer


def _check_encoder(encoder: Encoder, language: Language) -> None:
    table = encoder.embedding.table
    if table.num_embeddings != len(language):
        raise ValueError(
            f"the encoder knows {table.num_embeddings} tokens and the language has "
            f"{len(language)}: give the language that the encoder was trained on"
        )
    for layer in encoder.layers:
        if not layer.norm_first or layer.activation is not F.relu:
            raise ValueError(
                "the explorer computes pre-norm blocks with ReLU: give an encoder with norm_first"
            )
    check_numbers(encoder)


def _check_word(found: list[Looks], word: int) -> None:
    if not found:
        raise ValueError("there is no sentence: give at least one")
    if not 0 <= word < len(found[0].tokens):
        raise ValueError(
            f"word is {word}: the first sentence has {len(found[0].tokens)} tokens, counted from 0"
        )


def _check_padding(padding: str) -> None:
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}: give one of {', '.join(PADDINGS)}")
