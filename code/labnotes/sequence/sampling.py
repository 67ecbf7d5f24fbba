"""Which tokens a language model may write: temperature, top-k and nucleus."""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.checks import check_positive


def sampling_distribution(
    probabilities: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """The distribution to draw the next token from: sharpened, then cut, then summing to one again.

    Each probability is raised to the power of 1 / `temperature`, which divides the logits by it.
    Of the result `top_k` keeps the k likeliest tokens, and `top_p` the nucleus: the likeliest
    tokens down to the first with which they hold at least this share. Of equally likely tokens
    the first stays.

    Parameters
    ----------
    probabilities
        (..., vocabulary), each row summing to one.
    temperature
        Above 0. Below 1 the likely becomes likelier, above 1 all come closer.
    top_k
        How many tokens may be drawn, at least 1; all if None. More than there are is all.
    top_p
        Above 0, at most 1; all if None. The likeliest token is always kept.

    Returns
    -------
    Tensor
        (..., vocabulary), each row summing to one.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    Fan, Lewis and Dauphin (2018), Hierarchical neural story generation (top-k); Holtzman et al.
    (2020), The curious case of neural text degeneration (nucleus).

    Examples
    --------
    >>> p = torch.tensor([0.5, 0.3, 0.2])
    >>> sampling_distribution(p, top_p=0.7)
    tensor([0.6250, 0.3750, 0.0000])
    """
    _check_probabilities(probabilities)
    _check_cuts(temperature, top_k, top_p)
    # In logarithms: a small temperature's powers are beyond what a float holds.
    tempered = (probabilities.log() / temperature).softmax(-1)
    ranked, order = tempered.sort(dim=-1, descending=True, stable=True)
    if top_k is not None:
        ranked[..., top_k:] = 0
        ranked = ranked / ranked.sum(-1, keepdim=True)
    if top_p is not None:
        before = ranked.cumsum(-1) - ranked  # what the likelier ones hold together
        ranked = torch.where(before < top_p, ranked, 0)
    kept = torch.zeros_like(tempered).scatter(-1, order, ranked)
    return kept / kept.sum(-1, keepdim=True)


def _check_probabilities(probabilities: Tensor) -> None:
    if not (isinstance(probabilities, Tensor) and probabilities.is_floating_point()):
        found = getattr(probabilities, "dtype", type(probabilities).__name__)
        raise ValueError(f"probabilities are {found}: give a tensor of floats")
    if probabilities.ndim == 0 or probabilities.shape[-1] == 0:
        raise ValueError(
            f"probabilities have shape {tuple(probabilities.shape)}: give (..., vocabulary)"
        )
    sums = probabilities.sum(-1)
    near = torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
    if not near or bool((probabilities < 0).any()):
        raise ValueError(
            f"a row of probabilities sums to {sums.flatten()[(sums - 1).abs().argmax()].item():.4g}"
            " or holds a negative one: give the softmax of the logits"
        )


def _check_cuts(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not 0 < temperature < float("inf"):
        raise ValueError(
            f"temperature is {temperature}: give a number above 0; for the likeliest token alone "
            "take top_k=1"
        )
    if top_k is not None:
        check_positive(top_k=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}: give the share to keep, above 0 and at most 1")
