"""One block of the Transformer's encoder, and one of its decoder.

Batch first. Parameters have the names of `torch.nn.TransformerEncoderLayer` and
`torch.nn.TransformerDecoderLayer`, masks their meaning: True hides.

A time-first batch ``(length, batch, d_model)``, which torch's layers take unless they are told
otherwise, has the shape of a batch too: it is refused only where a mask or the memory does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.attention.multi_head import KeysValues, MultiHeadAttention, merge_masks
from labnotes.checks import check_positive


class Block(nn.Module):
    """What both blocks share: self-attention, and two linear layers for each position by itself.

    Parameters are those of :class:`EncoderBlock`.
    """

    #: Set it to True to find the weights of a call in ``self_attn.weights``; slower.
    need_weights = False

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        *,
        activation: Callable[[Tensor], Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
    ):
        super().__init__()
        check_positive(dim_feedforward=dim_feedforward)
        self.self_attn = MultiHeadAttention(d_model, nhead, dropout)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model, layer_norm_eps)
        self.norm2 = nn.LayerNorm(d_model, layer_norm_eps)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def feed_forward(self, x: Tensor) -> Tensor:
        """``(batch, length, d_model)`` to the same shape; no position sees another."""
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class EncoderBlock(Block):
    """Self-attention, then a feed-forward network, each with a skip connection and a layer norm.

    Parameters
    ----------
    d_model
        Features of a token.
    nhead
        Heads; it divides `d_model`.
    dim_feedforward
        Units of the hidden layer of the feed-forward network.
    dropout
        Probability, on attention weights, hidden units, and what is added to the skip connection.
    norm_first
        False normalizes the sums, as the paper does (post-norm); True what goes into each part
        (pre-norm).
    activation
        Of the hidden units.
    layer_norm_eps
        See `torch.nn.LayerNorm`.

    Attributes
    ----------
    need_weights : bool
        Set it to True to find the weights of a call in ``self_attn.weights``; slower.

    Raises
    ------
    ValueError
        If a size is not positive or `nhead` does not divide `d_model`.

    References
    ----------
    Vaswani et al. (2017), section 3.1; Xiong et al. (2020), On layer normalization in the
    Transformer architecture, for pre-norm.

    Examples
    --------
    >>> import torch
    >>> EncoderBlock(d_model=16, nhead=4, dim_feedforward=32)(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """Both parts in turn: ``(batch, length, d_model)`` to the same shape.

        Parameters
        ----------
        src
            ``(batch, length, d_model)``.
        src_mask
            ``(length, length)`` or ``(batch, length, length)``: True (or minus infinity) hides.
        src_key_padding_mask
            ``(batch, length)`` bool, True at padding.
        """

        def attention(x: Tensor) -> Tensor:
            found = self.self_attn(
                x, x, x, key_padding_mask=src_key_padding_mask, attn_mask=src_mask,
                need_weights=self.need_weights,
            )  # fmt: skip
            return self.dropout1(found)

        def network(x: Tensor) -> Tensor:
            return self.dropout2(self.feed_forward(x))

        x = src
        if self.norm_first:
            x = x + attention(self.norm1(x))
            return x + network(self.norm2(x))
        x = self.norm1(x + attention(x))
        return self.norm2(x + network(x))


@dataclass
class Cache:
    """What a decoder block keeps while it writes token by token.

    Attributes
    ----------
    own
        Keys and values of the tokens so far; None before the first.
    memory
        Keys and values of what the encoder gave, projected once.
    """

    own: KeysValues | None
    memory: KeysValues

    def select(self, rows: Tensor) -> Cache:
        """Those rows ``(m,)`` of the batch, a row maybe several times."""
        return Cache(None if self.own is None else self.own.select(rows), self.memory.select(rows))


class DecoderBlock(Block):
    """Self-attention, attention to the encoder's output, feed-forward network; skips and norms.

    Parameters and attributes are those of :class:`EncoderBlock`; the weights of the second
    attention are in ``multihead_attn.weights``.

    References
    ----------
    Vaswani et al. (2017), section 3.1.

    Examples
    --------
    >>> import torch
    >>> block = DecoderBlock(d_model=16, nhead=4, dim_feedforward=32)
    >>> block(torch.randn(2, 5, 16), memory=torch.randn(2, 7, 16)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        norm_first: bool = False,
        *,
        activation: Callable[[Tensor], Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
    ):
        super().__init__(
            d_model, nhead, dim_feedforward, dropout, norm_first,
            activation=activation, layer_norm_eps=layer_norm_eps,
        )  # fmt: skip
        self.multihead_attn = MultiHeadAttention(d_model, nhead, dropout)
        self.norm3 = nn.LayerNorm(d_model, layer_norm_eps)
        self.dropout3 = nn.Dropout(dropout)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """All three parts in turn, for all tokens at once: ``(batch, length, d_model)``.

        The block hides nothing by itself: give `tgt_mask`, see `labnotes.attention.masks.causal`,
        where it learns to predict the next token.

        Parameters
        ----------
        tgt, memory
            ``(batch, length, d_model)`` and ``(batch, source length, d_model)``.
        tgt_mask, memory_mask
            ``(length, length)`` and ``(length, source length)``, or one for each of the batch.
        tgt_key_padding_mask, memory_key_padding_mask
            ``(batch, length)`` and ``(batch, source length)`` bool, True at padding.
        """

        def own(x: Tensor) -> Tensor:
            return self.self_attn(
                x, x, x, key_padding_mask=tgt_key_padding_mask, attn_mask=tgt_mask,
                need_weights=self.need_weights,
            )  # fmt: skip

        def cross(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, key_padding_mask=memory_key_padding_mask,
                attn_mask=memory_mask, need_weights=self.need_weights,
            )  # fmt: skip

        return self._in_turn(tgt, own, cross)

    def start(self, memory: Tensor) -> Cache:
        """The cache before the first token: what `memory` is to this block's second attention."""
        seen = self.multihead_attn.project(memory, memory)
        # Every later step reads all of it: each head's lies in one piece, which is faster.
        return Cache(own=None, memory=KeysValues(*(part.contiguous() for part in seen)))

    def step(
        self, tgt: Tensor, cache: Cache, memory_key_padding_mask: Tensor | None = None
    ) -> Tensor:
        """The next token alone, ``(batch, 1, d_model)``; `cache` learns its keys and values.

        Gives what :meth:`forward` gives for the last token of all so far under a causal mask.

        Raises
        ------
        ValueError
            If `tgt` is more than a token, or of another batch than `cache`.
        """
        _check_step(tgt, cache)
        shape = (len(tgt), 1, cache.memory.keys.shape[2])
        hidden = merge_masks(None, memory_key_padding_mask, None, shape)

        def own(x: Tensor) -> Tensor:
            new = self.self_attn.project(x, x)
            cache.own = new if cache.own is None else cache.own.append(new)
            return self.self_attn.attend(x, cache.own, need_weights=self.need_weights)

        def cross(x: Tensor) -> Tensor:
            return self.multihead_attn.attend(x, cache.memory, hidden, self.need_weights)

        return self._in_turn(tgt, own, cross)

    def _in_turn(self, x: Tensor, own: Callable, cross: Callable) -> Tensor:
        if self.norm_first:
            x = x + self.dropout1(own(self.norm1(x)))
            x = x + self.dropout2(cross(self.norm2(x)))
            return x + self.dropout3(self.feed_forward(self.norm3(x)))
        x = self.norm1(x + self.dropout1(own(x)))
        x = self.norm2(x + self.dropout2(cross(x)))
        return self.norm3(x + self.dropout3(self.feed_forward(x)))


def _check_step(tgt: Tensor, cache: Cache) -> None:
    batch, heads, _, features = cache.memory.keys.shape
    expected = (batch, 1, heads * features)
    if tuple(tgt.shape) != expected:
        raise ValueError(
            f"tgt has shape {tuple(tgt.shape)}: give the next token alone, {expected} for this cache"
        )
