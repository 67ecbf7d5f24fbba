"""Attention pooling with three scores: Gaussian kernel, additive, scaled dot product.

Every layer takes the same three steps: score each query against each key, turn the scores into
weights by a masked softmax, add up the values by those weights. Shapes are
``(batch, queries, d)`` for queries, ``(batch, keys, d)`` for keys and ``(batch, keys, size)`` for
values. There is no multi-head attention here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def masked_softmax(scores: Tensor, valid_lens: Tensor | None = None) -> Tensor:
    """Softmax over the keys, with weight exactly 0 on the keys past a sequence's end.

    Parameters
    ----------
    scores
        Attention scores, floating point, ``(batch, queries, keys)``.
    valid_lens
        How many keys count, from 0 to ``keys``, as integers: one number per sequence ``(batch,)``
        or one per query ``(batch, queries)``. None: all of them.

    Returns
    -------
    Tensor
        Weights, ``(batch, queries, keys)``. Each row sums to 1. A row with a valid length of 0 has
        nothing to look at: its weights, and the gradients through them, are 0 (not NaN).

    Raises
    ------
    TypeError
        If `scores` are not floating point or `valid_lens` not an integer tensor.
    ValueError
        If the shapes do not fit, or a length is negative or longer than ``keys``. The lengths
        are read only on the CPU: reading them on an accelerator would wait for it. There a
        negative length counts as 0 and one that is too long as ``keys``.

    Notes
    -----
    Hidden scores become the lowest number of their own dtype (a constant such as -1e6 is out of
    float16's range), and hidden weights are then set to 0, which only a row with nothing else
    needs. What stands in the padding must be finite: 0 times NaN is NaN.

    Examples
    --------
    >>> masked_softmax(torch.zeros(2, 1, 4), torch.tensor([2, 0]))
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000]],
    <BLANKLINE>
            [[0.0000, 0.0000, 0.0000, 0.0000]]])
    """
    _check_scores(scores)
    if valid_lens is None:
        return scores.softmax(dim=-1)
    _check_lengths(valid_lens, scores)
    lengths = valid_lens.to(scores.device).long().reshape(len(scores), -1, 1)
    places = torch.arange(scores.shape[-1], device=scores.device)  # (keys,)
    hidden = places >= lengths  # (batch, 1 or queries, keys)
    weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(hidden, 0.0)  # (batch, queries, keys)


class ScaledDotProductAttention(nn.Module):
    r"""Attention with the score :math:`\mathbf{q}^\top \mathbf{k} / \sqrt{d}`. Nothing to learn.

    Parameters
    ----------
    dropout
        Probability with which a weight is set to 0 in training mode.

    Attributes
    ----------
    weights : Tensor or None
        Weights of the last call before dropout, ``(batch, queries, keys)``, detached: to look
        at, not to learn from.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, section 3.2.1, equation 1.

    Examples
    --------
    >>> pairs = torch.randn(2, 5, 8)
    >>> attention = ScaledDotProductAttention()
    >>> attention(torch.randn(2, 3, 8), pairs, pairs, torch.tensor([5, 2])).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.weights: Tensor | None = None

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, valid_lens: Tensor | None = None
    ) -> Tensor:
        """Pool the values for each query, ``(batch, queries, size of a value)``.

        Raises
        ------
        TypeError, ValueError
            If the shapes do not fit one another, or as in :func:`masked_softmax`.
        """
        _check_shapes(queries, keys, values)
        _check_same_size(queries, keys)
        d = queries.shape[-1]
        # Scaling the queries is cheaper than scaling the scores, and keeps float16 in range.
        scores = (queries / math.sqrt(d)) @ keys.transpose(1, 2)  # (batch, queries, keys)
        weights = masked_softmax(scores, valid_lens)  # (batch, queries, keys)
        self.weights = weights.detach()
        return self.dropout(weights) @ values  # (batch, queries, size)


