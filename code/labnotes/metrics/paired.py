"""Are two classifiers different? Tests that use that both answered the same questions.

Both functions take, for each test example, whether a classifier was right. They ask about the test
examples only: how the result depends on the training seed needs more than one training run.
"""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class McNemar:
    """The outcome of McNemar's exact test.

    Attributes
    ----------
    only_first, only_second
        Examples that one classifier alone got right.
    p_value
        The probability of a split at least as uneven, if either were equally likely to be the one
        that is right.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: torch.Tensor, second: torch.Tensor) -> McNemar:
    """McNemar's exact test, two-sided, of two classifiers on the same examples.

    Parameters
    ----------
    first, second
        ``(examples,)``, bool: whether each was right.

    Raises
    ------
    ValueError
        If the shapes or types are not these.

    References
    ----------
    McNemar (1947), in its exact (binomial) form; Dietterich (1998), section 3.1.

    Examples
    --------
    >>> mcnemar(torch.tensor([True, True, True, False]), torch.tensor([True, False, False, False]))
    McNemar(only_first=2, only_second=0, p_value=0.5)
    """
    _check(first, second)
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    return McNemar(b, c, min(1.0, 2 * _tail(min(b, c), b + c)))


def _tail(most: int, n: int) -> float:
    """The probability of at most `most` heads among `n` fair coins, ``most <= n / 2``."""
    # One binomial coefficient is exact. Each smaller one follows from the one before it,
    # C(n, k - 1) = C(n, k) * k / (n - k + 1); to compute all of them anew would be cubic in n.
    largest = math.comb(n, most) / 2**n
    ratios = (k / (n - k + 1) for k in range(most, 0, -1))
    return largest * sum(itertools.accumulate(ratios, operator.mul, initial=1.0))


def paired_bootstrap(
    first: torch.Tensor,
    second: torch.Tensor,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """A percentile interval for the accuracy of the first minus that of the second.

    Parameters
    ----------
    first, second
        ``(examples,)``, bool: whether each was right.
    resamples
        Test sets drawn with replacement, at least 100. Both classifiers get the same ones.
    level
        Part of the resampled differences inside the interval, between 0 and 1.
    seed
        Of the draws.

    Returns
    -------
    tuple
        Lower and upper end, from -1 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes or types are not these.

    References
    ----------
    Efron and Tibshirani (1993), chapter 13.
    """
    _check(first, second)
    if not isinstance(resamples, int) or resamples < 100:
        raise ValueError(f"resamples is {resamples!r}: give an integer, 100 or more")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}: give a number between 0 and 1, such as 0.95")
    # On the CPU first: Apple's GPU has no float64.
    difference = first.cpu().double() - second.cpu().double()  # (examples,) of -1, 0, 1
    draw = torch.Generator().manual_seed(seed)
    n = len(difference)
    means = torch.stack(
        [difference[torch.randint(n, (n,), generator=draw)].mean() for _ in range(resamples)]
    )
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=means.dtype)
    low, high = means.quantile(ends).tolist()
    return low, high


def _check(first: torch.Tensor, second: torch.Tensor) -> None:
    for name, value in (("first", first), ("second", second)):
        if value.dtype != torch.bool or value.dim() != 1 or len(value) == 0:
            raise ValueError(
                f"{name} has the type {value.dtype} and the shape {tuple(value.shape)}: give one "
                "bool for each example, such as guesses == labels"
            )
    if len(first) != len(second):
        raise ValueError(
            f"first has {len(first)} examples, second has {len(second)}: both must answer the same"
        )
