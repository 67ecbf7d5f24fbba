"""Feature-map explorer: what each channel of a network computes over a photo, and what it sees."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import torch
import traitlets
from torch import nn

from labnotes.convnets.receptive_field import ReceptiveField, receptive_field_of
from labnotes.explore.base import Explorer, with_shared
from labnotes.explore.carried import data_uri
from labnotes.plot import INK, VERMILION

HERE = Path(__file__).parent
LOW, HIGH = (247, 251, 255), (0, 62, 110)  # colours of a channel's least and greatest value


@dataclass(frozen=True)
class Maps:
    """The output of one layer for one image.

    Attributes
    ----------
    name
        What readers call the layer.
    values
        (channels, height, width), floats.
    field
        Where the units look, in pixels of the network's input.
    """

    name: str
    values: torch.Tensor
    field: ReceptiveField


@torch.no_grad()
def read_maps(
    features: nn.Sequential,
    image: torch.Tensor,
    places: Mapping[str, int],
    channels: int | None = None,
) -> list[Maps]:
    """Run `features` on one image and keep the outputs of some of its layers.

    Parameters
    ----------
    features
        Layers in a row. They run in evaluation mode.
    image
        (channels, height, width), as the network expects it.
    places
        Names, and the index in `features` of the layer whose output is kept.
    channels
        Keep at most so many channels of each layer, the first ones: every number goes into the page.

    Returns
    -------
    list of Maps
        In the order of `places`.

    Raises
    ------
    ValueError
        If there is no such layer, or its output is not a map.
    """
    mode = features.training
    features.eval()
    found = []
    try:
        for name, place in places.items():
            if not 0 <= place < len(features):
                raise ValueError(
                    f"{name!r} is layer {place}, there are {len(features)}: "
                    f"give 0 to {len(features) - 1}"
                )
            part = features[: place + 1]
            values = part(image[None])
            if values.ndim != 4:
                raise ValueError(
                    f"{name!r} gives {tuple(values.shape)}: "
                    "give layers whose output is (batch, channels, height, width)"
                )
            field = receptive_field_of(part, tuple(image.shape))
            found.append(Maps(name, values[0, :channels].float().cpu(), field))
    finally:
        features.train(mode)
    return found


class FeatureMapExplorer(Explorer):
    """A photo with the maps of a network's layers: choose a channel, move over the units.

    Every value is the network's own, rounded to one of 256 levels between the least and the
    greatest value of its channel.

    Parameters
    ----------
    photo
        (3, height, width) uint8. Its pixels may be `scale` times as fine as the network's input.
    layers
        From :func:`read_maps`, or built by hand.
    classes
        Names of the channels of the last layer, if that layer has a map for each class. Then the
        explorer shows its means, the logits, and their softmax.
    scale
        Pixels of the photo, along each axis, for one of the network's input.
    layer, channel, row, column
        Where to begin: by default the last layer, its channel with the greatest mean, and the unit
        where that channel is greatest.

    Raises
    ------
    ValueError
        If a shape, a number of classes or a place does not fit.
    """

    _esm = with_shared(HERE / "feature_maps.js")
    _css = HERE / "feature_maps.css"

    photo = traitlets.Unicode("").tag(sync=True)  # a data URI
    width = traitlets.Int(0).tag(sync=True)
    height = traitlets.Int(0).tag(sync=True)
    layers = traitlets.List(traitlets.Dict()).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    logits = traitlets.List(traitlets.Float()).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    channel = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)
    opacity = traitlets.Int(45).tag(sync=True)  # of the map over the photo, in percent

    def __init__(
        self,
        photo: torch.Tensor,
        layers: Sequence[Maps],
        classes: Sequence[str] = (),
        scale: int = 1,
        layer: int | None = None,
        channel: int | None = None,
        row: int | None = None,
        column: int | None = None,
    ):
        _check(photo, layers, classes, scale)
        layer = len(layers) - 1 if layer is None else _in_range("layer", layer, len(layers))
        values = layers[layer].values
        best = int(values.mean((1, 2)).argmax())
        channel = best if channel is None else _in_range("channel", channel, len(values))
        peak = int(values[channel].argmax())
        rows, columns = values.shape[1:]
        row = peak // columns if row is None else _in_range("row", row, rows)
        column = peak % columns if column is None else _in_range("column", column, columns)
        super().__init__(
            photo=data_uri(photo, format="JPEG", quality=85),
            height=photo.shape[1],
            width=photo.shape[2],
            layers=[_packed(one, scale) for one in layers],
            classes=list(classes),
            logits=layers[-1].values.mean((1, 2)).tolist() if classes else [],
            layer=layer,
            channel=channel,
            row=row,
            column=column,
        )

    @property
    def value(self) -> float:
        """What the chosen unit computes, to the 256 levels that are kept."""
        return float(self._map()[self.row, self.column])

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """The chosen unit's field in pixels of the photo: left, top, right, bottom, ends included."""
        one = self.layers[self.layer]
        left = one["start"] + self.column * one["jump"]
        top = one["start"] + self.row * one["jump"]
        return left, top, left + one["size"] - 1, top + one["size"] - 1

    def _map(self) -> np.ndarray:
        one = self.layers[self.layer]
        levels = np.frombuffer(base64.b64decode(one["levels"]), np.uint8)
        levels = levels.reshape(one["channels"], one["rows"], one["columns"])[self.channel]
        low, high = one["low"][self.channel], one["high"][self.channel]
        return low + levels * ((high - low) / 255)

    def _channel_name(self) -> str:
        last = self.layer == len(self.layers) - 1
        return f'"{self.classes[self.channel]}"' if self.classes and last else f"{self.channel}"

    def describe(self) -> str:
        left, top, right, bottom = self.seen
        text = (
            f"A photo beside the map of {self.layers[self.layer]['name']}, channel "
            f"{self._channel_name()}. The unit in row {self.row}, column {self.column} has the value "
            f"{self.value:.2f}; it sees columns {left} to {right} and rows {top} to {bottom} "
            "of the photo."
        )
        if self.classes:
            best = max(range(len(self.logits)), key=self.logits.__getitem__)
            text += (
                f' The greatest mean of a class map is that of "{self.classes[best]}": '
                f"{self.logits[best]:.2f}."
            )
        return text

    def still_svg(self) -> str:
        one, gap = self.layers[self.layer], 16
        zoom = 320 / self.width
        width, height = 320, round(self.height * zoom)
        values = self._map()
        low, high = one["low"][self.channel], one["high"][self.channel]
        part = (values - low) / ((high - low) or 1)
        colours = np.array(LOW) + part[..., None] * (np.array(HIGH) - np.array(LOW))
        picture = data_uri(torch.from_numpy(colours.round().astype(np.uint8)).permute(2, 0, 1))
        edge = (one["start"] + (one["size"] - one["jump"]) / 2) * zoom  # of unit 0's cell
        cell = one["jump"] * zoom
        left, top, right, bottom = self.seen
        field = (
            f'<rect x="{left * zoom:g}" y="{top * zoom:g}" width="{(right - left + 1) * zoom:g}" '
            f'height="{(bottom - top + 1) * zoom:g}" fill="none" stroke="{VERMILION}" '
            'stroke-width="3"/>'
        )
        unit = (
            f'<rect x="{edge + self.column * cell:g}" y="{edge + self.row * cell:g}" '
            f'width="{cell:g}" height="{cell:g}" fill="none" stroke="{VERMILION}" stroke-width="3"/>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width + gap} {height + 24}" '
            f'width="{2 * width + gap}" height="{height + 24}" role="img" font-family="sans-serif" '
            f'font-size="13"><title>{escape(self.describe())}</title>'
            f'<svg width="{width}" height="{height}"><image href="{self.photo}" width="{width}" '
            f'height="{height}"/>{field}</svg>'
            f'<svg x="{width + gap}" width="{width}" height="{height}"><image href="{picture}" '
            f'x="{edge:g}" y="{edge:g}" width="{one["columns"] * cell:g}" '
            f'height="{one["rows"] * cell:g}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated"/>{unit}</svg>'
            f'<g fill="{INK}"><text y="{height + 17}">what the unit sees</text>'
            f'<text x="{width + gap}" y="{height + 17}">{escape(one["name"])}, channel '
            f"{escape(self._channel_name())}: {low:.2f} to {high:.2f}</text></g></svg>"
        )


