"""Activations and derivatives against torch's own and against finite differences."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.nn import functional as F

from labnotes.foundations import activate
from labnotes.foundations.activations import KINDS

TORCHS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
}


@pytest.mark.parametrize("kind", KINDS)
@given(numbers=st.lists(st.floats(-60, 60), min_size=1, max_size=20))
def test_values_and_derivatives_are_those_of_torch_and_its_autograd(kind, numbers):
    x = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    expected = TORCHS[kind](x)
    (slope,) = torch.autograd.grad(expected.sum(), x)
    values, derivatives = activate(x.detach(), kind)
    torch.testing.assert_close(values, expected.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(derivatives, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_is_the_limit_of_differences(kind):
    x = torch.linspace(-4, 4, 40, dtype=torch.float64)  # 0 is not among them
    step = 1e-6
    differences = (activate(x + step, kind)[0] - activate(x - step, kind)[0]) / (2 * step)
    torch.testing.assert_close(activate(x, kind)[1], differences, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_autograd_can_go_through_the_formulas(kind):
    x = torch.tensor([-1.3, 0.4, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: activate(x, kind)[0], x)


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_dtype_stay_and_large_inputs_give_no_nan(kind):
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([[-1e4, 0.0, 1e4]], dtype=dtype)
        for found in activate(x, kind):
            assert found.shape == x.shape and found.dtype == dtype and found.isfinite().all()


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (torch.zeros(2), "swish", "kind is 'swish': give one of identity, relu"),
        (torch.zeros(2, dtype=torch.int64), "relu", "x holds torch.int64"),
        ([0.0], "relu", "x holds list"),
    ],
)
def test_what_cannot_be_activated_is_refused(x, kind, text):
    with pytest.raises(ValueError, match=text):
        activate(x, kind)
