"""Checkers for the exercises of the chapter foundations/linear-regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("linear_regression.standardize")
def standardize(answer: Callable) -> Iterator[Case]:
    """``answer(train, other)`` -> (train, other), by the means and deviations of `train`.

    Expected: NumPy's mean and std of the training columns.
    """
    train = torch.tensor([[1.0, 10.0], [3.0, 10.0]])
    other = torch.tensor([[5.0, 12.0]])
    yield Case(
        call="standardize(torch.tensor([[1., 10.], [3., 10.]]), torch.tensor([[5., 12.]]))",
        got=answer(train.clone(), other.clone()),
        expected=(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([[3.0, 2.0]])),
        hint="column 1 has mean 2 and deviation 1; column 2 is constant: shift it, divide by 1. "
        "A mean over rows is mean(0); give back a tuple of two tensors",
    )
    draw = torch.Generator().manual_seed(0)
    for rows, more, columns in ((7, 3, 1), (20, 5, 4), (6, 6, 6)):
        scale = 10 ** torch.linspace(-3, 3, columns)
        train = scale * (torch.randn(rows, columns, generator=draw) + 2)
        other = scale * (torch.randn(more, columns, generator=draw) - 5)
        kept = train.clone(), other.clone()
        got = answer(train, other)
        mean, std = train.double().numpy().mean(0), train.double().numpy().std(0)
        yield Case(
            call=f"standardize(train, other), of shapes {tuple(train.shape)}, {tuple(other.shape)}",
            got=got,
            expected=tuple(
                torch.from_numpy(((part.double().numpy() - mean) / std).astype(np.float32))
                for part in kept
            ),
            tolerance=1e-4,
            hint="both tables by the mean and deviation of train, with unbiased=False",
        )
        yield Case(
            call="whether train and other are as they were afterwards",
            got=(train, other),
            expected=kept,
            hint="make new tensors; do not use -= and /= on the arguments",
        )


@checker("linear_regression.sgd_epoch")
def sgd_epoch(answer: Callable) -> Iterator[Case]:
    """``answer(inputs, targets, weight, bias, order, batch_size, lr)`` -> (weight, bias, updates).

    Expected: torch's SGD on its own mean squared error.
    """
    x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([2.0, 3.0, 7.0])
    yield Case(
        call="sgd_epoch(inputs, targets, weight, bias, order, 3, 0.1) with the three points of the "
        "chapter, weight 1 and bias 1",
        got=answer(x, y, torch.ones(1), torch.tensor(1.0), torch.arange(3), 3, 0.1),
        expected=(torch.tensor([1.6]), torch.tensor(1.2), 1),
        tolerance=1e-5,
        hint="one batch of all rows: the slopes are -6 and -2; give back a tuple (weight, bias, "
        "updates) with a weight of shape (columns,) and a bias of shape ()",
    )
    draw = torch.Generator().manual_seed(0)
    for rows, columns, batch_size, lr in ((4, 1, 1, 0.1), (10, 3, 4, 0.05), (9, 2, 20, 0.2)):
        inputs = torch.randn(rows, columns, generator=draw)
        targets = torch.randn(rows, generator=draw)
        weight = torch.randn(columns, generator=draw)
        bias = torch.randn((), generator=draw)
        order = torch.randperm(rows, generator=draw)
        kept = weight.clone(), bias.clone()
        got = answer(inputs, targets, weight, bias, order, batch_size, lr)
        shapes = f"inputs of shape {tuple(inputs.shape)}, order {order.tolist()}"
        yield Case(
            call=f"sgd_epoch(inputs, targets, weight, bias, order, {batch_size}, {lr}), {shapes}",
            got=got,
            expected=_torchs_epoch(inputs, targets, *kept, order, batch_size, lr),
            tolerance=1e-4,
            hint="follow the order; the last batch may be smaller, and its mean is over its own "
            "rows; each update begins where the last one ended; the factor 2 belongs to the slope",
        )
        yield Case(
            call="whether weight and bias are as they were afterwards",
            got=(weight, bias),
            expected=kept,
            hint="weight = weight - ..., not weight -= ...: the arguments stay as they are",
        )


def _torchs_epoch(inputs, targets, weight, bias, order, batch_size, lr):
    w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    optimizer = torch.optim.SGD([w, b], lr=lr)
    batches = order.split(batch_size)
    for chosen in batches:
        optimizer.zero_grad()
        F.mse_loss(inputs[chosen] @ w + b, targets[chosen]).backward()
        optimizer.step()
    return w.detach(), b.detach(), len(batches)
