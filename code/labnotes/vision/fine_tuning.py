"""Fine-tuning: a network that was trained on one task goes on with another."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from labnotes import runtime
from labnotes.checks import check_module, check_positive
from labnotes.modules import evaluating


class Frozen(nn.Module):
    """A part of a network that training leaves exactly as it is.

    Its parameters get no gradient, and it stays in evaluation mode: batch normalization goes on
    with the statistics that it has, and dropout stays off, also where ``model.train()`` is called.
    No gradient passes through it: layers in front of it would learn nothing.

    Parameters
    ----------
    body : nn.Module
        Any module. It is held and not copied, and ``requires_grad`` is off from now on.

    Raises
    ------
    ValueError
        If `body` is no module.

    Examples
    --------
    >>> body = Frozen(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    >>> net = nn.Sequential(body, nn.Flatten(), nn.LazyLinear(5)).train()
    >>> net.training, body.body[1].training, body.body[0].weight.requires_grad
    (True, False, False)
    """

    def __init__(self, body: nn.Module):
        check_module(body=body)
        super().__init__()
        self.body = body.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self.body.eval()  # whatever `mode` is: the statistics are frozen too
        return self

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():  # nothing below here is kept for the backward pass
            return self.body(x)


def replace_head(model: nn.Module, num_classes: int) -> nn.Module:
    """Put a new last layer, with random weights, in the place of the model's last one.

    The last layer is the ``nn.Linear`` or ``nn.Conv2d`` that was registered last: ``fc`` of a
    ResNet, ``classifier.1`` of MobileNetV2 and of SqueezeNet (there a 1x1 convolution).

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    num_classes : int
        Outputs of the new layer.

    Returns
    -------
    nn.Module
        The new layer, on the device of the old one.

    Raises
    ------
    ValueError
        If the model has no such layer inside, the layer is a convolution with groups, dilation
        or other padding than zeros, or `num_classes` is no positive integer.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1000))
    >>> replace_head(net, 5)
    Linear(in_features=4, out_features=5, bias=True)
    """
    name, old = _last_layer(model)
    check_positive(num_classes=num_classes)
    _check_window(old)
    how = {"bias": old.bias is not None, "device": old.weight.device, "dtype": old.weight.dtype}
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, num_classes, **how)
    else:
        new = nn.Conv2d(
            old.in_channels, num_classes, old.kernel_size, old.stride, old.padding, **how
        )
    model.set_submodule(name, new)
    return new


def two_rates(model: nn.Module, head: nn.Module, lr: float, factor: float = 10.0) -> list[dict]:
    """Parameter groups for an optimizer: a small learning rate for the body, a larger for the head.

    Parameters
    ----------
    model : nn.Module
        The whole network. Frozen parameters are left out.
    head : nn.Module
        The part of `model` that is new.
    lr : float
        Learning rate of all that is not in `head`, above 0.
    factor : float
        The head's learning rate is `factor` times `lr`.

    Returns
    -------
    list of dict
        ``{"params": [...], "lr": ...}`` for body and head, without a group that would be empty.

    Raises
    ------
    ValueError
        If a number is not positive, `head` is no part of `model`, or everything is frozen.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 5))
    >>> [(len(group["params"]), group["lr"]) for group in two_rates(net, net[2], 0.01)]
    [(2, 0.01), (2, 0.1)]
    """
    _check_rates(lr, factor)
    _check_part(model, head)
    in_head = {id(p) for p in head.parameters()}
    body = [p for p in model.parameters() if p.requires_grad and id(p) not in in_head]
    new = [p for p in head.parameters() if p.requires_grad]
    groups = [{"params": body, "lr": lr}, {"params": new, "lr": factor * lr}]
    groups = [group for group in groups if group["params"]]
    _check_some(groups)
    return groups


@torch.no_grad()
def features_of(body: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What a frozen body makes of each example, computed once, to be used in every epoch.

    The body is in evaluation mode meanwhile, and afterwards as it was.

    Parameters
    ----------
    body : nn.Module
        From a batch of inputs ``(batch, ...)`` to features ``(batch, ...)``.
    batches : iterable
        Pairs ``(inputs, labels)``, in a fixed order, such as ``Batches(..., shuffle=False)``.

    Returns
    -------
    features, labels : Tensor
        ``(n, ...)`` and ``(n,)``, on the device.

    Raises
    ------
    ValueError
        If `body` is no module, or there is no batch.
    """
    check_module(body=body)
    device, found = runtime.device(), []
    with evaluating(body):
        for inputs, labels in batches:
            found.append((body.to(device)(inputs.to(device)), labels.to(device)))
    _check_found(found)
    features, labels = (torch.cat(parts) for parts in zip(*found))
    return features, labels


def _last_layer(model: nn.Module) -> tuple[str, nn.Module]:
    """Name and module of the linear layer or convolution that was registered last."""
    check_module(model=model)
    layers = [
        (name, layer)
        for name, layer in model.named_modules()
        if name and isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    if not layers:
        raise ValueError(
            f"the model, a {type(model).__name__}, holds no nn.Linear and no nn.Conv2d: replace its "
            "last layer by hand"
        )
    return layers[-1]


def _check_window(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        return
    if (layer.groups, layer.dilation, layer.padding_mode) != (1, (1, 1), "zeros"):
        raise ValueError(f"the last layer, {layer}, is no plain convolution: replace it by hand")


def _check_rates(lr: float, factor: float) -> None:
    for name, value in (("lr", lr), ("factor", factor)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value!r}: give a finite number above 0")


def _check_part(model: nn.Module, head: nn.Module) -> None:
    check_module(model=model)
    check_module(head=head)
    if not any(part is head for part in model.modules()):
        raise ValueError(
            f"head, a {type(head).__name__}, is no part of the model: give the module that stands "
            "in the model now, for example model.fc"
        )


def _check_some(groups: list[dict]) -> None:
    if not groups:
        raise ValueError("every parameter of the model is frozen: nothing is left to train")


def _check_found(found: list) -> None:
    if not found:
        raise ValueError("there was no batch: give at least one pair (inputs, labels)")
