"""A network's loss as a function of one vector, and the way from one such vector to another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

Loss = Callable[[Tensor], Tensor]


def surface(model: nn.Module, loss: Callable[[Callable], Tensor]) -> Loss:
    """The loss of a network as a function of all its parameters in one vector.

    The order of the numbers is that of ``torch.nn.utils.parameters_to_vector``. The model and its
    own parameters are not changed.

    Parameters
    ----------
    model
        Any network. Layers that keep statistics of their inputs should be in evaluation mode.
    loss
        From a network to one number, for example ``lambda net: F.cross_entropy(net(x), y)``. It
        is called with a function that computes what `model` would with the parameters given.

    Returns
    -------
    callable
        From ``(n,)`` to a tensor of one number. It works under ``torch.func.vmap`` and ``grad``.

    Raises
    ------
    ValueError
        If the model has no parameters, or the function is given anything but such a vector.

    Examples
    --------
    >>> net = nn.Linear(1, 1, bias=False)
    >>> at = surface(net, lambda net: net(torch.tensor([[2.0]])).sum())
    >>> at(torch.tensor([3.0]))
    tensor(6.)
    """
    shapes = {name: p.shape for name, p in model.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]
    _check_parameters(sizes)

    def at(vector: Tensor) -> Tensor:
        _check_length(vector, sum(sizes))
        pieces = zip(shapes.items(), vector.split(sizes))
        values = {name: piece.view(shape) for (name, shape), piece in pieces}
        return loss(lambda *inputs: functional_call(model, values, inputs))

    return at


def loss_on_line(loss: Loss, start: Tensor, end: Tensor, count: int = 21) -> Tensor:
    """The loss along the straight line from one point to another.

    Parameters
    ----------
    loss
        From all parameters in one vector, ``(n,)``, to a tensor of one number.
    start, end
        ``(n,)``.
    count
        Points on the line, evenly spaced, both ends included.

    Returns
    -------
    Tensor
        ``(count,)``.

    Raises
    ------
    ValueError
        If the two points are not floating point or differ in shape, or `count` is below 2.

    References
    ----------
    Goodfellow, Vinyals and Saxe, "Qualitatively Characterizing Neural Network Optimization
    Problems", 2015, section 2.

    Examples
    --------
    >>> loss_on_line(lambda w: w @ w, torch.tensor([-1.0]), torch.tensor([1.0]), 3)
    tensor([1., 0., 1.])
    """
    _check_ends(start, end, count)
    share = torch.linspace(0, 1, count, dtype=start.dtype, device=start.device)
    with torch.no_grad():
        return torch.stack([loss((1 - s) * start + s * end) for s in share])


def barrier(losses: Tensor) -> float:
    """How far a path rises above the straight line between the losses at its two ends.

    Parameters
    ----------
    losses
        ``(count,)``, at evenly spaced points of a path, ends included.

    Returns
    -------
    float
        0 if it never does; a convex function never does on a straight path.

    Raises
    ------
    ValueError
        If there are fewer than two losses, one is nan, or they are not floating point.

    References
    ----------
    Entezari et al., "The Role of Permutation Invariance in Linear Mode Connectivity of Neural
    Networks", 2022.

    Examples
    --------
    >>> barrier(torch.tensor([1.0, 5.0, 2.0]))
    3.5
    """
    _check_losses(losses)
    share = torch.linspace(0, 1, len(losses), dtype=losses.dtype, device=losses.device)
    chord = (1 - share) * losses[0] + share * losses[-1]
    return (losses - chord).max().clamp(min=0).item()


def _check_parameters(sizes: list[int]) -> None:
    if not sum(sizes):
        raise ValueError("the model has no parameters: there is no landscape to walk on")


def _check_length(vector: Tensor, expected: int) -> None:
    if not isinstance(vector, Tensor):
        raise ValueError(f"the vector is {type(vector).__name__}: give a tensor ({expected},)")
    if vector.shape != (expected,):
        raise ValueError(
            f"the vector has shape {tuple(vector.shape)}: the model has {expected} parameters, "
            f"give ({expected},)"
        )


def _check_ends(start: Tensor, end: Tensor, count: int) -> None:
    for name, point in (("start", start), ("end", end)):
        if not isinstance(point, Tensor) or not point.is_floating_point():
            came = point.dtype if isinstance(point, Tensor) else type(point).__name__
            raise ValueError(f"{name} is {came}: give a vector (n,) of floating point numbers")
    if start.shape != end.shape or start.dim() != 1:
        raise ValueError(
            f"start has shape {tuple(start.shape)}, end {tuple(end.shape)}: give two vectors (n,)"
        )
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        raise ValueError(f"count is {count!r}: give an integer of 2 or more")


def _check_losses(losses: Tensor) -> None:
    if not isinstance(losses, Tensor) or not losses.is_floating_point():
        came = losses.dtype if isinstance(losses, Tensor) else type(losses).__name__
        raise ValueError(f"losses are {came}: give a tensor (count,) of floating point numbers")
    if losses.dim() != 1 or len(losses) < 2:
        raise ValueError(f"losses have shape {tuple(losses.shape)}: give (count,), 2 or more")
    if losses.isnan().any():
        raise ValueError("losses hold nan: a height on this path is not a number")
