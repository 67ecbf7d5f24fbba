"""Multi-head attention: several scaled dot-product attentions side by side.

Batch first: queries are ``(batch, queries, embed_dim)``. Parameters have the names and the layout
of `torch.nn.MultiheadAttention`, so that each loads the other's state dict.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.checks import check_positive


class KeysValues(NamedTuple):
    """Projected keys and values of all heads, each ``(batch, heads, keys, features of a head)``.

    A decoder that writes token by token keeps those of the tokens before (key-value cache).
    """

    keys: Tensor
    values: Tensor

    def append(self, new: KeysValues) -> KeysValues:
        """With those of `new` tokens behind them."""
        pairs = zip(self, new, strict=True)
        return KeysValues(*(torch.cat(pair, dim=2) for pair in pairs))

    def select(self, rows: Tensor) -> KeysValues:
        """Those rows ``(m,)`` of the batch, a row maybe several times."""
        return KeysValues(*(part[rows] for part in self))


class MultiHeadAttention(nn.Module):
    r"""Multi-head attention (多头注意力): every head attends in a subspace of its own.

    Each head projects queries, keys and values to ``embed_dim / num_heads`` features and attends
    with the score :math:`\mathbf{q}^\top \mathbf{k} / \sqrt{d}`; what the heads found is put side
    by side and projected once more.

    Parameters
    ----------
    embed_dim
        Features of queries, keys, values and outputs.
    num_heads
        Heads; it divides `embed_dim`.
    dropout
        Probability with which a weight is set to 0 in training mode.
    bias
        Whether the four projections have one.

    Attributes
    ----------
    weights : Tensor or None
        Weights of the last call before dropout, ``(batch, heads, queries, keys)``, detached; None
        where they were not asked for.

    Raises
    ------
    ValueError
        If a size is not a positive integer, `num_heads` does not divide `embed_dim`, or `dropout`
        is no probability.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, section 3.2.2.

    Examples
    --------
    >>> words = torch.randn(2, 5, 16)
    >>> attention = MultiHeadAttention(embed_dim=16, num_heads=4)
    >>> attention(words, words, words).shape, attention.weights.shape
    (torch.Size([2, 5, 16]), torch.Size([2, 4, 5, 5]))
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True):
        super().__init__()
        _check_sizes(embed_dim, num_heads, dropout)
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        # The projections of queries, keys and values, of all heads, one under the other.
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim)) if bias else None
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        nn.init.xavier_uniform_(self.in_proj_weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)
        self.weights: Tensor | None = None

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        valid_lens: Tensor | None = None,
        *,
        key_padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
        need_weights: bool = True,
    ) -> Tensor:
        """Pool the values for each query.

        Parameters
        ----------
        queries, keys, values
            ``(batch, queries, embed_dim)`` and twice ``(batch, keys, embed_dim)``.
        valid_lens
            How many keys count: integers ``(batch,)`` or, one for each query, ``(batch, queries)``.
        key_padding_mask
            ``(batch, keys)`` bool, True where a key is padding.
        attn_mask
            ``(queries, keys)`` or ``(batch, queries, keys)``: bool, True where a query must not
            look; or of the queries' floating-point type, added to the scores.
        need_weights
            False uses torch's fused kernel, which is faster and keeps no weights.

        Returns
        -------
        Tensor
            ``(batch, queries, embed_dim)``. A query to which everything is hidden gets weights of
            0 (not NaN), so its output is the bias of the last projection.

        Raises
        ------
        TypeError, ValueError
            If shapes or types do not fit.
        """
        self._check_inputs(queries, keys, values)
        _check_numbers(attn_mask, queries)
        mask = merge_masks(
            valid_lens, key_padding_mask, attn_mask, (*queries.shape[:2], keys.shape[1])
        )
        return self.attend(queries, self.project(keys, values), mask, need_weights)

    def project(self, keys: Tensor, values: Tensor) -> KeysValues:
        """Keys and values as the heads see them: ``(batch, heads, keys, features)`` each."""
        _, w_k, w_v = self.in_proj_weight.chunk(3)
        _, b_k, b_v = self._biases()
        return KeysValues(
            self._split(F.linear(keys, w_k, b_k)), self._split(F.linear(values, w_v, b_v))
        )

    def attend(
        self,
        queries: Tensor,
        pairs: KeysValues,
        mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Tensor:
        """Pool projected keys and values for queries ``(batch, queries, embed_dim)``.

        `mask` is added to the scores if it is floating point, and hides where it is True if it is
        bool; it broadcasts to ``(batch, heads, queries, keys)``.
        """
        w_q, b_q = self.in_proj_weight.chunk(3)[0], self._biases()[0]
        q = self._split(F.linear(queries, w_q, b_q))  # (batch, heads, queries, features)
        dropout = self.dropout if self.training else 0.0
        if need_weights:
            weights = attention_weights(q, pairs.keys, mask)  # (batch, heads, queries, keys)
            self.weights = weights.detach()
            pooled = F.dropout(weights, dropout) @ pairs.values
        else:
            self.weights = None
            # The kernel takes the opposite of torch's layers: True where a query may look.
            seen = ~mask if mask is not None and mask.dtype == torch.bool else mask
            pooled = F.scaled_dot_product_attention(q, *pairs, attn_mask=seen, dropout_p=dropout)
        return self.out_proj(pooled.transpose(1, 2).flatten(2))  # (batch, queries, embed_dim)

    def _split(self, x: Tensor) -> Tensor:
        """``(batch, n, embed_dim)`` to ``(batch, heads, n, features of a head)``."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _biases(self):
        return (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)

    def _check_inputs(self, queries: Tensor, keys: Tensor, values: Tensor) -> None:
        for name, x in (("queries", queries), ("keys", keys), ("values", values)):
            if x.dim() != 3 or x.shape[-1] != self.embed_dim:
                raise ValueError(
                    f"{name} have shape {tuple(x.shape)}: give (batch, length, {self.embed_dim})"
                )
        if keys.shape != values.shape or len(keys) != len(queries):
            raise ValueError(
                f"queries, keys and values have shapes {tuple(queries.shape)}, "
                f"{tuple(keys.shape)} and {tuple(values.shape)}: give one batch size, and each key "
                "its value"
            )


def attention_weights(queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""The softmax of :math:`\mathbf{q}^\top \mathbf{k} / \sqrt{d}` over the keys.

    Parameters
    ----------
    queries, keys
        ``(..., queries, d)`` and ``(..., keys, d)``.
    mask
        Broadcasts to ``(..., queries, keys)``: hides where True (bool), or is added to the scores.

    Returns
    -------
    Tensor
        ``(..., queries, keys)``. Each row sums to 1, or is 0 where everything is hidden.
    """
    scores = queries / math.sqrt(queries.shape[-1]) @ keys.transpose(-1, -2)
    if mask is None:
        return scores.softmax(dim=-1)
    if mask.dtype == torch.bool:
        hidden, scores = mask, scores.masked_fill(mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + mask
        hidden = scores == -torch.inf
        scores = scores.clamp(min=torch.finfo(scores.dtype).min)
    return scores.softmax(dim=-1).masked_fill(hidden, 0.0)


def merge_masks(
    valid_lens: Tensor | None,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    shape: tuple[int, int, int],
) -> Tensor | None:
    """One mask that broadcasts to ``(batch, heads, queries, keys)``, of all that are not None.

    Raises
    ------
    TypeError, ValueError
        If a mask has another shape or type than :meth:`MultiHeadAttention.forward` takes.
    """
    _check_masks(valid_lens, key_padding_mask, attn_mask, shape)
    hiding = []  # bool masks that broadcast to (batch, queries, keys)
    if valid_lens is not None:
        places = torch.arange(shape[2], device=valid_lens.device)
        hiding.append(places >= valid_lens.reshape(shape[0], -1, 1))
    if key_padding_mask is not None:
        hiding.append(key_padding_mask[:, None])
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        hiding.append(attn_mask if attn_mask.dim() == 3 else attn_mask[None])
    hidden = None
    for mask in hiding:
        hidden = mask if hidden is None else hidden | mask
    if attn_mask is None or attn_mask.dtype == torch.bool:
        return None if hidden is None else hidden[:, None]
    added = attn_mask if attn_mask.dim() == 3 else attn_mask[None]
    return (added if hidden is None else added.masked_fill(hidden, -torch.inf))[:, None]


def _check_sizes(embed_dim: int, num_heads: int, dropout: float) -> None:
    check_positive(embed_dim=embed_dim, num_heads=num_heads)
    if embed_dim % num_heads:
        raise ValueError(
            f"embed_dim is {embed_dim}, num_heads {num_heads}: give a number of heads that divides "
            "the features"
        )
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout is {dropout}: give a probability from 0 to 1")


def _check_numbers(attn_mask, queries: Tensor) -> None:
    if not isinstance(attn_mask, Tensor) or not attn_mask.is_floating_point():
        return  # the other checks look at it
    # Autocast brings both to one type.
    if attn_mask.dtype != queries.dtype and not torch.is_autocast_enabled(queries.device.type):
        raise TypeError(
            f"attn_mask is {attn_mask.dtype}, queries are {queries.dtype}: numbers that are added "
            "to the scores have the queries' type"
        )


def _check_masks(valid_lens, key_padding_mask, attn_mask, shape: tuple[int, int, int]) -> None:
    batch, queries, keys = shape
    allowed = {
        "valid_lens": (valid_lens, [(batch,), (batch, queries)]),
        "key_padding_mask": (key_padding_mask, [(batch, keys)]),
        "attn_mask": (attn_mask, [(queries, keys), (batch, queries, keys)]),
    }
    for name, (mask, shapes) in allowed.items():
        if mask is not None and not isinstance(mask, Tensor):
            raise TypeError(f"{name} is {type(mask).__name__}: give a tensor")
        if mask is not None and tuple(mask.shape) not in shapes:
            raise ValueError(
                f"{name} has shape {tuple(mask.shape)}: give {' or '.join(map(str, shapes))}"
            )
    if key_padding_mask is not None and key_padding_mask.dtype != torch.bool:
        raise TypeError(f"key_padding_mask is {key_padding_mask.dtype}: give bool, True hides")
    if attn_mask is not None and not (
        attn_mask.dtype == torch.bool or attn_mask.is_floating_point()
    ):
        raise TypeError(f"attn_mask is {attn_mask.dtype}: give bool (True hides) or numbers to add")
    if valid_lens is None:
        return
    if valid_lens.is_floating_point() or valid_lens.dtype == torch.bool:
        raise TypeError(f"valid_lens are {valid_lens.dtype}: lengths are integers")
    if valid_lens.device.type == "cpu" and ((valid_lens < 0) | (valid_lens > keys)).any():
        raise ValueError(f"valid_lens are {valid_lens.tolist()}: give numbers from 0 to {keys}")
