"""Weight decay against torch's optimizer, scikit-learn's ridge regression and the definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from labnotes.generalization import decayed_step, effective_parameters, ridge


def drawn(rows, columns, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=draw, dtype=torch.float64) + 3
    return x, torch.randn(rows, generator=draw, dtype=torch.float64) - 2


@given(lr=st.floats(1e-3, 2), decay=st.floats(0, 3), seed=st.integers(0, 99))
def test_a_step_is_that_of_torch(lr, decay, seed):
    x, _ = drawn(3, 4, seed)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    for w in (ours, theirs):
        (w**3).sum().backward()
    untouched = torch.ones(2, requires_grad=True)  # it has no gradient
    torch.optim.SGD([theirs], lr, weight_decay=decay).step()
    decayed_step([ours, untouched], lr, decay)
    assert torch.allclose(ours, theirs, rtol=1e-12)
    assert untouched.tolist() == [1, 1]


@given(
    rows=st.integers(2, 12), columns=st.integers(1, 15), penalty=st.floats(1e-3, 50),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_ridge_is_that_of_scikit_learn(rows, columns, penalty, seed):
    x, y = drawn(rows, columns, seed)
    theirs = Ridge(alpha=rows * penalty, solver="svd").fit(x, y)
    ours = ridge(x, y, penalty)
    assert torch.allclose(ours.weights, torch.tensor(theirs.coef_), atol=1e-8)
    assert torch.allclose(ours(x), torch.tensor(theirs.predict(x)), atol=1e-8)
    assert ours.bias == pytest.approx(theirs.intercept_, abs=1e-8)


@pytest.mark.parametrize(("rows", "columns"), [(9, 3), (4, 7)])
def test_without_a_penalty_it_is_the_shortest_of_the_least_squares_solutions(rows, columns):
    x, y = drawn(rows, columns)
    centred = torch.linalg.lstsq(x - x.mean(0), (y - y.mean())[:, None], driver="gelsd").solution
    assert torch.allclose(ridge(x, y, 0).weights, centred[:, 0], atol=1e-9)


def test_the_slope_of_the_penalized_loss_is_zero_at_the_solution():
    x, y = drawn(8, 3)
    found = ridge(x, y, 0.7)
    w, b = found.weights.requires_grad_(), x.new_tensor(found.bias).requires_grad_()
    (((x @ w + b - y) ** 2).mean() / 2 + 0.7 / 2 * (w**2).sum()).backward()
    assert w.grad.abs().max() < 1e-12 and b.grad.abs() < 1e-12


@given(rows=st.integers(2, 12), columns=st.integers(1, 15), penalty=st.floats(1e-3, 50))
def test_effective_parameters_are_how_much_the_predictions_follow_their_targets(
    rows, columns, penalty
):
    x, _ = drawn(rows, columns)
    hat = Ridge(alpha=rows * penalty, solver="svd").fit(x, torch.eye(rows)).predict(x)
    assert effective_parameters(x, penalty) == pytest.approx(hat.trace() - 1, abs=1e-6)


@pytest.mark.parametrize(("rows", "columns", "rank"), [(9, 3, 3), (4, 7, 3), (1, 2, 0)])
def test_without_a_penalty_they_are_the_rank_of_the_centred_inputs(rows, columns, rank):
    assert effective_parameters(drawn(rows, columns)[0], 0) == pytest.approx(rank)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x, y: decayed_step([x], 0, 0.1), "lr is 0"),
        (lambda x, y: decayed_step([x], float("nan"), 0.1), "lr is nan"),
        (lambda x, y: decayed_step([x], 0.1, -1), "weight_decay is -1"),
        (lambda x, y: ridge(x, y, -0.1), "penalty is -0.1"),
        (lambda x, y: ridge(x, y[:2], 0.1), r"targets have shape \(2,\)"),
        (lambda x, y: ridge(x, y[:, None], 0.1), r"targets have shape \(5, 1\)"),
        (lambda x, y: ridge(x[0], y, 0.1), r"inputs have shape \(3,\)"),
        (lambda x, y: ridge(x.long(), y, 0.1), "int64"),
        (lambda x, y: ridge(x[:0], y[:0], 0.1), r"\(0, 3\)"),
        (lambda x, y: effective_parameters(x[0], 0.1), r"inputs have shape \(3,\)"),
        (lambda x, y: effective_parameters(x, -1), "penalty is -1"),
        (lambda x, y: ridge(x.tolist(), y, 0.1), "inputs is a list"),
        (lambda x, y: ridge(x, y.tolist(), 0.1), "targets is a list"),
        (lambda x, y: ridge(x * float("nan"), y, 0.1), "NaN or infinite"),
        (lambda x, y: ridge(x, y / 0, 0.1), "NaN or infinite"),
        (lambda x, y: effective_parameters(x / 0, 0.1), "NaN or infinite"),
        (lambda x, y: decayed_step(y, 0.1, 0.1), r"give a list of them, \[w\]"),
    ],
)
def test_bad_input_is_refused_by_name(call, says):
    with pytest.raises(ValueError, match=says):
        call(*drawn(5, 3))
