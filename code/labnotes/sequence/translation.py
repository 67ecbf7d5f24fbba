"""Sentence pairs as a translator reads them: numbers of word pieces, in batches of equal length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from labnotes.checks import check_positive
from labnotes.data.text import TOKEN, normalise
from labnotes.text.byte_pairs import BytePairs
from labnotes.text.vocabulary import Vocabulary

#: The first four numbers of every language: padding, unknown, beginning and end of a sentence.
PAD, UNKNOWN, BEGIN, END = range(4)
RESERVED = ("<pad>", "<unk>", "<bos>", "<eos>")
Ids = list[int]


def words_of(text: str) -> list[str]:
    """The words and marks of `text`, with their capitals.

    Examples
    --------
    >>> words_of("Tom left.")
    ['Tom', 'left', '.']
    """
    return TOKEN.findall(normalise(text))


class Language:
    """Text of one language as numbers of word pieces, and back.

    A sentence loses the capital of its first word, except where inside sentences the word stands
    with one more often than without; on the way back each sentence begins with a capital.

    Parameters
    ----------
    sentences
        Strings, from which words and pieces are learned.
    merges
        Joins of byte-pair encoding.

    Attributes
    ----------
    pieces : BytePairs
        Cuts words into pieces.
    vocabulary : Vocabulary
        Numbers pieces, after ``<pad>``, ``<unk>``, ``<bos>`` and ``<eos>``.

    Raises
    ------
    ValueError
        If `sentences` is not a list of strings, or has no word in it.

    Examples
    --------
    >>> english = Language(["The cat sat.", "A cat and Tom sat."], merges=9)
    >>> english.to_text(english.to_ids("The cat sat."))
    'The cat sat.'
    """

    def __init__(self, sentences: Sequence[str], merges: int):
        _check_texts(sentences)
        cut = [words_of(sentence) for sentence in sentences]
        _check_sentences(cut)
        self._inside = Counter(word for words in cut for word in words[1:])
        lowered = [self._lowered(words) for words in cut]
        counts = Counter(word for words in lowered for word in words)
        self.pieces = BytePairs.learn(counts, merges)
        self.vocabulary = Vocabulary(map(self.pieces.tokenize, counts), reserved=RESERVED)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def words(self, text: str) -> list[str]:
        """Words and marks of a sentence, the first one without its capital."""
        return self._lowered(words_of(text))

    def to_ids(self, text: str) -> Ids:
        """Numbers of the pieces of a sentence, and ``END``."""
        return [*self.vocabulary.to_ids(self.pieces.tokenize(" ".join(self.words(text)))), END]

    def to_text(self, ids: Sequence[int]) -> str:
        """The sentence of some numbers, up to the first ``END``."""
        ids = list(ids)
        kept = ids[: ids.index(END)] if END in ids else ids
        tokens = self.vocabulary.to_tokens([i for i in kept if i not in (PAD, BEGIN)])
        return as_sentence(self.pieces.join(tokens).split())

    def _lowered(self, words: list[str]) -> list[str]:
        if not words:
            return words
        small = words[0][0].lower() + words[0][1:]
        is_name = self._inside[words[0]] > self._inside[small]
        return words if is_name else [small, *words[1:]]


def as_sentence(words: Sequence[str]) -> str:
    """Words as one writes them: a capital first, no blank before comma and point.

    Examples
    --------
    >>> as_sentence(["où", "est", "Tom", "?"]), as_sentence(["non", ",", "merci", "."])
    ('Où est Tom ?', 'Non, merci.')
    """
    text = " ".join(words).replace(" ,", ",").replace(" .", ".")
    return text[:1].upper() + text[1:]


class PairBatches:
    """Batches of pairs whose sources are equally long, in a new order at each pass.

    So no source is padded, and the encoder needs no lengths. Targets of a batch differ little in
    length.

    Each batch is ``(source, inputs, targets, lengths)``: source ``(n, S)``; inputs ``(n, T)``,
    which begin with ``BEGIN``; targets ``(n, T)``, the same one token further, which end with
    ``END``; and how many of the targets count, ``(n,)``.

    Parameters
    ----------
    sources, targets
        Lists of numbers, each with ``END`` last, as :meth:`Language.to_ids` gives them.
    batch_size
        Pairs in a batch at most.
    generator
        Draws the order; one of its own by default.

    Raises
    ------
    ValueError
        If the lists differ in length, a sentence is empty or does not end with ``END``, or the
        longest target has over 97 numbers more than the shortest one.
    """

    def __init__(
        self,
        sources: Sequence[Ids],
        targets: Sequence[Ids],
        batch_size: int,
        generator: torch.Generator | None = None,
    ):
        check_positive(batch_size=batch_size)
        _check_pairs(sources, targets)
        self.source, self.source_lengths = _padded(sources)
        self.target, self.target_lengths = _padded([[BEGIN, *target] for target in targets])
        self.batch_size = batch_size
        self.generator = torch.Generator() if generator is None else generator

    def __len__(self) -> int:
        return sum(-(-n // self.batch_size) for n in self.source_lengths.bincount().tolist())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        batches = self._batches()
        for place in torch.randperm(len(batches), generator=self.generator).tolist():
            rows = batches[place]
            lengths = self.target_lengths[rows]
            target = self.target[rows, : int(lengths.max())]
            source = self.source[rows, : int(self.source_lengths[rows[0]])]
            inputs = target[:, :-1]
            # Of the shorter ones the end would be read too, for nothing: what follows is padding.
            yield source, inputs.masked_fill(inputs == END, PAD), target[:, 1:], lengths - 1

    def _batches(self) -> list[Tensor]:
        """Row numbers of each batch: neighbours, when sorted by source and then target length."""
        noise = 2 * torch.rand(len(self.source), generator=self.generator)
        order = (100.0 * self.source_lengths + self.target_lengths + noise).argsort()
        groups = order.split(self.source_lengths.bincount().tolist())
        return [rows for group in groups for rows in group.split(self.batch_size) if len(rows)]


def _padded(sequences: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    padded = pad_sequence([torch.tensor(s) for s in sequences], batch_first=True, padding_value=PAD)
    return padded, torch.tensor([len(s) for s in sequences])


def _check_texts(sentences: Sequence[str]) -> None:
    if isinstance(sentences, str) or not all(isinstance(s, str) for s in sentences):
        raise ValueError("give a list of strings, one for each sentence")


def _check_sentences(cut: list[list[str]]) -> None:
    if not any(cut):
        raise ValueError("there is no sentence with a word in it: give strings, at least one")


def _check_pairs(sources: Sequence[Ids], targets: Sequence[Ids]) -> None:
    if len(sources) != len(targets) or not len(sources):
        raise ValueError(
            f"there are {len(sources)} sources and {len(targets)} targets: give a target for each "
            "source, and at least one pair"
        )
    if not all(map(len, sources)) or not all(map(len, targets)):
        raise ValueError("a sentence is empty: give at least the number of its end")
    if any(sentence[-1] != END for both in (sources, targets) for sentence in both):
        raise ValueError(f"a sentence does not end with END, {END}: nothing would teach it to stop")
    sizes = [len(target) for target in targets]
    if max(sizes) - min(sizes) > 97:  # the order of `_batches` has room for no more
        raise ValueError(
            f"targets have {min(sizes)} to {max(sizes)} numbers: leave long ones out, so that "
            "they differ by 97 at most"
        )
