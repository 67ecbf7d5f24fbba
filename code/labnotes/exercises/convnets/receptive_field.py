"""Checkers for the exercises of the chapter convnets/receptive-field."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labnotes.convnets.receptive_field import (
    Layer,
    input_interval,
    path_counts,
    receptive_field,
)
from labnotes.exercises import Case, checker

STACKS = [
    ([Layer(3)], "one layer of kernel 3 sees 3 pixels, each unit one further on"),
    ([Layer(3), Layer(3), Layer(3)], "every layer adds (span - 1) times the jump below it"),
    ([Layer(3, stride=2), Layer(3)], "a stride counts for the layers above it: multiply the jump after you used it"),
    ([Layer(3, dilation=4)], "dilation stretches the kernel: its span is dilation * (kernel - 1) + 1"),
    ([Layer(3, padding=1), Layer(2, stride=2), Layer(3, padding=1)],
     "padding moves the start back, by padding times the jump below the layer"),
    ([Layer(7, stride=2, padding=3), Layer(3, stride=2, padding=1), Layer(3, padding=2, dilation=2), Layer(1)],
     "all four numbers at once, in the order of the layers"),
    ([], "without layers a unit is a pixel: size 1, jump 1, start 0"),
]  # fmt: skip


@checker("receptive_field.field")
def field(answer: Callable) -> Iterator[Case]:
    """``answer(layers)`` -> (size, jump, start) of a list of Layer objects."""
    for layers, hint in STACKS:
        right = receptive_field(layers)
        yield Case(
            call=f"field({_text(layers)})",
            got=_as_tuple(answer(list(layers))),
            expected=(right.size, right.jump, right.start),
            hint=hint,
        )


@checker("receptive_field.interval")
def interval(answer: Callable) -> Iterator[Case]:
    """``answer(layers, first, last)`` -> first and last input pixel that the output units need."""
    units = [(0, 0), (5, 5), (3, 4), (10, 10), (0, 0), (2, 6), (4, 9)]
    for (layers, _), (first, last) in zip(STACKS, units, strict=True):
        yield Case(
            call=f"interval({_text(layers)}, {first}, {last})",
            got=_as_tuple(answer(list(layers), first, last)),
            expected=input_interval(layers, first, last),
            hint="go through the layers from the last to the first; the left end is end * stride - padding, "
            "the right end lies span - 1 further than its own end * stride - padding",
        )


@checker("receptive_field.dilations")
def dilations(answer: Callable) -> Iterator[Case]:
    """``answer(size)`` -> dilations of the fewest layers of kernel 3 that see `size` pixels, no hole."""
    for size, fewest in [
        (1, 0),
        (3, 1),
        (4, 2),
        (9, 2),
        (10, 3),
        (27, 3),
        (28, 4),
        (81, 4),
        (200, 5),
    ]:
        found = answer(size)
        whole = isinstance(found, (list, tuple)) and all(type(d) is int and d > 0 for d in found)
        yield Case(
            call=f"dilations_for({size}) = {found!r}: is it a list of whole numbers above 0?",
            got=whole,
            expected=True,
            hint="return a list with one dilation, an int, for each layer",
        )
        yield Case(
            call=f"dilations_for({size}) = {list(found)}: how many layers",
            got=len(found),
            expected=fewest,
            hint="three copies of a field, side by side, make a field three times as wide: each "
            "layer can triple it, and no layer is needed for one pixel",
        )
        layers = [Layer(3, dilation=d) for d in found]
        seen = len(path_counts(layers))
        yield Case(
            call=f"dilations_for({size}) = {list(found)}: (at least {size} pixels seen, holes)",
            got=(seen >= size, receptive_field(layers).size - seen),
            expected=(True, 0),
            hint="a layer may dilate by as much as the field below it is wide, and no more: then its three "
            "copies of that field lie side by side",
        )


def _as_tuple(value):
    return tuple(value) if isinstance(value, list) else value


def _text(layers: list[Layer]) -> str:
    """The layers as a reader would write them, defaults left out."""

    def one(layer: Layer) -> str:
        extra = [
            f"{name}={getattr(layer, name)}"
            for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1))
            if getattr(layer, name) != usual
        ]
        return f"Layer({', '.join([str(layer.kernel), *extra])})"

    return f"[{', '.join(one(layer) for layer in layers)}]"