def quantised(values: torch.Tensor) -> tuple[bytes, list[float], list[float]]:
    """Each channel's values as 256 levels from its least to its greatest value, and these two.

    Examples
    --------
    >>> levels, low, high = quantised(torch.tensor([[[0.0, 1.0, 0.25]]]))
    >>> list(levels), low, high
    ([0, 255, 64], [0.0], [1.0])
    """
    low, high = values.amin((1, 2)), values.amax((1, 2))
    span = (high - low).where(high > low, torch.ones(()))
    part = (values - low[:, None, None]) / span[:, None, None]  # (channels, rows, columns)
    levels = (part * 255).round().to(torch.uint8)
    return levels.numpy().tobytes(), low.tolist(), high.tolist()


def _packed(maps: Maps, scale: int) -> dict:
    levels, low, high = quantised(maps.values)
    channels, rows, columns = maps.values.shape
    return {
        "name": maps.name,
        "channels": channels,
        "rows": rows,
        "columns": columns,
        "size": maps.field.size * scale,
        "jump": maps.field.jump * scale,
        "start": maps.field.start * scale,
        "low": [_short(x) for x in low],
        "high": [_short(x) for x in high],
        "levels": base64.b64encode(levels).decode("ascii"),
    }


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _in_range(name: str, number: int, count: int) -> int:
    if not 0 <= number < count:
        raise ValueError(f"{name} is {number}, there are {count}: give 0 to {count - 1}")
    return number


def _check(photo: torch.Tensor, layers: Sequence[Maps], classes: Sequence[str], scale: int) -> None:
    if photo.ndim != 3 or photo.shape[0] != 3 or photo.dtype != torch.uint8:
        raise ValueError(
            f"photo is {tuple(photo.shape)} of {photo.dtype}: give (3, height, width) of torch.uint8"
        )
    if not isinstance(scale, int) or scale < 1:
        raise ValueError(f"scale is {scale!r}: give a whole number of pixels, 1 or more")
    if not layers:
        raise ValueError("layers is empty: give at least one Maps")
    for one in layers:
        if one.values.ndim != 3 or not one.values.numel():
            raise ValueError(
                f"{one.name!r} holds {tuple(one.values.shape)}: give (channels, height, width)"
            )
        if not math.isfinite(one.values.sum().item()):
            raise ValueError(f"{one.name!r} holds values that are not finite: train it again")
    if classes and len(classes) != len(layers[-1].values):
        raise ValueError(
            f"{len(classes)} classes, {len(layers[-1].values)} channels in the last layer: "
            "give a name for each channel, or none"
        )
