"""The multilayer perceptron: fully connected layers with an activation between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labnotes.checks import check_positive


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """A multilayer perceptron.

    Parameters
    ----------
    sizes
        Number of inputs, of units in each hidden layer, and of outputs: at least two numbers. Two
        make a linear model.
    activation
        Called once for each hidden layer; there is none after the outputs.

    Returns
    -------
    nn.Sequential
        From (batch, ...), each example flattened to ``sizes[0]`` numbers, to (batch, sizes[-1]).

    Raises
    ------
    ValueError
        If there are fewer than two sizes, one is no positive integer, or `activation` is a layer
        and not what makes one.

    Examples
    --------
    >>> [tuple(p.shape) for p in mlp((4, 8, 3)).parameters()]
    [(8, 4), (8,), (3, 8), (3,)]
    """
    _check_sizes(sizes)
    _check_activation(activation)
    layers = [nn.Flatten()]
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])  # the outputs stay as they are


def _check_sizes(sizes: Sequence[int]) -> None:
    if len(sizes) < 2:
        raise ValueError(
            f"sizes is {tuple(sizes)}: give the numbers of inputs, hidden units and outputs"
        )
    for i, size in enumerate(sizes):
        check_positive(**{f"sizes[{i}]": size})


def _check_activation(activation: Callable[[], nn.Module]) -> None:
    if isinstance(activation, nn.Module) or not callable(activation):
        raise ValueError(
            f"activation is {activation!r}: give what makes the layer, nn.ReLU without brackets"
        )


@dataclass
class Gradients:
    """The loss of a batch, and its derivatives by each parameter, of the parameter's shape."""

    loss: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


def mlp_gradients(
    x: Tensor, labels: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> Gradients:
    """One hidden layer of ReLUs, softmax and cross-entropy: forward, then backward by hand.

    Parameters
    ----------
    x
        Inputs, (batch, inputs).
    labels
        Number of the right class, (batch,), integers.
    w1, b1
        Hidden layer, (hidden, inputs) and (hidden,).
    w2, b2
        Output layer, (classes, hidden) and (classes,).

    Raises
    ------
    ValueError
        If the shapes do not fit together, the batch is empty or a label is no class.

    References
    ----------
    Rumelhart, Hinton and Williams (1986), equations 4 to 7.
    """
    _check_layers(x, labels, w1, b1, w2, b2)
    batch, classes = len(x), len(b2)
    # forward
    pre = x @ w1.T + b1  # (batch, hidden)
    hidden = pre.clamp(min=0)
    logits = hidden @ w2.T + b2  # (batch, classes)
    log_p = logits.log_softmax(1)
    loss = -log_p[torch.arange(batch), labels].mean()
    # backward: the same lines, from the last to the first
    d_logits = (log_p.exp() - F.one_hot(labels, classes)) / batch  # (batch, classes)
    d_hidden = d_logits @ w2  # (batch, hidden)
    d_pre = d_hidden * (pre > 0)  # the derivative of ReLU is 1 or 0
    return Gradients(loss, d_pre.T @ x, d_pre.sum(0), d_logits.T @ hidden, d_logits.sum(0))


def _check_layers(x, labels, w1, b1, w2, b2) -> None:
    found = {"x": x, "labels": labels, "w1": w1, "b1": b1, "w2": w2, "b2": b2}
    axes = {"x": 2, "labels": 1, "w1": 2, "b1": 1, "w2": 2, "b2": 1}
    for name, tensor in found.items():
        if tensor.ndim != axes[name]:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}: give {axes[name]} axes")
    (batch, inputs), hidden, classes = x.shape, len(b1), len(b2)
    wanted = {"labels": (batch,), "w1": (hidden, inputs), "w2": (classes, hidden)}
    for name, shape in wanted.items():
        if tuple(found[name].shape) != shape:
            raise ValueError(
                f"{name} has the shape {tuple(found[name].shape)}, the others ask for {shape}"
            )
    if batch == 0:
        raise ValueError("the batch is empty: give at least one example")
    if labels.is_floating_point() or not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must be integers from 0 to {classes - 1}, one for each example")
