"""Reliability: scikit-learn's calibration curve and a count by hand give the same bins."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from labnotes.foundations import reliability


def random_case(n, classes, seed):
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, classes, generator=draw, dtype=torch.float64)
    return logits.softmax(1), torch.randint(classes, (n,), generator=draw)


@given(
    n=st.integers(1, 200), classes=st.integers(2, 6), bins=st.integers(1, 20),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_the_bins_are_those_of_scikit_learns_curve(n, classes, bins, seed):
    p, labels = random_case(n, classes, seed)
    found = reliability(p, labels, bins)
    confidence, guess = p.max(1)
    accuracy, mean = calibration_curve(
        (guess == labels).numpy(), confidence.numpy(), n_bins=bins, pos_label=True
    )
    full = found.counts > 0
    np.testing.assert_allclose(found.accuracy[full], accuracy, atol=1e-12)
    np.testing.assert_allclose(found.confidence[full], mean, atol=1e-12)
    assert found.counts.sum() == n
    assert found.accuracy[~full].isnan().all() and found.confidence[~full].isnan().all()
    weights = found.counts[full].numpy() / n
    assert found.error == pytest.approx((weights * abs(accuracy - mean)).sum(), abs=1e-12)


def test_the_error_of_five_guesses_counted_by_hand():
    # Confidences 0.6, 0.6, 0.9, 0.9, 1.0; right: yes, no, yes, yes, no. Two bins: all in the upper.
    first = torch.tensor([0.6, 0.6, 0.9, 0.9, 1.0], dtype=torch.float64)
    p, labels = torch.stack([first, 1 - first], 1), torch.tensor([0, 1, 0, 0, 1])
    assert reliability(p, labels, bins=2).error == pytest.approx(abs(3 / 5 - 4 / 5))
    # Bins of a tenth: 0.6 -> |1/2 - 0.6|, twice; 0.9 -> |1 - 0.9|, twice; 1.0 -> |0 - 1|.
    found = reliability(p, labels, bins=10)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 2, 1]
    assert found.error == pytest.approx((2 * 0.1 + 2 * 0.1 + 1) / 5)


def test_a_classifier_whose_labels_are_drawn_from_its_own_probabilities_is_calibrated():
    p, _ = random_case(200_000, 4, 0)
    labels = torch.multinomial(p, 1, generator=torch.Generator().manual_seed(1))[:, 0]
    assert reliability(p, labels).error < 0.01
    sharper = (p.log() * 3).softmax(1)
    assert reliability(sharper, labels).error > 0.1


def test_fifteen_bins_as_in_the_papers_table():
    assert len(reliability(*random_case(10, 3, 0)).counts) == 15


@pytest.mark.parametrize(
    ("probabilities", "labels", "bins", "text"),
    [
        (torch.ones(2, 1), torch.tensor([0, 0]), 0, "bins is 0: give a positive integer"),
        (torch.ones(2, 1), torch.tensor([0, 0]), True, "bins is True"),
        (torch.ones(2, 1), torch.tensor([0, 0]), 2.0, "bins is 2.0"),
        (torch.ones(2), torch.tensor([0, 0]), 15, r"shape \(2,\)"),
        (torch.ones(2, 1), torch.tensor([0]), 15, r"labels \(1,\)"),
        (torch.ones(0, 1), torch.tensor([]), 15, "one or more"),
        (torch.tensor([[2.0, 1.0]]), torch.tensor([0]), 15, "sum to 3"),
        (torch.tensor([[1.5, -0.5]]), torch.tensor([0]), 15, "least entry is -0.5"),
        (torch.tensor([[torch.nan, 1.0]]), torch.tensor([0]), 15, "give probabilities"),
    ],
)
def test_what_is_no_set_of_guesses_is_refused(probabilities, labels, bins, text):
    with pytest.raises(ValueError, match=text):
        reliability(probabilities, labels, bins)
