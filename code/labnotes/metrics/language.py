"""Metrics of language models."""

from __future__ import annotations

import math


def perplexity(negative_log_likelihood_sum: float, tokens: int) -> float:
    """Perplexity (困惑度): among how many equally likely tokens the model chooses, on average.

    The exponential of the mean negative log-likelihood of a token, which is the geometric mean of
    the inverse probabilities. Over several documents sum both numbers first: each token counts once.

    Parameters
    ----------
    negative_log_likelihood_sum
        The sum over all tokens of minus the natural logarithm of their probability, 0 or more;
        infinite if one was held impossible.
    tokens
        How many there are, at least 1.

    Returns
    -------
    float
        From 1 (all was certain) to infinity.

    Raises
    ------
    ValueError
        If the sum is negative or NaN, or there is no token.

    References
    ----------
    Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.

    Examples
    --------
    >>> round(perplexity(3 * math.log(4), tokens=3), 6)
    4.0
    """
    total = float(negative_log_likelihood_sum)
    if not total >= 0:
        raise ValueError(
            f"the negative log-likelihood is {total}: give a sum of at least 0 (of probabilities, "
            "not of densities, and with its minus sign)"
        )
    if tokens < 1:
        raise ValueError(f"tokens is {tokens}: give how many were summed, at least 1")
    mean = total / tokens
    return math.exp(mean) if mean < 700 else math.inf  # beyond it a float overflows
