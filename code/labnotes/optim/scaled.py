"""A step size for each coordinate, from the size of its gradients: Adagrad and RMSprop."""

from __future__ import annotations

from torch.optim import Optimizer

from labnotes.optim.common import after_closure, begun, check_not_negative, gradients


class Adagrad(Optimizer):
    """Divides each coordinate's step by the root of the sum of its squared gradients.

    With the gradient ``g``, ``weight_decay * p`` added to it, at step ``t = 1, 2, ...``::

        s = s + g ** 2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    params
        Tensors, or groups of them with options of their own, as for ``torch.optim.Adagrad``.
    lr
        The learning rate.
    lr_decay
        How fast the learning rate itself falls.
    weight_decay
        Factor of an L2 penalty.
    initial_accumulator_value
        What ``s`` begins with.
    eps
        Keeps the divisor above 0.
    maximize
        Go uphill.

    Raises
    ------
    ValueError
        If a number is negative.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", 2011, equation 1.
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0,
                 eps=1e-10, *, maximize=False):  # fmt: skip
        numbers = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
                   "initial_accumulator_value": initial_accumulator_value, "eps": eps}  # fmt: skip
        check_not_negative(**numbers)
        super().__init__(params, {**numbers, "maximize": maximize})
        for group in self.param_groups:  # torch's own looks for the sums before the first step
            for p in group["params"]:
                begun(self.state[p], p, sum=initial_accumulator_value)

    @after_closure
    def step(self):
        """Move every parameter that has a gradient; gives the closure's loss, if there is one."""
        for group in self.param_groups:
            for p, g in gradients(group):
                state = begun(self.state[p], p, sum=group["initial_accumulator_value"])
                state["step"] += 1
                lr = group["lr"] / (1 + (state["step"].item() - 1) * group["lr_decay"])
                s = state["sum"].addcmul_(g, g)
                p.addcdiv_(g, s.sqrt().add_(group["eps"]), value=-lr)


class RMSprop(Optimizer):
    """Divides each coordinate's step by the root of a moving average of its squared gradients.

    With the gradient ``g``, ``weight_decay * p`` added to it::

        s = alpha * s + (1 - alpha) * g ** 2
        p = p - lr * g / (sqrt(s) + eps)

    Parameters
    ----------
    params
        Tensors, or groups of them with options of their own, as for ``torch.optim.RMSprop``.
    lr
        The learning rate.
    alpha
        What is kept of the average at each step.
    eps
        Keeps the divisor above 0.
    weight_decay
        Factor of an L2 penalty.
    momentum
        Collect the divided gradients in a velocity, and step along that.
    centered
        Divide by the root of the average square less the squared average: the spread alone.
    maximize
        Go uphill.

    Raises
    ------
    ValueError
        If a number is negative.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5, RMSprop", 2012. With momentum and centred: Graves,
    "Generating sequences with recurrent neural networks", 2013, equations 38 to 41.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0,
                 centered=False, *, maximize=False):  # fmt: skip
        numbers = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                   "momentum": momentum}  # fmt: skip
        check_not_negative(**numbers)
        super().__init__(params, {**numbers, "centered": centered, "maximize": maximize})

    @after_closure
    def step(self):
        """Move every parameter that has a gradient; gives the closure's loss, if there is one."""
        for group in self.param_groups:
            alpha, momentum = group["alpha"], group["momentum"]
            more = {"momentum_buffer": momentum, "grad_avg": group["centered"]}
            more = {name: 0 for name, wanted in more.items() if wanted}
            for p, g in gradients(group):
                state = begun(self.state[p], p, square_avg=0, **more)
                state["step"] += 1
                s = state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
                if group["centered"]:
                    mean = state["grad_avg"].lerp_(g, 1 - alpha)
                    s = s.addcmul(mean, mean, value=-1)
                step = g / s.sqrt().add_(group["eps"])
                if momentum:
                    step = state["momentum_buffer"].mul_(momentum).add_(step)
                p.add_(step, alpha=-group["lr"])
