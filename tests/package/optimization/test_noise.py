"""The noise of minibatches against autograd, against all batches there are, and against runs."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy import signal
from torch import nn
from torch.nn import functional as F

from labnotes.optimization import batch_variance, per_example_gradients, stationary_variance


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Tanh(), nn.Linear(8, 3))


def examples(n=5):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(n, 1, 4, 4, generator=draw), torch.arange(n) % 3


def by_autograd(model, x, y, loss):
    kept = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss(model(x), y), kept)])


@pytest.mark.parametrize("frozen", [False, True])
def test_each_row_is_the_gradient_that_autograd_gives_for_that_example(frozen):
    model, (x, y) = network(), examples()
    model[0].bias.requires_grad_(not frozen)
    got = per_example_gradients(model, x, y)
    for i in range(len(x)):
        expected = by_autograd(model, x[i : i + 1], y[i : i + 1], F.cross_entropy)
        torch.testing.assert_close(got[i], expected)
    torch.testing.assert_close(got.mean(0), by_autograd(model, x, y, F.cross_entropy))
    assert all(p.grad is None for p in model.parameters())


def test_another_loss_may_be_given():
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
    got = per_example_gradients(model, x, y, F.mse_loss)
    torch.testing.assert_close(got.mean(0), by_autograd(model, x, y, F.mse_loss))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
@pytest.mark.parametrize("replace", [True, False])
def test_the_variance_is_that_over_all_batches_there_are(batch_size, replace):
    gradients = np.random.default_rng(0).normal(size=(5, 3))
    every = product(range(5), repeat=batch_size) if replace else combinations(range(5), batch_size)
    means = np.array([gradients[list(batch)].mean(0) for batch in every])
    expected = ((means - gradients.mean(0)) ** 2).sum(1).mean()
    got = batch_variance(torch.from_numpy(gradients), batch_size, replace=replace)
    assert got == pytest.approx(expected, abs=1e-12)


def test_a_batch_is_drawn_without_replacement_unless_told_otherwise():
    gradients = torch.tensor([[-1.0], [-2.0], [-6.0]])
    means = np.array([np.mean(pair) for pair in combinations((-1.0, -2.0, -6.0), 2)])
    assert batch_variance(gradients, 2) == pytest.approx(means.var())
    assert batch_variance(gradients, 3) == 0


def test_a_batch_of_one_example_alone_has_no_variance_and_more_than_all_needs_replacement():
    one = torch.tensor([[2.0, 3.0]])
    assert batch_variance(one, 1) == 0
    assert batch_variance(torch.tensor([[0.0], [2.0]]), 4, replace=True) == 0.25


@pytest.mark.parametrize("curvature, lr", [(1.0, 0.1), (1.0, 1.7), (4.0, 0.3), (0.2, 2.0)])
def test_the_stationary_variance_is_the_sum_over_scipys_impulse_response(curvature, lr):
    # w_t = (1 - lr h) w_{t-1} - lr e_t is a linear filter: its output's variance is the noise times
    # the sum of the squares of its answer to one impulse.
    impulse = np.zeros(3000)
    impulse[0] = 1.0
    answer = signal.lfilter([-lr], [1.0, -(1 - lr * curvature)], impulse)
    expected = 2.5 * (answer**2).sum()
    assert stationary_variance(curvature, lr, noise=2.5) == pytest.approx(expected, rel=1e-6)


def test_noise_of_zero_leaves_the_weight_at_the_bottom():
    assert stationary_variance(1.0, 0.5, 0.0) == 0.0


class Mixed(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.inner, self.layer = nn.Linear(3, 3), layer

    def forward(self, x):
        return self.layer(self.inner(x))


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.Dropout(0.5)])
def test_layers_that_mix_examples_or_draw_are_refused_in_training_mode_only(layer):
    model, x, y = Mixed(layer), torch.randn(4, 3), torch.arange(4) % 3
    with pytest.raises(ValueError, match=r"layer 'layer' is a .* call model.eval\(\)"):
        per_example_gradients(model, x, y)
    model.eval()
    expected = by_autograd(model, x, y, F.cross_entropy)
    torch.testing.assert_close(per_example_gradients(model, x, y).mean(0), expected)


def test_batch_normalization_without_running_statistics_is_refused_in_every_mode():
    model = Mixed(nn.BatchNorm1d(3, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="layer 'layer' is a BatchNorm1d without running stat"):
        per_example_gradients(model, torch.randn(4, 3), torch.arange(4) % 3)


@pytest.mark.parametrize(
    "model, inputs, targets, message",
    [
        (nn.Linear(2, 2), torch.ones(3, 2), torch.zeros(2, dtype=int), "as many targets as inputs"),
        (nn.Linear(2, 2), torch.ones(0, 2), torch.zeros(0, dtype=int), "at least one"),
        (nn.Linear(2, 2), torch.tensor(1.0), torch.tensor(0), "as many targets as inputs"),
        ("model", torch.ones(3, 2), torch.zeros(3, dtype=int), "model is str: give an nn.Module"),
        (nn.Linear(2, 2), [[1.0, 2.0]], torch.zeros(1, dtype=int), "inputs are list.*give tensors"),
        (nn.Flatten(), torch.ones(3, 2), torch.zeros(3, dtype=int), "no parameter"),
    ],
)
def test_examples_that_do_not_fit_are_refused(model, inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        per_example_gradients(model, inputs, targets)


@pytest.mark.parametrize(
    "gradients, batch_size, replace, message",
    [
        (torch.ones(3), 1, False, r"gradients have shape \(3,\)"),
        (torch.ones(0, 3), 1, False, "gradients have shape"),
        (torch.ones(3, 1, dtype=int), 1, False, "int64: give floating"),
        ([[1.0]], 1, False, "gradients are list: give a tensor"),
        (torch.tensor([[float("nan")], [1.0]]), 1, False, "gradients hold nan or infinity"),
        (torch.ones(3, 1), 0, False, "batch_size is 0: give an integer, 1 or more"),
        (torch.ones(3, 1), 1.0, False, "batch_size is 1.0"),
        (torch.ones(3, 1), True, False, "batch_size is True"),
        (torch.ones(3, 1), 4, False, "batch_size is 4, there are 3 examples.*replace=True"),
    ],
)
def test_bad_input_of_a_batchs_variance_is_refused(gradients, batch_size, replace, message):
    with pytest.raises(ValueError, match=message):
        batch_variance(gradients, batch_size, replace=replace)


@pytest.mark.parametrize(
    "numbers, message",
    [
        ((0.0, 0.1, 1.0), "curvature is 0.0: give a finite number above 0"),
        ((2.0, 0.0, 1.0), "lr is 0.0: give a learning rate above 0 and below 2 / curvature = 1"),
        ((2.0, 1.0, 1.0), "lr is 1.0"),
        ((2.0, 0.1, -1.0), "noise is -1.0"),
        ((2.0, 0.1, float("nan")), "noise is nan"),
        ((2.0, 0.1, float("inf")), "noise is inf: give a finite variance"),
        ((float("inf"), 0.1, 1.0), "curvature is inf"),
        ((2.0, float("nan"), 1.0), "lr is nan"),
        (("2", 0.1, 1.0), "curvature is '2': give a number"),
        ((2.0, torch.tensor(0.1), 1.0), "lr is tensor.*: give a number"),
    ],
)
def test_bad_input_of_the_stationary_variance_is_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        stationary_variance(*numbers)
