"""Figures that are made of pixels: their letters get a colour that is legible in both themes, and
heavy ones get lighter.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from scipy import ndimage
from sphinx.application import Sphinx

#: A larger photograph is written as AVIF, which all browsers read since 2023; a larger drawing with
#: 256 colours, which nobody sees at twice a screen's pixels. Drawings of all sizes are written as
#: WebP, which all browsers read since 2020: it loses nothing, and takes two thirds of the bytes.
HEAVY = 50_000  # bytes, as PNG
PHOTO_QUALITY = 36
#: Photographs are not made brighter in the dark theme, so the letters beside them serve on white
#: and on black: from 0.175 to 0.183 their contrast is 4.5 on both (WCAG 2.2, 1.4.3).
DARKEST, MIDDLE, LIGHTEST = 0.175, 0.179, 0.183
#: Letters are that high, in pixels of a figure, which is drawn at twice a screen's.
HEIGHTS = range(12, 41)
#: The heights of a small letter and of a capital or digit, in sizes of the font (DejaVu Sans).
SMALL, CAPITAL = 0.547, 0.729
#: From clear to full a letter's colour has so many places in a palette.
SHADES = 16


def finish(app: Sphinx, exception: Exception | None) -> None:
    """At the build's end: letters get their colour, pictures become a half to a tenth of their size."""
    if exception or app.builder.format != "html":
        return
    renamed = {}
    for file in Path(app.outdir, "_images").glob("*.png"):
        with Image.open(file) as image:
            picture = image.convert("RGBA")
        size = file.stat().st_size
        if has_clear_ground(picture):
            new = file.with_suffix(".webp")
            write_drawing(picture, new, few=size > HEAVY)
        elif size > HEAVY:
            new = file.with_suffix(".avif")
            write_photograph(picture, new)
        else:
            continue
        renamed[file.name] = new.name
        file.unlink()
    _rename(Path(app.outdir), renamed)


def has_clear_ground(picture: Image.Image) -> bool:
    """Whether something of an RGBA picture is clear, as the ground of a drawing is."""
    return picture.getextrema()[3][0] < 255


def write_photograph(picture: Image.Image, file: Path | BinaryIO) -> None:
    """Write it as small as it can be for what an eye sees."""
    picture.convert("RGB").save(file, "AVIF", quality=PHOTO_QUALITY, speed=4)


def write_drawing(picture: Image.Image, file: Path, few: bool) -> None:
    """Write it with letters that stand out, and with few colours if it is large."""
    pixels, inks = legible(np.array(picture))
    drawing = Image.fromarray(pixels)
    if few:
        drawing = few_colours(drawing, inks).convert("RGBA")
    drawing.save(file, "WEBP", lossless=True)


def legible(pixels: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """A drawing whose letters stand out on white and on black.

    Parameters
    ----------
    pixels
        ``(height, width, 4)``, uint8.

    Returns
    -------
    pixels
        A copy with letters of the same hue and the luminance between.
    inks
        The colours of its letters, red, green and blue, now.
    """
    pixels = pixels.copy()
    pieces, _ = ndimage.label(pixels[..., 3] >= 8, np.ones((3, 3)))
    boxes = ndimage.find_objects(pieces)
    colours = {}
    for n, box in enumerate(boxes, 1):
        height, width = (side.stop - side.start for side in box)
        if height in HEIGHTS and width <= HEIGHTS[-1]:
            piece = pixels[box][pieces[box] == n]
            old = tuple(piece[piece[:, 3].argmax(), :3].tolist())
            colours[old] = between(old)
    small = np.array([False] + [max(b.stop - b.start for b in box) <= HEIGHTS[-1] for box in boxes])
    small = small[pieces]  # (height, width)
    before = pixels[..., :3].copy()
    for old, new in colours.items():  # dots and strokes of letters too
        pixels[small & (before == old).all(-1), :3] = new
    return pixels, sorted(set(colours.values()))


def smallest_letters(picture: Image.Image, ink: tuple[int, int, int]) -> float | None:
    """The size of the smallest letters of that colour in a drawing, in its pixels; None without any.

    It is told from their heights, of which the lowest tenth is left out: full stops and accents.
    """
    if not has_clear_ground(picture):
        return None
    pixels = np.array(picture)  # (height, width, 4)
    pieces, _ = ndimage.label(
        (pixels[..., :3] == ink).all(-1) & (pixels[..., 3] >= 8), np.ones((3, 3))
    )
    sizes = [[side.stop - side.start for side in box] for box in ndimage.find_objects(pieces)]
    heights = [h for h, width in sizes if 8 <= h <= HEIGHTS[-1] >= width]
    if not heights:
        return None
    low = np.quantile(heights, 0.1)
    return float(low / (SMALL if max(heights) > 1.25 * low else CAPITAL))  # alike: digits, capitals


def between(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """A colour of this hue that has a contrast of 4.5 on white and on black: itself, if it has.

    Examples
    --------
    >>> between((213, 94, 0)), between((255, 255, 255))
    ((194, 85, 0), (117, 117, 117))
    """
    c = np.array(colour) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    if DARKEST <= light <= LIGHTEST:  # else each build would move it a little
        return colour
    if light > MIDDLE:
        linear = linear * MIDDLE / light
    else:  # towards white, which keeps the hue of what is as bright as it can be
        linear = linear + (1 - linear) * (MIDDLE - light) / (1 - light)
    c = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(np.round(255 * c).astype(int).tolist())


def few_colours(drawing: Image.Image, inks: list[tuple[int, int, int]]) -> Image.Image:
    """A drawing in 256 colours, among them those of its letters in all degrees of clearness.

    Examples
    --------
    >>> drawing = Image.linear_gradient("L").convert("RGBA")
    >>> drawing.putpixel((3, 4), (113, 118, 126, 255))
    >>> few_colours(drawing, [(113, 118, 126)]).convert("RGBA").getpixel((3, 4))
    (113, 118, 126, 255)
    """
    inks = inks[:8]
    others = 256 - SHADES * len(inks)
    few = drawing.quantize(others, dither=Image.Dither.FLOYDSTEINBERG)
    found = np.array(few.getpalette("RGBA")).reshape(-1, 4)[:others]
    colours = np.zeros((256, 4), np.uint8)
    colours[: len(found)] = found
    pixels, places = np.array(drawing), np.array(few)
    for n, ink in enumerate(inks):
        start = others + SHADES * n
        colours[start : start + SHADES, :3] = ink
        colours[start : start + SHADES, 3] = np.linspace(0, 255, SHADES)
        letters = (pixels[..., :3] == ink).all(-1)
        degree = np.round(pixels[letters, 3] / 255 * (SHADES - 1))
        places[letters] = start + degree.astype(np.uint8)
    result = Image.fromarray(places, "P")
    result.putpalette(colours.ravel().tolist(), "RGBA")
    return result


def _rename(site: Path, renamed: dict[str, str]) -> None:
    """Let the pages ask for the new files."""
    if not renamed:
        return
    old = re.compile("|".join(map(re.escape, renamed)))
    for page in site.rglob("*.html"):
        before = page.read_text("utf8")
        if (after := old.sub(lambda match: renamed[match[0]], before)) != before:
            page.write_text(after, "utf8")
