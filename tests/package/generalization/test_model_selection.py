"""Model selection against NumPy, scikit-learn, torch, and the flow chart written out by hand."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import PolynomialFeatures

from labnotes.generalization import Losses, diagnose, minimum_norm, polynomial_features


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(rows=st.integers(1, 9), degree=st.integers(0, 12), seed=st.integers(0, 99))
def test_the_powers_are_those_of_scikit_learn(rows, degree, seed):
    x = drawn(rows, seed=seed)
    theirs = PolynomialFeatures(degree).fit_transform(x[:, None].numpy())
    np.testing.assert_allclose(polynomial_features(x, degree).numpy(), theirs, rtol=1e-10)


def test_the_powers_keep_their_type():
    assert polynomial_features(torch.zeros(2), 1).dtype == torch.float32


def test_the_powers_are_computed_where_the_input_is():
    x = torch.zeros(2)
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        assert polynomial_features(x, 1).device == x.device


@given(
    rows=st.integers(1, 12), columns=st.integers(1, 15), outputs=st.integers(0, 3),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_weights_are_those_of_the_pseudo_inverse(rows, columns, outputs, seed):
    a = drawn(rows, columns, seed=seed)
    b = drawn(rows, outputs, seed=seed + 100) if outputs else drawn(rows, seed=seed + 100)
    ours = minimum_norm(a, b)
    assert ours.shape == ((columns, outputs) if outputs else (columns,))
    np.testing.assert_allclose(ours.numpy(), np.linalg.pinv(a.numpy()) @ b.numpy(), atol=1e-7)


def test_dependent_columns_share_their_weight():
    a, b = drawn(9, 3), drawn(9, seed=1)
    both = torch.cat([a, a[:, :1]], 1)  # the first column twice: rank 3 of 4
    theirs = np.linalg.lstsq(both.numpy(), b.numpy(), rcond=1e-12)[0]
    np.testing.assert_allclose(minimum_norm(both, b).numpy(), theirs, atol=1e-10)
    assert minimum_norm(both, b)[0] == pytest.approx(minimum_norm(both, b)[3].item())


def test_columns_of_zeros_get_no_weight():
    assert minimum_norm(torch.zeros(3, 2), torch.ones(3)).tolist() == [0, 0]


def test_singular_values_below_rounding_count_as_zero_as_in_torch():
    for smallest in (1e-6, 3e-7):  # float32: 3 eps = 3.6e-7
        a, b = torch.diag(torch.tensor([1.0, 1e-2, smallest])), torch.ones(3)
        torch.testing.assert_close(minimum_norm(a, b), torch.linalg.pinv(a) @ b)


def test_no_other_exact_fit_is_shorter():
    a, b = drawn(4, 9), drawn(4, seed=1)
    found = minimum_norm(a, b)
    torch.testing.assert_close(a @ found, b)
    _, _, vt = np.linalg.svd(a.numpy())
    for way in vt[4:]:  # what can be added without a change on the rows
        other = found + 0.1 * torch.from_numpy(way)
        torch.testing.assert_close(a @ other, b)
        assert other.norm() > found.norm()


NAN = float("nan")
LOW, HIGH = 0.5, 2.0  # below and above the goal of 1


@pytest.mark.parametrize(
    ("run", "others", "branch"),
    [
        (Losses(HIGH, HIGH), {"smaller": Losses(LOW, HIGH)}, "optimization"),
        (Losses(HIGH, HIGH), {"longer": Losses(LOW, LOW)}, "optimization"),
        (Losses(HIGH, HIGH), {"bigger": Losses(LOW, LOW)}, "model bias"),
        (Losses(HIGH, LOW), {"bigger": Losses(1.5, 9)}, "model bias"),
        # What can be trained better is trained first.
        (Losses(HIGH, HIGH), {"longer": Losses(LOW, 9), "bigger": Losses(LOW, 9)}, "optimization"),
        (Losses(HIGH, HIGH), {"smaller": Losses(3, 3), "longer": Losses(HIGH, HIGH),
                              "bigger": Losses(LOW, 9)}, "model bias"),
        # Losses that are nearly equal say nothing.
        (Losses(HIGH, HIGH), {"smaller": Losses(1.9, 1)}, "undecided"),
        (Losses(HIGH, 1.5), {"smaller": Losses(1.7, 1)}, "optimization"),  # lower by a tenth
        (Losses(HIGH, HIGH), {}, "undecided"),
        (Losses(HIGH, HIGH), {"bigger": Losses(1.9, 1)}, "undecided"),
        (Losses(LOW, HIGH), {"bigger": Losses(0.1, 3)}, "overfitting"),
        (Losses(LOW, HIGH, HIGH), {}, "overfitting"),
        (Losses(LOW, LOW, HIGH), {}, "mismatch"),
        (Losses(LOW, LOW, LOW), {}, "fine"),
        (Losses(LOW, LOW), {"smaller": Losses(0.1, 0.1)}, "fine"),
        (Losses(1.0, 1.0, 1.0), {}, "fine"),  # the goal itself is good enough
    ],
)  # fmt: skip
def test_the_flow_chart_leads_to_its_branches(run, others, branch):
    found = diagnose(run, 1.0, **others)
    assert found.branch == branch and found.reason


def test_the_branch_depends_on_ratios_only():
    for scale, train, valid, test in itertools.product([0.01, 50], *[[LOW, HIGH]] * 3):
        now = diagnose(Losses(train, valid, test), 1.0, bigger=Losses(LOW, 1))
        scaled = Losses(scale * train, scale * valid, scale * test)
        assert diagnose(scaled, scale, bigger=Losses(scale * LOW, 1)) == now


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: polynomial_features(drawn(3, 1), 2), r"x is \(3, 1\)"),
        (lambda: polynomial_features(torch.arange(3), 2), "int64"),
        (lambda: polynomial_features(drawn(3), -1), "degree is -1"),
        (lambda: polynomial_features(drawn(3), 1.5), "degree is 1.5"),
        (lambda: polynomial_features(drawn(3), True), "degree is True"),
        (lambda: minimum_norm(drawn(3), drawn(3)), r"inputs have shape \(3,\)"),
        (lambda: minimum_norm(drawn(3, 2), drawn(4)), r"targets have shape \(4,\)"),
        (lambda: minimum_norm(drawn(3, 2), drawn(3, 1, 1)), r"targets have shape \(3, 1, 1\)"),
        (lambda: minimum_norm(drawn(0, 2), drawn(0)), r"\(0, 2\)"),
        (lambda: diagnose(Losses(1, 1), 0), "goal is 0"),
        (lambda: diagnose(Losses(1, 1), NAN), "goal is nan"),
        (lambda: minimum_norm(drawn(3, 2), drawn(3).float()), "float32, features torch.float64"),
        (lambda: minimum_norm(drawn(3, 2), torch.arange(3)), "int64, features torch.float64"),
        (lambda: minimum_norm(drawn(3, 2) / 0, drawn(3)), "features have NaN or infinite"),
        (lambda: minimum_norm(drawn(3, 2) * NAN, drawn(3)), "features have NaN or infinite"),
        (lambda: minimum_norm(drawn(3, 2), drawn(3) * NAN), "targets have NaN or infinite"),
        (lambda: diagnose(Losses(NAN, 1), 1), "a loss of run is not a number"),
        (lambda: diagnose(Losses(1, 1, NAN), 1), "a loss of run is not a number"),
        (lambda: diagnose(Losses(-1.05, 1), 1, smaller=Losses(-2, 1)), "at least 0"),
        (lambda: diagnose(Losses(1, 1), 1, bigger=Losses(1, NAN)), "a loss of bigger"),
        (lambda: diagnose(Losses(1, 1), 1, longer=Losses(1, NAN)), "a loss of longer"),
        (lambda: diagnose((1, 1), 1), r"run is a tuple: give Losses\(train, valid\)"),
        (lambda: diagnose(Losses(1, 1), 1, smaller=0.5), "smaller is a float"),
        (lambda: polynomial_features([1.0], 2), "x is a list"),
        (lambda: minimum_norm([[1.0]], drawn(1)), "features is a list"),
    ],
)
def test_bad_input_is_refused_by_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()
