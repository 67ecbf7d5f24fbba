"""What BERT learns from text without labels: hidden words, and whether two texts belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.bert.heads import new_layer
from labnotes.bert.model import Bert, BertConfig

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))
#: The two tasks on pairs: does B follow A in its text, and are A and B in their order?
TASKS = ("next", "order")


class Masked(NamedTuple):
    """A batch whose words have been hidden.

    Attributes
    ----------
    inputs
        What the network reads, ``(batch, length)``.
    chosen
        Where it must tell the word, bool ``(batch, length)``.
    labels
        The words there, row by row, ``(chosen places,)``.
    """

    inputs: Tensor
    chosen: Tensor
    labels: Tensor


def mask_tokens(
    ids: Tensor,
    words: Tensor,
    mask: int = MASK,
    rate: float = 0.15,
    split: tuple[float, float, float] = (0.8, 0.1, 0.1),
    generator: torch.Generator | None = None,
) -> Masked:
    """Choose words, and hide most of them.

    Each place that holds a word is chosen with probability `rate`, by itself. A chosen one becomes
    the mask, another word, or stays, with the probabilities of `split`: one draw decides which, so
    no place is changed twice.

    Parameters
    ----------
    ids
        Token numbers ``(batch, length)``.
    words
        Bool ``(vocabulary,)``: which numbers may be chosen, and be put in another's place. Special
        tokens may not.
    mask
        The number of ``[MASK]``.
    rate
        The share of words to be chosen, from 0 to 1.
    split
        The shares masked, replaced, and left, which sum to 1.
    generator
        For the draws.

    Raises
    ------
    ValueError
        If a number is not in the vocabulary, `words` allows none, or shares are no shares.

    References
    ----------
    Devlin et al. (2019), section 3.1 and appendix A.1. They choose a fixed number of words of each
    text; here the number varies, as in most later code.

    Examples
    --------
    >>> words = torch.arange(20) > 4
    >>> inputs, chosen, labels = mask_tokens(torch.randint(5, 20, (2, 8)), words, rate=1.0)
    >>> chosen.all().item(), labels.shape
    (True, torch.Size([16]))
    """
    _check_masking(ids, words, rate, split)
    draw = {"generator": generator, "device": ids.device}
    chosen = words[ids] & (torch.rand(ids.shape, **draw) < rate)  # (batch, length)
    fate = torch.rand(ids.shape, **draw)
    hidden = chosen & (fate < split[0])
    swapped = chosen & (fate >= split[0]) & (fate < split[0] + split[1])
    others = words.nonzero()[:, 0]  # the numbers of all words
    drawn = others[torch.randint(len(others), ids.shape, **draw)]
    inputs = torch.where(hidden, mask, torch.where(swapped, drawn, ids))
    return Masked(inputs, chosen, ids[chosen])


class WordHead(nn.Module):
    """A score for each word of the vocabulary, from the vector at one place.

    Parameters
    ----------
    config
        The sizes of the BERT that it sits on, whose embedding table it uses a second time.

    References
    ----------
    Devlin et al. (2019), appendix A.1; the layer before the scores is in the authors' code.

    Examples
    --------
    >>> head = WordHead(BertConfig(vocab_size=50, hidden_size=16))
    >>> head(torch.randn(3, 16), torch.randn(50, 16)).shape
    torch.Size([3, 50])
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = new_layer(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, vectors: Tensor, table: Tensor) -> Tensor:
        """``(places, hidden_size)`` and the table ``(vocab_size, hidden_size)`` to logits."""
        x = self.norm(F.gelu(self.dense(vectors)))
        return F.linear(x, table, self.bias)  # (places, vocab_size)


class PretrainingOutput(NamedTuple):
    """What a BERT in training says.

    Attributes
    ----------
    words
        Logits over the vocabulary for each chosen place, row by row, ``(chosen places, vocab_size)``.
    pair
        Logits of the question about the pair, ``(batch, 2)``; 0 stands for yes.
    """

    words: Tensor
    pair: Tensor


