"""One picture in the style of another: the sum of the losses, and the picture that is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.style.features import layer_outputs
from labnotes.style.losses import content_loss, gram, style_loss, total_variation


class TransferLoss:
    """The loss of a picture that shall show one picture and be painted like another.

    Parameters
    ----------
    net
        A trained network's layers in order. It is only read: see :func:`layer_outputs`.
    content, style
        ``(1, 3, height, width)`` as `net` wants them; their sizes may differ.
    content_layers, style_layers
        The weight of each layer by its name.
    tv_weight
        The weight of the total variation.

    Raises
    ------
    ValueError
        If there is no layer, the layers are no dict, a weight is no number, negative or not finite,
        or a name is no layer of `net`.

    References
    ----------
    Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016,
    equation 7. The total variation came to it from Mahendran and Vedaldi, "Understanding Deep
    Image Representations by Inverting Them", 2015.
    """

    def __init__(
        self,
        net: nn.Sequential,
        content: Tensor,
        style: Tensor,
        content_layers: dict[str, float],
        style_layers: dict[str, float],
        tv_weight: float = 0.0,
    ):
        _check_weights(content_layers, style_layers, tv_weight)
        self.net, self.tv_weight = net, tv_weight
        self.content_layers, self.style_layers = content_layers, style_layers
        self.layers = {*content_layers, *style_layers}
        with torch.no_grad():
            of_content = layer_outputs(net, content, self.layers)
            of_style = layer_outputs(net, style, self.layers)
        self.content_targets = {name: of_content[name] for name in content_layers}
        self.style_targets = {name: gram(of_style[name]) for name in style_layers}

    def terms(self, image: Tensor) -> dict[str, Tensor]:
        """The three weighted terms of the loss of `image`, ``(1, 3, height, width)``."""
        found = layer_outputs(self.net, image, self.layers)
        content = [
            weight * content_loss(found[name], self.content_targets[name])
            for name, weight in self.content_layers.items()
        ]
        style = [
            weight * style_loss(found[name], self.style_targets[name])
            for name, weight in self.style_layers.items()
        ]
        return {
            "content": sum(content, image.new_zeros(())),
            "style": sum(style, image.new_zeros(())),
            "total variation": self.tv_weight * total_variation(image),
        }

    def __call__(self, image: Tensor) -> Tensor:
        """The loss of `image`, ``(1, 3, height, width)``: one number."""
        return sum(self.terms(image).values())


def stylize(
    start: Tensor,
    loss: Callable[[Tensor], Tensor],
    evaluations: int,
    optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
) -> tuple[Tensor, list[float]]:
    """Train a picture: from `start` down a loss. Nothing but its pixels changes.

    Parameters
    ----------
    start
        The picture to begin with, for example ``(1, 3, height, width)``; it is left as it is.
    loss
        From a picture to one number, for example a :class:`TransferLoss`.
    evaluations
        How often the loss and its gradient are computed. One step of ``torch.optim.LBFGS`` takes
        about 25 of them by default, and may go as far beyond.
    optimizer
        From the list of what is trained, which is this one picture, to an optimizer.

    Returns
    -------
    image : Tensor
        Of the shape of `start`, with values of any size: clamp them to show it.
    losses : list of float
        At each evaluation, before its step.

    Raises
    ------
    ValueError
        If `evaluations` is no positive integer or `start` is not floating point.
    FloatingPointError
        If the loss is no longer finite.
    """
    check_positive(evaluations=evaluations)
    _check_start(start)
    image = start.detach().clone().requires_grad_()
    descent, losses = optimizer([image]), []

    def closure():
        descent.zero_grad()
        value = loss(image)
        value.backward()
        losses.append(value.item())
        _check_finite(losses)
        return value

    while len(losses) < evaluations:
        descent.step(closure)
    return image.detach(), losses


def _check_weights(content_layers: dict, style_layers: dict, tv_weight: float) -> None:
    for name, layers in (("content_layers", content_layers), ("style_layers", style_layers)):
        if not isinstance(layers, dict):
            raise ValueError(
                f"{name} is {type(layers).__name__}: give the weights by name, as {{'relu1': 1.0}}"
            )
    if not content_layers and not style_layers:
        raise ValueError("content_layers and style_layers are empty: name at least one layer")
    weights = [*content_layers.items(), *style_layers.items(), ("tv_weight", tv_weight)]
    for name, weight in weights:
        if not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
            raise ValueError(f"the weight of {name} is {weight!r}: give a finite number, 0 or more")


def _check_start(start: Tensor) -> None:
    if not isinstance(start, Tensor) or not start.is_floating_point():
        came = start.dtype if isinstance(start, Tensor) else type(start).__name__
        raise ValueError(f"start is {came}: give a picture of floating point numbers")


def _check_finite(losses: list[float]) -> None:
    if not abs(losses[-1]) < float("inf"):
        advice = "lower the learning rate"
        if len(losses) == 1:  # no step was taken yet
            advice = "look for values that are not finite in the pictures and the network"
        raise FloatingPointError(f"the loss is {losses[-1]} at evaluation {len(losses)}: {advice}")
