"""Densely connected networks (Huang et al., 2017): every layer reads all maps before it.

The names of the layers are torchvision's, so its state dicts load here unchanged. What torchvision
does not have: the paper's narrow nets for small images, with and without bottlenecks and
compression, and grey images.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from labnotes.checks import check_positive


class DenseLayer(nn.Module):
    """Batch norm, ReLU, convolution: `growth_rate` new maps from all maps so far.

    Parameters
    ----------
    in_channels
        Channels of all maps before, concatenated.
    growth_rate
        Channels of the new maps, k in the paper.
    bottleneck
        The 1x1 convolution in front gives ``bottleneck * growth_rate`` maps to the 3x3 one
        (4 in the paper's DenseNet-B); 0 leaves it out.
    memory_efficient
        Keep neither the concatenation nor its batch norm and ReLU for the backward pass; compute
        them once more there. Only with a bottleneck. (The running statistics of `norm1` then move
        twice a step, as torchvision's do.)

    References
    ----------
    Huang et al. (2017), section 3; the memory: Pleiss et al., "Memory-efficient implementation of
    DenseNets", arXiv:1707.06990, 2017.

    Examples
    --------
    >>> DenseLayer(24, 12)([torch.zeros(1, 16, 8, 8), torch.zeros(1, 8, 8, 8)]).shape
    torch.Size([1, 12, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int,
        bottleneck: int = 4,
        memory_efficient: bool = False,
    ):
        super().__init__()
        _check_recomputed(memory_efficient, bottleneck)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        if bottleneck:
            inner = bottleneck * growth_rate
            self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(inner)
            self.relu2 = nn.ReLU()
            self.conv2 = nn.Conv2d(inner, growth_rate, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, growth_rate, 3, padding=1, bias=False)
        self.bottleneck = bottleneck
        self.memory_efficient = memory_efficient

    def first(self, *maps: torch.Tensor) -> torch.Tensor:
        """Join all maps, normalise, and convolve."""
        x = torch.cat(maps, 1)  # (batch, in_channels, h, w)
        return self.conv1(self.relu1(self.norm1(x)))  # (batch, bottleneck * growth_rate, h, w)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """The new maps ``(batch, growth_rate, h, w)`` from the list of all maps before."""
        if self.memory_efficient and torch.is_grad_enabled():
            x = checkpoint(self.first, *maps, use_reentrant=False)
        else:
            x = self.first(*maps)
        if self.bottleneck:
            x = self.conv2(self.relu2(self.norm2(x)))
        return x  # (batch, growth_rate, h, w)


class DenseBlock(nn.Module):
    """`count` dense layers; the output is the input and all new maps, concatenated.

    Layer number l reads ``in_channels + (l - 1) * growth_rate`` channels.

    References
    ----------
    Huang et al. (2017), equation (2) and figure 1.
    """

    def __init__(self, count: int, in_channels: int, growth_rate: int, **options):
        super().__init__()
        for number in range(count):
            channels = in_channels + number * growth_rate
            self.add_module(f"denselayer{number + 1}", DenseLayer(channels, growth_rate, **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [x]
        for layer in self.children():
            maps.append(layer(maps))
        return torch.cat(maps, 1)  # (batch, in_channels + count * growth_rate, h, w)


class Transition(nn.Sequential):
    """Between two blocks: batch norm, ReLU, a 1x1 convolution, and 2x2 average pooling.

    References
    ----------
    Huang et al. (2017), section 3, "Pooling layers" and "Compression".
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


def first_layers(in_channels: int, channels: int, small_input: bool) -> OrderedDict:
    """The layers before the first block, by torchvision's names.

    Parameters
    ----------
    in_channels, channels
        Channels of the images, and of the first convolution.
    small_input
        As for :class:`DenseNet`.
    """
    if small_input:
        return OrderedDict(conv0=nn.Conv2d(in_channels, channels, 3, padding=1, bias=False))
    return OrderedDict(
        conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(channels),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(3, stride=2, padding=1),
    )


class DenseNet(nn.Module):
    """A densely connected network.

    Built by :func:`densenet121` to :func:`densenet201` and :func:`densenet_small`.

    Parameters
    ----------
    blocks
        Number of dense layers in each block.
    growth_rate
        New maps of each layer, k in the paper.
    first_channels
        Maps of the first convolution.
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images.
    bottleneck
        As for :class:`DenseLayer`.
    compression
        The part of its maps that a transition keeps, theta in the paper, above 0 up to 1.
    small_input
        For images of about 32x32: the first convolution is 3x3 with stride 1, and no batch norm
        and pooling follow it.
    memory_efficient
        As for :class:`DenseLayer`.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", CVPR
    2017, table 1 and section 3.
    """

    def __init__(
        self,
        blocks: tuple[int, ...],
        growth_rate: int,
        first_channels: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        bottleneck: int = 4,
        compression: float = 0.5,
        small_input: bool = False,
        memory_efficient: bool = False,
    ):
        super().__init__()
        _check_network(blocks, growth_rate, num_classes, in_channels, compression)
        options = {"bottleneck": bottleneck, "memory_efficient": memory_efficient}
        layers = first_layers(in_channels, first_channels, small_input)
        channels = first_channels
        for number, count in enumerate(blocks, 1):
            layers[f"denseblock{number}"] = DenseBlock(count, channels, growth_rate, **options)
            channels += count * growth_rate
            if number < len(blocks):
                kept = int(channels * compression)
                layers[f"transition{number}"] = Transition(channels, kept)
                channels = kept
        layers[f"norm{len(blocks) + 1}"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Shapes of DenseNet-121 for 224x224 images.
        x = self.relu(self.features(x))  # (batch, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)  # (batch, 1024)
        return self.classifier(x)  # (batch, num_classes)


def initialise(model: nn.Module) -> None:
    """Normal weights of variance 2/fan_in in every convolution (He et al., 2015), as torchvision."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)


def densenet121(
    num_classes: int = 1000, in_channels: int = 3, *, memory_efficient: bool = False
) -> DenseNet:
    """DenseNet-121: blocks of 6, 12, 24 and 16 layers, growth rate 32.

    Examples
    --------
    >>> densenet121(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """
    blocks = (6, 12, 24, 16)
    return DenseNet(blocks, 32, 64, num_classes, in_channels, memory_efficient=memory_efficient)


def densenet161(
    num_classes: int = 1000, in_channels: int = 3, *, memory_efficient: bool = False
) -> DenseNet:
    """DenseNet-161: blocks of 6, 12, 36 and 24 layers, growth rate 48."""
    blocks = (6, 12, 36, 24)
    return DenseNet(blocks, 48, 96, num_classes, in_channels, memory_efficient=memory_efficient)


def densenet169(
    num_classes: int = 1000, in_channels: int = 3, *, memory_efficient: bool = False
) -> DenseNet:
    """DenseNet-169: blocks of 6, 12, 32 and 32 layers, growth rate 32."""
    blocks = (6, 12, 32, 32)
    return DenseNet(blocks, 32, 64, num_classes, in_channels, memory_efficient=memory_efficient)


def densenet201(
    num_classes: int = 1000, in_channels: int = 3, *, memory_efficient: bool = False
) -> DenseNet:
    """DenseNet-201: blocks of 6, 12, 48 and 32 layers, growth rate 32."""
    blocks = (6, 12, 48, 32)
    return DenseNet(blocks, 32, 64, num_classes, in_channels, memory_efficient=memory_efficient)


def densenet_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    depth: int = 40,
    growth_rate: int = 12,
    bottleneck: bool = False,
    compression: float = 1.0,
    memory_efficient: bool = False,
) -> DenseNet:
    """The paper's nets for small images: three blocks of equal length.

    Parameters
    ----------
    num_classes, in_channels
        As for :class:`DenseNet`.
    depth
        Layers with weights, L in the paper: 3n+4, or 6n+4 with bottlenecks.
    growth_rate
        k in the paper.
    bottleneck
        Whether each layer has a 1x1 convolution in front (DenseNet-B).
    compression
        theta in the paper: 1 keeps all maps at a transition, 0.5 makes DenseNet-C.
    memory_efficient
        As for :class:`DenseNet`.

    Raises
    ------
    ValueError
        If no whole number of layers gives `depth`.

    Notes
    -----
    The first convolution gives 16 maps, or twice the growth rate where both bottlenecks and
    compression are used (section 3, "Implementation Details").

    References
    ----------
    Huang et al. (2017), section 3 and table 2.

    Examples
    --------
    >>> net = densenet_small(10, 3, depth=100, bottleneck=True, compression=0.5)
    >>> sum(p.numel() for p in net.parameters())
    769162
    """
    step = 6 if bottleneck else 3
    _check_depth(depth, step)
    return DenseNet(
        ((depth - 4) // step,) * 3,
        growth_rate,
        first_channels=2 * growth_rate if bottleneck and compression < 1 else 16,
        num_classes=num_classes,
        in_channels=in_channels,
        bottleneck=4 if bottleneck else 0,
        compression=compression,
        small_input=True,
        memory_efficient=memory_efficient,
    )


def _check_recomputed(memory_efficient: bool, bottleneck: int) -> None:
    if memory_efficient and not bottleneck:
        raise ValueError(
            "memory_efficient recomputes what the 1x1 convolution reads, and bottleneck is 0: "
            "give a bottleneck, or memory_efficient=False"
        )


def _check_network(blocks, growth_rate, num_classes, in_channels, compression) -> None:
    counts = {"growth_rate": growth_rate, "num_classes": num_classes, "in_channels": in_channels}
    counts |= {f"blocks[{i}]": count for i, count in enumerate(blocks)}
    check_positive(**counts)
    if not 0 < compression <= 1:
        raise ValueError(f"compression is {compression}: give a part above 0, up to 1")


def _check_depth(depth: int, step: int) -> None:
    if not isinstance(depth, int) or depth < step + 4 or (depth - 4) % step:
        near = [step * n + 4 for n in (1, 2, 3, 6)]
        raise ValueError(
            f"depth is {depth!r}: give {step}n+4 layers, such as {', '.join(map(str, near))}"
        )
