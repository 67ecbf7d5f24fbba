"""An encoder reads a sentence, a decoder writes its translation (编码器-解码器)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from labnotes.checks import check_below, check_positive
from labnotes.train.measure import Mean


class Encoder(nn.Module):
    """Reads a sequence of token numbers with a GRU (编码器).

    Parameters
    ----------
    vocab_size, embed_size, hidden_size
        Tokens, numbers in the embedding of one, numbers in the hidden state of one layer.
    num_layers
        GRU layers.
    dropout
        The chance that a number of an embedding, or between two layers, is dropped in training.

    Examples
    --------
    >>> outputs, state = Encoder(10, 4, 8)(torch.tensor([[3, 1, 2], [5, 0, 0]]), torch.tensor([3, 1]))
    >>> outputs.shape, state.shape
    (torch.Size([2, 3, 8]), torch.Size([1, 2, 8]))
    """

    def __init__(
        self,
        vocab_size: int,
        embed_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        _check_sizes(vocab_size, embed_size, hidden_size, num_layers, dropout)
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.dropout = nn.Dropout(dropout)
        self.rnn = _gru(embed_size, hidden_size, num_layers, dropout)

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read a batch.

        Parameters
        ----------
        source
            Token numbers ``(batch, steps)``, padded at the end with any number that is a token's.
        lengths
            Tokens that count in each row, ``(batch,)``, at least 1. None: all do.

        Returns
        -------
        outputs : Tensor
            The last layer's states, ``(batch, steps, hidden_size)``; zeros at the padding.
        state : Tensor
            ``(num_layers, batch, hidden_size)``: of each row after *its* last token.

        Raises
        ------
        ValueError
            If a shape, a length or a token number cannot be.
        """
        _check_tokens(source, self.embedding.num_embeddings, "source")
        embedded = self.dropout(self.embedding(source))  # (batch, steps, embed_size)
        if lengths is None:
            return self.rnn(embedded)
        _check_lengths(lengths, source, least=1)
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, state = self.rnn(packed)  # each row ends where it ends
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        return outputs, state


