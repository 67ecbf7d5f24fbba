"""How far the gradient of a minibatch lies from that of all examples, and what that does."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def per_example_gradients(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Tensor:
    """The gradient of each example's own loss, one row an example.

    Their mean is the gradient of the mean loss. The parameters' ``grad`` is left as it is.

    Parameters
    ----------
    model : nn.Module
        Its parameters that need no gradient are left out.
    inputs, targets : Tensor
        ``(examples, ...)`` each.
    loss : callable
        From the outputs and targets of a batch of one to its mean loss.

    Returns
    -------
    Tensor
        ``(examples, parameters)``, the parameters one after the other as ``model.parameters()``
        gives them. It needs as many numbers as that says: take few examples or a small model.

    Raises
    ------
    ValueError
        If the arguments are no module and tensors, the lengths differ, there is no example or no
        parameter, or a layer mixes the examples or draws at random (batch normalization and
        dropout in training mode, batch normalization without running statistics).

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(model.weight)
    >>> x, y = torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])
    >>> per_example_gradients(model, x, y, F.mse_loss).tolist()
    [[-2.0], [-6.0]]
    """
    _check_examples(model, inputs, targets)
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}

    def loss_of_one(parameters, x, y):
        outputs = functional_call(model, parameters, (x[None],))  # a batch of one
        return loss(outputs, y[None])

    gradients = vmap(grad(loss_of_one), in_dims=(None, 0, 0))(parameters, inputs, targets)
    return torch.cat([g.flatten(1) for g in gradients.values()], 1)  # (examples, parameters)


def batch_variance(gradients: Tensor, batch_size: int, *, replace: bool = False) -> float:
    """The mean squared distance of a minibatch's gradient from that of all examples.

    With n examples and the mean squared distance V of a single one it is ``V / batch_size`` if a
    batch is drawn with replacement, and ``(n - batch_size) / (n - 1)`` times that if not.

    Parameters
    ----------
    gradients : Tensor
        ``(examples, parameters)``, as of :func:`per_example_gradients`.
    batch_size : int
        1 or more; without replacement at most the number of examples.
    replace : bool
        Whether an example may stand in a batch more than once.

    Returns
    -------
    float
        The sum of the variances of all parameters, in the square of the gradients' unit.

    Raises
    ------
    ValueError
        If the gradients are no table of finite numbers, or the batch size does not fit.

    References
    ----------
    W. G. Cochran, "Sampling Techniques", 3rd edition, 1977, theorem 2.2.

    Examples
    --------
    >>> gradients = torch.tensor([[-1.0], [-2.0], [-6.0]])
    >>> round(batch_variance(gradients, 2, replace=True), 4)
    2.3333
    >>> round(batch_variance(gradients, 2), 4)
    1.1667
    """
    _check_batch(gradients, batch_size, replace)
    n = len(gradients)
    away = gradients - gradients.mean(0)  # (examples, parameters)
    single = away.square().sum(1).mean().item()
    left = 1.0 if replace or n == 1 else (n - batch_size) / (n - 1)
    return left * single / batch_size


def stationary_variance(curvature: float, lr: float, noise: float) -> float:
    """How far noisy steps keep a weight from the bottom of a bowl, as a mean square.

    The weight of ``curvature * w ** 2 / 2`` makes the steps
    ``w = w - lr * (curvature * w + e)``, where the e are independent, with the mean 0 and the
    variance `noise`. In the long run the mean of ``w ** 2`` is
    ``lr * noise / (curvature * (2 - lr * curvature))``.

    Parameters
    ----------
    curvature : float
        Above 0.
    lr : float
        The learning rate, above 0 and below ``2 / curvature``.
    noise : float
        The variance of a gradient, 0 or more; that of an example divided by the batch size.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    S. Mandt, M. D. Hoffman and D. M. Blei, "Stochastic Gradient Descent as Approximate Bayesian
    Inference", Journal of Machine Learning Research 18(134), 2017, for small rates; for all of
    them it is the variance of an autoregressive process of order 1.

    Examples
    --------
    >>> stationary_variance(curvature=1.0, lr=1.0, noise=3.0)
    3.0
    """
    _check_bowl(curvature, lr, noise)
    return lr * noise / (curvature * (2 - lr * curvature))


def _check_examples(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is {type(model).__name__}: give an nn.Module")
    if not isinstance(inputs, Tensor) or not isinstance(targets, Tensor):
        raise ValueError(
            f"inputs are {type(inputs).__name__}, targets {type(targets).__name__}: give tensors"
        )
    if not inputs.dim() or not targets.dim() or len(inputs) != len(targets) or not len(inputs):
        raise ValueError(
            f"inputs have shape {tuple(inputs.shape)}, targets {tuple(targets.shape)}: give as many "
            "targets as inputs, at least one"
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no parameter that needs a gradient: give one that has")
    for name, layer in model.named_modules():
        if layer.training and isinstance(layer, (_BatchNorm, _DropoutNd)):
            raise ValueError(
                f"layer {name!r} is a {type(layer).__name__} in training mode, so that an example "
                "has no gradient of its own: call model.eval() before"
            )
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise ValueError(
                f"layer {name!r} is a {type(layer).__name__} without running statistics, which mixes "
                "the examples in every mode: build it with track_running_stats=True"
            )


def _check_batch(gradients: Tensor, batch_size: int, replace: bool) -> None:
    if not isinstance(gradients, Tensor):
        raise ValueError(f"gradients are {type(gradients).__name__}: give a tensor")
    if gradients.dim() != 2 or not gradients.numel() or not gradients.is_floating_point():
        raise ValueError(
            f"gradients have shape {tuple(gradients.shape)} and type {gradients.dtype}: give "
            "floating point numbers (examples, parameters)"
        )
    if not gradients.isfinite().all():
        raise ValueError("gradients hold nan or infinity: the variance needs finite numbers")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}: give an integer, 1 or more")
    if not replace and batch_size > len(gradients):
        raise ValueError(
            f"batch_size is {batch_size}, there are {len(gradients)} examples: give at most as "
            "many, or replace=True"
        )


def _check_bowl(curvature: float, lr: float, noise: float) -> None:
    for name, value in (("curvature", curvature), ("lr", lr), ("noise", noise)):
        if not isinstance(value, (int, float)):
            raise ValueError(f"{name} is {value!r}: give a number")
    if not 0 < curvature < float("inf"):
        raise ValueError(f"curvature is {curvature}: give a finite number above 0")
    if not 0 < lr < 2 / curvature:
        raise ValueError(
            f"lr is {lr}: give a learning rate above 0 and below 2 / curvature = {2 / curvature:g}"
        )
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise is {noise}: give a finite variance, 0 or more")
