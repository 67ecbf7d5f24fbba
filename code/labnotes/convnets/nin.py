"""Network in network (Lin, Chen and Yan, 2014): mlpconv layers and global average pooling.

An mlpconv layer moves a small multilayer perceptron over the image in the place of a linear
filter. The last one has a map for each class, and the mean of a map is the logit of its class:
no fully connected layer, few parameters, and images of any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from labnotes.checks import check_positive


def mlpconv(
    in_channels: int,
    channels: int | Sequence[int],
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    last_relu: bool = True,
) -> nn.Sequential:
    """A NiN block: a convolution, then two 1x1 convolutions, a ReLU after each.

    The convolution looks at a neighbourhood. The 1x1 convolutions look at one position each and
    mix its channels: together, a perceptron with two hidden layers that every neighbourhood goes
    through.

    Parameters
    ----------
    in_channels
        Channels of the input.
    channels
        Channels after each of the three convolutions; one number for all three.
    kernel_size, stride, padding
        Of the first convolution. The 1x1 convolutions keep height and width.
    last_relu
        Whether the last convolution has its ReLU too.

    Returns
    -------
    nn.Sequential
        (batch, in_channels, height, width) to (batch, channels[-1], ...).

    Raises
    ------
    ValueError
        If a number is out of range, or there are not three numbers of channels.

    References
    ----------
    Lin, Chen and Yan (2014), section 3.1 and equation (2).

    Examples
    --------
    >>> mlpconv(3, (192, 160, 96), 5, padding=2)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 96, 32, 32])
    """
    channels = [channels] * 3 if isinstance(channels, int) else list(channels)
    _check_mlpconv(in_channels, channels, kernel_size, stride)
    first, second, third = channels
    layers = [
        nn.Conv2d(in_channels, first, kernel_size, stride=stride, padding=padding),
        nn.ReLU(),
        nn.Conv2d(first, second, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(second, third, kernel_size=1),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if last_relu else nn.Sequential(*layers)


class NiN(nn.Module):
    """mlpconv layers, the last with one map for each class, and the mean of each map.

    Built by :func:`nin` and :func:`nin_small`.

    Parameters
    ----------
    features
        The layers up to the class maps.

    Notes
    -----
    There is no layer whose size depends on the image's, so an image may have any size from which
    the pooling layers leave at least one position.
    """

    def __init__(self, features: nn.Sequential):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        _initialise(self)

    def class_maps(self, x: torch.Tensor) -> torch.Tensor:
        """For each class the map whose mean is its logit: (batch, num_classes, h, w)."""
        return self.features(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.class_maps(x)  # (batch, num_classes, h, w)
        return self.avgpool(maps).flatten(1)  # (batch, num_classes)


def nin(
    num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5, last_relu: bool = True
) -> NiN:
    """NiN for images of about 224x224, laid out after AlexNet: windows of 11, 5, 3 and 3.

    Parameters
    ----------
    num_classes
        Class maps, and so outputs.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    dropout
        Probability of a zero, before the last block.
    last_relu
        Whether the class maps pass a ReLU, as published: then no logit is below zero.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Lin, Chen and Yan (2014) describe the network for small images only. This form for large ones
    is that of Zhang et al. (2023), section 8.3; the first author's Caffe model has
    1024, 1024 and num_classes channels in its last block.

    Examples
    --------
    >>> sum(p.numel() for p in nin(num_classes=10, in_channels=1).parameters())
    1992166
    """
    check_positive(num_classes=num_classes, in_channels=in_channels)
    features = nn.Sequential(  # for 224x224 images
        mlpconv(in_channels, 96, 11, stride=4),  # (batch, 96, 54, 54)
        nn.MaxPool2d(3, stride=2),  # (batch, 96, 26, 26)
        mlpconv(96, 256, 5, padding=2),  # (batch, 256, 26, 26)
        nn.MaxPool2d(3, stride=2),  # (batch, 256, 12, 12)
        mlpconv(256, 384, 3, padding=1),  # (batch, 384, 12, 12)
        nn.MaxPool2d(3, stride=2),  # (batch, 384, 5, 5)
        nn.Dropout(dropout),
        mlpconv(384, num_classes, 3, padding=1, last_relu=last_relu),  # (batch, classes, 5, 5)
    )
    return NiN(features)


def nin_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    width: int = 192,
    dropout: float = 0.5,
    last_relu: bool = True,
) -> NiN:
    """The paper's network of three mlpconv layers for images of about 32x32.

    Parameters
    ----------
    num_classes
        Class maps, and so outputs.
    in_channels
        Channels of the images: 3 for colour, 1 for grey.
    width
        Channels of the first convolution. The paper's is 192, with 160 and 96 after it; the others
        shrink in proportion.
    dropout
        Probability of a zero, after the first and the second block.
    last_relu
        Whether the class maps pass a ReLU, as published: then no logit is below zero.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Lin, Chen and Yan (2014), section 4.1 and figure 2. Channels and windows are those of the
    authors' published model for CIFAR-10, which takes the mean where we pool the maximum a second
    time.

    Examples
    --------
    >>> nin_small(in_channels=3)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    >>> sum(p.numel() for p in nin_small(in_channels=3).parameters())
    966986
    """
    check_positive(num_classes=num_classes, in_channels=in_channels, width=width)
    middle, narrow = max(1, round(width * 5 / 6)), max(1, round(width / 2))
    features = nn.Sequential(  # for 32x32 images
        mlpconv(in_channels, (width, middle, narrow), 5, padding=2),  # (batch, narrow, 32, 32)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (batch, narrow, 16, 16)
        nn.Dropout(dropout),
        mlpconv(narrow, width, 5, padding=2),  # (batch, width, 16, 16)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (batch, width, 8, 8)
        nn.Dropout(dropout),
        mlpconv(width, (width, width, num_classes), 3, padding=1, last_relu=last_relu),
    )  # (batch, num_classes, 8, 8)
    return NiN(features)


def _initialise(model: nn.Module) -> None:
    """Initialization: normal weights of variance 2/fan_in (He et al., 2015) and no bias.

    The paper's deviation of 0.05 serves its widths; this keeps the signal's size at any.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)


def _check_mlpconv(in_channels: int, channels: list[int], kernel_size: int, stride: int) -> None:
    if len(channels) != 3:
        raise ValueError(
            f"channels is {channels}: give three numbers, one for each convolution, or one for all"
        )
    check_positive(in_channels=in_channels, kernel_size=kernel_size, stride=stride)
    for number in channels:
        check_positive(channels=number)
