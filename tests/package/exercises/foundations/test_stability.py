"""The checkers of foundations/stability accept right answers and refuse the usual wrong ones."""

import torch

from labnotes.foundations.stability import mean_squares

from ..planted import answers


def by_samples(activation, power=-0.5, spread=1.0, count=10**6):
    z = spread * torch.randn(count, generator=torch.Generator().manual_seed(1))
    return (activation(z) ** 2.0).mean().item() ** power


def with_slope(activation):
    """What keeps the gradient, not the signal: the two differ for tanh."""
    z = torch.randn(10**6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (slope,) = torch.autograd.grad(activation(z).sum(), z)
    return slope.square().mean().item() ** -0.5


def deviation(activation):
    """Less the mean: right for odd functions alone."""
    z = torch.randn(10**6, generator=torch.Generator().manual_seed(1))
    return 1 / activation(z).std().item()


def units(incoming, outgoing):
    return torch.cat([incoming, outgoing.T], 1)


def distinct(incoming, outgoing):
    return len(units(incoming, outgoing).unique(dim=0))


def one_by_one(incoming, outgoing):
    found = []
    for k in range(len(incoming)):
        weights = [*incoming[k].tolist(), *outgoing[:, k].tolist()]
        if weights not in found:
            found.append(weights)
    return len(found)


RIGHT = {
    "keeping_gain": [
        by_samples,
        lambda a: mean_squares(a).value ** -0.5,
        lambda a: 1 / (a(torch.randn(4 * 10**6)) ** 2).mean().item() ** 0.5,
    ],
    "distinct_units": [distinct, one_by_one],
}
WRONG = {
    "keeping_gain": {
        "no root": lambda a: by_samples(a, -1.0),
        "the size and not its inverse": lambda a: by_samples(a, 0.5),
        "the slope's mean square": with_slope,
        "the standard deviation": deviation,
        "the mean of the absolute value": lambda a: 1 / a(torch.randn(10**6)).abs().mean().item(),
        "uniform inputs": lambda a: (a(2 * torch.rand(10**6) - 1) ** 2).mean().item() ** -0.5,
        "inputs of another size": lambda a: by_samples(a, spread=2.0),
        "a hundred samples": lambda a: by_samples(a, count=100),
        "He's for all": lambda a: 2**0.5,
        "1 for all": lambda a: 1.0,
        "a tensor": lambda a: torch.tensor(by_samples(a)),
        "zero": lambda a: 0.0,
        "nan": lambda a: float("nan"),
        "nothing": lambda a: None,
    },
    "distinct_units": {
        "incoming weights alone": lambda i, o: len(i.unique(dim=0)),
        "outgoing weights alone": lambda i, o: len(o.T.unique(dim=0)),
        "the larger of the two": lambda i, o: max(len(i.unique(dim=0)), len(o.T.unique(dim=0))),
        "the product": lambda i, o: min(len(i), len(i.unique(dim=0)) * len(o.T.unique(dim=0))),
        "all units": lambda i, o: len(i),
        "rows of outgoing": lambda i, o: len(o.unique(dim=0)),
        "sums of weights": lambda i, o: len(i.sum(1).unique()),
        "distinct numbers": lambda i, o: len(units(i, o).unique()),
        "one less": lambda i, o: distinct(i, o) - 1,
        "a float": lambda i, o: float(distinct(i, o)),
        "zero": lambda i, o: 0,
        "nothing": lambda i, o: None,
    },
}  # fmt: skip
TestAnswers = answers("stability", RIGHT, WRONG)
