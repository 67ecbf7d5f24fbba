"""Adam, momentum and a scale for each coordinate together; AdamW, its weight decay apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from labnotes.optim.common import after_closure, begun, check_betas, check_not_negative, gradients


class Adam(Optimizer):
    """Steps along the average gradient, divided by the root of the average squared gradient.

    With the gradient ``g``, ``weight_decay * p`` added to it, at step ``t = 1, 2, ...``::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g ** 2
        p = p - lr * m / (1 - beta1 ** t) / (sqrt(v / (1 - beta2 ** t)) + eps)

    Parameters
    ----------
    params
        Tensors, or groups of them with options of their own, as for ``torch.optim.Adam``.
    lr
        The learning rate.
    betas
        What is kept at each step of the two averages.
    eps
        Keeps the divisor above 0.
    weight_decay
        Factor of an L2 penalty; with `decoupled_weight_decay` of the decay.
    amsgrad
        Divide by the root of the largest ``v`` so far.
    maximize
        Go uphill.
    decoupled_weight_decay
        Shrink ``p`` by ``lr * weight_decay`` of itself, and leave its gradient alone.
    bias_correction
        Divide the two averages by what the zeros that they began with leave of them. (torch always
        does.)

    Raises
    ------
    ValueError
        If `lr`, `eps` or `weight_decay` is negative, or a beta is not from 0 to below 1.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1. Reddi, Kale and
    Kumar, "On the convergence of Adam and beyond", 2018, algorithm 2 (`amsgrad`).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 amsgrad=False, *, maximize=False, decoupled_weight_decay=False,
                 bias_correction=True):  # fmt: skip
        numbers = {"lr": lr, "eps": eps, "weight_decay": weight_decay}
        check_not_negative(**numbers)
        check_betas(betas)
        super().__init__(params, {
            **numbers, "betas": betas, "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay, "bias_correction": bias_correction,
        })  # fmt: skip

    @after_closure
    def step(self):
        """Move every parameter that has a gradient; gives the closure's loss, if there is one."""
        for group in self.param_groups:
            (beta1, beta2), corrects = group["betas"], group.get("bias_correction", True)
            for p, g in gradients(group):
                state = begun(self.state[p], p, exp_avg=0, exp_avg_sq=0)
                t = state["step"].add_(1).item()
                m = state["exp_avg"].lerp_(g, 1 - beta1)  # beta1 * m + (1 - beta1) * g
                v = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
                if group["amsgrad"]:
                    v = _largest(state, v)
                c1, c2 = (1 - beta1**t, 1 - beta2**t) if corrects else (1, 1)
                p.addcdiv_(m, (v.sqrt() / c2**0.5).add_(group["eps"]), value=-group["lr"] / c1)


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters shrink alike, whatever their gradients are.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, bias_correction
        As for :class:`Adam`.
    weight_decay
        Every parameter shrinks by ``lr * weight_decay`` of itself at each step.

    Raises
    ------
    ValueError
        As for :class:`Adam`.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2 (there the
    decay is not multiplied by the learning rate, but by its schedule alone).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False, *, maximize=False, bias_correction=True):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            decoupled_weight_decay=True, bias_correction=bias_correction,
        )  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:  # also of a state that a plain Adam has saved
            group["decoupled_weight_decay"] = True


def _largest(state: dict, v: Tensor) -> Tensor:
    """The largest `v` so far, coordinate by coordinate."""
    if "max_exp_avg_sq" not in state:
        state["max_exp_avg_sq"] = torch.zeros_like(v)
    return torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
