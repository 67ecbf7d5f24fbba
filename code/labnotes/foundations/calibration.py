"""Calibration: is a classifier right as often as it says?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reliability:
    """A classifier's guesses, sorted into bins by their confidence.

    Attributes
    ----------
    counts
        ``(bins,)``: guesses in each bin.
    confidence
        ``(bins,)``: the mean probability that these guesses were given; NaN in an empty bin.
    accuracy
        ``(bins,)``: the part of them that was right; NaN in an empty bin.
    """

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two over all guesses, 0 to 1."""
        distance = (self.accuracy - self.confidence).abs().nan_to_num(0.0)  # empty bins count 0
        return ((self.counts * distance).sum() / self.counts.sum()).item()


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """Compare confidence with accuracy, in bins of equal width.

    The guess for an example is its most probable class, the confidence is that probability. Bin m
    of M holds the confidences above (m - 1)/M and up to m/M.

    Parameters
    ----------
    probabilities
        ``(examples, classes)``, rows from 0 to 1 that sum to 1.
    labels
        ``(examples,)``, class numbers.
    bins
        How many bins.

    Raises
    ------
    ValueError
        If the shapes are not these, there is no example, the rows are no probabilities, or `bins`
        is no positive integer.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), equations 2 and 3, and their 15 bins of table 1.

    Examples
    --------
    >>> sure = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    >>> round(reliability(sure, torch.tensor([0, 1])).error, 2)  # says 0.9, is right half the time
    0.4
    """
    _check(probabilities, labels, bins)
    # On the CPU first: Apple's GPU has no float64.
    confidence, guess = probabilities.cpu().double().max(1)  # (examples,)
    right = (guess == labels.cpu()).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(confidence, edges[1:-1])  # up to an edge: the bin below it

    def total(values: Tensor) -> Tensor:  # (examples,) -> (bins,)
        return torch.zeros_like(edges[1:]).index_add(0, place, values)

    counts = total(torch.ones_like(right))
    return Reliability(counts.long(), total(confidence) / counts, total(right) / counts)


def _check(probabilities, labels, bins) -> None:
    if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
        raise ValueError(f"bins is {bins!r}: give a positive integer")
    if probabilities.dim() != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            f"probabilities have the shape {tuple(probabilities.shape)}, labels "
            f"{tuple(labels.shape)}: give (examples, classes) and (examples,), one or more"
        )
    sums = probabilities.cpu().double().sum(1)
    if probabilities.min() < 0 or not torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        raise ValueError(
            f"rows sum to {sums.min():.3g} up to {sums.max():.3g}, the least entry is "
            f"{probabilities.min():.3g}: give probabilities, for example logits.softmax(1)"
        )
