"""A decoder that asks the encoder's outputs at each step, by additive attention (带注意力的解码器)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.attention.masks import padding
from labnotes.attention.scoring import AdditiveAttention
from labnotes.checks import check_below, check_positive
from labnotes.sequence.seq2seq import Encoder, _check_sizes

#: The GRU's state ``(1, batch, hidden)``, and of the source what stays as it is: the encoder's
#: outputs ``(1, batch, source steps, hidden)``, their keys ``(1, batch, source steps, attention)``,
#: and where there is padding ``(1, batch, source steps)``. Rows lie along the second axis.
State = tuple[Tensor, Tensor, Tensor, Tensor]


class BidirectionalEncoder(Encoder):
    """An encoder whose GRU reads in both directions, with half of the hidden state for each.

    Parameters
    ----------
    vocab_size, embed_size, hidden_size, dropout
        As for :class:`~labnotes.sequence.seq2seq.Encoder`, which checks what comes; `hidden_size`
        is even, the size of both directions together.

    Raises
    ------
    ValueError
        If a size cannot be.

    Examples
    --------
    >>> encoder = BidirectionalEncoder(10, 4, 8)
    >>> outputs, state = encoder(torch.tensor([[3, 1, 2], [5, 0, 0]]), torch.tensor([3, 1]))
    >>> outputs.shape, state.shape
    (torch.Size([2, 3, 8]), torch.Size([1, 2, 8]))
    """

    def __init__(self, vocab_size: int, embed_size: int, hidden_size: int, dropout: float = 0.0):
        _check_even(hidden_size)
        super().__init__(vocab_size, embed_size, hidden_size, dropout=dropout)
        self.rnn = nn.GRU(embed_size, hidden_size // 2, bidirectional=True, batch_first=True)

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs ``(batch, steps, hidden_size)`` and the last state ``(1, batch, hidden_size)``.

        The state joins that of each direction after *its* last token: the forward one's after the
        sentence's end, the backward one's after its beginning.
        """
        outputs, state = super().forward(source, lengths)  # state (2, batch, hidden / 2)
        return outputs, torch.cat([state[0], state[1]], -1)[None]  # (1, batch, hidden)


