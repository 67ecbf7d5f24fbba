"""Gradient descent on a bowl against torch's own SGD and against powers of matrices."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labnotes.optimization import descend_quadratic, largest_stable_rate


def torchs_path(curvatures, start, rates, steps):
    """Each axis as a parameter with a learning rate of its own."""
    axes = [s.clone().requires_grad_() for s in start]
    optimizer = torch.optim.SGD([{"params": [a], "lr": float(r)} for a, r in zip(axes, rates)])
    path = [start]
    for _ in range(steps):
        optimizer.zero_grad()
        sum(h * a**2 / 2 for h, a in zip(curvatures, axes)).backward()
        optimizer.step()
        path.append(torch.stack([a.detach().clone() for a in axes]))
    return torch.stack(path)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), axes=st.integers(1, 4), steps=st.integers(0, 6))
def test_the_path_is_that_of_torchs_sgd_with_one_rate_and_with_one_for_each_axis(seed, axes, steps):
    draw = torch.Generator().manual_seed(seed)
    curvatures, start, rates = torch.randn(3, axes, generator=draw, dtype=torch.float64)
    rates = rates.abs() + 0.01
    ours = descend_quadratic(curvatures, start, rates, steps)
    torch.testing.assert_close(ours, torchs_path(curvatures, start, rates, steps))
    ours = descend_quadratic(curvatures, start, 0.3, steps)
    torch.testing.assert_close(ours, torchs_path(curvatures, start, [0.3] * axes, steps))


def test_the_last_point_is_numpys_power_of_the_step_matrix():
    curvatures, start = torch.tensor([4.0, 0.5]).double(), torch.tensor([1.0, -2.0]).double()
    step = np.eye(2) - 0.2 * np.diag(curvatures.numpy())
    expected = np.linalg.matrix_power(step, 7) @ start.numpy()
    np.testing.assert_allclose(descend_quadratic(curvatures, start, 0.2, 7)[-1], expected)


@pytest.mark.parametrize("seed", range(5))
def test_below_the_largest_stable_rate_torchs_sgd_comes_down_and_above_it_runs_away(seed):
    draw = torch.Generator().manual_seed(seed)
    root = torch.randn(4, 4, generator=draw, dtype=torch.float64)
    hessian = root @ root.T  # positive definite, its axes not those of the parameters
    limit = largest_stable_rate(torch.linalg.eigvalsh(hessian))
    start = torch.linalg.eigh(hessian).eigenvectors.sum(1)  # along all of them
    for factor, comes_down in ((1 - 1e-4, True), (1 + 1e-4, False)):
        w = start.clone().requires_grad_()
        optimizer = torch.optim.SGD([w], lr=factor * limit)
        losses = []
        for _ in range(400):
            optimizer.zero_grad()
            loss = w @ hessian @ w / 2
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert (losses[-1] < losses[-2]) == comes_down


one, two = torch.ones(1), torch.ones(2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((torch.ones(1, 1), one, 0.1, 1), r"curvatures have shape \(1, 1\).*give floating"),
        ((torch.ones(0), torch.ones(0), 0.1, 1), "curvatures have shape"),
        ((torch.tensor([1]), one, 0.1, 1), "int64: give floating point"),
        ((two, one, 0.1, 1), r"start has shape \(1,\), curvatures \(2,\): give one"),
        ((two, two, torch.ones(3), 1), r"lr has shape \(3,\).*one for each axis"),
        ((two, two, 0.0, 1), "lr is 0.0: give finite learning rates above 0"),
        ((two, two, float("nan"), 1), "lr is nan"),
        ((two, two, torch.tensor([0.1, -0.1]), 1), "give finite learning rates above 0"),
        ((two, two, float("inf"), 1), "lr is inf"),
        ((two, two, "fast", 1), "lr is 'fast': give one learning rate"),
        (([1.0], one, 0.1, 1), "curvatures are list, start is Tensor: give tensors"),
        ((one * float("nan"), one, 0.1, 1), "hold nan or infinity"),
        ((one, one * float("inf"), 0.1, 1), "hold nan or infinity"),
        ((two, two, 0.1, -1), "steps is -1: give an integer"),
        ((two, two, 0.1, 1.5), "steps is 1.5"),
        ((two, two, 0.1, True), "steps is True"),
    ],
)
def test_bad_input_of_a_descent_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        descend_quadratic(*arguments)


@pytest.mark.parametrize(
    "curvatures, message",
    [
        (torch.tensor([1.0, -1.0]), "from -1 to 1: give none below 0"),
        (torch.zeros(2), "from 0 to 0"),
        (torch.tensor([1.0, float("nan")]), "hold nan or infinity"),
        (torch.tensor([1.0, float("inf")]), "hold nan or infinity"),
        ([1.0], "curvatures are list"),
        (torch.ones(2, 2), "curvatures have shape"),
    ],
)
def test_curvatures_without_a_largest_stable_rate_are_refused(curvatures, message):
    with pytest.raises(ValueError, match=message):
        largest_stable_rate(curvatures)