class BertForPretraining(nn.Module):
    """BERT with its two heads.

    Parameters
    ----------
    config
        The sizes.

    References
    ----------
    Devlin et al. (2019), section 3.1.

    Examples
    --------
    >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    >>> model = BertForPretraining(BertConfig(vocab_size=50, intermediate_size=32, **sizes))
    >>> ids = torch.randint(5, 50, (2, 7))
    >>> words, pair = model(ids, chosen=ids > 25)
    >>> words.shape[1], pair.shape
    (50, torch.Size([2, 2]))
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.bert = Bert(config)
        self.words = WordHead(config)
        self.pair = new_layer(config.hidden_size, 2)

    def forward(
        self,
        input_ids: Tensor,
        chosen: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> PretrainingOutput:
        """Logits of words, at the chosen places alone, and of the pair.

        Parameters
        ----------
        input_ids, attention_mask, token_type_ids
            As for :class:`Bert`.
        chosen
            Bool ``(batch, length)``: the places where a word is asked for.

        Raises
        ------
        ValueError
            If `chosen` is not bool of that shape, and as :class:`Bert`.
        """
        _check_chosen(chosen, input_ids)
        tokens, whole = self.bert(input_ids, attention_mask, token_type_ids)
        vectors = tokens[chosen]  # (places, hidden_size): the big product is for these alone
        return PretrainingOutput(self.words(vectors, self.bert.words.weight), self.pair(whole))


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts as BERT reads them: ``[CLS] A [SEP] B [SEP]``, padded behind.

    Attributes
    ----------
    ids, segments
        Token numbers, and 0 for A or 1 for B, each ``(n, length)``.
    lengths
        Tokens of each pair, without padding, ``(n,)``.
    labels
        0: B follows A (in the task "order": they are in order). 1: not so. ``(n,)``.
    """

    ids: Tensor
    segments: Tensor
    lengths: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, size: int, generator: torch.Generator | None = None) -> list[Pairs]:
        """Batches of pairs of about the same length, cut to the longest, in a random order."""
        noise = torch.rand(len(self), generator=generator)  # neighbours differ from time to time
        rows = (self.lengths + noise).argsort().split(size)
        order = torch.randperm(len(rows), generator=generator).tolist()
        return [self._cut(rows[i]) for i in order]

    def _cut(self, rows: Tensor) -> Pairs:
        longest = int(self.lengths[rows].max())
        ids, segments = self.ids[rows, :longest], self.segments[rows, :longest]
        return Pairs(ids, segments, self.lengths[rows], self.labels[rows])

    def to(self, device: torch.device | str) -> Pairs:
        """The same on another device."""
        return Pairs(*(getattr(self, f.name).to(device) for f in fields(self)))

    @property
    def attention_mask(self) -> Tensor | None:
        """1 where a token counts, ``(n, length)``; None where nothing is padded."""
        places = torch.arange(self.ids.shape[1], device=self.ids.device)
        counts = places < self.lengths[:, None]
        return None if counts.all() else counts.long()


