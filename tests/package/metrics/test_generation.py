"""Inception score and Fréchet distance: SciPy's numbers. Precision and recall: by brute force."""

import doctest
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from labnotes.metrics import frechet_distance, generation, inception_score
from labnotes.metrics.generation import precision_recall


def features(n: int, d: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, d, generator=draw) @ torch.randn(d, d, generator=draw)
    return mixed + torch.randn(d, generator=draw)


@given(seed=st.integers(0, 999), d=st.integers(1, 12))
def test_the_frechet_distance_is_scipys_with_the_root_of_the_product(seed, d):
    one, other = features(40, d, seed), features(30, d, seed + 1)
    pairs = [(x.double().mean(0), torch.cov(x.double().T).view(d, d)) for x in (one, other)]
    (m1, c1), (m2, c2) = ((m.numpy(), c.numpy()) for m, c in pairs)
    root = scipy.linalg.sqrtm(c1 @ c2)
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * root.real)
    assert frechet_distance(*pairs[0], *pairs[1]) == pytest.approx(expected, abs=1e-4, rel=1e-6)


def test_it_is_zero_for_equal_ones_and_finite_for_features_that_never_change():
    x = features(50, 6, 3)
    same = x.mean(0), torch.cov(x.T)
    assert frechet_distance(*same, *same) == pytest.approx(0, abs=1e-3)
    x[:, 2] = 1.0  # a unit that is dead: its variance is 0
    dead = x.mean(0), torch.cov(x.T)
    assert frechet_distance(*dead, *dead) == pytest.approx(0, abs=1e-3)


def test_of_one_picture_there_is_no_distance_and_of_fewer_than_features_one_that_is_too_large():
    real, made = features(400, 8, 0), features(400, 8, 0).flip(0)  # of one distribution
    known = real.mean(0), torch.cov(real.T)

    def distance(n):
        some = made[:n]
        with warnings.catch_warnings(action="ignore"):  # torch warns of one picture
            return frechet_distance(*known, some.mean(0), torch.cov(some.T))

    with pytest.raises(ValueError, match="at least two pictures, and more than"):
        distance(1)
    assert distance(4) > 20 * distance(200) and distance(4) < float("inf")


@given(seed=st.integers(0, 999), classes=st.integers(1, 8))
def test_the_inception_score_is_scipys_entropy(seed, classes):
    draw = torch.Generator().manual_seed(seed)
    p = (3 * torch.randn(20, classes, generator=draw)).softmax(1)
    divergences = scipy.stats.entropy(p.double().numpy(), p.double().numpy().mean(0), axis=1)
    assert inception_score(p) == pytest.approx(np.exp(divergences.mean()), rel=1e-6)


def test_noise_of_which_a_classifier_is_sure_has_a_perfect_inception_score():
    assert inception_score(torch.eye(10)[torch.arange(50) % 10]) == pytest.approx(10)


GOOD = torch.zeros(3), torch.eye(3)


@pytest.mark.parametrize(
    "mean, cov, text",
    [
        (torch.zeros(3), torch.eye(2), r"mean1 has the shape \(3,\), cov1 \(2, 2\)"),
        (torch.zeros(2), torch.eye(2), "2 features and 3"),
        (torch.zeros(3), torch.full((3, 3), torch.nan), "not finite"),
        (torch.zeros(3), torch.eye(3) + torch.eye(3).roll(1, 0), "cov1 is no covariance"),
        (torch.zeros(3), -torch.eye(3), "cov1 is no covariance"),
    ],
)
def test_what_is_no_gaussian_is_refused(mean, cov, text):
    with pytest.raises(ValueError, match=text):
        frechet_distance(mean, cov, *GOOD)


@pytest.mark.parametrize("wrong", [torch.ones(3, 2), torch.zeros(0, 3), torch.ones(3),
                                   torch.tensor([[1.5, -0.5]])])  # fmt: skip
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(ValueError, match="distribution|shape"):
        inception_score(wrong)


def by_loops(points, others, k):
    """The share of `points` inside a ball around one of `others`, from the definition."""
    inside = 0
    for point in points:
        for i, centre in enumerate(others):
            rest = np.sort([np.linalg.norm(centre - o) for j, o in enumerate(others) if j != i])
            if np.linalg.norm(point - centre) <= rest[k - 1]:
                inside += 1
                break
    return inside / len(points)


@given(seed=st.integers(0, 999), k=st.integers(1, 4), d=st.integers(1, 5))
def test_precision_and_recall_are_those_of_the_definition(seed, k, d):
    real, fake = features(23, d, seed), features(17, d, seed) + 1
    found = precision_recall(real, fake, k)
    assert found.precision == pytest.approx(by_loops(fake.numpy(), real.numpy(), k))
    assert found.recall == pytest.approx(by_loops(real.numpy(), fake.numpy(), k))


def test_parts_of_a_thousand_give_what_scikit_learn_gives():
    from sklearn.neighbors import NearestNeighbors

    real, fake = features(1203, 3, 1), features(1101, 3, 1) * 0.7
    found = precision_recall(real, fake, k=3)
    for points, others, share in ((fake, real, found.precision), (real, fake, found.recall)):
        tree = NearestNeighbors().fit(others.numpy())
        reach = tree.kneighbors(others.numpy(), 4)[0][:, 3]
        gaps = np.linalg.norm(points.numpy()[:, None] - others.numpy()[None], axis=2)
        assert share == pytest.approx((gaps <= reach).any(1).mean(), abs=2e-3)


def test_the_balls_reach_to_the_papers_third_neighbour_unless_told_otherwise():
    """Kynkäänniemi et al. (2019), section 3.1: k is 3."""
    real, fake = features(23, 2, 2), features(40, 2, 3)
    share = by_loops(fake.numpy(), real.numpy(), 3)
    assert precision_recall(real, fake).precision == pytest.approx(share)
    assert share not in (by_loops(fake.numpy(), real.numpy(), k) for k in (2, 4))


def test_a_set_has_full_precision_and_recall_for_itself_and_none_for_one_far_away():
    x = features(40, 4, 0)
    same, far = precision_recall(x, x), precision_recall(x, x + 1000)
    assert (same.precision, same.recall) == (1, 1)
    assert (far.precision, far.recall) == (0, 0)


def test_pictures_that_never_change_have_balls_without_size():
    x = features(40, 4, 0)
    found = precision_recall(x, x[:1].expand(10, 4))  # one picture, ten times
    assert found.precision == 1 and found.recall == pytest.approx(1 / 40)


@pytest.mark.parametrize(
    "real, fake, k, words",
    [
        (torch.zeros(9, 3), torch.zeros(9, 2), 3, r"real has the shape \(9, 3\)"),
        (torch.zeros(9), torch.zeros(9), 3, r"real has the shape \(9,\)"),
        (torch.zeros(9, 3), torch.zeros(3, 3), 3, "9 real and 3 generated"),
        (torch.zeros(9, 3), torch.zeros(9, 3), 0, "k is 0"),
        (torch.zeros(9, 3), torch.full((9, 3), torch.nan), 3, "not finite"),
    ],
)
def test_sets_without_a_region_are_refused(real, fake, k, words):
    with pytest.raises(ValueError, match=words):
        precision_recall(real, fake, k)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(generation).failed == 0
