"""The outputs of some layers of a network, by their names."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def layer_outputs(net: nn.Sequential, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """What the named layers of a network put out; layers after the last of them are not run.

    Parameters
    ----------
    net
        The layers in their order, for example ``torchvision.models.vgg19().features``.
    x
        What the first layer reads, for pictures ``(batch, channels, height, width)``.
    layers
        Names of layers, for example ``"0"``, in any order. See ``net.named_children()``.

    Returns
    -------
    dict of str to Tensor
        The output of each layer, in the network's order. Gradients flow from them to `x`.

    Raises
    ------
    ValueError
        If `net` is no ``nn.Sequential``, has the same layer twice or not the layers that are named,
        or if `x` is no tensor.

    Examples
    --------
    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.ReLU())
    >>> layer_outputs(net, torch.tensor([[-1.0, 2.0]]), ["1"])
    {'1': tensor([[0., 2.]])}
    """
    _check_input(x)
    wanted = _check_layers(net, layers)
    found = {}
    for name, layer in net.named_children():
        if len(found) == len(wanted):
            break
        x = layer(x)
        if name in wanted:
            found[name] = x
            x = x.clone()  # the next layer may be a ReLU that overwrites its input
    return found


def _check_input(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"x is {type(x).__name__}: give a tensor that the first layer reads")


def _check_layers(net: nn.Sequential, layers: Iterable[str]) -> set[str]:
    if not isinstance(net, nn.Sequential):
        raise ValueError(
            f"net is {type(net).__name__}: give its layers in order as an nn.Sequential, "
            "for example its .features"
        )
    wanted, known = set([layers] if isinstance(layers, str) else layers), dict(net.named_children())
    if len(known) < len(net):  # named_children leaves the second place of a layer out
        raise ValueError(
            f"net has {len(net)} places for {len(known)} layers, so one stands in it twice: give a "
            "layer of its own for each place"
        )
    missing = sorted(map(str, wanted - set(known)))
    if missing or not wanted:
        raise ValueError(
            f"{'no layer is named ' + ', '.join(missing) if missing else 'layers is empty'}: "
            f"give some of {', '.join(known)}"
        )
    return wanted
