"""Residual networks (He et al., 2016): the two blocks, the five ImageNet nets, the CIFAR nets.

The names of the layers are torchvision's, so its state dicts load here unchanged. What
torchvision does not have: the three kinds of shortcut the paper compares, its plain nets
(no shortcut), both places for a bottleneck's stride, and the narrow nets for small images.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.checks import check_positive

SHORTCUTS = ("A", "B", "C", "none")


class ZeroPad(nn.Module):
    """Shortcut A where the shape changes: skip positions, add channels of zeros. No parameters.

    The new channels are split between both ends. Any place serves: the layer that reads them
    learns where they are.

    References
    ----------
    He et al. (2016), section 3.3, option (A).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        _check_zeros(in_channels, out_channels)
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, :: self.stride, :: self.stride]  # (batch, in, h/stride, w/stride)
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))  # (batch, out, ...)


def make_shortcut(kind: str, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The layer that takes a block's input x around the block; None for a plain block.

    Parameters
    ----------
    kind
        ``"A"``: zero-padded identity. ``"B"``: a 1x1 convolution where the shape changes, x itself
        elsewhere. ``"C"``: a 1x1 convolution in every block. ``"none"``: no shortcut.
    in_channels, out_channels
        Channels of the block's input and output.
    stride
        Stride of the block: its output has 1/stride of the input's height and width.

    Raises
    ------
    ValueError
        If `kind` is none of these.

    References
    ----------
    He et al. (2016), section 3.3 (A and B) and "Identity vs. projection shortcuts" (C).
    """
    _check_shortcut(kind)
    if kind == "none":
        return None
    same_shape = stride == 1 and in_channels == out_channels
    if same_shape and kind != "C":
        return nn.Identity()
    if kind == "A":
        return ZeroPad(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them: the block of ResNet-18 and ResNet-34.

    Parameters
    ----------
    in_channels
        Channels of the input.
    channels
        Channels of both convolutions, and of the output.
    stride
        Stride of the first convolution.
    shortcut
        ``"A"``, ``"B"``, ``"C"`` (see :func:`make_shortcut`), or ``"none"`` for a plain block.

    References
    ----------
    He et al. (2016), equation (1) and figure 5 (left).

    Examples
    --------
    >>> BasicBlock(64, 128, stride=2)(torch.zeros(1, 64, 56, 56)).shape
    torch.Size([1, 128, 28, 28])
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "B"):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = make_shortcut(shortcut, in_channels, channels, stride)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """F(x), what the block's layers compute."""
        x = self.relu(self.bn1(self.conv1(x)))  # (batch, channels, h/stride, w/stride)
        return self.bn2(self.conv2(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.residual(x)
        if self.downsample is not None:
            out = out + self.downsample(x)  # H(x) = F(x) + x
        return self.relu(out)  # (batch, channels, h/stride, w/stride)


class Bottleneck(nn.Module):
    """1x1 convolution to fewer channels, 3x3 there, 1x1 back: the block of ResNet-50, 101, 152.

    Parameters
    ----------
    in_channels
        Channels of the input.
    channels
        Channels inside; the output has 4 times as many.
    stride
        Stride of the block.
    shortcut
        As for :class:`BasicBlock`.
    stride_in
        The convolution that strides: ``"1x1"``, the first, as in the paper (version 1), or
        ``"3x3"``, as in torchvision (version 1.5).

    References
    ----------
    He et al. (2016), figure 5 (right).

    Examples
    --------
    >>> Bottleneck(256, 128, stride=2)(torch.zeros(1, 256, 56, 56)).shape
    torch.Size([1, 512, 28, 28])
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        shortcut: str = "B",
        stride_in: str = "3x3",
    ):
        super().__init__()
        _check_stride_in(stride_in)
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        out_channels = self.expansion * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample = make_shortcut(shortcut, in_channels, out_channels, stride)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """F(x), what the block's layers compute."""
        x = self.relu(self.bn1(self.conv1(x)))  # (batch, channels, ...)
        x = self.relu(self.bn2(self.conv2(x)))  # (batch, channels, h/stride, w/stride)
        return self.bn3(self.conv3(x))  # (batch, 4*channels, h/stride, w/stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.residual(x)
        if self.downsample is not None:
            out = out + self.downsample(x)  # H(x) = F(x) + x
        return self.relu(out)  # (batch, 4*channels, h/stride, w/stride)


def make_stage(
    block: type, in_channels: int, channels: int, count: int, stride: int, **options
) -> nn.Sequential:
    """`count` blocks in a row; the first one strides and changes the number of channels."""
    out_channels = block.expansion * channels
    blocks = [block(in_channels, channels, stride, **options)]
    blocks += [block(out_channels, channels, **options) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


class ResNet(nn.Module):
    """A residual network of four stages, for images such as ImageNet's.

    Built by :func:`resnet18` to :func:`resnet152`.

    Parameters
    ----------
    block
        :class:`BasicBlock` or :class:`Bottleneck`.
    blocks
        Number of blocks in each of the four stages.
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    small_input
        For images of about 32x32: the first layer is a 3x3 convolution of stride 1 and there is
        no max pooling, so that the four stages see the full resolution.
    options
        Passed to every block: `shortcut`, and `stride_in` for bottlenecks.

    Raises
    ------
    ValueError
        If a number is not positive or an option is not known.

    References
    ----------
    He et al. (2016), table 1.
    """

    def __init__(
        self,
        block: type,
        blocks: list[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        small_input: bool = False,
        **options,
    ):
        super().__init__()
        check_positive(num_classes=num_classes, in_channels=in_channels)
        if small_input:
            self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small_input else nn.MaxPool2d(3, stride=2, padding=1)
        e = block.expansion
        self.layer1 = make_stage(block, 64, 64, blocks[0], 1, **options)
        self.layer2 = make_stage(block, 64 * e, 128, blocks[1], 2, **options)
        self.layer3 = make_stage(block, 128 * e, 256, blocks[2], 2, **options)
        self.layer4 = make_stage(block, 256 * e, 512, blocks[3], 2, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * e, num_classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Shapes for a batch of 224x224 images and basic blocks (bottlenecks: 4 times the channels).
        x = self.relu(self.bn1(self.conv1(x)))  # (batch, 64, 112, 112)
        x = self.maxpool(x)  # (batch, 64, 56, 56)
        x = self.layer1(x)  # (batch, 64, 56, 56)
        x = self.layer2(x)  # (batch, 128, 28, 28)
        x = self.layer3(x)  # (batch, 256, 14, 14)
        x = self.layer4(x)  # (batch, 512, 7, 7)
        x = self.avgpool(x).flatten(1)  # (batch, 512)
        return self.fc(x)  # (batch, num_classes)


class CifarResNet(nn.Module):
    """The paper's residual network for 32x32 images: three narrow stages of basic blocks.

    Built by :func:`resnet_small`.

    References
    ----------
    He et al. (2016), section 4.2.
    """

    def __init__(self, count: int, shortcut: str, num_classes: int, in_channels: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = make_stage(BasicBlock, width, width, count, 1, shortcut=shortcut)
        self.layer2 = make_stage(BasicBlock, width, 2 * width, count, 2, shortcut=shortcut)
        self.layer3 = make_stage(BasicBlock, 2 * width, 4 * width, count, 2, shortcut=shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, num_classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Shapes for a batch of 32x32 images.
        x = self.relu(self.bn1(self.conv1(x)))  # (batch, width, 32, 32)
        x = self.layer1(x)  # (batch, width, 32, 32)
        x = self.layer2(x)  # (batch, 2*width, 16, 16)
        x = self.layer3(x)  # (batch, 4*width, 8, 8)
        x = self.avgpool(x).flatten(1)  # (batch, 4*width)
        return self.fc(x)  # (batch, num_classes)


def initialise(model: nn.Module) -> None:
    """Normal weights of variance 2/fan_out in every convolution (He et al., 2015)."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def resnet18(
    num_classes: int = 1000, in_channels: int = 3, small_input: bool = False, shortcut: str = "B"
) -> ResNet:
    """ResNet-18: 8 basic blocks. Parameters as for :class:`ResNet` and :class:`BasicBlock`.

    Examples
    --------
    >>> resnet18(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """
    return ResNet(
        BasicBlock, [2, 2, 2, 2], num_classes, in_channels, small_input, shortcut=shortcut
    )


def resnet34(
    num_classes: int = 1000, in_channels: int = 3, small_input: bool = False, shortcut: str = "B"
) -> ResNet:
    """ResNet-34: 16 basic blocks. ``shortcut="none"`` gives the paper's plain 34-layer net."""
    return ResNet(
        BasicBlock, [3, 4, 6, 3], num_classes, in_channels, small_input, shortcut=shortcut
    )


def resnet50(
    num_classes: int = 1000,
    in_channels: int = 3,
    small_input: bool = False,
    shortcut: str = "B",
    stride_in: str = "3x3",
) -> ResNet:
    """ResNet-50: 16 bottlenecks. Parameters as for :class:`ResNet` and :class:`Bottleneck`."""
    return ResNet(
        Bottleneck,
        [3, 4, 6, 3],
        num_classes,
        in_channels,
        small_input,
        shortcut=shortcut,
        stride_in=stride_in,
    )


def resnet101(
    num_classes: int = 1000,
    in_channels: int = 3,
    small_input: bool = False,
    shortcut: str = "B",
    stride_in: str = "3x3",
) -> ResNet:
    """ResNet-101: 33 bottlenecks. Parameters as for :class:`ResNet` and :class:`Bottleneck`."""
    return ResNet(
        Bottleneck,
        [3, 4, 23, 3],
        num_classes,
        in_channels,
        small_input,
        shortcut=shortcut,
        stride_in=stride_in,
    )


def resnet152(
    num_classes: int = 1000,
    in_channels: int = 3,
    small_input: bool = False,
    shortcut: str = "B",
    stride_in: str = "3x3",
) -> ResNet:
    """ResNet-152: 50 bottlenecks. Parameters as for :class:`ResNet` and :class:`Bottleneck`."""
    return ResNet(
        Bottleneck,
        [3, 8, 36, 3],
        num_classes,
        in_channels,
        small_input,
        shortcut=shortcut,
        stride_in=stride_in,
    )


def resnet_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    depth: int = 20,
    plain: bool = False,
    shortcut: str = "A",
    width: int = 16,
) -> CifarResNet:
    """The paper's net of 6n+2 layers for small images, or its plain twin.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images.
    depth
        Layers with weights: 8, 14, 20, 26, 32, ... (6n+2, n blocks in each of three stages).
    plain
        Leave the shortcuts out: the control of the degradation experiment.
    shortcut
        ``"A"`` (the paper's choice here: plain and residual nets then have the same parameters),
        ``"B"`` or ``"C"``.
    width
        Channels of the first stage; the others have 2 and 4 times as many. The paper's is 16.

    Raises
    ------
    ValueError
        If `depth` is not 6n+2, or another option is out of range.

    References
    ----------
    He et al. (2016), section 4.2 and table 6.

    Examples
    --------
    >>> sum(p.numel() for p in resnet_small(in_channels=3).parameters())
    269722
    """
    _check_depth(depth)
    check_positive(num_classes=num_classes, in_channels=in_channels, width=width)
    shortcut = "none" if plain else shortcut
    return CifarResNet(depth // 6, shortcut, num_classes, in_channels, width)


def _check_shortcut(kind: str) -> None:
    if kind not in SHORTCUTS:
        raise ValueError(f"shortcut is {kind!r}: give one of {', '.join(map(repr, SHORTCUTS))}")


def _check_zeros(in_channels: int, out_channels: int) -> None:
    if out_channels < in_channels:
        raise ValueError(
            f"{in_channels} channels in, {out_channels} out: shortcut A can only add channels; "
            "give shortcut='B' for a block with fewer"
        )


def _check_stride_in(stride_in: str) -> None:
    if stride_in not in ("1x1", "3x3"):
        raise ValueError(
            f"stride_in is {stride_in!r}: give '1x1' (the paper's) or '3x3' (torchvision's)"
        )


def _check_depth(depth: int) -> None:
    if not isinstance(depth, int) or depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth is {depth!r}: give 6n+2 layers, such as 8, 14, 20, 32, 44 or 56")
