"""GoogLeNet (Szegedy et al., 2015): the Inception block, auxiliary classifiers, the nets.

The names of the layers are torchvision's, so its state dicts load here unchanged. It differs from
the paper in what it computes: 3x3 kernels in the path called 5x5, and batch normalization, which
had not been published. ``kernel5=5`` and ``batch_norm=False`` undo that; :func:`googlenet_2014` is
the whole published network.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.checks import check_positive


class GoogLeNetOutputs(NamedTuple):
    """What a network with auxiliary classifiers gives in training, in torchvision's order.

    Attributes
    ----------
    logits
        Of the classifier at the end, ``(batch, num_classes)``.
    aux_logits2, aux_logits1
        Of the later and of the earlier auxiliary classifier, the same shape.
    """

    logits: torch.Tensor
    aux_logits2: torch.Tensor
    aux_logits1: torch.Tensor


class BasicConv2d(nn.Module):
    """Convolution, batch normalization, ReLU; without normalization the convolution has a bias.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the input and the output.
    kernel_size, stride, padding
        Of the convolution.
    batch_norm
        Whether there is a normalization.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1,
        padding: int = 0, batch_norm: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if batch_norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four paths side by side; their outputs are concatenated along the channels.

    Height and width stay as they are. The output has
    ``ch1x1 + ch3x3 + ch5x5 + pool_proj`` channels, in this order.

    Parameters
    ----------
    in_channels
        Channels of the input, which all four paths read.
    ch1x1
        Outputs of the first path, a 1x1 convolution.
    ch3x3red, ch3x3
        The second path: a 1x1 convolution to so many channels, then a 3x3 convolution.
    ch5x5red, ch5x5
        The third path: a 1x1 convolution, then a `kernel5` x `kernel5` convolution.
    pool_proj
        Outputs of the fourth path: 3x3 max pooling of stride 1, then a 1x1 convolution.
    kernel5
        Window of the third path, an odd number: 5 in the paper, 3 in torchvision.
    batch_norm
        Whether batch normalization follows each convolution.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Szegedy et al. (2015), section 4 and figure 2 (b). torchvision's 3x3 window is its issue 906.

    Examples
    --------
    >>> Inception(192, 64, 96, 128, 16, 32, 32)(torch.zeros(1, 192, 28, 28)).shape
    torch.Size([1, 256, 28, 28])
    """

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
        pool_proj: int, kernel5: int = 5, batch_norm: bool = True,
    ):  # fmt: skip
        super().__init__()
        _check_paths(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj, kernel5)

        def conv(inputs, outputs, kernel):
            return BasicConv2d(inputs, outputs, kernel, padding=kernel // 2, batch_norm=batch_norm)

        self.branch1 = conv(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3))
        self.branch3 = nn.Sequential(conv(in_channels, ch5x5red, 1), conv(ch5x5red, ch5x5, kernel5))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pool_proj, 1)
        )
        self.out_channels = ch1x1 + ch3x3 + ch5x5 + pool_proj

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        paths = [
            self.branch1(x),  # (batch, ch1x1, height, width)
            self.branch2(x),  # (batch, ch3x3, height, width)
            self.branch3(x),  # (batch, ch5x5, height, width)
            self.branch4(x),  # (batch, pool_proj, height, width)
        ]
        return torch.cat(paths, dim=1)  # (batch, out_channels, height, width)


class InceptionAux(nn.Module):
    """An auxiliary classifier: average pooling to 4x4, a 1x1 convolution, two linear layers.

    Parameters
    ----------
    in_channels
        Channels of the maps it reads.
    num_classes
        Outputs.
    dropout
        Probability of a zero between the linear layers.
    batch_norm
        Whether the convolution is normalized.
    channels, hidden
        Outputs of the convolution and of the first linear layer. The paper's are 128 and 1024.

    References
    ----------
    Szegedy et al. (2015), section 5.
    """

    def __init__(
        self, in_channels: int, num_classes: int, dropout: float = 0.7, batch_norm: bool = True,
        channels: int = 128, hidden: int = 1024,
    ):  # fmt: skip
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(in_channels, channels, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(16 * channels, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(self.pool(x))  # (batch, channels, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)))  # (batch, hidden)
        return self.fc2(self.dropout(x))  # (batch, num_classes)


class GoogLeNet(nn.Module):
    """Nine Inception blocks in three stages, for images of about 224x224.

    Built by :func:`googlenet` and :func:`googlenet_2014`.

    Parameters
    ----------
    num_classes
        Outputs of every classifier.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    aux_logits
        Whether there are auxiliary classifiers, on 4a and 4d. In training the network then gives
        :class:`GoogLeNetOutputs`; in evaluation always the logits alone.
    kernel5, batch_norm
        As for :class:`Inception`.
    dropout, dropout_aux
        Probability of a zero before the last layer, and inside the auxiliary classifiers.
    transform_input
        Take images normalized by ImageNet's mean and deviation and normalize them by 0.5 and 0.5
        instead: torchvision's published weights want this. For three channels.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Szegedy et al. (2015), section 5, table 1 and figure 3.
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, aux_logits: bool = True,
        kernel5: int = 3, batch_norm: bool = True, dropout: float = 0.2, dropout_aux: float = 0.7,
        transform_input: bool = False,
    ):  # fmt: skip
        super().__init__()
        _check_network(num_classes, in_channels, transform_input)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        norm = {"batch_norm": batch_norm}
        block = {"kernel5": kernel5, "batch_norm": batch_norm}
        self.conv1 = BasicConv2d(in_channels, 64, 7, stride=2, padding=3, **norm)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1, **norm)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1, **norm)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        # in_channels, 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pool projection
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32, **block)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64, **block)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64, **block)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64, **block)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64, **block)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64, **block)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128, **block)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128, **block)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128, **block)
        if aux_logits:
            self.aux1 = InceptionAux(512, num_classes, dropout_aux, batch_norm)
            self.aux2 = InceptionAux(528, num_classes, dropout_aux, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        initialize(self, batch_norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor | GoogLeNetOutputs:
        # Shapes for a batch of 224x224 images.
        if self.transform_input:
            x = to_half_and_half(x)
        x = self.maxpool1(self.conv1(x))  # (batch, 64, 56, 56)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (batch, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (batch, 480, 28, 28)
        x = early = self.inception4a(self.maxpool3(x))  # (batch, 512, 14, 14)
        x = self.inception4c(self.inception4b(x))  # (batch, 512, 14, 14)
        x = late = self.inception4d(x)  # (batch, 528, 14, 14)
        x = self.maxpool4(self.inception4e(x))  # (batch, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (batch, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)  # (batch, 1024)
        if self.training and self.aux_logits:
            # In torchvision's order, so that dropout draws the same numbers.
            aux_logits1, aux_logits2 = self.aux1(early), self.aux2(late)
            return GoogLeNetOutputs(self.fc(self.dropout(x)), aux_logits2, aux_logits1)
        return self.fc(self.dropout(x))  # (batch, num_classes)


def googlenet(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    aux_logits: bool = True,
    kernel5: int = 3,
    batch_norm: bool = True,
    dropout: float = 0.2,
    dropout_aux: float = 0.7,
    transform_input: bool = False,
) -> GoogLeNet:
    """GoogLeNet as torchvision has it. Parameters as for :class:`GoogLeNet`.

    Examples
    --------
    >>> net = googlenet(num_classes=10)
    >>> [tuple(logits.shape) for logits in net(torch.zeros(2, 3, 64, 64))]
    [(2, 10), (2, 10), (2, 10)]
    >>> net.eval()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """
    return GoogLeNet(
        num_classes,
        in_channels,
        aux_logits,
        kernel5,
        batch_norm,
        dropout,
        dropout_aux,
        transform_input,
    )


def googlenet_2014(
    num_classes: int = 1000, in_channels: int = 3, *, aux_logits: bool = True
) -> GoogLeNet:
    """GoogLeNet as published: 5x5 kernels, biases, local response normalization, dropout of 0.4.

    Its last max pooling has windows of 3x3, and the auxiliary classifiers pool by windows of 5x5
    with a stride of 3; so images should have about 224x224 pixels, and at least 193x193 with
    auxiliary classifiers.

    Parameters
    ----------
    num_classes, in_channels, aux_logits
        As for :class:`GoogLeNet`.

    References
    ----------
    Szegedy et al. (2015), table 1 and figure 3. The paper does not give the constants of the
    response normalization, nor the initialization: the constants are those of BVLC's model for
    Caffe, the initialization is that of He et al. (2015).
    """
    net = GoogLeNet(num_classes, in_channels, aux_logits, 5, batch_norm=False, dropout=0.4)
    net.maxpool1 = nn.Sequential(net.maxpool1, nn.LocalResponseNorm(5))
    net.maxpool2 = nn.Sequential(nn.LocalResponseNorm(5), net.maxpool2)
    net.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    if aux_logits:
        net.aux1.pool = net.aux2.pool = nn.AvgPool2d(5, stride=3)  # 14x14 to 4x4
    return net


def small_inception(
    in_channels: int, out_channels: int, kernel5: int = 5, batch_norm: bool = True
) -> Inception:
    """An Inception block with the proportions of the paper's 3a, for any number of outputs.

    Parameters
    ----------
    in_channels
        Channels of the input.
    out_channels
        Channels of the output, a multiple of 16: 4/16 of them from the 1x1 path, 8/16 from 3x3,
        2/16 each from 5x5 and pooling. The reductions have 6/16 and 1/16.
    kernel5, batch_norm
        As for :class:`Inception`.

    Raises
    ------
    ValueError
        If `out_channels` is no positive multiple of 16.

    Examples
    --------
    >>> small_inception(192, 256).branch2[0].conv
    Conv2d(192, 96, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """
    _check_sixteenths(in_channels, out_channels)
    p = out_channels // 16
    return Inception(in_channels, 4 * p, 6 * p, 8 * p, p, 2 * p, 2 * p, kernel5, batch_norm)


class SmallGoogLeNet(nn.Module):
    """Stages of Inception blocks for images of about 32x32. Built by :func:`googlenet_small`."""

    def __init__(
        self, num_classes: int, in_channels: int, width: int, blocks: tuple[int, ...],
        aux_logits: bool, block: Callable[[int, int], nn.Module], batch_norm: bool,
        dropout: float, dropout_aux: float,
    ):  # fmt: skip
        super().__init__()
        self.aux_logits, self.aux_after = aux_logits, ()
        self.stem = BasicConv2d(in_channels, width, 3, padding=1, batch_norm=batch_norm)
        # Output channels of each block: twice as many in each further stage.
        widths = [width * 2**stage for stage, count in enumerate(blocks) for _ in range(count)]
        self.blocks = nn.ModuleList()
        for inputs, outputs in pairwise([width, *widths]):
            layer = block(inputs, outputs)
            if outputs > inputs:  # the first block of a stage: halve height and width before it
                layer = nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), layer)
            self.blocks.append(layer)
        if aux_logits:
            # After one and two thirds of the blocks: 4a and 4d are the third and sixth of nine.
            self.aux_after = (round(len(widths) / 3), round(2 * len(widths) / 3))
            options = {"batch_norm": batch_norm, "channels": width, "hidden": 2 * width}
            first, second = (widths[number - 1] for number in self.aux_after)
            self.aux1 = InceptionAux(first, num_classes, dropout_aux, **options)
            self.aux2 = InceptionAux(second, num_classes, dropout_aux, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[-1], num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor | GoogLeNetOutputs:
        # Shapes for 32x32 images; a stage after the first halves the size.
        x = self.stem(x)  # (batch, width, 32, 32)
        tapped = []
        for number, block in enumerate(self.blocks, 1):
            x = block(x)  # (batch, width * 2**stage, 32 / 2**stage, 32 / 2**stage)
            if number in self.aux_after:
                tapped.append(x)
        x = self.avgpool(x).flatten(1)  # (batch, channels)
        logits = self.fc(self.dropout(x))  # (batch, num_classes)
        if self.training and self.aux_logits:
            early, late = tapped
            return GoogLeNetOutputs(logits, self.aux2(late), self.aux1(early))
        return logits


def googlenet_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    width: int = 64,
    aux_logits: bool = False,
    blocks: tuple[int, ...] = (1, 1, 1),
    block: Callable[[int, int], nn.Module] | None = None,
    kernel5: int = 5,
    batch_norm: bool = True,
    dropout: float = 0.0,
    dropout_aux: float = 0.0,
) -> SmallGoogLeNet:
    """A small GoogLeNet for images of about 32x32: a 3x3 convolution and stages of blocks.

    Parameters
    ----------
    num_classes
        Outputs of every classifier.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    width
        Channels of the first stage, a multiple of 16; each further stage has twice as many, at
        half the height and width.
    aux_logits
        Whether there are auxiliary classifiers, after one and two thirds of the blocks. In
        training the network then gives :class:`GoogLeNetOutputs`.
    blocks
        Blocks in each stage; with auxiliary classifiers at least 3 in all. GoogLeNet's are
        (2, 5, 2).
    block
        ``block(in_channels, out_channels)`` makes a block that keeps height and width. By default
        :func:`small_inception` with the next two options.
    kernel5, batch_norm
        As for :class:`Inception`.
    dropout, dropout_aux
        Probability of a zero before the last layer, and inside the auxiliary classifiers.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> googlenet_small(width=32)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    _check_small(num_classes, in_channels, width, blocks, aux_logits)

    def default(inputs, outputs):
        return small_inception(inputs, outputs, kernel5, batch_norm)

    return SmallGoogLeNet(
        num_classes,
        in_channels,
        width,
        tuple(blocks),
        aux_logits,
        block or default,
        batch_norm,
        dropout,
        dropout_aux,
    )


def to_half_and_half(x: torch.Tensor) -> torch.Tensor:
    """From (pixel - mean) / std of ImageNet to (pixel - 0.5) / 0.5.

    Parameters
    ----------
    x
        Images ``(batch, 3, height, width)``.
    """
    mean = torch.tensor([0.485, 0.456, 0.406], device=x.device, dtype=x.dtype).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=x.device, dtype=x.dtype).view(3, 1, 1)
    return x * (std / 0.5) + (mean - 0.5) / 0.5


def initialize(model: nn.Module, batch_norm: bool) -> None:
    """torchvision's initialization with normalization; He et al.'s (2015) without.

    A deviation of 0.01 needs a normalization behind it: else the signal dies on its way.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if batch_norm:
                nn.init.trunc_normal_(layer.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)


