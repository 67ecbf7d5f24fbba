"""Augmentation explorer: crop, flip and change the colours of a photo by hand."""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch
import traitlets

from labnotes.data.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)
from labnotes.explore.base import Explorer, with_shared
from labnotes.explore.carried import data_uri
from labnotes.plot import INK, VERMILION

HERE = Path(__file__).parent
#: What each trait may be; the first four place the piece, the others are in percent.
RANGES = {
    "side": (20, 100), "across": (0, 100), "down": (0, 100), "brightness": (0, 200),
    "contrast": (0, 200), "saturation": (0, 200), "hue": (-50, 50),
}  # fmt: skip
COLOURS = {
    "brightness": adjust_brightness, "contrast": adjust_contrast,
    "saturation": adjust_saturation, "hue": adjust_hue,
}  # fmt: skip
FLIPS = {"none": (), "sides": (-1,), "upright": (-2,), "both": (-2, -1)}  # the axes that turn round


class AugmentExplorer(Explorer):
    """A photo beside itself after a crop, a flip and changes of brightness, contrast, saturation, hue.

    The changes come in this order, by the formulas of ``torchvision.transforms.v2.functional`` on
    floats.

    Parameters
    ----------
    photo
        (3, height, width) uint8, of at most 160 pixels a side: it goes into the page without loss.
    side
        Sides of the piece that is cut out, in percent of the photo's, 20 to 100.
    across, down
        Where it lies, from 0 (left, top) to 100 (right, bottom).
    flip
        "none", "sides" (left and right exchanged), "upright" (top and bottom), "both".
    brightness, contrast, saturation
        Factors in percent, 0 to 200.
    hue
        In percent of a turn, -50 to 50.

    Raises
    ------
    ValueError
        If the photo has another shape or type, or a number is out of range.
    """

    _esm = with_shared(HERE / "augment.js")
    _css = HERE / "augment.css"

    photo = traitlets.Unicode("").tag(sync=True)  # a data URI
    width = traitlets.Int(0).tag(sync=True)
    height = traitlets.Int(0).tag(sync=True)
    side = traitlets.Int(100).tag(sync=True)
    across = traitlets.Int(50).tag(sync=True)
    down = traitlets.Int(50).tag(sync=True)
    flip = traitlets.Unicode("none").tag(sync=True)
    brightness = traitlets.Int(100).tag(sync=True)
    contrast = traitlets.Int(100).tag(sync=True)
    saturation = traitlets.Int(100).tag(sync=True)
    hue = traitlets.Int(0).tag(sync=True)

    def __init__(self, photo: torch.Tensor, flip: str = "none", **settings: int):
        _check(photo, flip, settings)
        self._pixels = photo
        super().__init__(
            photo=data_uri(photo, optimize=True),
            height=photo.shape[1],
            width=photo.shape[2],
            flip=flip,
            **settings,
        )

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The piece that is cut out, in pixels: top, left, height, width."""
        tall, wide = (max(1, _round(n * self.side / 100)) for n in (self.height, self.width))
        top = _round((self.height - tall) * self.down / 100)
        return top, _round((self.width - wide) * self.across / 100), tall, wide

    def changed(self) -> torch.Tensor:
        """The picture after all changes: (3, height, width), floats from 0 to 1."""
        top, left, tall, wide = self.box
        values = self._pixels[None, :, top : top + tall, left : left + wide].float() / 255
        size = (self.height, self.width)
        values = torch.nn.functional.interpolate(values, size, mode="bilinear")
        values = values.flip(FLIPS[self.flip])
        for name, adjust in COLOURS.items():
            values = adjust(values, torch.tensor([getattr(self, name) / 100]))
        return values[0]

    def describe(self) -> str:
        top, left, tall, wide = self.box
        factors = ", ".join(f"{name} {getattr(self, name) / 100:g}" for name in COLOURS)
        return (
            f"A photo with a frame around rows {top} to {top + tall - 1} and columns {left} to "
            f"{left + wide - 1}, and beside it this piece, enlarged, exchanged: {self.flip}, with "
            f"{factors}."
        )

    def still_svg(self) -> str:
        zoom, gap = 320 / self.width, 16
        width, height = 320, round(self.height * zoom)
        after = (self.changed() * 255).round().to(torch.uint8)
        top, left, tall, wide = (n * zoom for n in self.box)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width + gap} {height + 24}" '
            f'width="{2 * width + gap}" height="{height + 24}" role="img" font-family="sans-serif" '
            f'font-size="13"><title>{escape(self.describe())}</title>'
            f'<image href="{data_uri(self._pixels, format="JPEG", optimize=True)}" width="{width}" height="{height}"/>'
            f'<rect x="{left:g}" y="{top:g}" width="{wide:g}" height="{tall:g}" fill="none" '
            f'stroke="{VERMILION}" stroke-width="3"/>'
            f'<image href="{data_uri(after, format="JPEG", optimize=True)}" x="{width + gap}" width="{width}" '
            f'height="{height}"/><g fill="{INK}"><text y="{height + 17}">the photo, and the piece'
            f'</text><text x="{width + gap}" y="{height + 17}">after all changes</text></g></svg>'
        )


def _round(number: float) -> int:
    return int(number + 0.5)  # halves upwards, as JavaScript does


def _check(photo: torch.Tensor, flip: str, settings: dict[str, int]) -> None:
    if photo.ndim != 3 or photo.shape[0] != 3 or photo.dtype != torch.uint8:
        raise ValueError(
            f"photo is {tuple(photo.shape)} of {photo.dtype}: give (3, height, width) of torch.uint8"
        )
    if not 2 <= min(photo.shape[1:]) <= max(photo.shape[1:]) <= 160:
        raise ValueError(
            f"photo is {photo.shape[1]} high and {photo.shape[2]} wide: give 2 to 160 pixels a side, "
            "every one of them goes into the page"
        )
    if flip not in FLIPS:
        raise ValueError(f"flip is {flip!r}: give one of {', '.join(FLIPS)}")
    for name, value in settings.items():
        if name not in RANGES:
            raise ValueError(f"there is no {name!r}: give some of {', '.join(RANGES)}")
        low, high = RANGES[name]
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}: give {low} to {high}")
