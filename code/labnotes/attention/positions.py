"""Five ways to tell attention where a token stands.

Two are added to the embeddings (sinusoidal, learned), two to the scores (relative bias, ALiBi), one
turns queries and keys (rotary).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive


def sinusoidal(length: int, d_model: int, start: int = 0) -> Tensor:
    r"""The position matrix P of the Transformer, to be added to the embeddings.

    :math:`P_{i, 2j} = \sin(i / 10000^{2j/d})` and :math:`P_{i, 2j+1} = \cos(i / 10000^{2j/d})`.

    Parameters
    ----------
    length
        How many positions.
    d_model
        Features of an embedding, even.
    start
        The first position, from 0: a decoder that writes token by token is further on.

    Returns
    -------
    Tensor
        ``(length, d_model)`` float32, computed in float64.

    Raises
    ------
    ValueError
        If a size is not positive, `d_model` is odd, or `start` negative.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, section 3.5.

    Examples
    --------
    >>> sinusoidal(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    _check_start(length, start)
    angles = _angles(torch.arange(start, start + length), d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


class Learned(nn.Module):
    """A vector for each position, learned: an embedding of the position's number.

    Parameters
    ----------
    max_length, d_model
        Positions that there are, and features of an embedding.

    References
    ----------
    Gehring et al. (2017), Convolutional sequence to sequence learning, section 3.1.
    """

    def __init__(self, max_length: int, d_model: int):
        super().__init__()
        check_positive(max_length=max_length, d_model=d_model)
        self.table = nn.Embedding(max_length, d_model)

    def forward(self, length: int, start: int = 0) -> Tensor:
        """The vectors of positions `start` to ``start + length - 1``, ``(length, d_model)``.

        Raises
        ------
        ValueError
            If these are more positions than there are.
        """
        _check_start(length, start)
        if start + length > len(self.table.weight):
            raise ValueError(
                f"position {start + length - 1} was asked for, {len(self.table.weight)} were "
                "learned: cut the sequence, or build the layer with a larger max_length"
            )
        return self.table.weight[start : start + length]


def rotate(x: Tensor, start: int = 0) -> Tensor:
    """Rotary positions: each pair of features turned by an angle that grows with the position.

    Queries and keys are turned, values are not. The dot product of two turned vectors depends on
    how far apart they stand, and not on where.

    Parameters
    ----------
    x
        ``(..., length, features)``, queries or keys of a head; an even number of features. The
        pairs are features 0 and 1, 2 and 3, and so on.
    start
        The position of the first, from 0.

    Returns
    -------
    Tensor
        The same shape and type.

    Raises
    ------
    ValueError
        If the number of features is odd, or `start` negative.

    References
    ----------
    Su et al. (2021), RoFormer: Enhanced Transformer with rotary position embedding, section 3.2.
    """
    length, features = x.shape[-2:]
    _check_start(length, start)
    places = torch.arange(start, start + length, device=x.device)
    angles = _angles(places, features)  # (length, features / 2)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., ::2], x[..., 1::2]
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.flatten(-2)


class RelativeBias(nn.Module):
    """A number for each head and distance, learned, that is added to the scores.

    Parameters
    ----------
    num_heads
        Heads.
    max_distance
        Beyond it, before and after, all distances share one number.

    References
    ----------
    Shaw et al. (2018), Self-attention with relative position representations, section 3.2, for the
    clipped distances; Raffel et al. (2020), section 2.1, for a number in place of a vector.
    """

    def __init__(self, num_heads: int, max_distance: int):
        super().__init__()
        check_positive(num_heads=num_heads, max_distance=max_distance)
        self.max_distance = max_distance
        self.bias = nn.Parameter(torch.zeros(num_heads, 2 * max_distance + 1))

    def forward(self, queries: int, keys: int) -> Tensor:
        """What is added to the scores, ``(heads, queries, keys)``; the last query is at the last key."""
        distance = _distances(queries, keys, self.bias.device)  # key's position minus query's
        clipped = distance.clamp(-self.max_distance, self.max_distance)
        return self.bias[:, clipped + self.max_distance]


def alibi(num_heads: int, queries: int, keys: int) -> Tensor:
    r"""ALiBi: a penalty in proportion to the distance, with a slope for each head; nothing learned.

    The slopes of n heads are :math:`2^{-8/n}, 2^{-16/n}, \ldots, 2^{-8}`.

    Parameters
    ----------
    num_heads
        Heads, a power of two.
    queries, keys
        Their numbers; the last query is at the last key's position.

    Returns
    -------
    Tensor
        To be added to the scores, ``(heads, queries, keys)``, minus slope times distance.

    Raises
    ------
    ValueError
        If a number is not positive, or `num_heads` no power of two.

    References
    ----------
    Press, Smith and Lewis (2022), Train short, test long, section 3.
    """
    check_positive(num_heads=num_heads)
    if num_heads & (num_heads - 1):
        raise ValueError(f"num_heads is {num_heads}: the slopes are defined for powers of two")
    heads = torch.arange(1, num_heads + 1)
    slopes = 2.0 ** (-8 * heads / num_heads)  # (heads,)
    return -slopes[:, None, None] * _distances(queries, keys).abs()


def _angles(places: Tensor, features: int) -> Tensor:
    """Position / 10000^(2j / features), float64, ``(positions, features / 2)``."""
    check_positive(features=features)
    if features % 2:
        raise ValueError(f"there are {features} features: positions need pairs, an even number")
    exponents = torch.arange(0, features, 2, device=places.device, dtype=torch.float64) / features
    return places[:, None].double() * torch.exp(-math.log(10000) * exponents)


def _distances(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Key's position minus query's, ``(queries, keys)``; the last of both stand at one place."""
    check_positive(queries=queries, keys=keys)
    at_queries = torch.arange(keys - queries, keys, device=device)
    return torch.arange(keys, device=device)[None] - at_queries[:, None]


def _check_start(length: int, start: int) -> None:
    check_positive(length=length)
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        raise ValueError(f"start is {start!r}: positions count from 0")
