"""Softmax and cross-entropy, written so that no logit is too large for them."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax(logits: Tensor) -> Tensor:
    """Probabilities from logits, ``exp(z_j) / sum_k exp(z_k)`` over the last dimension.

    Parameters
    ----------
    logits
        ``(..., classes)``, floating point.

    Returns
    -------
    Tensor
        The same shape; positive numbers that sum to 1 over the last dimension.

    Raises
    ------
    TypeError
        If `logits` is no tensor of floating-point numbers.
    ValueError
        If it has no dimension, or no class.

    References
    ----------
    Bridle (1990), "Probabilistic interpretation of feedforward classification network outputs,
    with relationships to statistical pattern recognition".

    Examples
    --------
    >>> softmax(torch.tensor([1000.0, 1000.0]))
    tensor([0.5000, 0.5000])
    """
    _check_logits(logits)
    shifted = logits - logits.amax(-1, keepdim=True)  # the largest is 0: exp stays at most 1
    exps = shifted.exp()  # (..., classes)
    return exps / exps.sum(-1, keepdim=True)


def log_softmax(logits: Tensor) -> Tensor:
    """The logarithms of :func:`softmax`, finite even where a probability rounds to 0.

    Parameters and errors are those of :func:`softmax`.

    Examples
    --------
    >>> log_softmax(torch.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    _check_logits(logits)
    shifted = logits - logits.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()  # (..., classes)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over a batch of minus the logarithm of the label's probability.

    Parameters
    ----------
    logits
        ``(batch, classes)``, floating point: no probabilities, for the softmax is done here.
    labels
        ``(batch,)``, the number of each example's class.

    Returns
    -------
    Tensor
        One number, in nats.

    Raises
    ------
    TypeError
        If `logits` is no tensor of floating-point numbers, or `labels` none of whole numbers.
    ValueError
        If the shapes are not these, or a label is no class.

    Examples
    --------
    >>> cross_entropy(torch.zeros(1, 10), torch.tensor([3]))  # ln 10
    tensor(2.3026)
    """
    _check_logits(logits)
    _check_labels(logits, labels)
    rows = torch.arange(len(labels), device=logits.device)
    return -log_softmax(logits)[rows, labels].mean()


def _check_logits(logits) -> None:
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"logits are of type {kind}: give a tensor of floats (..., classes)")
    if logits.dim() == 0 or logits.shape[-1] == 0:
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}: give (..., classes), one class or more"
        )


def _check_labels(logits: Tensor, labels) -> None:
    whole = isinstance(labels, Tensor) and not (labels.is_floating_point() or labels.is_complex())
    if not whole or labels.dtype in (torch.bool, torch.uint8):  # torch reads these as masks
        kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels are of type {kind}: give class numbers, a tensor of integers")
    if logits.dim() != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}, labels {tuple(labels.shape)}: give "
            "(batch, classes) and (batch,), one example or more"
        )
    classes = logits.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}: with {classes} classes give "
            f"numbers from 0 to {classes - 1}"
        )
