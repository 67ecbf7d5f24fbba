"""Checkers for the exercises of the chapter optimization/momentum-to-adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.exercises import Case, checker


@checker("momentum_to_adam.adam_step")
def adam_step(answer: Callable) -> Iterator[Case]:
    """``answer(w, g, m, v, t, lr, beta1, beta2, eps)`` -> (w, m, v).

    Expected: what torch.optim.Adam makes of the same state.
    """
    for w, g, m, v, t, numbers, hint in (
        ([0.0], [4.0], [0.0], [0.0], 1, (1.0, 0.5, 0.5, 0.0),
         "m = 2, v = 8, corrected 4 and 16: the step is 4 / sqrt(16) = 1"),
        ([1.0, -1.0], [0.5, -2.0], [0.3, 0.1], [0.2, 3.0], 2, (0.1, 0.9, 0.99, 1e-8),
         "divide m by 1 - beta1 ** t and v by 1 - beta2 ** t"),
        ([1.0, 2.0], [1e-3, 2e-3], [0.0, 1e-3], [1e-6, 1e-6], 50, (0.01, 0.9, 0.999, 1e-2),
         "eps is added to the root, not under it"),
        ([0.5], [-1.0], [2.0], [4.0], 5000, (0.3, 0.8, 0.99, 1e-8),
         "beta1 * m + (1 - beta1) * g, and with beta2 the squares"),
    ):  # fmt: skip
        given = [torch.tensor(each, dtype=torch.float64) for each in (w, g, m, v)]
        lr, beta1, beta2, eps = numbers
        call = f"adam_step(w={w}, g={g}, m={m}, v={v}, t={t}, lr={lr}, beta1={beta1}, "
        call += f"beta2={beta2}, eps={eps})"
        after = [each.clone() for each in given]
        got = answer(*after, t, *numbers)
        expected = _torchs(*given, t, *numbers)
        yield Case(call, list(got) if isinstance(got, tuple) else got, expected, hint=hint)
        yield Case(
            f"the tensors that were given, after {call}",
            after,
            given,
            hint="make new tensors: beta1 * m + ..., and not m *= beta1",
        )


def _torchs(w, g, m, v, t, lr, beta1, beta2, eps) -> list[torch.Tensor]:
    parameter = w.clone().requires_grad_()
    optimizer = torch.optim.Adam([parameter], lr, (beta1, beta2), eps, foreach=False)
    state = {"step": torch.tensor(t - 1.0), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimizer.state[parameter] = state
    parameter.grad = g.clone()
    optimizer.step()
    return [parameter.detach(), state["exp_avg"], state["exp_avg_sq"]]


@checker("momentum_to_adam.decay_groups")
def decay_groups(answer: Callable) -> Iterator[Case]:
    """``answer(model, weight_decay)`` -> two parameter groups.

    Expected: what an optimizer made of them does to weights whose gradient is zero.
    """
    frozen = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    frozen[0].weight.requires_grad_(False)
    few = nn.ParameterList([torch.tensor(2.0), torch.ones(2, 1, 3)])
    for name, model, decay, hint in (
        ("nn.Linear(2, 3)", nn.Linear(2, 3), 0.1, "the bias has one dimension"),
        ("Linear, LayerNorm and Linear, the first weight frozen", frozen, 0.5,
         "leave out what does not require a gradient; spare biases and scales"),
        ("a convolution with batch normalization",
         nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), 0.2,
         "a kernel has four dimensions: two and more decay"),
        ("a single number and a tensor of three dimensions", few, 0.3,
         "a number has no dimension, and that is fewer than two"),
    ):  # fmt: skip
        names = {id(p): n for n, p in model.named_parameters()}
        call = f"decay_groups(model, weight_decay={decay}), model: {name}"
        trained = [(n, p.dim()) for n, p in model.named_parameters() if p.requires_grad]
        expected = [
            {"params": [n for n, dim in trained if dim >= 2], "weight_decay": decay},
            {"params": [n for n, dim in trained if dim < 2], "weight_decay": 0.0},
        ]
        yield Case(call, _named(answer(model, decay), names), expected, hint=hint)


def _named(groups, names: dict[int, str]):
    """The groups with parameters by their names; what is no list of groups as it came."""
    if not (
        isinstance(groups, list) and all(isinstance(g, dict) and "params" in g for g in groups)
    ):
        return groups
    return [
        {**group, "params": [names.get(id(p), "no parameter of the model") for p in group["params"]],
         "weight_decay": float(group.get("weight_decay", -1))}
        for group in groups
    ]  # fmt: skip
