"""Checkers for the exercises of the chapter generalization/weight-decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("weight_decay.step_with_momentum")
def step_with_momentum(answer: Callable) -> Iterator[Case]:
    """``answer(w, gradient, velocity, lr, momentum, weight_decay)`` -> (w, velocity).

    Expected: what torch.optim.SGD makes of the same numbers.
    """
    for w, gradient, velocity, lr, momentum, decay, hint in (
        ([2.0], [3.0], [0.0], 0.1, 0.0, 0.5, "without momentum: (1 - lr * weight_decay) w - lr g"),
        ([2.0, -1.0], [3.0, 4.0], [1.0, -2.0], 0.1, 0.9, 0.0, "velocity = momentum v + g"),
        ([2.0, -1.0], [0.0, 0.0], [0.0, 0.0], 0.1, 0.9, 0.5, "weight_decay * w joins the gradient"),
        ([1.0, 4.0], [-2.0, 0.5], [0.3, 0.7], 0.01, 0.5, 2.0, "lr multiplies the whole velocity"),
    ):
        given = [torch.tensor(each) for each in (w, gradient, velocity)]
        call = f"step_with_momentum(w={w}, gradient={gradient}, velocity={velocity}, "
        call += f"lr={lr}, momentum={momentum}, weight_decay={decay})"
        after = [each.clone() for each in given]
        expected = _torchs(*given, lr, momentum, decay)
        yield Case(call, _pair(answer(*after, lr, momentum, decay)), expected, hint=hint)
        yield Case(
            f"the tensors that were given, after {call}",
            after,
            given,
            hint="make new tensors: w - lr * velocity, and not w -= ...",
        )


def _pair(got):
    return list(got) if isinstance(got, tuple) else got


def _torchs(w: Tensor, gradient: Tensor, velocity: Tensor, lr, momentum, decay) -> list[Tensor]:
    parameter = w.clone().requires_grad_()
    optimizer = torch.optim.SGD([parameter], lr, momentum=momentum, weight_decay=decay)
    if momentum:
        optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
    parameter.grad = gradient.clone()
    optimizer.step()
    buffer = optimizer.state[parameter].get("momentum_buffer") if momentum else None
    moved = gradient + decay * w if buffer is None else buffer
    return [parameter.detach(), moved]


@checker("weight_decay.ridge_towards")
def ridge_towards(answer: Callable) -> Iterator[Case]:
    """``answer(x, y, penalty, w0)`` -> weights (columns,).

    Expected: NumPy's least squares on the rows and one row more for each weight.
    """
    one = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    yield Case(
        "ridge_towards([[1.], [-1.]], [2., -2.], penalty=1., w0=[0.])",
        answer(one, torch.tensor([2.0, -2.0], dtype=torch.float64), 1.0, torch.zeros(1).double()),
        torch.tensor([1.0], dtype=torch.float64),
        hint="with w0 = 0 it is ridge regression: 2 / (1 + penalty); mind the mean over the rows",
    )
    draw = torch.Generator().manual_seed(0)
    for rows, columns, penalty in ((5, 2, 0.1), (3, 6, 0.5), (40, 4, 3.0)):
        x, y, w0 = (
            torch.randn(shape, generator=draw, dtype=torch.float64)
            for shape in ((rows, columns), (rows,), (columns,))
        )
        yield Case(
            f"ridge_towards(x, y, {penalty}, w0), x of shape {(rows, columns)}, w0 not zero",
            answer(x.clone(), y.clone(), penalty, w0.clone()),
            _stacked(x, y, penalty, w0),
            tolerance=1e-8,
            hint="the gradient is x.T (x w - y) / rows + penalty (w - w0): set it to zero",
        )


def _stacked(x: Tensor, y: Tensor, penalty: float, w0: Tensor) -> Tensor:
    """The penalty as further rows: the root of rows * penalty times the unit vectors."""
    size = (len(x) * penalty) ** 0.5
    more = np.concatenate([x.numpy(), size * np.eye(x.shape[1])])
    wanted = np.concatenate([y.numpy(), size * w0.numpy()])
    return torch.from_numpy(np.linalg.lstsq(more, wanted, rcond=None)[0])
