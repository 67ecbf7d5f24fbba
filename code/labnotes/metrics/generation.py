"""Metrics of generators, on any classifier's outputs: Inception Score, Fréchet distance, and
precision and recall."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def inception_score(probabilities: Tensor) -> float:
    """How sure a classifier is of each picture, and how many classes it sees in all of them.

    The exponential of the mean Kullback-Leibler divergence of ``p(class | picture)`` from
    ``p(class)``: 1 for pictures that all look the same to it, the number of classes for pictures
    that are each surely of one class, all equally often. It never looks at a real picture.

    Parameters
    ----------
    probabilities
        ``(pictures, classes)``, each row with the sum 1.

    Raises
    ------
    ValueError
        If a row is no distribution, or there is no picture.

    References
    ----------
    Salimans et al., "Improved Techniques for Training GANs", 2016, section 4; criticised by Barratt
    and Sharma, "A Note on the Inception Score", 2018.

    Examples
    --------
    >>> inception_score(torch.eye(10)), inception_score(torch.full((5, 10), 0.1))
    (10.0, 1.0)
    """
    _check_probabilities(probabilities)
    p = probabilities.double()
    marginal = p.mean(0)  # (classes,)
    # p log p is 0 where p is 0: what never happens tells nothing.
    divergence = (torch.special.xlogy(p, p) - torch.special.xlogy(p, marginal)).sum(1)
    return round(divergence.mean().exp().item(), 12)


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    r"""Squared Fréchet distance of two normal distributions; of features of pictures, the FID.

    .. math:: |\mu_1-\mu_2|^2 + \mathrm{tr}\,(\Sigma_1+\Sigma_2-2(\Sigma_1\Sigma_2)^{1/2})

    Parameters
    ----------
    mean1, mean2
        ``(d,)``.
    cov1, cov2
        Covariances ``(d, d)``: symmetric, no eigenvalue below 0 but for rounding.

    Returns
    -------
    float
        0 for equal ones.

    Raises
    ------
    ValueError
        If shapes do not fit, a matrix is not symmetric or has a negative eigenvalue, or a number
        is not finite (a covariance of one picture is NaN: take more pictures than features).

    Notes
    -----
    The root of a product that is not symmetric is not needed, only its trace, and that is the sum
    of the roots of the eigenvalues of :math:`A \Sigma_2 A` with :math:`A = \Sigma_1^{1/2}`, which
    is symmetric. Eigenvalues that rounding has made negative count as 0.

    From two pictures on there is an answer. A covariance of fewer pictures than features leaves
    directions out, which then count as directions without spread: the distance is much too large.

    References
    ----------
    Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982;
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017, equation 6.

    Examples
    --------
    >>> zero, one = torch.zeros(2), torch.eye(2)
    >>> frechet_distance(zero, one, zero + 3, 4 * one)  # 2 * 3^2, and (2 - 1)^2 in each direction
    20.0
    """
    _check_gaussian(mean1, cov1, "1")
    _check_gaussian(mean2, cov2, "2")
    if mean1.shape != mean2.shape:
        raise ValueError(f"{len(mean1)} features and {len(mean2)}: give as many in both")
    mean1, cov1, mean2, cov2 = (t.double() for t in (mean1, cov1, mean2, cov2))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # the symmetric root of cov1
    product = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0)
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace()
    return max(0.0, (distance - 2 * product.sqrt().sum()).item())


@dataclass
class PrecisionRecall:
    """How much of what was generated looks real, and how much of what is real was generated.

    Attributes
    ----------
    precision
        The share of generated examples that lie in the region of the real ones.
    recall
        The share of real examples that lie in the region of the generated ones.
    """

    precision: float
    recall: float


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Precision and recall of a generator: one asks for quality, the other for diversity.

    The region of a set is a union of balls: one around each of its points, which reaches to the
    point's `k`-th nearest neighbour in the set (not counting itself). Distances are Euclidean.

    Parameters
    ----------
    real, fake
        Features ``(n, d)`` and ``(m, d)``. Take as many of one as of the other: the more points a
        set has, the smaller its balls, and the score depends on it.
    k
        Which neighbour, from 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, a number is not finite, or a set has not more than `k` points.

    Notes
    -----
    Distances are computed for 1,000 points at a time, so memory grows with n, not with n squared.

    References
    ----------
    Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models",
    2019, section 2.

    Examples
    --------
    >>> real = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    >>> precision_recall(real, real[:3], k=1)  # good, but of one kind only
    PrecisionRecall(precision=1.0, recall=0.5)
    """
    _check_features(real, fake, k)
    real, fake = real.float(), fake.float()
    return PrecisionRecall(_within(fake, real, k), _within(real, fake, k))


def _within(points: Tensor, others: Tensor, k: int) -> float:
    """The share of `points` that lie in the region of `others`."""
    inside, reach = torch.zeros(len(points), dtype=torch.bool, device=points.device), []
    for part in others.split(1000):  # the k-th neighbour; the nearest of all is the point itself
        reach.append(_distances(part, others).kthvalue(k + 1, 1).values)
    reach = torch.cat(reach)  # (others,)
    for start in range(0, len(points), 1000):
        near = _distances(points[start : start + 1000], others) <= reach
        inside[start : start + 1000] = near.any(1)
    return inside.float().mean().item()


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Exact differences: by products, a point would be at a small distance from itself.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _check_features(real: Tensor, fake: Tensor, k: int) -> None:
    if real.dim() != 2 or fake.dim() != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real has the shape {tuple(real.shape)}, fake {tuple(fake.shape)}: give features "
            "(n, d) and (m, d)"
        )
    if k < 1 or min(len(real), len(fake)) <= k:
        raise ValueError(
            f"k is {k}, with {len(real)} real and {len(fake)} generated examples: give a k of at "
            "least 1, and more examples than that in both sets"
        )
    if not (real.isfinite().all() and fake.isfinite().all()):
        raise ValueError("a feature is not finite: look for NaN in the pictures or the classifier")


def _check_probabilities(probabilities: Tensor) -> None:
    if probabilities.dim() != 2 or not len(probabilities):
        raise ValueError(
            f"probabilities have the shape {tuple(probabilities.shape)}: give (pictures, classes)"
        )
    sums = probabilities.sum(1)
    if not ((probabilities >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)):
        raise ValueError("a row is no distribution: give the softmax of the classifier's logits")


def _check_gaussian(mean: Tensor, cov: Tensor, which: str) -> None:
    if mean.dim() != 1 or cov.shape != (len(mean), len(mean)):
        raise ValueError(
            f"mean{which} has the shape {tuple(mean.shape)}, cov{which} {tuple(cov.shape)}: "
            "give (d,) and (d, d)"
        )
    if not (mean.isfinite().all() and cov.isfinite().all()):
        raise ValueError(
            f"mean{which} or cov{which} is not finite: a covariance needs at least two pictures, "
            "and more than there are features"
        )
    scale = cov.abs().max().double() * 1e-4 + 1e-12
    if (cov - cov.T).abs().max() > scale or torch.linalg.eigvalsh(cov.double()).min() < -scale:
        raise ValueError(f"cov{which} is no covariance: give one that is symmetric, from torch.cov")
