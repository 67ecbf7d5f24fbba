"""The Transformer from token numbers to logits: encoder, decoder, both, and how they write.

Batch first: token numbers are ``(batch, length)``, logits ``(batch, length, vocabulary)``. A
time-first batch ``(length, batch)`` has the shape of a batch too: it is refused where source and
target differ in length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.attention import masks
from labnotes.attention.positions import sinusoidal
from labnotes.checks import check_below, check_positive
from labnotes.modules import evaluating
from labnotes.transformer.blocks import Cache, DecoderBlock, EncoderBlock


class Embedding(nn.Module):
    """Token numbers to vectors: an embedding times the square root of d, plus sinusoidal positions.

    The embedding starts with deviation ``d_model ** -0.5``, so that the product has deviation 1.

    Parameters
    ----------
    vocabulary, d_model
        How many tokens there are; features of a vector.
    dropout
        Probability, on the sum.

    References
    ----------
    Vaswani et al. (2017), sections 3.4, 3.5 and 5.4.
    """

    def __init__(self, vocabulary: int, d_model: int, dropout: float):
        super().__init__()
        check_positive(vocabulary=vocabulary, d_model=d_model)
        self.table = nn.Embedding(vocabulary, d_model)
        nn.init.normal_(self.table.weight, std=d_model**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """``(batch, length)`` int64 to ``(batch, length, d_model)``; the first stands at `start`."""
        _check_tokens(tokens, self.table.num_embeddings)
        d_model = self.table.embedding_dim
        vectors = self.table(tokens) * math.sqrt(d_model)
        positions = sinusoidal(tokens.shape[1], d_model, start).to(vectors)
        return self.dropout(vectors + positions)


class Encoder(nn.Module):
    """A stack of encoder blocks over an embedding.

    Parameters
    ----------
    embedding
        From token numbers to vectors.
    nhead, num_layers, dim_feedforward, dropout, norm_first
        See :class:`EncoderBlock`; `num_layers` blocks. With `norm_first` a last norm follows them.
    """

    def __init__(
        self,
        embedding: Embedding,
        nhead: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float = 0.1,
        norm_first: bool = False,
    ):
        super().__init__()
        check_positive(num_layers=num_layers)
        d_model = embedding.table.embedding_dim
        self.embedding = embedding
        options = (d_model, nhead, dim_feedforward, dropout, norm_first)
        self.layers = nn.ModuleList(EncoderBlock(*options) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(batch, length)`` to ``(batch, length, d_model)``; `padding` is True where hidden."""
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return self.norm(x)


