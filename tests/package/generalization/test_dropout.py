"""Dropout against torch's, against its moments, and against masks that are all counted."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from labnotes.generalization.dropout import (
    Dropout,
    dropout,
    dropping,
    expected_dropout_fit,
    monte_carlo,
)


@given(p=st.sampled_from([0.0, 0.1, 0.5, 0.9]), seed=st.integers(0, 99))
def test_what_is_kept_is_as_large_as_torch_makes_it(p, seed):
    torch.manual_seed(seed)
    x = torch.randn(6, 7) + 5  # no zero of its own
    ours, theirs = dropout(x, p), F.dropout(x, p)
    both = (ours != 0) & (theirs != 0)
    assert torch.allclose(ours[both], theirs[both])
    assert torch.equal(ours != 0, ours == ours.clamp(min=1e-9)) and (p or torch.equal(ours, x))


def test_with_probability_zero_even_the_smallest_draw_drops_nothing(monkeypatch):
    monkeypatch.setattr(torch, "rand_like", torch.zeros_like)  # draws are from [0, 1)
    assert torch.equal(dropout(torch.ones(5), 0.0), torch.ones(5))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
def test_mean_and_variance_over_the_draws_are_the_formula_s(p):
    torch.manual_seed(0)
    found = dropout(torch.full((200_000,), 3.0), p)
    assert found.mean() == pytest.approx(3, abs=6 * (9 * p / (1 - p) / 2e5) ** 0.5)
    assert found.var() == pytest.approx(9 * p / (1 - p), rel=0.03)
    assert (found == 0).float().mean() == pytest.approx(p, abs=0.01)


def test_every_example_has_a_mask_of_its_own_and_the_gradient_has_the_same():
    torch.manual_seed(0)
    x = torch.ones(4, 100, requires_grad=True)
    y = dropout(x, 0.5)
    masks = {tuple(row) for row in (y != 0).tolist()}
    y.sum().backward()
    assert len(masks) == 4 and torch.equal(x.grad, y.detach())


def test_the_layer_works_in_training_and_rests_in_evaluation():
    layer, x = Dropout(0.5), torch.ones(1000)
    assert set(layer(x).unique().tolist()) == {0, 2}
    assert torch.equal(layer.eval()(x), x)
    assert layer.p == Dropout().p == nn.Dropout().p


def test_only_dropout_is_at_work_for_a_while():
    net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)).eval()
    net[0].train()
    with dropping(net):
        assert [m.training for m in net] == [False, False, True, False]
    assert [m.training for m in net] == [True, False, False, False]
    with pytest.raises(ZeroDivisionError), dropping(net):
        raise ZeroDivisionError
    assert not net[2].training


@pytest.mark.parametrize("layer", [Dropout(0.5), nn.Dropout(0.5)])
def test_the_average_of_many_passes_is_that_over_all_masks(layer):
    torch.manual_seed(0)
    first, last, x = nn.Linear(2, 3), nn.Linear(3, 4), torch.randn(5, 2)
    net = nn.Sequential(first, layer, last).eval()
    with torch.no_grad():
        every = [
            last(first(x) * torch.tensor(mask) * 2.0).softmax(1)
            for mask in itertools.product([0, 1], repeat=3)
        ]
    found = monte_carlo(net, x, 4000)
    assert found.shape == (4000, 5, 4)
    assert (found.mean(0) - torch.stack(every).mean(0)).abs().max() < 0.03
    assert any(torch.allclose(found[0, 0], each[0], atol=1e-5) for each in every)


@given(p=st.floats(0.05, 0.9), seed=st.integers(0, 50))
def test_the_fit_is_least_squares_on_all_masks_stacked_by_their_probability(p, seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 3, generator=draw, dtype=torch.float64)
    y = torch.randn(4, generator=draw, dtype=torch.float64)
    rows, wanted = [], []
    # Rows are masked one by one: a row that 2^3 masks meet, each with the root of its probability.
    for i in range(4):
        for mask in itertools.product([0.0, 1.0], repeat=3):
            m = torch.tensor(mask, dtype=torch.float64)
            weight = torch.where(m == 1, 1 - p, p).prod().sqrt()
            rows.append(weight * x[i] * m / (1 - p))
            wanted.append(weight * y[i])
    theirs = torch.linalg.lstsq(torch.stack(rows), torch.stack(wanted)[:, None]).solution[:, 0]
    assert torch.allclose(expected_dropout_fit(x, y, p), theirs, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x, y: dropout(x, 1.0), "p is 1.0"),
        (lambda x, y: dropout(x, -0.1, training=False), "p is -0.1"),
        (lambda x, y: dropout(x, float("nan")), "p is nan"),
        (lambda x, y: Dropout(1.5), "p is 1.5"),
        (lambda x, y: monte_carlo(nn.Linear(3, 2), x, 5), "no dropout layer"),
        (lambda x, y: monte_carlo(nn.Dropout(), x, 0), "passes is 0"),
        (lambda x, y: monte_carlo(nn.Dropout(), x, 2.0), "passes is 2.0"),
        (lambda x, y: expected_dropout_fit(x, y[:2], 0.5), r"targets have shape \(2,\)"),
        (lambda x, y: expected_dropout_fit(x[0], y, 0.5), r"inputs have shape \(3,\)"),
        (lambda x, y: expected_dropout_fit(x.long(), y, 0.5), "int64"),
        (lambda x, y: expected_dropout_fit(x, y, 1), "p is 1"),
        (lambda x, y: dropout(x.long(), 0.5), "x is torch.int64"),
        (lambda x, y: dropout(x.tolist(), 0.5), "x is list: give a tensor"),
    ],
)
def test_bad_input_is_refused_by_name(call, says):
    with pytest.raises(ValueError, match=says):
        call(torch.ones(5, 3), torch.ones(5))
