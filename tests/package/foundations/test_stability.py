"""Predicted and measured sizes of signals and gradients, against scipy, torch and plain products."""

import math

import pytest
import torch
from scipy.integrate import quad
from torch import nn
from torch.nn import functional as F

from labnotes.foundations.stability import (
    ACTIVATIONS,
    expected_sizes,
    layer_sizes,
    mean_squares,
    rms,
)

#: Value and slope in plain Python, for scipy's integrals.
FORMULAS = {
    "identity": (lambda z: z, lambda z: 1.0),
    "relu": (lambda z: max(z, 0.0), lambda z: float(z > 0)),
    "tanh": (math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + math.exp(-z)), lambda z: 1 / (2 + 2 * math.cosh(z))),
}


def integral(function, size):
    """E[function(z)^2] for normal z, by scipy."""

    def density(u):
        return function(size * u) ** 2 * math.exp(-u * u / 2) / math.sqrt(2 * math.pi)

    return quad(density, -10, 0, limit=200)[0] + quad(density, 0, 10, limit=200)[0]


@pytest.mark.parametrize("size", [0.01, 0.3, 1.0, 2.5, 5.0])
@pytest.mark.parametrize("name", FORMULAS)
def test_mean_squares_are_the_integrals_that_scipy_finds(name, size):
    found = mean_squares(ACTIVATIONS[name], size)
    value, slope = FORMULAS[name]
    assert found.value == pytest.approx(integral(value, size), rel=1e-6)
    assert found.slope == pytest.approx(integral(slope, size), rel=1e-6)


