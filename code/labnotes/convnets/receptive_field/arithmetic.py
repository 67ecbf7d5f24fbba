"""The receptive field of a stack of layers, computed along one axis.

Forwards from the input (:func:`receptive_field`), backwards from a unit (:func:`input_interval`),
and path by path (:func:`path_counts`). Rows and columns of an image never mix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Layer:
    """What a convolution or a pooling does along one axis.

    Parameters
    ----------
    kernel
        Number of inputs a unit reads, at least 1.
    stride
        Step from one unit's inputs to the next unit's, at least 1.
    padding
        Positions added at each end, at least 0.
    dilation
        Distance between the inputs a unit reads, at least 1.

    Raises
    ------
    ValueError
        If a value is not a whole number in its range. A pair such as ``(1, 7)`` is refused: the two
        axes of an image are two stacks, ``Layer(1)`` for the rows and ``Layer(7)`` for the columns.

    Examples
    --------
    >>> Layer(3, dilation=4).span
    9
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self):
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{name} is {value!r}: give a whole number from {least} up; "
                    "for a kernel that is not square make one stack of layers for each axis"
                )

    @property
    def span(self) -> int:
        """Distance from the first to the last input a unit reads, both counted."""
        return self.dilation * (self.kernel - 1) + 1


@dataclass(frozen=True)
class ReceptiveField:
    """Where the units of a map look, along one axis of the input.

    Unit ``u`` sees no pixel outside ``start + u * jump, ..., start + u * jump + size - 1``, and sees
    both ends. With dilation there can be pixels in between that it does not see.

    Attributes
    ----------
    size
        Number of pixels from the first to the last, both counted.
    jump
        Pixels from one unit's field to its neighbour's: the product of the strides.
    start
        First pixel of unit 0. Below 0 where padding puts part of the field outside the image;
        ``-start`` is what Araujo et al. (2019) call the effective padding.
    """

    size: int
    jump: int
    start: int

    @property
    def centre(self) -> Fraction:
        """Middle of unit 0's field; a half if the size is even: between two pixels."""
        return self.start + Fraction(self.size - 1, 2)

    def interval(self, unit: int) -> tuple[int, int]:
        """First and last pixel that `unit` sees."""
        first = self.start + unit * self.jump
        return first, first + self.size - 1


def receptive_field(layers: Sequence[Layer]) -> ReceptiveField:
    """The receptive field of a stack of layers, by the recurrence from the input upwards.

    Parameters
    ----------
    layers
        From the input to the output. No layers at all: every unit is its own pixel.

    References
    ----------
    Araujo, Norris and Sim (2019), Computing Receptive Fields of Convolutional Neural Networks,
    section "Single-path networks".

    Examples
    --------
    >>> receptive_field([Layer(3), Layer(3), Layer(3)])
    ReceptiveField(size=7, jump=1, start=0)
    >>> receptive_field([Layer(7, stride=2, padding=3), Layer(3, stride=2, padding=1)])
    ReceptiveField(size=11, jump=4, start=-5)
    """
    size, jump, start = 1, 1, 0  # a unit of the input is one pixel
    for layer in _checked(layers):
        size += (layer.span - 1) * jump
        start -= layer.padding * jump
        jump *= layer.stride
    return ReceptiveField(size, jump, start)


def input_interval(layers: Sequence[Layer], first: int, last: int | None = None) -> tuple[int, int]:
    """The input pixels that output units `first` to `last` need, by the recurrence downwards.

    Parameters
    ----------
    layers
        From the input to the output.
    first, last
        Output units; without `last` it is one unit.

    Returns
    -------
    tuple of int
        First and last pixel. Pixels below 0, or beyond the image, are padding.

    Raises
    ------
    ValueError
        If `last` comes before `first`.

    Examples
    --------
    >>> input_interval([Layer(3, padding=1), Layer(2, stride=2)], 4)
    (7, 10)
    """
    last = first if last is None else last
    if last < first:
        raise ValueError(f"last unit {last} comes before first unit {first}")
    for layer in reversed(_checked(layers)):
        first = first * layer.stride - layer.padding
        last = last * layer.stride - layer.padding + layer.span - 1
    return first, last


def path_counts(layers: Sequence[Layer], unit: int = 0, size: int | None = None) -> dict[int, int]:
    """For each input pixel that `unit` sees, the number of paths that lead from one to the other.

    The keys are the exact support of the unit, holes left by dilation included; the values are
    the gradient of the unit when every weight is 1.

    Parameters
    ----------
    layers
        From the input to the output.
    unit
        Index of the output unit.
    size
        Number of input pixels. With it, paths that lead into the padding of any layer end there:
        padding is constant, so it passes nothing on. Without it, the maps have no borders.

    Returns
    -------
    dict
        Input pixel to number of paths, pixels in rising order.

    Examples
    --------
    >>> path_counts([Layer(3), Layer(3)])
    {0: 1, 1: 2, 2: 3, 3: 2, 4: 1}
    >>> list(path_counts([Layer(2, dilation=4)]))
    [0, 4]
    >>> path_counts([Layer(3, padding=1), Layer(3, padding=1)], unit=0, size=8)
    {0: 2, 1: 2, 2: 1}
    """
    layers = _checked(layers)
    paths = Counter({unit: 1})
    for number in reversed(range(len(layers))):
        layer, below = layers[number], Counter()
        for position, count in paths.items():
            for tap in range(layer.kernel):
                below[position * layer.stride - layer.padding + tap * layer.dilation] += count
        if size is not None:
            units = output_size(layers[:number], size)
            below = {position: count for position, count in below.items() if 0 <= position < units}
        paths = below
    return dict(sorted(paths.items()))


def output_size(layers: Sequence[Layer], size: int) -> int:
    """Number of units along an axis that has `size` input pixels.

    Raises
    ------
    ValueError
        If a kernel does not fit into its padded input.

    References
    ----------
    Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, relationship 15.

    Examples
    --------
    >>> output_size([Layer(11, stride=4, padding=1)], 224)
    54
    """
    for number, layer in enumerate(_checked(layers)):
        room = size + 2 * layer.padding - layer.span
        if room < 0:
            raise ValueError(
                f"layer {number} spans {layer.span} positions, its padded input has "
                f"{size + 2 * layer.padding}: take a smaller kernel, more padding or a larger input"
            )
        size = room // layer.stride + 1
    return size


def _checked(layers: Sequence[Layer]) -> list[Layer]:
    layers = list(layers)
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layers holds {layer!r}: give Layer objects, as in [Layer(3), Layer(2, 2)]"
            )
    return layers
