"""Stochastic gradient descent, with momentum and with Nesterov's."""

from __future__ import annotations

from torch.optim import Optimizer

from labnotes.optim.common import after_closure, check_not_negative, gradients, is_number


class SGD(Optimizer):
    """Steps against the gradient, or along a velocity that remembers gradients.

    With the gradient ``g``, ``weight_decay * p`` added to it, and the velocity ``v`` of the
    parameter ``p``::

        v = momentum * v + (1 - dampening) * g      (at the first step v = g)
        p = p - lr * v                              (nesterov: p - lr * (g + momentum * v))

    Parameters
    ----------
    params
        Tensors, or groups of them with options of their own, as for ``torch.optim.SGD``.
    lr
        The learning rate.
    momentum
        What is kept of the velocity; 0: none, then nothing is remembered.
    dampening
        What is left out of a new gradient on its way into the velocity.
    weight_decay
        Factor of an L2 penalty.
    nesterov
        Step along the velocity of the *next* step, without its gradient, which is not known yet.
    maximize
        Go uphill.

    Raises
    ------
    ValueError
        If `lr`, `momentum` or `weight_decay` is negative, `dampening` is no number, or `nesterov`
        comes without momentum or with dampening.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", 2013, equations 1 to 4 (there the velocity holds the learning rate).
    """

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False,
                 *, maximize=False):  # fmt: skip
        check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        _check_nesterov(nesterov, momentum, dampening)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize})  # fmt: skip

    @after_closure
    def step(self):
        """Move every parameter that has a gradient; gives the closure's loss, if there is one."""
        for group in self.param_groups:
            momentum, kept = group["momentum"], 1 - group["dampening"]
            for p, g in gradients(group):
                if momentum:
                    v = self.state[p].get("momentum_buffer")
                    v = g.clone() if v is None else v.mul_(momentum).add_(g, alpha=kept)
                    self.state[p]["momentum_buffer"] = v
                    g = g.add(v, alpha=momentum) if group["nesterov"] else v
                p.add_(g, alpha=-group["lr"])


def _check_nesterov(nesterov: bool, momentum: float, dampening: float) -> None:
    if not is_number(dampening) or dampening != dampening:
        raise ValueError(f"dampening is {dampening!r}: give a number, from 0 to 1 as a rule")
    if nesterov and (momentum == 0 or dampening != 0):
        raise ValueError(
            f"nesterov with momentum {momentum} and dampening {dampening}: it needs a momentum "
            "above 0 and no dampening"
        )
