"""A network's loss as a function of a vector, and lines through it, against torch and NumPy."""

import copy

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from labnotes.optimization.surface import barrier, loss_on_line, surface


@pytest.fixture
def case():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
    x, y = torch.randn(12, 3).double(), torch.randint(4, (12,))
    return net, x, y, surface(net, lambda net: F.cross_entropy(net(x), y))


def test_the_surface_is_the_loss_of_the_network_that_torch_gives_the_vector(case):
    net, x, y, at = case
    for seed in range(3):
        w = torch.randn(44, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        other = copy.deepcopy(net)
        vector_to_parameters(w, other.parameters())
        assert at(w).item() == pytest.approx(F.cross_entropy(other(x), y).item(), abs=1e-12)


def test_its_gradient_is_the_one_that_backward_leaves_in_the_parameters(case):
    net, x, y, at = case
    w = parameters_to_vector(net.parameters()).detach()
    found = torch.func.grad(at)(w)
    F.cross_entropy(net(x), y).backward()
    expected = torch.cat([p.grad.flatten() for p in net.parameters()])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_the_model_is_not_changed_and_many_vectors_go_at_once(case):
    net, *_, at = case
    before = copy.deepcopy(net.state_dict())
    many = torch.randn(3, 44, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(at)(many), torch.stack([at(w) for w in many]))
    assert all(torch.equal(before[name], p) for name, p in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_a_network_with_several_inputs_gets_them_all():
    at = surface(nn.Bilinear(2, 2, 1, bias=False), lambda net: net(torch.ones(2), torch.ones(2))[0])
    assert at(torch.tensor([1.0, 2.0, 3.0, 4.0])).item() == 10


def test_the_line_has_both_ends_and_is_evenly_spaced(case):
    *_, at = case
    v, w = torch.randn(2, 44, dtype=torch.float64)
    found = loss_on_line(at, v, w, count=4)
    expected = [at(v + s * (w - v)).item() for s in (0, 1 / 3, 2 / 3, 1)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert found[0] == at(v) and found[-1] == at(w) and not found.requires_grad
    assert loss_on_line(at, v, w).shape == (21,)
    np.testing.assert_allclose(loss_on_line(at, w, v, count=4), expected[::-1], atol=1e-12)


def test_the_barrier_is_the_height_above_the_chord_that_scipy_finds():
    def f(w):
        return torch.sin(2 * w).sum() + w.sum() / 2

    v, w = torch.tensor([-0.5]).double(), torch.tensor([2.0]).double()

    def below(s):
        here = f((1 - s) * v + s * w) - (1 - s) * f(v) - s * f(w)
        return -here.item()

    best = minimize_scalar(below, bounds=(0, 1), method="bounded")
    assert barrier(loss_on_line(f, v, w, 1001)) == pytest.approx(-best.fun, abs=1e-5)


def test_a_convex_function_has_no_barrier_and_a_tilted_line_none_either():
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        root = torch.randn(4, 4, generator=draw, dtype=torch.float64)
        v, w = torch.randn(2, 4, generator=draw, dtype=torch.float64)
        assert barrier(loss_on_line(lambda u: (root @ u).square().sum(), v, w)) <= 1e-12  # noqa: B023
    assert barrier(torch.tensor([1.0, 2.0, 3.0])) == 0
    assert barrier(torch.tensor([3.0, 0.0, 1.0])) == 0
    assert barrier(torch.tensor([0.0, 3.0, 4.0])) == 1  # above the chord, not above the higher end


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: surface(nn.ReLU(), lambda net: net(torch.ones(1)).sum()), "no parameters"),
        (
            lambda: surface(nn.Linear(2, 1), lambda net: net(torch.ones(2)).sum())(torch.zeros(2)),
            r"shape \(2,\): the model has 3 parameters",
        ),
        (
            lambda: surface(nn.Linear(2, 1), lambda net: net(torch.ones(2)).sum())(
                torch.zeros(3, 1)
            ),
            r"give \(3,\)",
        ),
        (
            lambda: loss_on_line(torch.sum, torch.zeros(2), torch.zeros(3)),
            r"start has shape \(2,\)",
        ),
        (lambda: loss_on_line(torch.sum, torch.zeros(2, 2), torch.zeros(2, 2)), "two vectors"),
        (lambda: loss_on_line(torch.sum, torch.zeros(2), torch.zeros(2), 1), "count is 1"),
        (lambda: loss_on_line(torch.sum, torch.zeros(2), torch.zeros(2), 2.0), "count is 2.0"),
        (
            lambda: surface(nn.Linear(2, 1), lambda net: net(torch.ones(2)).sum())([1.0, 2.0, 3.0]),
            r"the vector is list: give a tensor \(3,\)",
        ),
        (lambda: loss_on_line(torch.sum, [0.0], torch.zeros(1)), "start is list"),
        (lambda: loss_on_line(torch.sum, torch.zeros(1), torch.tensor([4])), "end is torch.int64"),
        (lambda: barrier([1.0, 5.0, 2.0]), "losses are list"),
        (lambda: barrier(torch.tensor([1, 5, 2])), "losses are torch.int64"),
        (lambda: barrier(torch.tensor([1.0, float("nan"), 2.0])), "losses hold nan"),
        (lambda: barrier(torch.zeros(1)), r"losses have shape \(1,\)"),
        (lambda: barrier(torch.zeros(2, 2)), r"losses have shape \(2, 2\)"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(call, said):
    with pytest.raises(ValueError, match=said):
        call()
