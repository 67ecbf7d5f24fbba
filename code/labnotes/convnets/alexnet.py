"""AlexNet: the network of 2012, the one-tower network of 2014 that torchvision has, a small one.

What torchvision does not have: the groups (two towers), the response normalization, the
initialization and the place of dropout that the paper of 2012 describes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.checks import check_positive


def local_response_norm(
    x: torch.Tensor,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    groups: int = 1,
) -> torch.Tensor:
    """Divide each number by a power of the sum of squares of its neighbours in the channels.

    ``b_i = a_i / (k + alpha * sum_j a_j**2) ** beta``, with j from ``i - size // 2`` to
    ``i + size // 2`` as far as there are channels, all at one position of one image. The formula is
    the paper's: `torch.nn.functional.local_response_norm` divides its alpha by `size`, so that its
    ``alpha=5e-4`` is ``alpha=1e-4`` here.

    Parameters
    ----------
    x
        ``(batch, channels, height, width)``.
    size
        Channels in a neighbourhood, n in the paper: an odd number.
    alpha, beta, k
        The constants of the formula; the defaults are the paper's.
    groups
        Channels are cut into this many parts that do not see each other.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ValueError
        If `size` is not odd and positive, or `groups` does not divide the channels.

    References
    ----------
    Krizhevsky et al. (2012), section 3.3.

    Examples
    --------
    >>> local_response_norm(torch.ones(1, 1, 1, 1), k=0.0, alpha=4.0, beta=0.5).item()
    0.5
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size is {size}: give an odd number of channels, such as 5")
    batch, channels, *place = x.shape
    if groups < 1 or channels % groups:
        raise ValueError(f"{channels} channels do not make {groups} groups: give a divisor")
    parts = x.reshape(batch * groups, channels // groups, *place)
    squares = F.pad(parts**2, (0, 0) * len(place) + (size // 2, size // 2))
    total = sum(squares[:, j : j + parts.shape[1]] for j in range(size))
    return (parts / (k + alpha * total) ** beta).reshape(x.shape)


class LocalResponseNorm(nn.Module):
    """:func:`local_response_norm` as a layer; it has no parameters."""

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        groups: int = 1,
    ):
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.groups = size, alpha, beta, k, groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k, self.groups)

    def extra_repr(self) -> str:
        return (
            f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, groups={self.groups}"
        )


class AlexNet(nn.Module):
    """The one-tower AlexNet of 2014, with torchvision's names. Built by :func:`alexnet`."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5):
        super().__init__()
        _check(dropout, num_classes=num_classes, in_channels=in_channels)
        # Shapes for a batch of 224x224 images.
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),  # (batch, 64, 55, 55)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 64, 27, 27)
            nn.Conv2d(64, 192, 5, padding=2),  # (batch, 192, 27, 27)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 192, 13, 13)
            nn.Conv2d(192, 384, 3, padding=1),  # (batch, 384, 13, 13)
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),  # (batch, 256, 13, 13)
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),  # (batch, 256, 13, 13)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # changes nothing at 224x224
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x)).flatten(1)  # (batch, 9216)
        return self.classifier(x)  # (batch, num_classes)


class AlexNet2012(nn.Module):
    """The AlexNet of the paper. Built by :func:`alexnet_2012`."""

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        groups: int = 2,
        lrn: bool = True,
        width: int = 96,
    ):
        super().__init__()
        _check_2012(num_classes, in_channels, dropout, groups, width)
        w1, w2, w3 = width, width * 8 // 3, width * 4  # 96, 256, 384
        hidden = width * 128 // 3  # 4096
        norm = (lambda: LocalResponseNorm(groups=groups)) if lrn else nn.Identity
        # Shapes for a batch of 224x224 images and a width of 96.
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, w1, 11, stride=4, padding=2),  # (batch, 96, 55, 55)
            nn.ReLU(),
            norm(),
            nn.MaxPool2d(3, stride=2),  # (batch, 96, 27, 27)
            nn.Conv2d(w1, w2, 5, padding=2, groups=groups),  # (batch, 256, 27, 27)
            nn.ReLU(),
            norm(),
            nn.MaxPool2d(3, stride=2),  # (batch, 256, 13, 13)
            nn.Conv2d(w2, w3, 3, padding=1),  # (batch, 384, 13, 13): sees both towers
            nn.ReLU(),
            nn.Conv2d(w3, w3, 3, padding=1, groups=groups),  # (batch, 384, 13, 13)
            nn.ReLU(),
            nn.Conv2d(w3, w2, 3, padding=1, groups=groups),  # (batch, 256, 13, 13)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (batch, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # changes nothing at 224x224
        self.classifier = nn.Sequential(
            nn.Linear(w2 * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self._initialise()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x)).flatten(1)  # (batch, 9216)
        return self.classifier(x)  # (batch, num_classes)

    @torch.no_grad()
    def _initialise(self) -> None:
        """Weights of standard deviation 0.01; biases 1 in conv 2, 4, 5 and hidden linear layers."""
        convs = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        linears = [layer for layer in self.classifier if isinstance(layer, nn.Linear)]
        ones = [convs[1], convs[3], convs[4], *linears[:-1]]
        for layer in convs + linears:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, float(layer in ones))


class AlexNetSmall(nn.Module):
    """AlexNet's eight layers for images of about 32x32 pixels. Built by :func:`alexnet_small`."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        activation: str,
        dropout: float,
        lrn: bool,
        overlapping: bool,
        width: int,
        groups: int,
        image_size: int,
    ):
        super().__init__()
        _check_small(num_classes, in_channels, activation, dropout, width, groups, image_size)
        act = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
        norm = (lambda: LocalResponseNorm(groups=groups)) if lrn else nn.Identity
        w, side = width, (image_size + 7) // 8  # three times halved, rounding up: 28 and 32 give 4

        def pool() -> nn.Module:  # either halves the height, rounding up
            if overlapping:
                return nn.MaxPool2d(3, stride=2, padding=1)
            return nn.MaxPool2d(2, ceil_mode=True)

        # Shapes for a batch of 28x28 images; in brackets those for 32x32.
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, w, 5, padding=2),  # (batch, w, 28, 28) [32, 32]
            act(),
            norm(),
            pool(),  # (batch, w, 14, 14) [16, 16]
            nn.Conv2d(w, 2 * w, 5, padding=2, groups=groups),  # (batch, 2w, 14, 14) [16, 16]
            act(),
            norm(),
            pool(),  # (batch, 2w, 7, 7) [8, 8]
            nn.Conv2d(2 * w, 3 * w, 3, padding=1),  # (batch, 3w, 7, 7) [8, 8]
            act(),
            nn.Conv2d(3 * w, 3 * w, 3, padding=1, groups=groups),  # (batch, 3w, 7, 7) [8, 8]
            act(),
            nn.Conv2d(3 * w, 2 * w, 3, padding=1, groups=groups),  # (batch, 2w, 7, 7) [8, 8]
            act(),
            pool(),  # (batch, 2w, 4, 4)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(side)  # changes nothing at image_size
        self.classifier = nn.Sequential(
            nn.Linear(2 * w * side * side, 16 * w),
            act(),
            nn.Dropout(dropout),
            nn.Linear(16 * w, 16 * w),
            act(),
            nn.Dropout(dropout),
            nn.Linear(16 * w, num_classes),
        )
        # Normal weights of variance 2/fan_in for ReLU, 1/fan_in for tanh; biases 0.
        gain = {"relu": "relu", "tanh": "linear"}[activation]
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity=gain)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x)).flatten(1)  # (batch, 32w)
        return self.classifier(x)  # (batch, num_classes)


