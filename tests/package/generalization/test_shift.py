"""Weights against worlds whose densities are known, scikit-learn, torch and matrices by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from torch.nn import functional as F

from labnotes.generalization import (
    effective_sample_size,
    importance_weights,
    joint_confusion,
    label_shift_weights,
    softmax_regression,
)


def drawn(rows, columns, classes, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=draw, dtype=torch.float64)
    return x, torch.randint(classes, (rows,), generator=draw)


# ---- importance weights ----


@pytest.mark.parametrize(("sources", "targets"), [(100, 100), (300, 50), (20, 700)])
def test_the_best_classifier_of_two_normal_worlds_gives_the_ratio_of_their_densities(
    sources, targets
):
    x = np.linspace(-3, 4, 40)
    p, q = norm.pdf(x, 0, 1), norm.pdf(x, 1.5, 0.7)
    of_target = targets * q / (targets * q + sources * p)  # Bayes
    logits = torch.tensor(np.log(of_target) - np.log1p(-of_target))
    found = importance_weights(logits, sources, targets)
    assert np.allclose(found, q / p, rtol=1e-6)


def test_a_classifier_trained_on_drawn_rows_comes_near_the_ratio():
    draw = np.random.default_rng(0)
    source, target = draw.normal(0, 1, (6000, 1)), draw.normal(1, 1, (3000, 1))
    joined = torch.tensor(np.concatenate([source, target]))
    which = torch.tensor([0] * 6000 + [1] * 3000)
    model = softmax_regression(joined, which, 2, penalty=0)
    x = torch.linspace(-1, 2, 7, dtype=torch.float64)
    logits = model(x[:, None])
    found = importance_weights(logits[:, 1] - logits[:, 0], 6000, 3000)
    exact = norm.pdf(x, 1, 1) / norm.pdf(x, 0, 1)
    assert np.allclose(found, exact, rtol=0.2)


def test_weighted_means_over_the_source_are_means_over_the_target():
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.2, 0.7])
    values = torch.tensor([3.0, -1.0, 5.0])
    weights = importance_weights((q / p * 2).log(), 10, 20)
    assert (p * weights * values).sum() == pytest.approx((q * values).sum())


# ---- effective sample size ----


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9), st.floats(1e-3, 1e3))
def test_so_many_equal_rows_give_a_mean_of_the_same_variance(values, scale):
    w = torch.tensor(values, dtype=torch.float64)
    share = (w / w.sum()).numpy()
    variance = share @ np.eye(len(w)) @ share  # of a weighted mean of numbers of variance 1
    assert effective_sample_size(w * scale) == pytest.approx(1 / variance)


def test_equal_weights_count_all_rows_and_a_single_one_counts_one():
    assert effective_sample_size(torch.full((7,), 1e30)) == pytest.approx(7)
    assert effective_sample_size(torch.tensor([0.0, 5.0, 0.0])) == pytest.approx(1)
    assert effective_sample_size(torch.tensor([3.0, 1.0, 0.0, 0.0])) == pytest.approx(1.6)


@pytest.mark.parametrize(("value", "dtype"), [(1e200, torch.float64), (1.0, torch.float16)])
def test_neither_squares_nor_sums_overflow(value, dtype):
    assert effective_sample_size(torch.full((70_000,), value, dtype=dtype)) == pytest.approx(70_000)


def test_between_normal_worlds_it_falls_with_the_exponential_of_the_squared_shift():
    x = torch.tensor(norm.ppf((np.arange(200_000) + 0.5) / 200_000))
    for shift in (0.5, 1.0):
        weights = (shift * x - shift**2 / 2).exp()
        share = effective_sample_size(weights) / len(x)
        assert share == pytest.approx(np.exp(-(shift**2)), rel=1e-2)


# ---- label shift ----


@given(st.integers(2, 6), st.integers(0, 99))
def test_the_confusion_matrix_is_that_of_scikit_learn(classes, seed):
    _, labels = drawn(30, 1, classes, seed)
    _, guesses = drawn(30, 1, classes, seed + 100)
    expected = confusion_matrix(labels, guesses, labels=range(classes), normalize="all")
    assert np.allclose(joint_confusion(labels, guesses, classes), expected, atol=1e-12)


def test_weights_of_two_classes_are_those_of_the_inverse_by_hand():
    a, b, c, d = 0.08, 0.02, 0.09, 0.81  # label 0: guessed 0, 1; label 1: guessed 0, 1
    u, v = 0.45, 0.55
    found = label_shift_weights(torch.tensor([[a, b], [c, d]]), torch.tensor([u, v]))
    determinant = a * d - b * c
    expected = [(u * d - v * c) / determinant, (v * a - u * b) / determinant]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert found.tolist() == pytest.approx([5, 5 / 9], rel=1e-5)


@given(st.integers(2, 7), st.integers(0, 99))
def test_weights_of_a_world_that_is_known_are_exact(classes, seed):
    draw = np.random.default_rng(seed)
    source, target = draw.dirichlet(np.ones(classes) * 3, 2)
    looks = draw.dirichlet(np.ones(classes), classes) * 0.4 + np.eye(classes) * 0.6
    confusion, guessed = torch.tensor(source[:, None] * looks), torch.tensor(target @ looks)
    found = label_shift_weights(confusion, guessed)
    assert np.allclose(found, target / source, rtol=1e-6, atol=1e-8)
    assert found.dtype == torch.float64


# ---- the fit ----


@pytest.mark.parametrize(("classes", "penalty"), [(2, 0.1), (3, 1e-2), (5, 1.0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_is_that_of_scikit_learn(classes, penalty, weighted):
    x, y = drawn(60, 4, classes)
    x[:, 1] += y
    weights = torch.rand(60, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 5
    total = weights.sum().item() if weighted else 60
    theirs = LogisticRegression(C=1 / (penalty * total), tol=1e-8, max_iter=1000)
    if classes == 2:  # scikit-learn has one vector there: w1 = -w0, each half of it, so half of w^2
        theirs.C *= 2
    theirs.fit(x, y, sample_weight=weights if weighted else None)
    ours = softmax_regression(x, y, classes, weights=weights if weighted else None,
                              penalty=penalty)  # fmt: skip
    expected = torch.tensor(theirs.predict_proba(x))
    assert torch.allclose(ours(x).softmax(1), expected, atol=2e-4)
    assert ours.bias.sum().abs() < 1e-9  # nothing moves all logits at once


def test_the_penalty_is_a_thousandth_unless_told_otherwise():
    x, y = drawn(60, 4, 3)
    theirs = LogisticRegression(C=1 / (1e-3 * 60), tol=1e-8, max_iter=1000).fit(x, y)
    expected = torch.tensor(theirs.predict_proba(x))
    assert torch.allclose(softmax_regression(x, y, 3)(x).softmax(1), expected, atol=1e-3)


def test_by_default_it_takes_enough_steps_to_reach_a_sharp_minimum():
    x, y = drawn(200, 12, 4)
    x[:, 0] *= 30  # columns of unlike scale take L-BFGS many steps
    x[:, 1] += y
    theirs = LogisticRegression(C=1 / (1e-4 * 200), tol=1e-10, max_iter=10_000).fit(x, y)
    expected = torch.tensor(theirs.predict_proba(x))
    found = softmax_regression(x, y, 4, penalty=1e-4)(x).softmax(1)
    assert torch.allclose(found, expected, atol=2e-3)
    few = softmax_regression(x, y, 4, penalty=1e-4, steps=20)(x).softmax(1)
    assert not torch.allclose(few, expected, atol=2e-3)


def test_a_whole_weight_is_so_many_copies_of_the_row_and_zero_leaves_it_out():
    x, y = drawn(12, 3, 3)
    times = torch.tensor([0, 1, 2, 3] * 3)
    weighted = softmax_regression(x, y, 3, weights=times, penalty=0.1)
    copies = softmax_regression(x.repeat_interleave(times, 0), y.repeat_interleave(times), 3,
                                penalty=0.1)  # fmt: skip
    assert torch.allclose(weighted(x), copies(x), atol=1e-3)


def test_the_slope_of_the_weighted_loss_is_zero_at_the_solution():
    x, y = drawn(40, 3, 4)
    weights = torch.tensor([1.0, 4.0, 0.5, 2.0], dtype=torch.float64)[y]
    model = softmax_regression(x, y, 4, weights=weights, penalty=0.05).requires_grad_()
    # torch weights by class, and divides by the sum of the weights
    by_class = torch.tensor([1.0, 4.0, 0.5, 2.0], dtype=torch.float64)
    loss = F.cross_entropy(model(x), y, weight=by_class)
    (loss + 0.05 / 2 * model.weight.square().sum()).backward()
    assert model.weight.grad.abs().max() < 1e-4 and model.bias.grad.abs().max() < 1e-4


# ---- bad input ----

ONES = torch.ones(4)
NAN, INF = float("nan"), float("inf")
TWO = torch.tensor([[0.5, 0.0], [0.1, 0.4]])
NEARLY = torch.tensor([[0.25, 0.25], [0.25, 0.25 + 1e-13]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: importance_weights(ONES, 0, 5), "got 0 rows"),
        (lambda: importance_weights(ONES, 5, 2.5), "got 2.5 rows"),
        (lambda: importance_weights(ONES, True, 5), "got True rows"),
        (lambda: importance_weights(ONES * 1000, 5, 5), "not finite"),
        (lambda: importance_weights(ONES * float("nan"), 5, 5), "not finite"),
        (lambda: importance_weights(ONES[:, None], 5, 5), r"shape \(4, 1\)"),
        (lambda: effective_sample_size(-ONES), "from -1 to -1"),
        (lambda: effective_sample_size(ONES * 0), "from 0 to 0"),
        (lambda: effective_sample_size(ONES.long()), "int64"),
        (lambda: effective_sample_size(ONES[:0]), r"shape \(0,\)"),
        (lambda: joint_confusion(ONES.long(), ONES.long(), 1), "from 1 to 1"),
        (lambda: joint_confusion(ONES.long(), ONES, 2), "guesses have .*float32"),
        (lambda: joint_confusion(ONES.long(), ONES[:2].long(), 2), "4 labels, 2 guesses"),
        (lambda: joint_confusion(-ONES.long(), ONES.long(), 2), "labels from -1"),
        (lambda: label_shift_weights(TWO, ONES / 4), r"confusion has shape \(2, 2\)"),
        (lambda: label_shift_weights(TWO * 10, ONES[:2] / 2), "confusion sums to 10"),
        (lambda: label_shift_weights(TWO, ONES[:2]), "guessed sums to 2"),
        (lambda: label_shift_weights(ONES.view(2, 2) / 4, ONES[:2] / 2), "no inverse"),
        (lambda: label_shift_weights(NEARLY, ONES[:2] / 2), "no inverse"),
        (lambda: softmax_regression(ONES, ONES.long(), 2), r"inputs have shape \(4,\)"),
        (lambda: softmax_regression(ONES[:, None], ONES.long() * 2, 2), "labels from 2"),
        (lambda: softmax_regression(ONES[:, None], ONES[:3].long(), 2), "4 rows .* 3 labels"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, weights=-ONES), "weights from"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, weights=ONES[:2]), "2 weights"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, penalty=-1), "penalty is -1"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, penalty=NAN), "penalty is nan"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, penalty=INF), "penalty is inf"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, steps=0), "got 0 steps"),
        (lambda: softmax_regression(ONES[:, None] * NAN, ONES.long(), 2), "inputs .* not finite"),
        (lambda: softmax_regression("x", ONES.long(), 2), "inputs are of the type str"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2, weights=[1] * 4), "type list"),
        (lambda: softmax_regression(ONES[:, None], ONES.long(), 2.0), "got 2.0 classes"),
        (lambda: importance_weights("x", 5, 5), "logits are of the type str"),
        (lambda: effective_sample_size([1.0, 2.0]), "weights are of the type list"),
        (lambda: effective_sample_size(ONES * NAN), "weights that are not finite"),
        (lambda: joint_confusion([0, 1], [0, 1], 2), "labels are of the type list"),
        (lambda: joint_confusion(ONES.long(), ONES.long(), 2.5), "got 2.5 classes"),
        (lambda: joint_confusion(ONES[:0].long(), ONES[:0].long(), 2), r"shape \(0,\)"),
        (lambda: label_shift_weights(TWO * NAN, ONES[:2] / 2), "confusion sums to nan"),
        (lambda: label_shift_weights(TWO, ONES[:2] * NAN), "guessed sums to nan"),
        (lambda: label_shift_weights(TWO, ONES[:2] * 0.5005), "guessed sums to 1.001"),
        (lambda: label_shift_weights(TWO, torch.tensor([1.5, -0.5])), "least number is -0.5"),
        (lambda: label_shift_weights(TWO, ONES.sum()), r"guessed \(\)"),
        (lambda: label_shift_weights(TWO[:0, :0], ONES[:0]), r"guessed \(0,\)"),
        (lambda: label_shift_weights(TWO.tolist(), ONES[:2] / 2), "of the type list"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()