class AttentionDecoder(nn.Module):
    r"""Writes with a GRU that before each step asks all the outputs of an encoder.

    With :math:`s_{t-1}` for its state, :math:`h_1, \ldots, h_S` for the encoder's outputs and
    :math:`e_t` for the embedding of the token that it reads,

    .. math::
        c_t = \mathrm{attention}(s_{t-1};\ h_1, \ldots, h_S), \qquad
        s_t = \mathrm{GRU}([e_t, c_t],\ s_{t-1}),

    and the logits are read from :math:`[s_t, c_t]`, through one table of embeddings at both ends.

    Parameters
    ----------
    vocab_size, embed_size, hidden_size
        Tokens, numbers in an embedding (and units of the attention's hidden layer), numbers in the
        state and in an output of the encoder.
    dropout
        The chance that a number of an embedding, or of what the logits are read from, is dropped
        in training.

    Attributes
    ----------
    attention : AdditiveAttention
        Its `weights` are those of the last call, ``(batch, steps, source steps)``, detached.

    Raises
    ------
    ValueError
        If a size or `dropout` cannot be.

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", 2015, section 3.1 and appendix A.2.2. There the logits also see the embedding, and
    go through a layer of maxima.
    """

    def __init__(self, vocab_size: int, embed_size: int, hidden_size: int, dropout: float = 0.0):
        super().__init__()
        _check_sizes(vocab_size, embed_size, hidden_size, 1, dropout)  # one layer
        self.embedding = nn.Embedding(vocab_size, embed_size)
        nn.init.normal_(self.embedding.weight, 0, 0.3)  # as the plain decoder's
        self.dropout = nn.Dropout(dropout)
        self.attention = AdditiveAttention(hidden_size, hidden_size, embed_size)
        self.rnn = nn.GRUCell(embed_size + hidden_size, hidden_size)
        self.readout = nn.Linear(2 * hidden_size, embed_size)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def start(self, outputs: Tensor, state: Tensor, lengths: Tensor | None = None) -> State:
        """What the first step needs, from the encoder's `outputs` and its last `state`.

        Parameters
        ----------
        outputs
            ``(batch, source steps, hidden_size)``.
        state
            ``(1, batch, hidden_size)``, the GRU's first state.
        lengths
            Outputs of each row that count, ``(batch,)``; the rest is padding. None: all do. Where
            it is 0, the context is 0.

        Raises
        ------
        ValueError
            If the shapes do not fit the layer or one another.
        """
        _check_start(outputs, state, lengths, self.rnn.hidden_size)
        batch, steps, _ = outputs.shape
        if lengths is None:
            lengths = torch.full((batch,), steps, device=outputs.device)
        hidden = padding(lengths.to(outputs.device), steps)  # (batch, source steps), True hides
        keys = self.attention.W_k(outputs)  # once for all steps: (batch, source steps, attention)
        return state, outputs[None], keys[None], hidden[None]

    def ask(self, query: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Context ``(batch, hidden_size)`` and weights ``(batch, source steps)`` of one query.

        It is what :class:`AdditiveAttention` computes, with keys that are projected already.
        """
        _, outputs, keys, hidden = (part[0] for part in state)
        mixed = torch.tanh(self.attention.W_q(query)[:, None] + keys)
        scores = self.attention.w_v(mixed)[:, :, 0]  # (batch, source steps)
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(-1)
        weights = weights.masked_fill(hidden, 0.0)  # which a row of nothing but padding needs
        return (weights[:, None] @ outputs)[:, 0], weights

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read tokens, asking before each, and say after each what might follow.

        Parameters
        ----------
        tokens
            Token numbers ``(batch, steps)``.
        state
            From :meth:`start` or the call before.

        Returns
        -------
        logits : Tensor
            ``(batch, steps, vocab_size)``.
        state
            After the last token.

        Raises
        ------
        ValueError
            If `tokens` have another shape or type, or more rows than `state`.
        """
        _check_tokens(tokens, state, self.embedding.num_embeddings)
        embedded = self.dropout(self.embedding(tokens))  # (batch, steps, embed_size)
        s, found, looks = state[0][0], [], []
        for e in embedded.unbind(1):
            context, weights = self.ask(s, state)  # the query is the state *before* the step
            s = self.rnn(torch.cat([e, context], -1), s)  # (batch, hidden_size)
            found.append(torch.cat([s, context], -1))
            looks.append(weights)
        self.attention.weights = torch.stack(looks, 1).detach()  # (batch, steps, source steps)
        asked = self.readout(self.dropout(torch.stack(found, 1)))  # (batch, steps, embed_size)
        return F.linear(asked, self.embedding.weight, self.bias), (s[None], *state[1:])


class AttentionSeq2Seq(nn.Module):
    """An encoder that reads in both directions, and a decoder that asks it at each step.

    It is used as :class:`~labnotes.sequence.seq2seq.Seq2Seq` is.

    Parameters
    ----------
    source_size, target_size
        Tokens of the two vocabularies.
    embed_size, hidden_size, dropout
        As for :class:`BidirectionalEncoder` and :class:`AttentionDecoder`.

    Examples
    --------
    >>> model = AttentionSeq2Seq(10, 12, embed_size=4, hidden_size=8)
    >>> source, lengths = torch.tensor([[3, 1, 2], [5, 0, 0]]), torch.tensor([3, 1])
    >>> model(source, lengths, torch.tensor([[1, 7], [1, 9]])).shape
    torch.Size([2, 2, 12])
    >>> model.attention.weights[1, 0].tolist()  # a row of one token looks at that
    [1.0, 0.0, 0.0]
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
        dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder = BidirectionalEncoder(source_size, embed_size, hidden_size, dropout)
        self.decoder = AttentionDecoder(target_size, embed_size, hidden_size, dropout)

    @property
    def attention(self) -> AdditiveAttention:
        """The decoder's attention; its `weights` are ``(batch, steps, source steps)``."""
        return self.decoder.attention

    def forward(self, source: Tensor, lengths: Tensor | None, target_inputs: Tensor) -> Tensor:
        """Logits ``(batch, steps, target_size)`` of what follows each token of `target_inputs`.

        Parameters
        ----------
        source, lengths
            As for :meth:`labnotes.sequence.seq2seq.Encoder.forward`.
        target_inputs
            Token numbers ``(batch, steps)``.
        """
        return self.decoder(target_inputs, self.start(source, lengths))[0]

    def start(self, source: Tensor, lengths: Tensor | None = None) -> State:
        """The encoder's outputs, its last state and where there is padding, as the decoder wants it."""
        return self.decoder.start(*self.encoder(source, lengths), lengths)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Write on by one token.

        Parameters
        ----------
        tokens
            The last token of each row, ``(batch,)``.
        state
            From :meth:`start` or the step before; rows lie along the second axis of each part.

        Returns
        -------
        log_probabilities : Tensor
            Of the next token, ``(batch, target_size)``.
        state
            To be given to the next step.
        """
        logits, state = self.decoder(tokens[:, None], state)  # (batch, 1, target_size)
        return logits[:, 0].log_softmax(-1), state


def _check_even(hidden_size: int) -> None:
    check_positive(hidden_size=hidden_size)
    if hidden_size % 2:
        raise ValueError(
            f"hidden_size is {hidden_size}: give an even number, half of it is for each direction"
        )


def _check_start(outputs: Tensor, state: Tensor, lengths, hidden_size: int) -> None:
    if outputs.dim() != 3 or outputs.shape[1] == 0 or outputs.shape[2] != hidden_size:
        raise ValueError(
            f"outputs have the shape {tuple(outputs.shape)}: give (batch, source steps, "
            f"{hidden_size}) with at least one step"
        )
    if state.shape != (1, len(outputs), hidden_size):
        raise ValueError(
            f"state has the shape {tuple(state.shape)}: give (1, {len(outputs)}, {hidden_size})"
        )
    if lengths is not None and len(lengths) != len(outputs):
        raise ValueError(f"there are {len(lengths)} lengths for {len(outputs)} rows: give one each")


def _check_tokens(tokens: Tensor, state: State, size: int) -> None:
    rows = state[0].shape[1]
    fits = isinstance(tokens, Tensor) and tokens.dim() == 2 and tokens.shape[1] > 0
    if not fits or len(tokens) != rows or tokens.dtype not in (torch.int64, torch.int32):
        what = f"{tokens.dtype} {tuple(tokens.shape)}" if isinstance(tokens, Tensor) else tokens
        raise ValueError(f"tokens are {what}: give integers ({rows}, steps) with at least one step")
    check_below(size, tokens=tokens)