def _check(dropout: float, **numbers) -> None:
    check_positive(**numbers)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}: give a probability from 0 to below 1")


def _check_2012(num_classes, in_channels, dropout, groups, width) -> None:
    _check(dropout, num_classes=num_classes, in_channels=in_channels, groups=groups)
    if not isinstance(width, int) or width < 1 or width % 3 or width % groups:
        raise ValueError(
            f"width is {width!r}: give a positive multiple of 3 and of groups={groups}, such as "
            "96 (the paper's) or 12"
        )


def _check_small(num_classes, in_channels, activation, dropout, width, groups, image_size) -> None:
    numbers = {"num_classes": num_classes, "in_channels": in_channels}
    _check(dropout, **numbers, width=width, image_size=image_size)
    if activation not in ("relu", "tanh"):
        raise ValueError(f"activation is {activation!r}: give 'relu' or 'tanh'")
    if not isinstance(groups, int) or groups < 1 or width % groups:
        raise ValueError(f"groups is {groups!r}: give a divisor of the width {width}")


def alexnet(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> AlexNet:
    """torchvision's AlexNet: one tower, 64-192-384-256-256 channels, no response normalization.

    Same names, shapes and logits as ``torchvision.models.alexnet``, 61,100,840 parameters.
    Dropout stands *before* the two hidden linear layers, at other places than in the paper of 2012.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images: 3 for colour, 1 for grey. They want at least 63x63 pixels.
    dropout
        The probability with which a number is dropped in training.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.

    Examples
    --------
    >>> alexnet(num_classes=10)(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 10])
    """
    return AlexNet(num_classes, in_channels, dropout)


def alexnet_2012(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    dropout: float = 0.5,
    groups: int = 2,
    lrn: bool = True,
    width: int = 96,
) -> AlexNet2012:
    """The AlexNet of the paper: 96-256-384-384-256 channels in two towers, 60,965,224 parameters.

    The two graphics cards of 2012 are two groups in convolutions 2, 4 and 5; convolution 3 and the
    linear layers see both. Response normalization stays within a tower, or the cards would have to
    exchange more than the paper says. Initialized as in section 5 of the paper.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images, of 224x224 pixels. The first convolution pads them by 2, so that it
        gives the 55x55 positions of the paper.
    dropout
        The probability with which a hidden unit of the linear layers is dropped in training.
    groups
        Towers: 2 as in the paper, or 1 for the network that exchanges everywhere.
    lrn
        With the response normalization after the first two convolutions.
    width
        Channels of the first layer; all others follow in proportion. A multiple of 3 and of `groups`.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Krizhevsky et al. (2012), sections 3.5 (layers), 3.3 (normalization), 4.2 (dropout), 5
    (initialization).

    Examples
    --------
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in alexnet_2012().parameters())
    60965224
    """
    return AlexNet2012(num_classes, in_channels, dropout, groups, lrn, width)


def alexnet_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    activation: str = "relu",
    dropout: float = 0.5,
    lrn: bool = False,
    overlapping: bool = True,
    width: int = 16,
    groups: int = 1,
    image_size: int = 32,
) -> AlexNetSmall:
    """AlexNet's five convolutions and three linear layers, for images of about 32x32 pixels.

    Weights are drawn by fan-in (He et al. for ReLU, LeCun for tanh): the paper's standard deviation
    of 0.01 suits its wide layers, not narrow ones.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images.
    activation
        ``"relu"`` or ``"tanh"``, after every layer but the last.
    dropout
        The probability with which a hidden unit of the linear layers is dropped in training.
    lrn
        With :func:`local_response_norm` after the first two convolutions.
    overlapping
        Max pooling over 3x3 windows, two apart; else over 2x2 windows that do not overlap.
    width
        Channels of the first layer; the others have 2, 3, 3 and 2 times as many, the hidden linear
        layers 16 times. 8 is enough for trials of seconds.
    groups
        Towers, as in :func:`alexnet_2012`.
    image_size
        Height and width that the first linear layer is made for: 25 to 32 pixels make the same
        network. Others are pooled to its size.

    Raises
    ------
    ValueError
        If an option is not known or a number is out of range.

    Examples
    --------
    >>> alexnet_small(width=8)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    return AlexNetSmall(
        num_classes, in_channels, activation, dropout, lrn, overlapping, width, groups, image_size
    )
