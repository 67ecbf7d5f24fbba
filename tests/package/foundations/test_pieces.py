"""Curves of straight pieces against numpy's interpolation, torch's layers and scikit-learn's regression."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from torch import nn

from labnotes.foundations import Pieces, best_slopes, through_points


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


@given(st.lists(st.tuples(st.floats(0.1, 3), st.floats(-5, 5)), min_size=2, max_size=12))
def test_the_pieces_go_through_the_points_as_numpy_interpolates(steps):
    x = numbers(*np.cumsum([step for step, _ in steps]))
    y = numbers(*[height for _, height in steps])
    found = through_points(x, y)
    assert len(found.hinges) == len(x) - 1
    at = torch.linspace(x[0] - 0.5, x[-1], 50, dtype=torch.float64)  # left of them: constant
    expected = np.interp(at.numpy(), x.numpy(), y.numpy())
    np.testing.assert_allclose(found(at).numpy(), expected, atol=1e-9)


def test_the_pieces_are_a_hidden_layer_of_torchs():
    pieces = Pieces(numbers(0.5).squeeze(), numbers(-1, 0, 2), numbers(1, -3, 0.5))
    hidden, output = nn.Linear(1, 3).double(), nn.Linear(3, 1).double()
    with torch.no_grad():
        hidden.weight.fill_(1.0)
        hidden.bias.copy_(-pieces.hinges)
        output.weight.copy_(pieces.slopes[None])
        output.bias.fill_(pieces.bias)
        x = torch.linspace(-3, 3, 30, dtype=torch.float64).view(15, 2)
        expected = output(hidden(x[..., None]).relu()).squeeze(-1)  # (15, 2)
    torch.testing.assert_close(pieces(x), expected)


@pytest.mark.parametrize("units", [1, 3, 8])
def test_the_best_slopes_are_scikit_learns_regression_on_the_hinges(units):
    x = torch.linspace(-3, 3, 60, dtype=torch.float64)
    y, hinges = torch.sin(2 * x) + x, torch.linspace(-3, 2, units, dtype=torch.float64)
    found = best_slopes(hinges, x, y)
    columns = np.maximum(x.numpy()[:, None] - hinges.numpy(), 0)
    theirs = LinearRegression().fit(columns, y.numpy())
    np.testing.assert_allclose(found.slopes.numpy(), theirs.coef_, atol=1e-9)
    assert found.bias.item() == pytest.approx(theirs.intercept_, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: through_points(numbers(1), numbers(1)), "at least two points"),
        (lambda: through_points(numbers(1, 1), numbers(1, 2)), "x must ascend"),
        (lambda: through_points(numbers(1, 2), numbers(1)), r"\(2,\) and \(1,\)"),
        (lambda: best_slopes(numbers(), numbers(1, 2), numbers(1, 2)), r"\(0,\) for 2 points"),
        (lambda: best_slopes(numbers(0, 1), numbers(1, 2), numbers(1, 2)), r"\(2,\) for 2 points"),
        (lambda: best_slopes(numbers(0), numbers(1, 2), numbers(1)), r"\(2,\) and \(1,\)"),
        (lambda: best_slopes([0.0], numbers(1, 2), numbers(1, 2)), "hinges is a list"),
        (lambda: through_points([1.0, 2.0], numbers(1, 2)), "x is a list"),
    ],
)
def test_points_and_hinges_that_make_no_curve_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
