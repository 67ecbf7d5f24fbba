"""The checkers of foundations/softmax-regression take right answers and refuse the usual wrong ones."""

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar

from labnotes.exercises import check
from labnotes.exercises.foundations.softmax_regression import (
    _gradient_case,
    _loss_case,
    _temperature_case,
)
from labnotes.foundations import cross_entropy as packages

from ..planted import answers


def rows(labels):
    return torch.arange(len(labels))


def autograd(weight, bias, x, labels):
    weight, bias = weight.requires_grad_(), bias.requires_grad_()
    return torch.autograd.grad(F.cross_entropy(x @ weight.T + bias, labels), (weight, bias))


def by_formula(weight, bias, x, labels, sign=1, mean=True, use_bias=True):
    p = (x @ weight.T + (bias if use_bias else 0)).softmax(1)
    error = sign * (p - F.one_hot(labels, len(bias))) / (len(labels) if mean else 1)
    return error.T @ x, error.sum(0)


def temperature(logits, labels, loss=F.cross_entropy):
    def at(t):
        return loss(logits.double() / t, labels).item()

    return float(minimize_scalar(at, bounds=(0.05, 20), options={"xatol": 1e-7}).x)


def brier(z, y):
    return (z.softmax(1) - F.one_hot(y, z.shape[1])).square().sum()


def coarse(logits, labels):
    return min(
        (0.05 * 1.2**k for k in range(34)), key=lambda t: F.cross_entropy(logits / t, labels)
    )


RIGHT = {
    "cross_entropy": [packages, F.cross_entropy],
    "gradients": [autograd, by_formula],
    "fit_temperature": [temperature],
}
WRONG = {
    "cross_entropy": {
        "zero": lambda z, y: torch.zeros(()),
        "nan": lambda z, y: torch.tensor(torch.nan),
        "naive": lambda z, y: -(z.exp() / z.exp().sum(1, keepdim=True))[rows(y), y].log().mean(),
        "logarithm of the softmax": lambda z, y: -z.softmax(1)[rows(y), y].log().mean(),
        "clipped": lambda z, y: -z.softmax(1)[rows(y), y].clamp(1e-12).log().mean(),
        "largest of the batch": lambda z, y: (
            -((z - z.max()) - (z - z.max()).exp().sum(1, keepdim=True).log())[rows(y), y].mean()
        ),
        "sum": lambda z, y: F.cross_entropy(z, y, reduction="sum"),
        "one loss per row": lambda z, y: F.cross_entropy(z, y, reduction="none"),
        "sign": lambda z, y: -F.cross_entropy(z, y),
        "softmax twice": lambda z, y: F.cross_entropy(z.softmax(1), y),
        "over the batch": lambda z, y: -z.log_softmax(0)[rows(y), y].mean(),
        "logarithm of base 2": lambda z, y: F.cross_entropy(z, y) / 0.6931,
        "first label": lambda z, y: -z.log_softmax(1)[:, y[0]].mean(),
        "of the guess": lambda z, y: F.cross_entropy(z, z.argmax(1)),
        "squared error": lambda z, y: brier(z, y) / len(y),
        "float64": lambda z, y: F.cross_entropy(z.double(), y),
        "a float": lambda z, y: F.cross_entropy(z, y).item(),
    },
    "gradients": {
        "zeros": lambda w, b, x, y: (torch.zeros_like(w), torch.zeros_like(b)),
        "nan": lambda w, b, x, y: (w * torch.nan, b * torch.nan),
        "sign": lambda *a: by_formula(*a, sign=-1),
        "sum": lambda *a: by_formula(*a, mean=False),
        "no bias": lambda *a: by_formula(*a, use_bias=False),
        "transposed": lambda *a: (by_formula(*a)[0].T, by_formula(*a)[1]),
        "exchanged": lambda *a: by_formula(*a)[::-1],
        "weight alone": lambda *a: by_formula(*a)[0],
        "a list": lambda *a: list(by_formula(*a)),
        "one off": lambda w, b, x, y: by_formula(w, b, x, (y + 1) % len(b)),
        "the logits": lambda w, b, x, y: ((x @ w.T + b).T @ x / len(y), (x @ w.T + b).mean(0)),
        "softmax twice": lambda w, b, x, y: torch.autograd.grad(
            F.cross_entropy((x @ w.requires_grad_().T + b.requires_grad_()).softmax(1), y), (w, b)
        ),
        "mean of the bias": lambda *a: (by_formula(*a)[0], by_formula(*a)[1] / len(a[3])),
        "float32": lambda *a: tuple(g.float() for g in by_formula(*a)),
    },
    "fit_temperature": {
        "one": lambda z, y: 1.0,
        "zero": lambda z, y: 0.0,
        "nan": lambda z, y: float("nan"),
        "the inverse": lambda z, y: 1 / temperature(z, y),
        "a coarse grid": coarse,
        "a tensor": lambda z, y: torch.tensor(temperature(z, y)),
        "squared error": lambda z, y: temperature(z, y, brier),
        "spread of the logits": lambda z, y: z.std().item(),
        "softmax twice": lambda z, y: temperature(z.softmax(1), y),
        "accuracy": lambda z, y: temperature(z, y, lambda s, y: -(s.argmax(1) == y).float().mean()),
    },
}


TestAnswers = answers("softmax_regression", RIGHT, WRONG)


def test_an_answer_that_spoils_its_input_cannot_spoil_what_is_expected():
    def spoil(logits, labels):
        labels.zero_()
        return logits.zero_().sum()

    assert check("softmax_regression.cross_entropy", spoil) is False


@pytest.mark.parametrize("seed", range(3))
def test_what_the_checkers_expect_agrees_with_torch_and_scipy(seed):
    draw = torch.Generator().manual_seed(100 + seed)

    def random(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    labels = torch.randint(4, (7,), generator=draw).tolist()
    case = _loss_case(F.cross_entropy, 5 * random(7, 4), labels, "")
    torch.testing.assert_close(case.got, case.expected)
    case = _gradient_case(autograd, random(4, 3), random(4), random(7, 3), labels, "")
    torch.testing.assert_close(case.got, case.expected, rtol=1e-7, atol=1e-8)
    case = _temperature_case(temperature, random(7, 4), [0, 1, 2, 3, 0, 1, 2], "")
    logits = torch.cat([torch.eye(4, dtype=torch.float64) * 3] * 2)
    case = _temperature_case(temperature, logits, [0, 1, 2, 3, 0, 1, 2, 0], "")
    assert case.got == pytest.approx(case.expected, rel=1e-4)
