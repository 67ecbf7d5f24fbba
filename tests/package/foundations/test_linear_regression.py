"""Linear regression against NumPy, SciPy, scikit-learn and torch's autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, linprog
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.metrics import mean_absolute_error, mean_squared_error
from torch import nn
from torch.nn import functional as F

from labnotes.foundations.linear_regression import (
    Parameters,
    gradient_descent,
    least_absolute_line,
    linear,
    mae,
    mae_gradient,
    mse,
    mse_gradient,
    normal_equations,
)

SHAPES = given(rows=st.integers(1, 20), columns=st.integers(1, 5), seed=st.integers(0, 1000))
FEW = settings(max_examples=25, deadline=None)
PAIRS = [
    pytest.param(mse, mse_gradient, F.mse_loss, mean_squared_error, id="squared"),
    pytest.param(mae, mae_gradient, F.l1_loss, mean_absolute_error, id="absolute"),
]


def draw(rows, columns, seed):
    """Inputs, targets, weight, bias in float64."""
    random = torch.Generator().manual_seed(seed)
    shapes = ((rows, columns), (rows,), (columns,), ())
    return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes]


@SHAPES
@FEW
def test_predictions_are_those_of_torchs_linear_layer(rows, columns, seed):
    inputs, _, weight, bias = draw(rows, columns, seed)
    expected = F.linear(inputs, weight[None], bias[None])[:, 0]
    torch.testing.assert_close(linear(inputs, weight, bias), expected)


@pytest.mark.parametrize(("loss", "gradient", "torchs", "scikit_learns"), PAIRS)
@SHAPES
@FEW
def test_a_loss_is_the_libraries_and_its_gradient_autograds(
    loss, gradient, torchs, scikit_learns, rows, columns, seed
):
    inputs, targets, weight, bias = draw(rows, columns, seed)
    value = loss(inputs, targets, weight, bias)
    guess = (inputs.numpy() @ weight.numpy()) + bias.item()
    assert value.item() == pytest.approx(scikit_learns(targets.numpy(), guess), rel=1e-12)
    w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    expected = torch.autograd.grad(torchs(inputs @ w + b, targets), (w, b))
    found = gradient(inputs, targets, weight, bias)
    torch.testing.assert_close(found.weight, expected[0])
    torch.testing.assert_close(found.bias, expected[1])


@pytest.mark.parametrize(("loss", "gradient"), [(mse, mse_gradient), (mae, mae_gradient)])
def test_a_gradient_is_the_slope_that_scipy_measures(loss, gradient):
    inputs, targets, weight, bias = draw(12, 3, 0)

    def at(both):
        both = torch.from_numpy(both)
        return loss(inputs, targets, both[:-1], both[-1]).item()

    measured = approx_fprime(torch.cat([weight, bias[None]]).numpy(), at, 1e-7)
    assert torch.cat([*map(torch.atleast_1d, gradient(inputs, targets, weight, bias))]).numpy() == (
        pytest.approx(measured, abs=1e-5)
    )


def test_the_absolute_losss_slope_at_its_kink_is_torchs():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([2.0, 7.0])  # the first error is 0
    w, b = torch.ones(1, requires_grad=True), torch.ones((), requires_grad=True)
    expected = torch.autograd.grad(F.l1_loss(x @ w + b, y), (w, b))
    found = mae_gradient(x, y, w.detach(), b.detach())
    assert [g.item() for g in found] == [g.item() for g in expected] == [-1.0, -0.5]


@given(rows=st.integers(8, 40), columns=st.integers(1, 6), seed=st.integers(0, 1000))
@FEW
def test_normal_equations_give_the_line_of_numpy_and_of_scikit_learn(rows, columns, seed):
    inputs, targets, *_ = draw(rows, columns, seed)
    found = normal_equations(inputs, targets)
    ones = np.column_stack([inputs.numpy(), np.ones(rows)])
    expected, *_ = np.linalg.lstsq(ones, targets.numpy(), rcond=None)
    theirs = LinearRegression().fit(inputs.numpy(), targets.numpy())
    assert found.weight.numpy() == pytest.approx(expected[:-1], abs=1e-8)
    assert found.bias.item() == pytest.approx(expected[-1], abs=1e-8)
    assert found.weight.numpy() == pytest.approx(theirs.coef_, abs=1e-8)


def test_normal_equations_hold_inputs_of_very_different_sizes_in_float32():
    random = torch.Generator().manual_seed(0)
    inputs = torch.rand(500, 3, generator=random) * torch.tensor([20_000.0, 0.05, 1.0])
    targets = inputs @ torch.tensor([1e-3, 100.0, 2.0]) + 120
    found = normal_equations(inputs, targets)
    assert found.weight.dtype == torch.float32
    assert found.weight.tolist() == pytest.approx([1e-3, 100.0, 2.0], rel=1e-3)
    assert found.bias.item() == pytest.approx(120, rel=1e-4)


def test_descent_takes_the_steps_of_torchs_sgd_and_keeps_every_place():
    inputs, targets, weight, bias = draw(9, 3, 4)
    path = gradient_descent(inputs, targets, Parameters(weight, bias), lr=0.05, steps=7)
    layer = nn.Linear(3, 1).double()
    with torch.no_grad():
        layer.weight.copy_(weight[None])
        layer.bias.copy_(bias[None])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    assert len(path) == 8
    for place in path:
        torch.testing.assert_close(place.weight, layer.weight[0].detach())
        torch.testing.assert_close(place.bias, layer.bias[0].detach())
        optimizer.zero_grad()
        F.mse_loss(layer(inputs)[:, 0], targets).backward()
        optimizer.step()


def test_descent_ends_where_the_normal_equations_lead_and_takes_another_gradient():
    inputs, targets, weight, bias = draw(60, 2, 1)
    last = gradient_descent(inputs, targets, (weight, bias), lr=0.3, steps=300)[-1]
    expected = normal_equations(inputs, targets)
    torch.testing.assert_close(last.weight, expected.weight)
    torch.testing.assert_close(last.bias, expected.bias)
    (_, step) = gradient_descent(
        inputs, targets, (weight, bias), lr=1.0, steps=1, gradient=mae_gradient
    )
    slope = mae_gradient(inputs, targets, weight, bias)
    torch.testing.assert_close(step.weight, weight - slope.weight)


@pytest.mark.parametrize("seed", range(6))
def test_the_least_absolute_line_is_the_linear_programs(seed):
    random = np.random.RandomState(seed)
    n = 5 + 3 * seed
    x, y = random.randn(n), random.standard_cauchy(n)
    # minimize sum(t) with -t <= w x + b - y <= t, over w, b, t
    A = np.column_stack([x, np.ones(n)])
    wide = np.block([[A, -np.eye(n)], [-A, -np.eye(n)]])
    free = [(None, None)] * 2 + [(0, None)] * n
    best = linprog([0, 0] + [1] * n, wide, np.concatenate([y, -y]), bounds=free)
    found = least_absolute_line(torch.from_numpy(x), torch.from_numpy(y))
    errors = np.abs(found.weight.item() * x + found.bias.item() - y)
    assert found.weight.shape == (1,)
    assert errors.sum() == pytest.approx(best.fun, rel=1e-8)


def test_a_point_pushed_further_away_does_not_move_the_least_absolute_line():
    random = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 10, 20, dtype=torch.float64)
    y = 2 * x + 1 + 0.5 * torch.randn(20, generator=random, dtype=torch.float64)
    slopes = []
    for push in (10.0, 1000.0):
        y_far = y.clone()
        y_far[16] += push
        slopes.append(least_absolute_line(x, y_far).weight.item())
    assert slopes[0] == slopes[1]
    robust = HuberRegressor(epsilon=1.35, alpha=0).fit(x[:, None].numpy(), y_far.numpy())
    assert slopes[1] == pytest.approx(robust.coef_[0], abs=0.1)


def test_points_one_above_another_are_no_trouble():
    x, y = torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 5.0, 2.0])
    found = least_absolute_line(x, y)
    assert (found.weight.item(), found.bias.item()) == (1.0, 1.0)  # through the median


GOOD = torch.zeros(4, 2), torch.zeros(4), torch.zeros(2), torch.zeros(())


@pytest.mark.parametrize(
    ("place", "bad", "said"),
    [
        (0, torch.zeros(4), r"inputs are \(4,\)"),
        (0, torch.zeros(4, 2, dtype=torch.int64), "torch.int64: give floats"),
        (1, torch.zeros(4, 1), r"targets are \(4, 1\).*one target a row"),
        (1, torch.zeros(3), r"targets are \(3,\)"),
        (2, torch.zeros(2, 1), r"weight is \(2, 1\)"),
        (2, torch.zeros(3), r"weight is \(3,\)"),
        (3, torch.zeros(1), r"bias is \(1,\)"),
        (0, [[1.0, 2.0]], "inputs is a list: give a tensor"),
        (1, [1.0], "targets is a list"),
        (
            2,
            torch.zeros(2, dtype=torch.float64),
            "weight is torch.float64, inputs are torch.float32",
        ),
        (3, 0.0, "bias is a float: give a tensor"),
    ],
)
@pytest.mark.parametrize("function", [mse, mse_gradient, mae, mae_gradient])
def test_shapes_that_do_not_fit_are_refused(function, place, bad, said):
    arguments = list(GOOD)
    arguments[place] = bad
    with pytest.raises(ValueError, match=said):
        function(*arguments)


@pytest.mark.parametrize("function", [mse, mse_gradient, mae, mae_gradient])
def test_no_row_is_refused(function):
    with pytest.raises(ValueError, match="there is no row"):
        function(torch.zeros(0, 2), torch.zeros(0), *GOOD[2:])


def test_linear_refuses_parameters_that_do_not_fit():
    with pytest.raises(ValueError, match="one weight a column"):
        linear(torch.zeros(4, 2), torch.zeros(3), torch.zeros(()))
    with pytest.raises(ValueError, match="of one number"):
        linear(torch.zeros(4, 2), torch.zeros(2), torch.zeros(1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": 0.0, "steps": 1}, "lr is 0.0"),
        ({"lr": float("nan"), "steps": 1}, "lr is nan"),
        ({"lr": "0.1", "steps": 1}, "lr is '0.1'"),
        ({"lr": 0.1, "steps": -1}, "steps is -1"),
        ({"lr": 0.1, "steps": 2.0}, "steps is 2.0"),
        ({"lr": 0.1, "steps": True}, "steps is True"),
    ],
)
def test_a_descent_that_cannot_be_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        gradient_descent(*GOOD[:2], GOOD[2:], **options)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (torch.eye(3)[:2], "2 rows decide 2 of 4 parameters"),
        (torch.ones(5, 1), "5 rows decide 1 of 2 parameters"),
        (torch.arange(10.0).view(5, 2), "5 rows decide 2 of 3 parameters"),
        (torch.tensor([[1.0], [float("nan")], [2.0]]), "inputs have NaN or infinite values"),
    ],
)
def test_normal_equations_refuse_what_the_rows_cannot_decide(inputs, said):
    with pytest.raises(ValueError, match=said):
        normal_equations(inputs, torch.zeros(len(inputs)))


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(3, 1), torch.zeros(3, 1), r"x is \(3, 1\)"),
        (torch.arange(3.0), torch.zeros(2), r"y is \(2,\)"),
        (torch.arange(3), torch.zeros(3), "torch.int64"),
        (torch.ones(3), torch.zeros(3), "all points have one x"),
        (torch.ones(1), torch.zeros(1), "all points have one x"),
        (torch.arange(2.0), torch.tensor([0.0, float("nan")]), "points have NaN"),
        (torch.tensor([0.0, float("inf")]), torch.zeros(2), "points have NaN or infinite"),
        ([0.0, 1.0], torch.zeros(2), "x is a list"),
    ],
)
def test_points_without_a_line_are_refused(x, y, said):
    with pytest.raises(ValueError, match=said):
        least_absolute_line(x, y)