class Decoder(nn.Module):
    """Writes a sequence with a GRU, token by token, from a state that it is given (解码器).

    A token's logit is the dot product of its embedding with what the GRU asks for, so one table
    serves at the entrance and at the exit.

    Parameters
    ----------
    vocab_size, embed_size, hidden_size, num_layers, dropout
        As for :class:`Encoder`; `dropout` also before the logits.

    References
    ----------
    Press and Wolf, "Using the Output Embedding to Improve Language Models", 2017: one table.

    Examples
    --------
    >>> logits, state = Decoder(10, 4, 8)(torch.tensor([[1, 7]]), torch.zeros(1, 1, 8))
    >>> logits.shape, state.shape
    (torch.Size([1, 2, 10]), torch.Size([1, 1, 8]))
    """

    def __init__(
        self,
        vocab_size: int,
        embed_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        _check_sizes(vocab_size, embed_size, hidden_size, num_layers, dropout)
        self.embedding = nn.Embedding(vocab_size, embed_size)
        # 1, torch's own, makes the first logits large; with 0.3 it learned fastest (of 0.125 to 1).
        nn.init.normal_(self.embedding.weight, 0, 0.3)
        self.dropout = nn.Dropout(dropout)
        self.rnn = _gru(embed_size, hidden_size, num_layers, dropout)
        self.readout = nn.Linear(hidden_size, embed_size)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Read tokens, and say after each what might follow.

        Parameters
        ----------
        tokens
            Token numbers ``(batch, steps)``: what has been written so far.
        state
            ``(num_layers, batch, hidden_size)``, the GRU's state before them.

        Returns
        -------
        logits : Tensor
            ``(batch, steps, vocab_size)``.
        state : Tensor
            After the last token, shaped as it came.
        """
        _check_tokens(tokens, self.embedding.num_embeddings, "tokens")
        embedded = self.dropout(self.embedding(tokens))  # (batch, steps, embed_size)
        outputs, state = self.rnn(embedded, state)  # (batch, steps, hidden_size)
        asked = self.readout(self.dropout(outputs))  # (batch, steps, embed_size)
        return F.linear(asked, self.embedding.weight, self.bias), state


class Seq2Seq(nn.Module):
    """Encoder and decoder; the state that the one ends in is the state that the other begins with.

    Parameters
    ----------
    source_size, target_size
        Tokens of the two vocabularies.
    embed_size, hidden_size, num_layers, dropout
        As for :class:`Encoder` and :class:`Decoder`, which have them in common.

    References
    ----------
    Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks", 2014, with
    GRUs, of Cho et al., 2014, in the place of LSTMs.

    Examples
    --------
    >>> model = Seq2Seq(10, 12, embed_size=4, hidden_size=8)
    >>> source, lengths = torch.tensor([[3, 1, 2], [5, 0, 0]]), torch.tensor([3, 1])
    >>> model(source, lengths, torch.tensor([[1, 7], [1, 9]])).shape
    torch.Size([2, 2, 12])
    >>> log_probabilities, state = model.step(torch.tensor([1, 1]), model.start(source, lengths))
    >>> log_probabilities.shape
    torch.Size([2, 12])
    """

    def __init__(
        self,
        source_size: int,
        target_size: int,
        embed_size: int = 128,
        hidden_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder = Encoder(source_size, embed_size, hidden_size, num_layers, dropout)
        self.decoder = Decoder(target_size, embed_size, hidden_size, num_layers, dropout)

    def forward(self, source: Tensor, lengths: Tensor | None, target_inputs: Tensor) -> Tensor:
        """Logits ``(batch, steps, target_size)`` of what follows each token of `target_inputs`.

        With the true translation as `target_inputs`, one token late and after the token of the
        beginning, this is teacher forcing (强制教学).

        Parameters
        ----------
        source, lengths
            As for :meth:`Encoder.forward`.
        target_inputs
            Token numbers ``(batch, steps)``.
        """
        return self.decoder(target_inputs, self.start(source, lengths))[0]

    def start(self, source: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The decoder's first state, ``(num_layers, batch, hidden_size)``: the encoder's last."""
        return self.encoder(source, lengths)[1]

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Write on by one token.

        Parameters
        ----------
        tokens
            The last token of each row, ``(batch,)``.
        state
            From :meth:`start` or the step before; rows lie along its second axis.

        Returns
        -------
        log_probabilities : Tensor
            Of the next token, ``(batch, target_size)``.
        state : Tensor
            To be given to the next step.
        """
        logits, state = self.decoder(tokens[:, None], state)  # (batch, 1, target_size)
        return logits[:, 0].log_softmax(-1), state


def masked_cross_entropy(logits: Tensor, targets: Tensor, lengths: Tensor) -> Mean:
    """Cross-entropy of the tokens that count, not of the padding behind them (带掩码的损失).

    Parameters
    ----------
    logits
        ``(batch, steps, vocabulary)``.
    targets
        Token numbers ``(batch, steps)``.
    lengths
        How many targets of each row count, ``(batch,)``; may be 0.

    Returns
    -------
    Mean
        The sum in nats, and the number of tokens in it: a loss for :func:`labnotes.train.fit`,
        which divides the one by the other, once for all that it joins.

    Raises
    ------
    ValueError
        If shapes do not fit, or a length is below 0 or above the steps.

    Examples
    --------
    >>> found = masked_cross_entropy(torch.zeros(3, 4, 10), torch.ones(3, 4, dtype=torch.int64),
    ...                              torch.tensor([4, 2, 0]))
    >>> round((found.sum / found.count).item(), 4), found.count.item()
    (2.3026, 6)
    """
    _check_loss(logits, targets, lengths)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    counts = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None].to(
        targets.device
    )  # (batch, steps)
    # where, not times: at the padding even an infinite loss must not count
    return Mean(torch.where(counts, each.view_as(counts), 0.0).sum(), counts.sum())


def _gru(inputs: int, hidden: int, layers: int, dropout: float) -> nn.GRU:
    between = dropout if layers > 1 else 0.0
    return nn.GRU(inputs, hidden, layers, dropout=between, batch_first=True)


def _check_sizes(vocab_size, embed_size, hidden_size, num_layers, dropout) -> None:
    check_positive(
        vocab_size=vocab_size, embed_size=embed_size, hidden_size=hidden_size,
        num_layers=num_layers,
    )  # fmt: skip
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}: give a probability, at least 0 and below 1")


def _check_tokens(tokens: Tensor, size: int, name: str) -> None:
    _check_tensor(tokens, name)
    if tokens.dim() != 2 or tokens.shape[1] == 0 or tokens.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"{name} are {tokens.dtype} of the shape {tuple(tokens.shape)}: give integers "
            "(batch, steps) with at least one step"
        )
    check_below(size, **{name: tokens})


def _check_lengths(lengths: Tensor, padded: Tensor, least: int) -> None:
    _check_tensor(lengths, "lengths")
    rows, steps = padded.shape
    if lengths.shape != (rows,) or lengths.is_floating_point():
        raise ValueError(
            f"lengths are {lengths.dtype} of the shape {tuple(lengths.shape)}: give one integer "
            f"for each of the {rows} rows"
        )
    if least and not rows:
        raise ValueError("a batch has no row: give at least one sequence")
    if rows and not least <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(
            f"lengths go from {int(lengths.min())} to {int(lengths.max())}: give numbers from "
            f"{least} to {steps}, the steps there are"
        )


def _check_tensor(given, name: str) -> None:
    if not isinstance(given, Tensor):
        raise ValueError(f"{name} are of {type(given).__name__}: give a tensor of integers")


def _check_loss(logits: Tensor, targets: Tensor, lengths: Tensor) -> None:
    if logits.dim() != 3 or logits.shape[:2] != targets.shape:
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}, targets {tuple(targets.shape)}: give "
            "(batch, steps, vocabulary) and (batch, steps)"
        )
    # -100, which torch would leave out, is no token either: it would be counted all the same.
    _check_tokens(targets, logits.shape[2], "targets")
    _check_lengths(lengths, targets, least=0)