def text_pairs(
    articles: Sequence[Sequence[int]],
    ends: Collection[int],
    length: int,
    task: str = "next",
    generator: torch.Generator | None = None,
) -> Pairs:
    """Cut articles into pairs of texts; about half of the pairs do not belong together.

    Neighbouring sentences are collected while they fit, and cut at one of their ends, drawn at
    random, into A and B. Then about half of the pairs are spoiled. For ``task="next"`` their Bs
    change places among pairs of other articles, each with one of its own length, so that lengths
    tell nothing. For ``task="order"`` A and B of such a pair change places.

    Parameters
    ----------
    articles
        Token numbers of each article, without special tokens.
    ends
        The numbers that end a sentence. One longer than half of the room is cut.
    length
        The most tokens of a pair, three special ones among them.
    task
        ``"next"`` or ``"order"``.
    generator
        For the draws, among them the sentence of each article that the first A begins with.

    Raises
    ------
    ValueError
        If there are fewer than two articles, there is no room or no pair, or the task is another.

    References
    ----------
    Devlin et al. (2019), section 3.1 and appendix A.2, for ``"next"``; Lan et al. (2020), section
    3.1, for ``"order"``.
    """
    _check_texts(articles, length, task)
    pairs, whose = [], []
    for number, article in enumerate(articles):
        found = _stretches(_sentences(article, ends, (length - 3) // 2), length - 3, generator)
        pairs += found
        whose += [number] * len(found)
    _check_found(pairs)
    labels = [0] * len(pairs)
    spoiled = torch.randperm(len(pairs), generator=generator)[: len(pairs) // 2].tolist()
    if task == "order":
        for i in spoiled:
            pairs[i], labels[i] = pairs[i][::-1], 1
    else:
        alike = defaultdict(list)  # pairs to spoil, by the length of their B
        for i in spoiled:
            alike[len(pairs[i][1])].append(i)
        for rows in alike.values():
            seconds = [pairs[i][1] for i in rows]
            for i, j, b in zip(rows, rows[1:] + rows[:1], seconds[1:] + seconds[:1]):
                if whose[i] != whose[j]:
                    pairs[i], labels[i] = (pairs[i][0], b), 1
    return _joined(pairs, labels, length)


def _sentences(article: Sequence[int], ends: Collection[int], most: int) -> list[list[int]]:
    """The sentences of an article, each cut to `most` tokens."""
    found, start = [], 0
    for i, token in enumerate(article, start=1):
        if token in ends or i == len(article):
            found.append(list(article[start:i])[:most])
            start = i
    return found


def _stretches(sentences: list[list[int]], room: int, generator) -> list[tuple]:
    """Pairs (A, B) of neighbouring sentences; the first A begins within the first three."""
    found, at = [], int(torch.randint(3, (), generator=generator))
    while at + 1 < len(sentences):
        stop, total = at, 0
        while stop < len(sentences) and total + len(sentences[stop]) <= room:
            total += len(sentences[stop])
            stop += 1
        cut = at + 1 + int(torch.randint(max(1, stop - at - 1), (), generator=generator))
        found.append((sum(sentences[at:cut], []), sum(sentences[cut:stop], [])))
        at = stop
    return [pair for pair in found if all(pair)]


def _joined(pairs: list[tuple], labels: list[int], length: int) -> Pairs:
    """``[CLS] A [SEP] B [SEP]`` of each, padded to `length`."""
    ids = torch.full((len(pairs), length), PAD)
    segments, lengths = torch.zeros_like(ids), torch.zeros(len(pairs), dtype=torch.long)
    for i, (a, b) in enumerate(pairs):
        lengths[i] = len(a) + len(b) + 3
        ids[i, : lengths[i]] = torch.tensor([CLS, *a, SEP, *b, SEP])
        segments[i, len(a) + 2 : lengths[i]] = 1
    return Pairs(ids, segments, lengths, torch.tensor(labels))


def _check_masking(ids: Tensor, words: Tensor, rate: float, split: Sequence[float]) -> None:
    if words.dtype != torch.bool or words.dim() != 1 or not words.any():
        raise ValueError(
            f"words are {words.dtype} of shape {tuple(words.shape)}: give bool (vocabulary,), True "
            "for at least one word"
        )
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"ids are {ids.dtype}: give integers, the numbers of tokens")
    if ids.numel() and not 0 <= ids.min() <= ids.max() < len(words):
        raise ValueError(
            f"ids go from {ids.min()} to {ids.max()}: the vocabulary has 0 to {len(words) - 1}"
        )
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}: give a share from 0 to 1")
    if len(split) != 3 or min(split) < 0 or not abs(sum(split) - 1) <= 1e-6:  # NaN too
        raise ValueError(
            f"split is {split}: give the shares masked, replaced and left, which sum to 1"
        )


def _check_chosen(chosen: Tensor, input_ids: Tensor) -> None:
    if chosen.dtype != torch.bool or chosen.shape != input_ids.shape:
        raise ValueError(
            f"chosen is {chosen.dtype} of shape {tuple(chosen.shape)}: give bool "
            f"{tuple(input_ids.shape)}, True where a word is asked for"
        )


def _check_texts(articles: Sequence, length: int, task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"task is {task!r}: give one of {', '.join(TASKS)}")
    if length < 5:
        raise ValueError(f"length is {length}: give at least 5, three special tokens among them")
    if len(articles) < 2:
        raise ValueError(f"there are {len(articles)} articles: give at least two")


def _check_found(pairs: list) -> None:
    if not pairs:
        raise ValueError("no article has two sentences: are the ends of sentences right?")
