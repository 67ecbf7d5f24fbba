"""VGG (Simonyan & Zisserman, 2015): blocks of 3x3 convolutions, then three linear layers.

The names of the layers are torchvision's, so its state dicts load here unchanged. What
torchvision does not have: configurations A-LRN and C, nets for small images, the growing of deep
nets from a shallow one, and the conversion of the linear layers into convolutions.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict

import torch
from torch import nn

from labnotes.checks import check_positive

#: Convolutions in each of the five blocks (table 1). In C the third of a block is 1x1.
CONFIGS = {
    "A": (1, 1, 2, 2, 2),
    "A-LRN": (1, 1, 2, 2, 2),
    "B": (2, 2, 2, 2, 2),
    "C": (2, 2, 3, 3, 3),
    "D": (2, 2, 3, 3, 3),
    "E": (2, 2, 4, 4, 4),
}
#: Channels of the five blocks.
CHANNELS = (64, 128, 256, 512, 512)


def vgg_block(
    num_convs: int,
    in_channels: int,
    out_channels: int,
    *,
    last_kernel: int = 3,
    batch_norm: bool = False,
    pool: bool = True,
) -> nn.Sequential:
    """`num_convs` convolutions that keep the size, each with a ReLU; then a pooling that halves it.

    Parameters
    ----------
    num_convs
        Convolutions in the block.
    in_channels, out_channels
        Channels of the block's input, and of every convolution in it.
    last_kernel
        Size of the last convolution's kernel, 3 or 1 (in configuration C).
    batch_norm
        Batch normalization between each convolution and its ReLU.
    pool
        End with the max pooling.

    Raises
    ------
    ValueError
        If a number is not positive or a kernel is neither 3 nor 1.

    References
    ----------
    Simonyan & Zisserman (2015), section 2.1.

    Examples
    --------
    >>> vgg_block(2, 3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 16, 16])
    """
    _check_block(num_convs, in_channels, out_channels, last_kernel)
    layers: list[nn.Module] = []
    for number in range(num_convs):
        kernel = last_kernel if number == num_convs - 1 else 3
        layers.append(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU())  # (batch, out_channels, h, w)
        in_channels = out_channels
    if pool:
        layers.append(nn.MaxPool2d(2, stride=2))  # (batch, out_channels, h/2, w/2)
    return nn.Sequential(*layers)


def make_features(
    config: str, in_channels: int, channels: tuple[int, ...], batch_norm: bool, pools: int = 5
) -> nn.Sequential:
    """The convolutional part: five blocks in one flat row of layers, pooling after the first ones.

    Parameters
    ----------
    config
        ``"A"``, ``"A-LRN"``, ``"B"``, ``"C"``, ``"D"`` or ``"E"``.
    in_channels
        Channels of the images.
    channels
        Channels of the five blocks.
    batch_norm
        As in :func:`vgg_block`.
    pools
        Blocks that end with a pooling, from the first on.

    Raises
    ------
    ValueError
        If the configuration is not one of these.
    """
    _check_config(config)
    layers: list[nn.Module] = []
    for number, (count, out_channels) in enumerate(zip(CONFIGS[config], channels, strict=True)):
        kernel = 1 if config == "C" and count == 3 else 3
        options = {"last_kernel": kernel, "batch_norm": batch_norm, "pool": number < pools}
        block = list(vgg_block(count, in_channels, out_channels, **options))
        if config == "A-LRN" and number == 0:
            # torch divides alpha by the size, AlexNet's formula does not: 5 * 1e-4.
            block.insert(-1, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
        layers += block
        in_channels = out_channels
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutional features, an average pooling to a fixed grid, and three linear layers.

    Built by :func:`vgg`, :func:`vgg_small` and :func:`vgg11` to :func:`vgg19_bn`. The average
    pooling is torchvision's: at the size that the net is made for it changes nothing, and it lets
    the linear layers take other sizes too.

    Parameters
    ----------
    features
        The convolutional part.
    channels
        Channels that come out of `features`.
    grid
        Height and width of what the first linear layer reads: 7 for images of 224.
    hidden
        Outputs of the first two linear layers.
    num_classes
        Outputs of the last.
    dropout
        Probability of dropping a number behind each of the first two.

    Attributes
    ----------
    positions : list of str
        The paper's place of each convolution in turn, such as ``"3_2"``: block 3, the second.
        Empty if `features` are not built from a configuration.

    References
    ----------
    Simonyan & Zisserman (2015), table 1; torchvision.models.vgg for the initialization.
    """

    def __init__(
        self,
        features: nn.Sequential,
        channels: int = 512,
        grid: int = 7,
        hidden: int = 4096,
        num_classes: int = 1000,
        dropout: float = 0.5,
    ):
        super().__init__()
        check_positive(channels=channels, grid=grid, hidden=hidden, num_classes=num_classes)
        self.positions: list[str] = []
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = nn.Sequential(
            nn.Linear(channels * grid * grid, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        _initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Shapes for a batch of 224x224 images.
        x = self.features(x)  # (batch, 512, 7, 7)
        x = self.avgpool(x).flatten(1)  # (batch, 25088)
        return self.classifier(x)  # (batch, num_classes)


def _initialise(model: nn.Module) -> None:
    """torchvision's initialization. Batch normalization has 1 and 0 already."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)


def _positions(config: str) -> list[str]:
    counts = enumerate(CONFIGS[config], 1)
    return [f"{block}_{place}" for block, count in counts for place in range(1, count + 1)]


def vgg(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    config: str = "D",
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> VGG:
    """A net of the paper by the name of its column, for images of 224x224.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images.
    config
        ``"A"`` (11 layers with weights), ``"A-LRN"``, ``"B"`` (13), ``"C"`` (16, three of them
        1x1), ``"D"`` (16) or ``"E"`` (19).
    dropout
        Probability in the two dropout layers.
    batch_norm
        Add batch normalization, which is younger than the paper.

    Raises
    ------
    ValueError
        If the configuration is not one of these or a number is not positive.

    References
    ----------
    Simonyan & Zisserman (2015), tables 1 and 2.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in vgg(config="C").parameters())
    133638952
    """
    check_positive(num_classes=num_classes, in_channels=in_channels)
    model = VGG(
        make_features(config, in_channels, CHANNELS, batch_norm),
        num_classes=num_classes,
        dropout=dropout,
    )
    model.positions = _positions(config)
    return model


def vgg_small(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    width: int = 8,
    config: str = "A",
    batch_norm: bool = False,
    dropout: float = 0.5,
    image_size: int = 28,
    hidden: int | None = None,
) -> VGG:
    """A narrow net of one of the paper's configurations for images of 8 to 64 pixels.

    It has all convolutions and linear layers of the configuration. Pooling follows only the first
    three blocks, so that an image of 28x28 reaches the linear layers as 3x3 and not as nothing.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images: 1 for grey, 3 for colour.
    width
        Channels of the first block; the others have 2, 4, 8 and 8 times as many. The paper's is 64.
    config, batch_norm, dropout
        As in :func:`vgg`.
    image_size
        Height and width of the images it is made for, at least 8.
    hidden
        Outputs of the first two linear layers; ``16 * width`` unless given.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> vgg_small(config="E")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    _check_small(image_size, num_classes=num_classes, in_channels=in_channels, width=width)
    channels = tuple(width * c // 64 for c in CHANNELS)
    model = VGG(
        make_features(config, in_channels, channels, batch_norm, pools=3),
        channels=channels[-1],
        grid=image_size // 8,
        hidden=16 * width if hidden is None else hidden,
        num_classes=num_classes,
        dropout=dropout,
    )
    model.positions = _positions(config)
    return model


@torch.no_grad()
def grow_from(deep: VGG, shallow: VGG, convolutions: int = 4) -> list[str]:
    """Copy the shallow net's first convolutions and all its linear layers into the deep net.

    A convolution goes to the same place of the same block: counted straight through, the fourth
    of net A (256 to 256 channels) would not fit the fourth of net D (128 to 128). What is not
    copied keeps its values. Batch normalization goes along with its convolution, if both have it.

    Parameters
    ----------
    deep, shallow
        Nets of :func:`vgg` or :func:`vgg_small`, of equal width. `deep` is changed in place.
    convolutions
        How many of the shallow net's convolutions are copied.

    Returns
    -------
    list of str
        The places that were filled, such as ``"conv3_2"`` and ``"fc1"``.

    Raises
    ------
    ValueError
        If the deep net has no such place, or layers there have another shape.

    References
    ----------
    Simonyan & Zisserman (2015), section 3.1.
    """
    targets, sources = _places(deep), _places(shallow)
    chosen = [name for name in sources if name.startswith("conv")][:convolutions]
    chosen += [name for name in sources if name.startswith("fc")]
    _check_places(chosen, targets, sources)
    for name in chosen:
        for to, of in zip(targets[name], sources[name]):
            to.load_state_dict(of.state_dict())
    return chosen


def _places(model: VGG) -> dict[str, list[nn.Module]]:
    """The layers with weights by the paper's names: convolution (and its normalization), linear."""
    places: dict[str, list[nn.Module]] = {}
    names = iter(model.positions)
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            name = f"conv{next(names)}"
            places[name] = [layer]
        elif isinstance(layer, nn.BatchNorm2d):
            places[name].append(layer)
    linear = [layer for layer in model.classifier if isinstance(layer, nn.Linear)]
    return places | {f"fc{i}": [layer] for i, layer in enumerate(linear, 1)}


@torch.no_grad()
def fully_convolutional(model: nn.Module) -> nn.Sequential:
    """The same net with its linear layers written as convolutions, for images of any larger size.

    The first linear layer becomes a convolution whose kernel is as large as the map it reads (7x7
    for images of 224), the others become 1x1. Weights are copied, `model` is left as it is. At the
    size that the net was made for, the output is the same, of height and width 1. On a larger image
    it is a map of scores, one for each place of the window. The average pooling is left out.

    Parameters
    ----------
    model
        A net with ``features`` that end in a convolution (and pooling), and a ``classifier`` of
        linear layers: :class:`VGG`, or torchvision's VGG and AlexNet.

    Returns
    -------
    nn.Sequential
        ``features`` and ``classifier``: (batch, channels, height, width) to
        (batch, num_classes, rows, columns).

    Raises
    ------
    ValueError
        If the net has no such parts, or its first linear layer reads no square map.

    References
    ----------
    Simonyan & Zisserman (2015), section 3.2; Sermanet et al. (2014).

    Examples
    --------
    >>> net = fully_convolutional(vgg_small(image_size=24))
    >>> net(torch.zeros(1, 1, 24, 24)).shape, net(torch.zeros(1, 1, 40, 32)).shape
    (torch.Size([1, 10, 1, 1]), torch.Size([1, 10, 3, 2]))
    """
    _check_parts(model)
    convolutions = [m for m in model.features if isinstance(m, nn.Conv2d)]
    channels = convolutions[-1].out_channels  # of the map that the first linear layer reads
    layers: list[nn.Module] = []
    for layer in model.classifier:
        if isinstance(layer, nn.Linear):
            layer = _as_convolution(layer, channels)
            channels = layer.out_channels
        layers.append(copy.deepcopy(layer))
    parts = OrderedDict(features=copy.deepcopy(model.features), classifier=nn.Sequential(*layers))
    return nn.Sequential(parts).train(model.training)


def _as_convolution(linear: nn.Linear, channels: int) -> nn.Conv2d:
    """A convolution with the weights of `linear`, which reads a flattened square map."""
    side = math.isqrt(linear.in_features // channels)
    _check_side(side, linear.in_features, channels)
    bias = linear.bias is not None
    conv = nn.Conv2d(channels, linear.out_features, side, bias=bias).to(linear.weight)
    conv.weight.copy_(linear.weight.reshape(-1, channels, side, side))
    if bias:
        conv.bias.copy_(linear.bias)
    return conv


def vgg11(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration A. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="A", dropout=dropout)


def vgg13(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration B. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="B", dropout=dropout)


def vgg16(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration D. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="D", dropout=dropout)


def vgg19(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration E. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="E", dropout=dropout)


def vgg11_bn(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration A with batch normalization. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="A", dropout=dropout, batch_norm=True)


def vgg13_bn(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration B with batch normalization. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="B", dropout=dropout, batch_norm=True)


def vgg16_bn(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration D with batch normalization. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="D", dropout=dropout, batch_norm=True)


def vgg19_bn(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> VGG:
    """Configuration E with batch normalization. Parameters as for :func:`vgg`."""
    return vgg(num_classes, in_channels, config="E", dropout=dropout, batch_norm=True)


def _check_block(num_convs: int, in_channels: int, out_channels: int, last_kernel: int) -> None:
    check_positive(num_convs=num_convs, in_channels=in_channels, out_channels=out_channels)
    if last_kernel not in (1, 3):
        raise ValueError(f"last_kernel is {last_kernel!r}: give 3, or 1 as in configuration C")


def _check_config(config: str) -> None:
    if config not in CONFIGS:
        raise ValueError(f"config is {config!r}: give one of {', '.join(map(repr, CONFIGS))}")


def _check_small(image_size: int, **numbers: int) -> None:
    check_positive(**numbers)
    if not isinstance(image_size, int) or image_size < 8:
        raise ValueError(
            f"image_size is {image_size!r}: give at least 8 pixels, for three poolings"
        )


def _check_places(chosen: list[str], targets: dict, sources: dict) -> None:
    for name in chosen:
        if name not in targets:
            raise ValueError(
                f"the deep net has no {name}: give a net with at least the shallow one's layers"
            )
        for to, of in zip(targets[name], sources[name]):
            if to.weight.shape != of.weight.shape:
                raise ValueError(
                    f"{name} has weights of {tuple(of.weight.shape)} in the shallow net and "
                    f"{tuple(to.weight.shape)} in the deep one: give nets of equal width and classes"
                )


def _check_parts(model: nn.Module) -> None:
    parts = (getattr(model, "features", None), getattr(model, "classifier", None))
    if not all(isinstance(part, nn.Sequential) for part in parts):
        raise ValueError(
            f"{type(model).__name__} has no features and classifier of type nn.Sequential: "
            "give a VGG, or a net of that form"
        )


def _check_side(side: int, in_features: int, channels: int) -> None:
    if channels * side * side != in_features:
        raise ValueError(
            f"a linear layer reads {in_features} numbers, which is no square map of "
            f"{channels} channels: its kernel would have no size"
        )
