"""Softmax and cross-entropy: torch, scipy and finite differences give the same, and nothing overflows."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from labnotes.foundations import cross_entropy, log_softmax, softmax


def random_logits(*shape, scale=1.0, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=draw, dtype=torch.float64)


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    scale=st.sampled_from([0.01, 1.0, 30.0, 3000.0]),
    seed=st.integers(0, 10**6),
)
def test_probabilities_and_their_logarithms_are_those_of_scipy_and_torch(shape, scale, seed):
    z = random_logits(*shape, scale=scale, seed=seed)
    for ours, scipys, torchs in (
        (softmax, scipy.special.softmax, torch.softmax),
        (log_softmax, scipy.special.log_softmax, torch.log_softmax),
    ):
        np.testing.assert_allclose(ours(z), scipys(z.numpy(), axis=-1), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(ours(z), torchs(z, -1), rtol=1e-12, atol=1e-14)


def test_the_logits_log_1_2_5_give_the_exact_fractions():
    z = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log()
    expected = [float(Fraction(n, 8)) for n in (1, 2, 5)]
    assert softmax(z).tolist() == pytest.approx(expected, abs=1e-15)
    assert log_softmax(z).exp().tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1000.0, 3e4])
def test_large_logits_of_either_sign_stay_finite_in_every_precision(size, dtype):
    z = torch.tensor([[size, 0.0, -size], [-size, -size, -size]], dtype=dtype)
    assert softmax(z)[0].tolist() == [1, 0, 0]
    assert softmax(z)[1].tolist() == pytest.approx([1 / 3] * 3, abs=4e-3)
    assert log_softmax(z)[0].tolist() == [0, -z[0, 0].item(), -2 * z[0, 0].item()]
    assert softmax(z).dtype == log_softmax(z).dtype == dtype


@given(batch=st.integers(1, 6), classes=st.integers(1, 7), seed=st.integers(0, 10**6))
def test_the_loss_and_its_gradient_are_those_of_torch(batch, classes, seed):
    z = random_logits(batch, classes, scale=5, seed=seed)
    labels = torch.randint(classes, (batch,), generator=torch.Generator().manual_seed(seed))
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    a, b = cross_entropy(ours, labels), F.cross_entropy(theirs, labels)
    a.backward(), b.backward()
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-14)


def test_the_gradient_is_probability_minus_one_hot_also_by_finite_differences():
    z, labels = random_logits(2, 4, scale=2), torch.tensor([3, 0])
    taught = (softmax(z) - F.one_hot(labels, 4)) / 2  # a mean over two examples
    for i in range(2):
        for j in range(4):
            step = torch.zeros_like(z)
            step[i, j] = 1e-6
            slope = (cross_entropy(z + step, labels) - cross_entropy(z - step, labels)) / 2e-6
            assert slope.item() == pytest.approx(taught[i, j].item(), abs=1e-8)


def test_the_loss_of_a_sure_mistake_is_its_distance_in_logits():
    loss = cross_entropy(torch.tensor([[1000.0, 0.0]]), torch.tensor([1]))
    assert loss.item() == 1000
    assert cross_entropy(torch.zeros(3, 10), torch.tensor([0, 4, 9])).item() == pytest.approx(
        math.log(10)
    )


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize(
    ("logits", "error", "text"),
    [
        ([1.0, 2.0], TypeError, "type list: give a tensor of floats"),
        (torch.tensor([1, 2]), TypeError, "type torch.int64"),
        (torch.tensor(1.0), ValueError, r"shape \(\)"),
        (torch.zeros(3, 0), ValueError, r"shape \(3, 0\)"),
    ],
)
def test_logits_that_are_none_are_refused(function, logits, error, text):
    with pytest.raises(error, match=text):
        function(logits)


@pytest.mark.parametrize(
    ("logits", "labels", "error", "text"),
    [
        (torch.zeros(2, 3), torch.tensor([0.0, 1.0]), TypeError, "float32: give class numbers"),
        (torch.zeros(2, 3), torch.tensor([True, False]), TypeError, "bool"),
        (torch.zeros(2, 3), torch.tensor([1, 0], dtype=torch.uint8), TypeError, "uint8"),
        (torch.zeros(2, 3), [0, 1], TypeError, "list"),
        (torch.zeros(2, 3), torch.tensor([0, 1, 2]), ValueError, r"labels \(3,\)"),
        (torch.zeros(2, 3), torch.zeros(2, 3).long(), ValueError, r"labels \(2, 3\)"),
        (torch.zeros(3), torch.tensor([0, 1, 2]), ValueError, r"logits have the shape \(3,\)"),
        (torch.zeros(0, 3), torch.zeros(0).long(), ValueError, "one example or more"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), ValueError, "from 0 to 3.*numbers from 0 to 2"),
        (torch.zeros(2, 3), torch.tensor([-1, 2]), ValueError, "from -1 to 2"),
        (torch.zeros(2, 3).long(), torch.tensor([0, 1]), TypeError, "logits are of type"),
    ],
)
def test_labels_that_do_not_fit_are_refused(logits, labels, error, text):
    with pytest.raises(error, match=text):
        cross_entropy(logits, labels)
