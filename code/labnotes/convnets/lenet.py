"""LeNet twice: LeNet-5 as its paper describes it (1998), and the plainer form that is taught today.

`LeNet5` has what later nets dropped: subsampling with trainable coefficients, a convolution that
reads only some of the maps below it, a scaled tanh, outputs that are distances to fixed codes.
`LeNet` has convolution, sigmoid and average pooling, and lets both be exchanged.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.checks import check_positive

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
POOLINGS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}

#: The maps of S2 that each of the 16 maps of C3 reads (LeCun et al., 1998, table I).
C3_TABLE = (
    # every three neighbours in a ring of six
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    # every four neighbours
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    # two pairs of neighbours, facing each other; and all six
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# Ten digits of 7x12 pixels, one string of twelve rows each. Our own drawing: the paper prints its
# codes as small pictures only (figure 3).
_DIGITS = (
    "....... ..###.. .#...#. #.....# #.....# #.....# #.....# #.....# #.....# .#...#. ..###.. .......",
    "....... ...#... ..##... .#.#... ...#... ...#... ...#... ...#... ...#... ...#... .#####. .......",
    "....... .#####. #.....# #.....# ......# .....#. ....#.. ...#... ..#.... .#..... ####### .......",
    "....... .#####. #.....# ......# ......# ..####. ......# ......# ......# #.....# .#####. .......",
    "....... .....#. ....##. ...#.#. ..#..#. .#...#. #....#. ####### .....#. .....#. .....#. .......",
    "....... ####### #...... #...... #...... ######. ......# ......# ......# #.....# .#####. .......",
    "....... ..####. .#..... #...... #...... #.####. ##....# #.....# #.....# .#....# ..####. .......",
    "....... ####### ......# ......# .....#. ....#.. ....#.. ...#... ...#... ..#.... ..#.... .......",
    "....... .#####. #.....# #.....# #.....# .#####. #.....# #.....# #.....# #.....# .#####. .......",
    "....... .####.. #....#. #.....# #.....# #....## .####.# ......# ......# .....#. .####.. .......",
)


def scaled_tanh(a: torch.Tensor) -> torch.Tensor:
    """1.7159 tanh(2a/3): a tanh that maps 1 to 1 and -1 to -1, where it is still far from flat.

    References
    ----------
    LeCun et al. (1998), equation (6) and appendix A.

    Examples
    --------
    >>> scaled_tanh(torch.tensor([-1.0, 0.0, 1.0])).round(decimals=3)
    tensor([-1.,  0.,  1.])
    """
    return 1.7159 * torch.tanh(2 / 3 * a)


def digit_codes() -> torch.Tensor:
    """The outputs wanted of F6 for the digits 0 to 9: pictures of 7x12 pixels, -1 and +1.

    Returns
    -------
    Tensor
        ``(10, 84)``; a row reshaped to (12, 7) is the picture.

    References
    ----------
    LeCun et al. (1998), section II.B and figure 3, for the idea and the size. The pictures are
    not the paper's, whose pixels are not published.
    """
    pixels = [[1.0 if c == "#" else -1.0 for c in digit if c != " "] for digit in _DIGITS]
    return torch.tensor(pixels)


class Subsampling(nn.Module):
    """Add up each 2x2 square, times a trainable coefficient, plus a trainable bias, one of a map.

    With the coefficient 1/4 and the bias 0 it is average pooling.

    Parameters
    ----------
    channels
        Maps, in and out.

    References
    ----------
    LeCun et al. (1998), section II.B, layers S2 and S4.

    Examples
    --------
    >>> Subsampling(6)(torch.zeros(1, 6, 28, 28)).shape
    torch.Size([1, 6, 14, 14])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((channels,), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sums = 4 * F.avg_pool2d(x, 2)  # (batch, channels, h/2, w/2)
        return self.coefficient[:, None, None] * sums + self.bias[:, None, None]


class PartialConv2d(nn.Module):
    """A convolution in which each output map reads some of the input maps, named by a table.

    Only the kernels that exist are parameters: ``weight`` has one for each connection, in the
    order of the table.

    Parameters
    ----------
    in_channels
        Maps of the input.
    table
        For each output map the input maps that it reads.
    kernel_size
        Height and width of a kernel, in positions.

    Raises
    ------
    ValueError
        If a row of the table is empty, repeats itself or names a map that is not there.

    References
    ----------
    LeCun et al. (1998), section II.B, layer C3 and table I.

    Examples
    --------
    >>> c3 = PartialConv2d(6, C3_TABLE, 5)
    >>> c3(torch.zeros(1, 6, 14, 14)).shape, c3.weight.shape
    (torch.Size([1, 16, 10, 10]), torch.Size([60, 5, 5]))
    """

    def __init__(self, in_channels: int, table: tuple[tuple[int, ...], ...], kernel_size: int):
        super().__init__()
        _check_table(table, in_channels)
        self.in_channels, self.out_channels = in_channels, len(table)
        self.table = tuple(map(tuple, table))
        pairs = [(out, into) for out, row in enumerate(table) for into in row]
        self.register_buffer("pairs", torch.tensor(pairs).T, persistent=False)  # (2, connections)
        self.weight = nn.Parameter(torch.empty(len(pairs), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))
        for out, row in enumerate(table):
            reach = 2.4 / (len(row) * kernel_size**2)  # 2.4 over the inputs of a unit
            drawn = torch.empty(len(row), kernel_size, kernel_size).uniform_(-reach, reach)
            with torch.no_grad():
                self.weight[self.pairs[0] == out] = drawn
                self.bias[out].uniform_(-reach, reach)

    def dense_weight(self) -> torch.Tensor:
        """The kernels of the ordinary convolution that this is: zeros where nothing is read."""
        zeros = self.weight.new_zeros(self.out_channels, self.in_channels, *self.weight.shape[1:])
        return zeros.index_put(tuple(self.pairs), self.weight)  # (out, in, k, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.dense_weight(), self.bias)  # (batch, out, h-k+1, w-k+1)


class Distances(nn.Module):
    """Minus the squared distance of the input to a fixed code for each class (RBF units).

    The paper's output y is the distance itself, and its smallest wins. With the sign turned round
    the largest wins, and the cross-entropy of these logits is the paper's equation (9) without
    its constant term.

    Parameters
    ----------
    codes
        ``(classes, features)``, not trained.

    References
    ----------
    LeCun et al. (1998), equation (7).
    """

    def __init__(self, codes: torch.Tensor):
        super().__init__()
        self.register_buffer("codes", codes.clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -(x[:, None] - self.codes).square().sum(2)  # (batch, classes)


class LeNet5(nn.Module):
    """LeNet-5 for images of 32x32, layer by layer as in the paper: 60,000 trainable parameters.

    Built by :func:`lenet5`. The layers have the paper's names. All layers up to F6, subsampling
    included, are followed by :func:`scaled_tanh`.

    Parameters
    ----------
    num_classes
        Outputs.
    in_channels
        Channels of the images; the paper's have 1. For its input scale, the background is -0.1
        and the foreground 1.175, so that the mean is about 0 and the variance about 1.
    output
        ``"rbf"``: distances to fixed codes, as in the paper (:class:`Distances`). ``"linear"``: a
        linear layer of 84 inputs, with 850 more trainable parameters for 10 classes.
    codes
        The codes of the classes for ``"rbf"``, ``(num_classes, 84)``; :func:`digit_codes` unless
        given, which are codes of 10 classes.

    Raises
    ------
    ValueError
        If a number is not positive, the output is not known or the codes do not fit.

    References
    ----------
    LeCun et al. (1998), section II.B; initialization: appendix A.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        output: str = "rbf",
        codes: torch.Tensor | None = None,
    ):
        super().__init__()
        _check_lenet5(num_classes, in_channels, output, codes)
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConv2d(6, C3_TABLE, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        inputs = {self.c1: 25 * in_channels, self.c5: 400, self.f6: 120, self.s2: 4, self.s4: 4}
        for layer, fan_in in inputs.items():  # of each unit; C3 has drawn its own
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)
        if output == "linear":
            self.output = nn.Linear(84, num_classes)
            for parameter in self.output.parameters():
                nn.init.uniform_(parameter, -2.4 / 84, 2.4 / 84)
        else:
            self.output = Distances(digit_codes() if codes is None else codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _check_images(x, self.c1.in_channels, 32)
        x = scaled_tanh(self.c1(x))  # (batch, 6, 28, 28)
        x = scaled_tanh(self.s2(x))  # (batch, 6, 14, 14)
        x = scaled_tanh(self.c3(x))  # (batch, 16, 10, 10)
        x = scaled_tanh(self.s4(x))  # (batch, 16, 5, 5)
        x = scaled_tanh(self.c5(x))  # (batch, 120, 1, 1)
        x = scaled_tanh(self.f6(x.flatten(1)))  # (batch, 84)
        return self.output(x)  # (batch, num_classes)


class LeNet(nn.Module):
    """Two convolutions, each with a pooling, and three linear layers.

    Built by :func:`lenet`. Weights start as in Glorot and Bengio (2010), uniform, biases at zero.

    Parameters
    ----------
    num_classes
        Outputs of the last layer.
    in_channels
        Channels of the images: 1 for grey, 3 for colour.
    activation
        ``"sigmoid"``, ``"tanh"`` or ``"relu"``, after each layer but the last.
    pooling
        ``"avg"`` or ``"max"``, over squares of 2x2.
    image_size
        Height and width of the images, in pixels, 12 or more. The convolutions do not depend on
        it, the first linear layer does.

    Raises
    ------
    ValueError
        If a number is out of range or an option is not known.

    References
    ----------
    Simplified from LeCun et al. (1998), section II.B, as in Zhang et al., "Dive into Deep
    Learning", section 7.6.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: str = "sigmoid",
        pooling: str = "avg",
        image_size: int = 28,
    ):
        super().__init__()
        _check_lenet(num_classes, in_channels, activation, pooling, image_size)
        side = (image_size // 2 - 4) // 2  # after both poolings
        self.image_size = image_size
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.activation = ACTIVATIONS[activation]()
        self.pool = POOLINGS[pooling](2)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2, self.fc3):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Shapes for images of 28x28.
        _check_images(x, self.conv1.in_channels, self.image_size)
        x = self.pool(self.activation(self.conv1(x)))  # (batch, 6, 14, 14)
        x = self.pool(self.activation(self.conv2(x)))  # (batch, 16, 5, 5)
        x = x.flatten(1)  # (batch, 400)
        x = self.activation(self.fc1(x))  # (batch, 120)
        x = self.activation(self.fc2(x))  # (batch, 84)
        return self.fc3(x)  # (batch, num_classes)


def lenet5(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    output: str = "rbf",
    codes: torch.Tensor | None = None,
) -> LeNet5:
    """LeNet-5 of 1998 for images of 32x32. Parameters as for :class:`LeNet5`.

    Examples
    --------
    >>> sum(p.numel() for p in lenet5().parameters())
    60000
    """
    return LeNet5(num_classes, in_channels, output, codes)


def lenet(
    num_classes: int = 10,
    in_channels: int = 1,
    *,
    activation: str = "sigmoid",
    pooling: str = "avg",
    image_size: int = 28,
) -> LeNet:
    """LeNet in the form of today's textbooks, for 28x28. Parameters as for :class:`LeNet`.

    Examples
    --------
    >>> sum(p.numel() for p in lenet().parameters())
    61706
    >>> lenet(activation="relu", pooling="max")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    return LeNet(num_classes, in_channels, activation, pooling, image_size)


def _check_table(table: tuple[tuple[int, ...], ...], in_channels: int) -> None:
    for number, row in enumerate(table):
        if not row or len(set(row)) < len(row) or not set(row) <= set(range(in_channels)):
            raise ValueError(
                f"row {number} of the table is {row}: give one or more different maps, each "
                f"from 0 to {in_channels - 1}"
            )


def _check_lenet5(
    num_classes: int, in_channels: int, output: str, codes: torch.Tensor | None
) -> None:
    check_positive(num_classes=num_classes, in_channels=in_channels)
    if output not in ("rbf", "linear"):
        raise ValueError(f"output is {output!r}: give 'rbf' (the paper's) or 'linear'")
    if output == "linear":
        return
    if codes is None and num_classes != 10:
        raise ValueError(
            f"there are codes of the 10 digits and num_classes is {num_classes}: give codes of "
            f"the shape ({num_classes}, 84), or output='linear'"
        )
    if codes is not None and codes.shape != (num_classes, 84):
        raise ValueError(
            f"codes are {tuple(codes.shape)}: give one of 84 numbers a class, ({num_classes}, 84)"
        )


def _check_lenet(
    num_classes: int, in_channels: int, activation: str, pooling: str, image_size: int
) -> None:
    check_positive(num_classes=num_classes, in_channels=in_channels)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}: give one of {_names(ACTIVATIONS)}")
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is {pooling!r}: give one of {_names(POOLINGS)}")
    if not isinstance(image_size, int) or image_size < 12:
        raise ValueError(f"image_size is {image_size!r}: give an integer, 12 or more")


def _check_images(x: torch.Tensor, channels: int, side: int) -> None:
    if x.dim() != 4 or x.shape[1:] != (channels, side, side):
        raise ValueError(
            f"the images are {tuple(x.shape)}, this net reads (batch, {channels}, {side}, {side}): "
            "pad or resize them, or build the net for them"
        )


def _names(options: dict) -> str:
    return ", ".join(map(repr, options))
