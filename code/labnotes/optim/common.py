"""What all optimizers do before and beside the rule that they are named after."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor
from torch.optim import Optimizer


def after_closure(rule: Callable[[Optimizer], None]) -> Callable:
    """Make an optimizer's ``step`` of its rule: without gradients, and with torch's `closure`.

    The closure, if one is given, computes the loss and its gradients anew; then the rule moves the
    parameters, and the loss is given back.
    """

    @functools.wraps(rule)
    def step(self: Optimizer, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        with torch.enable_grad():
            loss = None if closure is None else closure()
        with torch.no_grad():
            rule(self)
        return loss

    return step


def gradients(group: dict) -> list[tuple[Tensor, Tensor]]:
    """The parameters of a group that have a gradient, each with it; weight decay is applied here.

    As an L2 penalty, ``weight_decay`` times the parameter is added to its gradient. Decoupled, it
    stays out of the gradient, and the parameter shrinks at once.

    Parameters
    ----------
    group
        One of an optimizer's ``param_groups``.

    Returns
    -------
    list of (Tensor, Tensor)
        Parameter and gradient, of one shape. With ``group["maximize"]`` the gradient's sign is
        turned round. The parameter's own ``grad`` stays as it is.

    Raises
    ------
    RuntimeError
        If a gradient is sparse or complex. No parameter of the group has been changed then.
    """
    _check_gradients(group["params"])
    decay, found = group["weight_decay"], []
    for p in group["params"]:
        if p.grad is not None:
            g = -p.grad if group["maximize"] else p.grad
            if decay and group.get("decoupled_weight_decay"):
                p.mul_(1 - group["lr"] * decay)
            elif decay:
                g = g.add(p, alpha=decay)
            found.append((p, g))
    return found


def begun(state: dict, p: Tensor, **fill: float) -> dict:
    """What an optimizer remembers of a parameter; at its first step it is filled.

    Parameters
    ----------
    state
        The optimizer's ``state[p]``, empty before the first step; filled in place.
    p
        The parameter.
    fill
        Names of what is remembered, and the number that it begins with; each becomes a tensor
        like `p`. The number of steps so far, ``"step"``, comes with them.

    Returns
    -------
    dict
        `state`.
    """
    if not state:
        state["step"] = torch.tensor(0.0)  # a tensor, as torch has it in its state_dict
        for name, value in fill.items():
            state[name] = torch.full_like(p, value)
    return state


def check_not_negative(**numbers: float) -> None:
    """Refuse numbers below 0, NaN and what is no number, by name: ``check_not_negative(lr=0.1)``.

    Raises
    ------
    ValueError
        If one is negative or not a number.
    """
    for name, value in numbers.items():
        if not is_number(value) or not value >= 0:
            raise ValueError(f"{name} is {value!r}: give a number of 0 or more")


def is_number(value: object) -> bool:
    """Whether it is one real number, NaN included; a tensor of one element is."""
    return isinstance(value, Real) or isinstance(value, Tensor) and value.numel() == 1


def check_betas(betas: tuple[float, float]) -> None:
    """Refuse what is no pair of shares that two averages keep.

    Raises
    ------
    ValueError
        If there are not two, or one is not from 0 to below 1.
    """
    pair = isinstance(betas, tuple | list) and len(betas) == 2
    if not pair or not all(is_number(beta) and 0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas is {betas!r}: give two numbers, each from 0 to below 1")


def _check_gradients(params: list[Tensor]) -> None:
    for g in (p.grad for p in params if p.grad is not None):
        if g.is_sparse or g.is_complex():
            raise RuntimeError(
                f"a gradient of shape {tuple(g.shape)} is {'sparse' if g.is_sparse else 'complex'}"
                ": these optimizers take dense real ones. Build the embedding with sparse=False, "
                "or take an optimizer of torch.optim"
            )