class Decoder(nn.Module):
    """A stack of decoder blocks over an embedding, and logits of the next token.

    Parameters are those of :class:`Encoder`. One table serves at the entrance and at the exit.

    References
    ----------
    Press and Wolf (2017), Using the output embedding to improve language models, for the sharing.
    """

    def __init__(
        self,
        embedding: Embedding,
        nhead: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float = 0.1,
        norm_first: bool = False,
    ):
        super().__init__()
        check_positive(num_layers=num_layers)
        d_model = embedding.table.embedding_dim
        self.embedding = embedding
        options = (d_model, nhead, dim_feedforward, dropout, norm_first)
        self.layers = nn.ModuleList(DecoderBlock(*options) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def forward(self, tokens: Tensor, memory: Tensor, memory_padding: Tensor | None = None):
        """Logits of the token after each, ``(batch, length, vocabulary)``; the future is hidden."""
        future = masks.causal(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=future, memory_key_padding_mask=memory_padding)
        return self.logits(self.norm(x))

    def logits(self, x: Tensor) -> Tensor:
        """A number for each token of the vocabulary: the dot product of `x` with its embedding."""
        return F.linear(x, self.embedding.table.weight)

    def start(self, memory: Tensor) -> list[Cache]:
        """The caches of all blocks before the first token."""
        return [layer.start(memory) for layer in self.layers]

    def step(
        self, tokens: Tensor, caches: list[Cache], memory_padding: Tensor | None = None
    ) -> Tensor:
        """Logits ``(batch, vocabulary)`` of the token after the newest, ``(batch,)``.

        What came before is in the caches; they learn the newest.
        """
        _check_newest(tokens)
        own = caches[0].own
        place = 0 if own is None else own.keys.shape[2]
        x = self.embedding(tokens[:, None], start=place)  # (batch, 1, d_model)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.step(x, cache, memory_padding)
        return self.logits(self.norm(x[:, 0]))


@dataclass
class State:
    """What a Transformer remembers between two tokens that it writes, a row for each sentence.

    Attributes
    ----------
    caches
        One for each block of the decoder.
    hidden
        Where the source is padding, ``(rows, source length)`` bool; None if nowhere.
    """

    caches: list[Cache]
    hidden: Tensor | None

    def select(self, rows: Tensor) -> State:
        """Those rows ``(m,)``, int64, of the state, a row maybe several times.

        It is the `select` of :func:`labnotes.sequence.search.batched_beam_search`, whose
        beginnings change places: what is remembered must follow them.
        """
        caches = [cache.select(rows) for cache in self.caches]
        return State(caches, None if self.hidden is None else self.hidden[rows])


class Transformer(nn.Module):
    """An encoder that reads, and a decoder that writes.

    Parameters
    ----------
    source_vocabulary
        How many tokens the source has.
    target_vocabulary
        How many the target has; None shares one vocabulary and one embedding.
    d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout, norm_first
        As in `torch.nn.Transformer`; the defaults are those of the paper's base model.
    padding
        The number of the token that fills up short sources, and that nothing looks at; None where
        all have one length.

    Raises
    ------
    ValueError
        If a size is not positive, or `nhead` does not divide `d_model`.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need.

    Examples
    --------
    >>> model = Transformer(50, d_model=16, nhead=2, dim_feedforward=32)
    >>> model(torch.randint(50, (2, 7)), torch.randint(50, (2, 5))).shape
    torch.Size([2, 5, 50])
    >>> model.generate(torch.randint(50, (2, 7)), start=1, end=2, max_length=4).shape[0]
    2
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int | None = None,
        *,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        padding: int | None = None,
    ):
        super().__init__()
        source = Embedding(source_vocabulary, d_model, dropout)
        shared = target_vocabulary is None
        target = source if shared else Embedding(target_vocabulary, d_model, dropout)
        options = (dim_feedforward, dropout, norm_first)
        self.encoder = Encoder(source, nhead, num_encoder_layers, *options)
        self.decoder = Decoder(target, nhead, num_decoder_layers, *options)
        self.padding = padding
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and "embedding" not in name:
                nn.init.xavier_uniform_(parameter)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits of the token after each of `target`, ``(batch, target length, vocabulary)``.

        Parameters
        ----------
        source, target
            Token numbers, int64, ``(batch, source length)`` and ``(batch, target length)``;
            `target` begins with the token of the beginning (teacher forcing). Of a source that is
            nothing but padding the decoder sees nothing: it writes by what it has written alone.

        Raises
        ------
        ValueError
            If these are no token numbers, or source and target differ in batch size.
        """
        _check_pair(source, target)
        hidden = self.hidden(source)
        return self.decoder(target, self.encoder(source, hidden), hidden)

    def hidden(self, source: Tensor) -> Tensor | None:
        """Where `source` is padding, ``(batch, source length)`` bool; None if nothing is."""
        return None if self.padding is None else source == self.padding

    def start(self, source: Tensor) -> State:
        """Read a batch: the state before the first token of its translations.

        Parameters
        ----------
        source
            ``(batch, source length)`` int64.
        """
        hidden = self.hidden(source)
        return State(self.decoder.start(self.encoder(source, hidden)), hidden)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Write on by one token, with what came before in a key-value cache (键值缓存).

        Parameters
        ----------
        tokens
            The last token of each row, ``(batch,)`` int64; first that of the beginning.
        state
            From :meth:`start` or the step before. It is not changed.

        Returns
        -------
        log_probabilities : Tensor
            Of the next token, ``(batch, vocabulary)``.
        state : State
            To be given to the next step.
        """
        caches = [replace(cache) for cache in state.caches]
        logits = self.decoder.step(tokens, caches, state.hidden)
        return logits.log_softmax(-1), State(caches, state.hidden)

    @torch.no_grad()
    def generate(self, source: Tensor, start: int, end: int, max_length: int) -> Tensor:
        """Greedy decoding with a key-value cache: always the most probable token.

        Parameters
        ----------
        source
            ``(batch, source length)`` int64.
        start, end
            The tokens that begin and end a target. What follows an end is `end` again.
        max_length
            Tokens at most, the end included.

        Returns
        -------
        Tensor
            ``(batch, length)`` int64, without `start`; it stops when all have ended.

        Raises
        ------
        ValueError
            If `max_length` is not positive, or a token is not in the vocabulary.
        """
        check_positive(max_length=max_length)
        _check_tokens(torch.tensor([[start, end]]), self.decoder.embedding.table.num_embeddings)
        with evaluating(self):
            hidden = self.hidden(source)
            caches = self.decoder.start(self.encoder(source, hidden))
            newest = torch.full((len(source),), start, device=source.device)
            ended = torch.zeros_like(newest, dtype=torch.bool)
            written = []
            for _ in range(max_length):
                best = self.decoder.step(newest, caches, hidden).argmax(dim=-1)  # (batch,)
                newest = best.masked_fill(ended, end)
                written.append(newest)
                ended |= newest == end
                if ended.all():
                    break
        return torch.stack(written, dim=1)


def _check_pair(source: Tensor, target: Tensor) -> None:
    if len(source) != len(target):
        raise ValueError(
            f"source has shape {tuple(source.shape)}, target {tuple(target.shape)}: give (batch, "
            "length) for both, with one batch size; the batch comes first"
        )


def _check_newest(tokens: Tensor) -> None:
    if isinstance(tokens, Tensor) and tokens.dim() != 1:
        raise ValueError(
            f"tokens have shape {tuple(tokens.shape)}: a step reads the newest of each row, (batch,)"
        )


def _check_tokens(tokens: Tensor, vocabulary: int) -> None:
    if not isinstance(tokens, Tensor):
        raise TypeError(
            f"tokens are {type(tokens).__name__}: give a tensor of integers (batch, length)"
        )
    if tokens.dim() != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise ValueError(
            f"tokens are {tokens.dtype} of shape {tuple(tokens.shape)}: give integers "
            "(batch, length)"
        )
    check_below(vocabulary, tokens=tokens)
