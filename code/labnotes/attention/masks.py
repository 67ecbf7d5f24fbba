"""Masks: which keys a query must not look at.

As in `torch.nn.MultiheadAttention`, True hides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.checks import check_positive


def padding(valid_lens: Tensor, length: int) -> Tensor:
    """The padding of sequences that were filled up to one length: a ``key_padding_mask``.

    Parameters
    ----------
    valid_lens
        How many tokens of each sequence count, integers ``(batch,)`` from 0 to `length`.
    length
        Tokens of a sequence with its padding.

    Returns
    -------
    Tensor
        ``(batch, length)`` bool, True where there is padding.

    Raises
    ------
    ValueError
        If `valid_lens` are not integers ``(batch,)``, or one is outside of 0 to `length` (read on
        the CPU only).

    Examples
    --------
    >>> padding(torch.tensor([3, 1]), 3)
    tensor([[False, False, False],
            [False,  True,  True]])
    """
    check_positive(length=length)
    _check_lengths(valid_lens, length)
    return torch.arange(length, device=valid_lens.device) >= valid_lens[:, None]


def causal(length: int, device: torch.device | str | None = None) -> Tensor:
    """The future: an ``attn_mask`` for a sequence that looks at itself and at what came before.

    Returns
    -------
    Tensor
        ``(length, length)`` bool, True above the diagonal: query i must not see key j > i.

    Raises
    ------
    ValueError
        If `length` is not a positive integer.

    References
    ----------
    Vaswani et al. (2017), section 3.2.3.

    Examples
    --------
    >>> causal(3)
    tensor([[False,  True,  True],
            [False, False,  True],
            [False, False, False]])
    """
    check_positive(length=length)
    return torch.ones(length, length, dtype=torch.bool, device=device).triu(1)


def _check_lengths(valid_lens: Tensor, length: int) -> None:
    whole = isinstance(valid_lens, Tensor) and not (
        valid_lens.is_floating_point() or valid_lens.is_complex() or valid_lens.dtype == torch.bool
    )
    if not whole or valid_lens.dim() != 1:
        raise ValueError(f"valid_lens are {valid_lens!r}: give integers, one for each sequence")
    if valid_lens.device.type == "cpu" and ((valid_lens < 0) | (valid_lens > length)).any():
        raise ValueError(f"valid_lens are {valid_lens.tolist()}: give numbers from 0 to {length}")
