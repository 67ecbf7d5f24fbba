"""A tagger that reads a sentence forwards, backwards or both ways, and what padding needs for it."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from labnotes.checks import check_below, check_positive

DIRECTIONS = ("forward", "backward", "both")


def word_features(token: str) -> list[str]:
    """What can be seen of a word alone: itself, its shape, its beginning and its end.

    The shape (词形) has X for a capital, x for another letter, 0 for a digit; runs are cut to two.

    Raises
    ------
    ValueError
        If the token is empty.

    Examples
    --------
    >>> word_features("Paris2017")
    ['word=paris2017', 'shape=Xxx00', 'begin=par', 'end=017']
    """
    _check_token(token)
    lower = token.lower()
    shape = re.sub(r"[^\W\d_]", lambda m: "X" if m[0] != m[0].lower() else "x", token)
    shape = re.sub(r"(.)\1+", r"\1\1", re.sub(r"\d", "0", shape))
    return [f"word={lower}", f"shape={shape}", f"begin={lower[:3]}", f"end={lower[-3:]}"]


def reverse_padded(inputs: Tensor, lengths: Tensor) -> Tensor:
    """Turn each sequence round within its own length; the padding stays where it is.

    Parameters
    ----------
    inputs
        ``(batch, time, ...)``, padded at the end.
    lengths
        ``(batch,)``, int64: steps of each sequence, from 1 to `time`.

    Returns
    -------
    Tensor
        As `inputs`. Turned round twice it is `inputs` again.

    Raises
    ------
    ValueError
        If there is not one length for each sequence, or a length does not fit.

    Examples
    --------
    >>> reverse_padded(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2])).tolist()
    [[3, 2, 1], [5, 4, 0]]
    """
    _check_lengths(lengths, inputs)
    times = torch.arange(inputs.shape[1], device=inputs.device)  # (time,)
    ends = lengths.to(inputs.device)[:, None]  # (batch, 1)
    source = torch.where(times < ends, ends - 1 - times, times)  # (batch, time)
    return inputs[torch.arange(len(inputs), device=inputs.device)[:, None], source]


class Tagger(nn.Module):
    """One logit for each tag at each word, from a recurrent network that reads the sentence.

    Parameters
    ----------
    num_features
        Numbers that a feature of a word can be.
    num_tags
        Tags.
    embed_size, hidden_size
        Numbers that stand for a word, and numbers in the state of each direction.
    num_layers
        Recurrent layers; each reads all states of the one below.
    directions
        ``"forward"``, ``"backward"`` or ``"both"``.
    dropout
        Probability with which a number is set to zero, before, between and after the layers.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    Schuster and Paliwal (1997), section II; Huang, Xu and Yu (2015), section 2.2, for tagging.

    Examples
    --------
    >>> tagger = Tagger(num_features=100, num_tags=7, embed_size=8, hidden_size=5)
    >>> tagger(torch.ones(2, 6, 4, dtype=torch.int64), torch.tensor([6, 3])).shape
    torch.Size([2, 6, 7])
    """

    def __init__(
        self,
        num_features: int,
        num_tags: int,
        embed_size: int = 32,
        hidden_size: int = 32,
        num_layers: int = 1,
        directions: str = "both",
        dropout: float = 0.0,
    ):
        super().__init__()
        check_positive(num_features=num_features, num_tags=num_tags)
        _check_directions(directions)
        self.directions = directions
        self.embedding = nn.Embedding(num_features, embed_size)
        nn.init.normal_(self.embedding.weight, std=0.3)  # four of them are summed
        self.gru = nn.GRU(
            embed_size, hidden_size, num_layers, batch_first=True,
            bidirectional=directions == "both", dropout=dropout if num_layers > 1 else 0.0,
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size * (1 + self.gru.bidirectional), num_tags)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Logits ``(batch, time, tags)`` for features ``(batch, time, kinds)`` and their lengths.

        Raises
        ------
        ValueError
            If a shape or a length does not fit, or a number is no feature's.
        """
        _check_lengths(lengths, features)
        _check_features(features, self.embedding.num_embeddings)
        words = self.dropout(self.embedding(features).sum(2))  # (batch, time, embed)
        if self.directions == "backward":
            words = reverse_padded(words, lengths)
        packed = pack_padded_sequence(
            words, lengths.cpu(), batch_first=True, enforce_sorted=False
        )  # without the padding
        states, _ = pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=words.shape[1]
        )  # (batch, time, directions * hidden)
        if self.directions == "backward":
            states = reverse_padded(states, lengths)
        return self.output(self.dropout(states))


def _check_token(token: str) -> None:
    if not isinstance(token, str) or not token:
        raise ValueError(f"the token is {token!r}: give a word, a string of at least one character")


def _check_directions(directions: str) -> None:
    if directions not in DIRECTIONS:
        raise ValueError(f"directions is {directions!r}: give one of {', '.join(DIRECTIONS)}")


def _check_lengths(lengths: Tensor, inputs: Tensor) -> None:
    if inputs.dim() < 2 or lengths.shape != inputs.shape[:1] or lengths.is_floating_point():
        raise ValueError(
            f"inputs are {tuple(inputs.shape)}, lengths {tuple(lengths.shape)} {lengths.dtype}: "
            "give (batch, time, ...) and one whole number for each sequence"
        )
    if len(lengths) and not (1 <= lengths.min() and lengths.max() <= inputs.shape[1]):
        raise ValueError(
            f"lengths go from {int(lengths.min())} to {int(lengths.max())}: give numbers from 1 to "
            f"the {inputs.shape[1]} steps of the inputs, and leave empty sequences out"
        )


def _check_features(features: Tensor, size: int) -> None:
    if features.dim() != 3 or features.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"features are {features.dtype} of the shape {tuple(features.shape)}: give integers "
            "(batch, time, kinds)"
        )
    if not len(features):
        raise ValueError("a batch has no row: give at least one sequence")
    check_below(size, features=features)