def test_mean_squares_are_those_of_a_million_normal_numbers():
    z = torch.randn(10**6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.7
    z.requires_grad_()
    value = F.silu(z)  # none of the table's: any function of torch may come
    (slope,) = torch.autograd.grad(value.sum(), z)
    found = mean_squares(F.silu, 0.7)
    assert found.value == pytest.approx(value.square().mean().item(), rel=0.01)
    assert found.slope == pytest.approx(slope.square().mean().item(), rel=0.01)


def test_the_gain_that_keeps_a_relu_signal_is_torchs():
    found = mean_squares(torch.relu)
    assert found.value**-0.5 == pytest.approx(nn.init.calculate_gain("relu"), rel=1e-9)
    leaky = mean_squares(lambda z: F.leaky_relu(z, 0.2))
    assert leaky.value**-0.5 == pytest.approx(nn.init.calculate_gain("leaky_relu", 0.2), rel=1e-9)


def drawn(widths, gain, name, seed=0):
    """A network of float64 without biases, its activation after every layer."""
    draw = torch.Generator().manual_seed(seed)
    layers = []
    for n_in, n_out in zip(widths, widths[1:]):
        linear = nn.Linear(n_in, n_out, bias=False, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.normal_(0, gain / n_in**0.5, generator=draw)
        module = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
        layers += [linear, module[name]()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "name, gain",
    [("identity", 0.8), ("relu", 1.0), ("relu", 2**0.5), ("tanh", 1.5), ("sigmoid", 2)],
)
def test_a_wide_network_has_the_sizes_that_the_formula_expects(name, gain):
    net, draw = drawn([500] * 9, gain, name), torch.Generator().manual_seed(1)
    x, back = torch.randn(2, 40, 500, generator=draw, dtype=torch.float64)
    found = layer_sizes(net, x, lambda h: (h * back).sum())
    wanted = expected_sizes(8, gain, name)
    assert found.signal == pytest.approx(wanted.signal, rel=0.08, abs=0)
    assert found.gradient == pytest.approx(wanted.gradient, rel=0.08, abs=0)


def test_the_identity_multiplies_by_the_gain_at_each_layer_both_ways():
    found = expected_sizes(4, 3.0, "identity")
    assert found.signal == pytest.approx([3, 9, 27, 81])
    assert found.gradient == pytest.approx([27, 9, 3, 1])


def test_relu_at_hes_gain_keeps_the_size_at_any_depth():
    found = expected_sizes(100, 2**0.5, "relu")
    assert found.signal == pytest.approx([2**0.5] * 100)
    assert found.gradient == pytest.approx([0.5**0.5] * 100)


def test_measured_sizes_are_those_of_the_forward_and_backward_pass_by_hand():
    net = drawn([5, 7, 3], 1.3, "tanh")
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(4, 5, generator=draw, dtype=torch.float64)
    y = torch.tensor([0, 2, 1, 1])
    found = layer_sizes(net, x, lambda logits: F.cross_entropy(logits, y))
    first, second = net[0].weight.detach(), net[2].weight.detach()
    z1 = x @ first.T
    z2 = z1.tanh() @ second.T
    out = z2.tanh()
    error = (out.softmax(1) - F.one_hot(y, 3)) / 4
    delta2 = error * (1 - out**2)
    delta1 = (delta2 @ second) * (1 - z1.tanh() ** 2)
    assert found.signal == pytest.approx([z.pow(2).mean().item() ** 0.5 for z in (z1, z2)])
    assert found.gradient == pytest.approx(
        [d.pow(2).mean().item() ** 0.5 for d in (delta1, delta2)]
    )


def test_the_gradient_of_the_identity_network_is_the_product_of_its_matrices():
    """Told by a finite difference of the loss along one output of the first layer."""
    net = drawn([3] * 5, 1.0, "identity")
    x = torch.randn(1, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = layer_sizes(net, x, lambda h: h.sum())
    product = torch.eye(3, dtype=torch.float64)
    for layer in net[2::2]:
        product = layer.weight.detach() @ product
    assert found.gradient[0] == pytest.approx(product.sum(0).pow(2).mean().item() ** 0.5)


def test_an_activation_that_works_in_place_changes_nothing():
    plain = drawn([6, 6, 6], 1.4, "relu")
    in_place = nn.Sequential(plain[0], nn.ReLU(inplace=True), plain[2], nn.ReLU(inplace=True))
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert layer_sizes(plain, x, torch.sum) == layer_sizes(in_place, x, torch.sum)


def test_measuring_leaves_the_network_as_it_was():
    net = drawn([4, 4], 1.0, "relu")
    net[0].weight.grad = torch.ones(4, 4, dtype=torch.float64)
    layer_sizes(net, torch.ones(2, 4, dtype=torch.float64), torch.sum)
    assert torch.equal(net[0].weight.grad, torch.ones(4, 4, dtype=torch.float64))
    assert not net[0]._forward_hooks


def test_hooks_are_gone_even_if_the_network_fails():
    net = drawn([4, 4], 1.0, "relu")
    with pytest.raises(RuntimeError):
        layer_sizes(net, torch.ones(2, 5, dtype=torch.float64), torch.sum)
    assert not net[0]._forward_hooks


def test_a_layer_without_influence_has_a_gradient_of_zero():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            self.unused(x)
            return self.used(x)

    assert layer_sizes(Aside(), torch.ones(3, 2), torch.sum).gradient == [0, 1]


def test_the_root_mean_square_of_tiny_numbers_is_no_zero():
    assert rms(torch.full((3,), 1e-30)) == pytest.approx(1e-30, rel=1e-6, abs=0)
    assert rms(torch.tensor([3.0, 4.0, 0.0, 0.0])) == pytest.approx(2.5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mean_squares(torch.relu, 0), "size is 0: give a positive number"),
        (lambda: mean_squares(torch.relu, float("nan")), "size is nan"),
        (lambda: expected_sizes(0, 1.0), "depth is 0: give the number of layers"),
        (lambda: expected_sizes(True, 1.0), "depth is True"),
        (lambda: expected_sizes(3, -1.0), "gain is -1.0: give a positive number"),
        (lambda: expected_sizes(3, float("inf")), "gain is inf"),
        (lambda: expected_sizes(3, 1.0, "selu"), "activation is 'selu': give one of identity, relu"),
        (lambda: layer_sizes(nn.ReLU(), torch.ones(2), torch.sum), "used no nn.Linear layer"),
        (lambda: layer_sizes(nn.Linear(2, 2), torch.ones(1, 2), lambda h: h), r"loss gave \(1, 2\)"),
        (lambda: layer_sizes(nn.Linear(2, 2), torch.ones(1, 2), lambda h: 3.0), "loss gave float"),
        (lambda: layer_sizes(nn.Linear(2, 2), torch.ones(1, 2), lambda h: h.detach().sum()),
         "does not depend on weights"),
        (lambda: layer_sizes(torch.relu, torch.ones(2), torch.sum), "give an nn.Module"),
        (lambda: mean_squares(lambda z: z.sum()), r"activation made \(\) of \(320,\)"),
        (lambda: mean_squares(lambda z: 1.0), "activation made float"),
        (lambda: rms([3.0, -3.0]), "numbers is a list"),
        (lambda: rms(torch.zeros(0)), "there is no number"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