class AdditiveAttention(nn.Module):
    r"""Attention with the score
    :math:`\mathbf{w}_v^\top \tanh(\mathbf{W}_q \mathbf{q} + \mathbf{W}_k \mathbf{k})`.

    A network with one hidden layer and no biases: queries and keys may have different sizes.

    Parameters
    ----------
    query_size, key_size
        Features of a query and of a key.
    hidden_size
        Units of the hidden layer.
    dropout
        Probability with which a weight is set to 0 in training mode.

    Attributes
    ----------
    weights : Tensor or None
        Weights of the last call before dropout, ``(batch, queries, keys)``, detached.

    Raises
    ------
    ValueError
        If a size is not positive.

    References
    ----------
    Bahdanau, Cho and Bengio (2015), Neural machine translation by jointly learning to align and
    translate, appendix A.1.2.

    Examples
    --------
    >>> attention = AdditiveAttention(query_size=20, key_size=2, hidden_size=8)
    >>> attention(torch.randn(1, 3, 20), torch.randn(1, 5, 2), torch.randn(1, 5, 4)).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, query_size: int, key_size: int, hidden_size: int, dropout: float = 0.0):
        super().__init__()
        _check_positive(query_size=query_size, key_size=key_size, hidden_size=hidden_size)
        self.W_q = nn.Linear(query_size, hidden_size, bias=False)
        self.W_k = nn.Linear(key_size, hidden_size, bias=False)
        self.w_v = nn.Linear(hidden_size, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.weights: Tensor | None = None

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, valid_lens: Tensor | None = None
    ) -> Tensor:
        """Pool the values for each query, ``(batch, queries, size of a value)``.

        Raises
        ------
        TypeError, ValueError
            If the shapes do not fit one another or the layer, or as in :func:`masked_softmax`.
        """
        _check_shapes(queries, keys, values)
        _check_features(queries=(queries, self.W_q), keys=(keys, self.W_k))
        # Every query meets every key: (batch, queries, 1, hidden) + (batch, 1, keys, hidden)
        hidden = torch.tanh(self.W_q(queries).unsqueeze(2) + self.W_k(keys).unsqueeze(1))
        scores = self.w_v(hidden).squeeze(-1)  # (batch, queries, keys)
        weights = masked_softmax(scores, valid_lens)  # (batch, queries, keys)
        self.weights = weights.detach()
        return self.dropout(weights) @ values  # (batch, queries, size)


def _check_scores(scores: Tensor) -> None:
    if scores.dim() != 3:
        raise ValueError(f"scores have shape {tuple(scores.shape)}: give (batch, queries, keys)")
    if not scores.is_floating_point():
        raise TypeError(f"scores are {scores.dtype}: a softmax needs floating point numbers")


def _check_lengths(valid_lens: Tensor, scores: Tensor) -> None:
    batch, queries, keys = scores.shape
    if not isinstance(valid_lens, Tensor):
        raise TypeError(f"valid_lens is {type(valid_lens).__name__}: give a tensor of integers")
    kind = valid_lens.dtype
    if kind.is_floating_point or kind.is_complex or kind == torch.bool:
        raise TypeError(f"valid_lens are {kind}: lengths are integers, for example torch.int64")
    if tuple(valid_lens.shape) not in {(batch,), (batch, queries)}:
        raise ValueError(
            f"valid_lens have shape {tuple(valid_lens.shape)}, scores {tuple(scores.shape)}: give "
            f"one length per sequence {(batch,)} or one per query {(batch, queries)}"
        )
    if valid_lens.device.type == "cpu" and not torch.compiler.is_compiling():
        lengths = valid_lens.long()  # an int8 length cannot be compared with 300 keys
        wrong = lengths[(lengths < 0) | (lengths > keys)]
        if len(wrong):
            raise ValueError(
                f"valid_lens hold {wrong[0].item()}: there are {keys} keys, "
                f"so give lengths from 0 to {keys}"
            )


def _check_shapes(queries: Tensor, keys: Tensor, values: Tensor) -> None:
    for name, tensor in [("queries", queries), ("keys", keys), ("values", values)]:
        if tensor.dim() != 3 or tensor.shape[-1] == 0:
            raise ValueError(
                f"{name} have shape {tuple(tensor.shape)}: "
                f"give (batch, {'queries' if name == 'queries' else 'keys'}, features)"
            )
    if not len(queries) == len(keys) == len(values):
        raise ValueError(
            f"queries, keys and values come in batches of {len(queries)}, {len(keys)} and "
            f"{len(values)}: give all three the same batch size"
        )
    if keys.shape[1] != values.shape[1]:
        raise ValueError(
            f"there are {keys.shape[1]} keys and {values.shape[1]} values per sequence: "
            "each key needs its value"
        )


def _check_same_size(queries: Tensor, keys: Tensor) -> None:
    if keys.shape[-1] != queries.shape[-1]:
        raise ValueError(
            f"queries have {queries.shape[-1]} features, keys {keys.shape[-1]}: a dot product "
            "needs the same number; AdditiveAttention takes different ones"
        )


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}: give a positive number of features")


def _check_features(**pairs: tuple[Tensor, nn.Linear]) -> None:
    for name, (tensor, layer) in pairs.items():
        if tensor.shape[-1] != layer.in_features:
            raise ValueError(
                f"{name} have {tensor.shape[-1]} features, this layer takes {layer.in_features}"
            )


def gaussian_weights(queries: Tensor, keys: Tensor, width: float | Tensor) -> Tensor:
    r"""Attention weights of a Gaussian kernel: the softmax of :math:`-(q-k)^2 / (2\,width^2)`.

    Parameters
    ----------
    queries, keys
        Numbers, ``(queries,)`` and ``(keys,)``.
    width
        Standard deviation of the kernel, positive; a tensor with a gradient can be learned.

    Returns
    -------
    Tensor
        ``(queries, keys)``, each row summing to 1.

    Raises
    ------
    ValueError
        If `queries` or `keys` is not one-dimensional, there is no key, or `width` is not positive.
    """
    _check_kernel(queries, keys, width)
    distance = queries.unsqueeze(1) - keys.unsqueeze(0)  # (queries, keys)
    return (-((distance / width) ** 2) / 2).softmax(dim=-1)


def nadaraya_watson(queries: Tensor, keys: Tensor, values: Tensor, width: float | Tensor) -> Tensor:
    """Nadaraya-Watson kernel regression: at each query the mean of `values`, near keys first.

    Parameters
    ----------
    queries
        Where to estimate, ``(queries,)``.
    keys, values
        The observations: their places and what was seen there, ``(keys,)`` each.
    width
        Standard deviation of the Gaussian kernel, positive.

    Returns
    -------
    Tensor
        Estimates, ``(queries,)``.

    Raises
    ------
    ValueError
        If `values` and `keys` differ in shape, or as in :func:`gaussian_weights`.

    References
    ----------
    Nadaraya (1964), On estimating regression; Watson (1964), Smooth regression analysis.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 2.0])
    >>> nadaraya_watson(torch.tensor([1.0]), keys=x, values=x**2, width=0.1)
    tensor([1.])
    """
    if values.shape != keys.shape:
        raise ValueError(
            f"keys have shape {tuple(keys.shape)}, values {tuple(values.shape)}: "
            "give one value per key"
        )
    return gaussian_weights(queries, keys, width) @ values


def _check_kernel(queries: Tensor, keys: Tensor, width: float | Tensor) -> None:
    for name, tensor in [("queries", queries), ("keys", keys)]:
        if tensor.dim() != 1:
            raise ValueError(f"{name} have shape {tuple(tensor.shape)}: give one number each")
    if len(keys) == 0:
        raise ValueError("keys are empty: give at least one key to average over")
    if not (number := float(torch.as_tensor(width).detach())) > 0:
        raise ValueError(f"width is {number}: give a positive number")
