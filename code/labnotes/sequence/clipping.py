"""Two ways to keep one steep place from throwing all weights far off: gradient clipping."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_by_norm(gradients: Sequence[Tensor], limit: float) -> Tensor:
    r"""Shorten the gradient to `limit` where it is longer, in place; its direction stays.

    All tensors together are one long vector :math:`\mathbf{g}`, and each is multiplied by
    :math:`\min(\theta / \lVert\mathbf{g}\rVert, 1)`.

    Parameters
    ----------
    gradients
        The gradient of each parameter, of any shapes.
    limit
        The threshold :math:`\theta`, above 0.

    Returns
    -------
    Tensor
        The length (L2 norm) before, one number.

    Raises
    ------
    ValueError
        If there is no gradient, or the limit is not a positive number.
    FloatingPointError
        If the length is not finite. The gradients are then as they were.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013,
    algorithm 1.

    Examples
    --------
    >>> gradient = torch.tensor([3.0, 4.0])
    >>> clip_by_norm([gradient], limit=1.0), gradient
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    _check_clipped(gradients, limit)
    norm = torch.stack([g.norm() for g in gradients]).norm()
    _check_finite(norm)
    factor = (limit / norm).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor)
    return norm


def clip_by_value(gradients: Sequence[Tensor], limit: float) -> None:
    r"""Cut each number of the gradient to the range from ``-limit`` to ``limit``, in place.

    The numbers are cut one by one, so the direction changes.

    Parameters
    ----------
    gradients
        The gradient of each parameter, of any shapes.
    limit
        The largest absolute value that is left, above 0.

    Raises
    ------
    ValueError
        If there is no gradient, or the limit is not a positive number.

    References
    ----------
    Mikolov, "Statistical Language Models Based on Neural Networks", PhD thesis, 2012.

    Examples
    --------
    >>> gradient = torch.tensor([3.0, -0.5])
    >>> clip_by_value([gradient], limit=1.0)
    >>> gradient
    tensor([ 1.0000, -0.5000])
    """
    _check_clipped(gradients, limit)
    for g in gradients:
        g.clamp_(-limit, limit)


def _check_clipped(gradients: Sequence[Tensor], limit: float) -> None:
    if isinstance(gradients, Tensor) or not len(gradients):
        raise ValueError("give the gradients as a list of tensors, at least one")
    for i, gradient in enumerate(gradients):
        if gradient is None:
            raise ValueError(f"gradient {i} is None: call backward() first, leave others out")
        if not isinstance(gradient, Tensor):
            raise ValueError(f"gradient {i} is of {type(gradient).__name__}: give tensors")
    if not 0 < limit < float("inf"):
        raise ValueError(f"limit is {limit}: give a number above 0")


def _check_finite(norm: Tensor) -> None:
    if not norm.isfinite():
        raise FloatingPointError(
            f"the gradient's length is {norm.item()}: no factor makes a usable gradient of it. Try "
            "a smaller learning rate, or look for values that are not finite in the batch"
        )
