"""How large a signal is layer by layer, and the gradient that comes back: predicted and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from labnotes.checks import check_tensors

Activation = Callable[[torch.Tensor], torch.Tensor]

#: What may stand between two layers, by name.
ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}

# A normal distribution as points and weights. The points lie between the multiples of 0.05, so
# none is 0, where ReLU has its bend.
POINTS = torch.arange(-8 + 0.025, 8, 0.05, dtype=torch.float64)  # (320,)
WEIGHTS = torch.softmax(-(POINTS**2) / 2, 0)  # exp(-u^2 / 2), normalized to sum 1


@dataclass
class MeanSquares:
    """What an activation does to normal inputs: the mean squares of its value and of its slope."""

    value: float
    slope: float


@dataclass
class Sizes:
    """Root mean squares, one number for each linear layer, first layer first.

    `signal` is the size of the layer's outputs, `gradient` that of the loss's derivatives with
    respect to these outputs.
    """

    signal: list[float]
    gradient: list[float]


def rms(numbers: torch.Tensor) -> float:
    """The root mean square of all entries; for mean 0 it is their standard deviation.

    Computed in float64: the squares of vanishing numbers are none that float32 can hold.

    Raises
    ------
    ValueError
        If there is no number, or no tensor.

    Examples
    --------
    >>> rms(torch.tensor([3.0, -3.0]))
    3.0
    """
    _check_numbers(numbers)
    return numbers.detach().double().square().mean().sqrt().item()


def mean_squares(activation: Activation, size: float = 1.0) -> MeanSquares:
    """E[phi(z)^2] and E[phi'(z)^2] for z from a normal distribution of mean 0.

    Parameters
    ----------
    activation
        A function that works on each number of a tensor by itself, such as ``torch.tanh``.
    size
        The standard deviation of z.

    Returns
    -------
    MeanSquares
        The slope is the one that autograd gives, 0 for ReLU at 0.

    Raises
    ------
    ValueError
        If `size` is not a positive finite number, or `activation` does not give one number for
        each number.

    References
    ----------
    Poole et al. (2016), equations 3 and 6.

    Examples
    --------
    >>> half = mean_squares(torch.relu)
    >>> round(half.value, 9), round(half.slope, 9)
    (0.5, 0.5)
    """
    _check_positive_number("size", size)
    z = (size * POINTS).requires_grad_()
    value = activation(z)
    _check_activated(z, value)
    (slope,) = torch.autograd.grad(value.sum(), z)
    return MeanSquares((WEIGHTS @ value.detach() ** 2).item(), (WEIGHTS @ slope**2).item())


def expected_sizes(depth: int, gain: float, activation: str = "relu") -> Sizes:
    """The sizes in a network of `depth` wide layers of equal width, before training.

    Weights have mean 0 and standard deviation gain / sqrt(width), biases are 0. Inputs of size 1
    go in; derivatives of size 1 with respect to the last activations come back.

    Parameters
    ----------
    depth
        Linear layers, each followed by the activation.
    gain
        From any initialization: sqrt(2) is He's for ReLU, 1 is Xavier's where widths are equal.
    activation
        A name of `ACTIVATIONS`.

    Returns
    -------
    Sizes
        Of the numbers between a linear layer and its activation.

    Raises
    ------
    ValueError
        If `depth` is no positive integer, `gain` no positive number, or the name unknown.

    References
    ----------
    Schoenholz et al. (2017), equations 2 and 7, without biases.

    Examples
    --------
    >>> [round(s, 3) for s in expected_sizes(3, 2.0, "identity").signal]
    [2.0, 4.0, 8.0]
    """
    _check_network(depth, gain, activation)
    phi = ACTIVATIONS[activation]
    signal, slopes, square = [], [], 1.0  # the mean square of what goes into a layer
    for _ in range(depth):
        signal.append(gain * square**0.5)
        found = mean_squares(phi, signal[-1])
        square = found.value
        slopes.append(found.slope)
    gradient = [slopes[-1] ** 0.5]  # last layer first
    for slope in reversed(slopes[:-1]):
        gradient.append(gain * slope**0.5 * gradient[-1])
    return Sizes(signal, gradient[::-1])


def layer_sizes(
    model: nn.Module, x: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]
) -> Sizes:
    """Measure signal and gradient at every linear layer of a network.

    Parameters
    ----------
    model
        Any network with `nn.Linear` layers, in the mode (training or evaluation) that it is in.
    x
        A batch of its inputs.
    loss
        From the model's output to one number, for example
        ``lambda logits: F.cross_entropy(logits, y)``.

    Returns
    -------
    Sizes
        The layers in the order in which they are used. A layer that the loss does not depend on
        has a gradient of size 0.

    Raises
    ------
    ValueError
        If `model` is no network, there is no linear layer, or `loss` gives no single number that
        depends on the weights.

    Notes
    -----
    Parameters and their ``.grad`` stay as they are.

    Examples
    --------
    >>> net = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(net.weight, 3.0)
    >>> layer_sizes(net, torch.tensor([[2.0]]), lambda out: 5 * out.sum())
    Sizes(signal=[6.0], gradient=[5.0])
    """
    _check_model(model)
    outputs = []

    def keep(layer, inputs, output):
        outputs.append(output)
        return output.clone()  # an activation that works in place must not change ours

    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(keep) for layer in linear]
    try:
        value = loss(model(x))
    finally:
        for hook in hooks:
            hook.remove()
    _check_measured(outputs, value)
    gradients = torch.autograd.grad(value, outputs, materialize_grads=True)
    return Sizes([rms(z) for z in outputs], [rms(g) for g in gradients])


def _check_positive_number(name: str, value: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ValueError(f"{name} is {value!r}: give a positive number")


def _check_numbers(numbers: torch.Tensor) -> None:
    check_tensors(numbers=numbers)
    if not numbers.numel():
        raise ValueError("there is no number: a mean needs at least one")


def _check_activated(z: torch.Tensor, value: torch.Tensor) -> None:
    if not isinstance(value, torch.Tensor) or value.shape != z.shape:
        came = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(
            f"activation made {came} of {tuple(z.shape)}: give a function that works on each "
            "number by itself, such as torch.tanh"
        )


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is a {type(model).__name__}: give an nn.Module")


def _check_network(depth: int, gain: float, activation: str) -> None:
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise ValueError(f"depth is {depth!r}: give the number of layers, a positive integer")
    _check_positive_number("gain", gain)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}: give one of {', '.join(ACTIVATIONS)}")


def _check_measured(outputs: list[torch.Tensor], value: torch.Tensor) -> None:
    if not outputs:
        raise ValueError("the model used no nn.Linear layer: there is nothing to measure")
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        came = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"loss gave {came}: give a function that returns a tensor of one number")
    if not value.requires_grad:
        raise ValueError(
            "the loss does not depend on weights that want a gradient: measure outside of "
            "torch.no_grad(), with requires_grad_(True)"
        )