def _check_paths(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj, kernel5) -> None:
    check_positive(
        in_channels=in_channels, ch1x1=ch1x1, ch3x3red=ch3x3red, ch3x3=ch3x3, ch5x5red=ch5x5red,
        ch5x5=ch5x5, pool_proj=pool_proj, kernel5=kernel5,
    )  # fmt: skip
    if kernel5 % 2 == 0:
        raise ValueError(
            f"kernel5 is {kernel5}: give an odd window, so that padding can keep the size"
        )


def _check_network(num_classes, in_channels, transform_input) -> None:
    check_positive(num_classes=num_classes, in_channels=in_channels)
    if transform_input and in_channels != 3:
        raise ValueError(
            f"transform_input is for images of 3 channels, in_channels is {in_channels}: "
            "leave it out and normalize the images yourself"
        )


def _check_sixteenths(in_channels, out_channels) -> None:
    check_positive(in_channels=in_channels, out_channels=out_channels)
    if out_channels % 16:
        raise ValueError(
            f"out_channels is {out_channels}: give a multiple of 16, so that every path has a "
            "whole number"
        )


def _check_small(num_classes, in_channels, width, blocks, aux_logits) -> None:
    check_positive(num_classes=num_classes, in_channels=in_channels, width=width)
    for count in blocks:
        check_positive(blocks=count)
    least = 3 if aux_logits else 1
    if sum(blocks) < least:
        raise ValueError(
            f"blocks is {tuple(blocks)}: give at least {least} in all"
            + (", so that the auxiliary classifiers come before the end" if aux_logits else "")
        )
