"""What a figure is drawn in, and what each of its letters, lines and marks stands on.

matplotlib draws letters as outlines in a group of their own, ``<g transform="… scale(0.1 -0.1)">``,
and everything else in the drawing's own coordinates, the later over the earlier.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from lxml import etree
from matplotlib.colors import to_rgb
from matplotlib.path import Path as Outline
from PIL import Image
from scipy import ndimage

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
COMMAND = re.compile(r"([MLQCz])([^MLQCz]*)")
LETTERS = re.compile(
    r"translate\(([-\d.e]+) ([-\d.e]+)\)(?: rotate\(([-\d.]+)\))? scale\(0\.\d+ -0\."
)
#: What is fainter than this is a band, a grid or a shade: no line that has to be made out.
FAINT = 0.6
CODES = {"M": [1], "L": [2], "Q": [3, 3], "C": [4, 4, 4]}


@dataclass
class Ink:
    """A colour of a figure and the colour behind it; `ground` is None on the page's own ground."""

    kind: str  # "text" or "mark"
    colour: tuple[float, float, float]
    ground: tuple[float, float, float] | None = None
    where: tuple[float, float] = (0, 0)


@dataclass
class Drawing:
    """The filled shapes of a drawing so far, and the inks found."""

    shapes: list = field(default_factory=list)  # (contains, colour or None at, opacity)
    inks: list[Ink] = field(default_factory=list)

    def ground(self, x: float, y: float) -> tuple | None:
        """The colour at a place, None if nothing (or something hardly there) has been painted."""
        for contains, colour, opacity in reversed(self.shapes):
            if opacity >= FAINT and contains(x, y) and (found := colour(x, y)) is not None:
                return found
        return None


def looks(e) -> dict[str, str]:
    """How an element is painted: its style, or else its attributes, or what is around it."""
    look = {}
    for each in reversed([e, *e.iterancestors()]):
        look.update({name: each.get(name) for name in ("fill", "stroke") if each.get(name)})
    given = dict(part.split(":", 1) for part in e.get("style", "").split(";") if ":" in part)
    return look | dict(e.attrib) | {name.strip(): value.strip() for name, value in given.items()}


def opacity(look: dict, of: str) -> float:
    return float(look.get("opacity", 1)) * float(look.get(f"{of}-opacity", 1))


def outline(d: str) -> Outline:
    """A path; one with commands that matplotlib does not write (an explorer's axes) is empty."""
    vertices, codes = [], []
    if set(d) & set("HVShvlcsqaA"):
        d = ""
    for command, numbers in COMMAND.findall(d):
        points = np.array([float(n) for n in NUMBER.findall(numbers)]).reshape(-1, 2)
        if command == "z":
            points = np.zeros((1, 2))
        vertices.extend(points)
        codes.extend(
            [79] if command == "z" else CODES[command] * (len(points) // len(CODES[command]))
        )
    return Outline(np.array(vertices).reshape(-1, 2), codes)


def of_svg(file: Path | BinaryIO) -> list[Ink]:
    """The inks of a drawing."""
    drawing = Drawing()
    for e in etree.parse(file).getroot().iter("{*}g", *(f"{{*}}{kind}" for kind in DRAWN)):
        if not list(e.iterancestors("{*}defs", "{*}clipPath")):
            DRAWN.get(etree.QName(e).localname, _letters)(e, drawing)
    return drawing.inks


def _letters(e, drawing: Drawing) -> None:
    if not (place := LETTERS.search(e.get("transform", ""))):
        return
    x, y = float(place[1]), float(place[2])
    inside = (-3, -4) if place[3] else (3, -3)  # in the first letter
    at = (x + inside[0], y + inside[1])
    colour = to_rgb(looks(e).get("fill", "#000000"))
    drawing.inks.append(Ink("text", colour, drawing.ground(*at), at))


def _words(e, drawing: Drawing) -> None:
    look = looks(e)
    at = (float(look.get("x", 0)), float(look.get("y", 0)) - 3)
    fill = look.get("fill", "#000000")
    if fill != "none":
        drawing.inks.append(Ink("text", to_rgb(fill), drawing.ground(*at), at))


def _path(e, drawing: Drawing) -> None:
    if LETTERS.search(e.getparent().get("transform", "")):
        return
    look = looks(e)
    shape = outline(e.get("d", ""))
    if not len(shape.vertices):
        return
    fill, stroke = look.get("fill", "#000000"), look.get("stroke", "none")
    edge = stroke != "none" and opacity(look, "stroke") >= FAINT
    full = fill != "none" and opacity(look, "fill") >= FAINT
    at = tuple(shape.vertices[len(shape.vertices) // 2])
    on = [drawing.ground(*place) for place in (at, tuple(shape.vertices.mean(0)))]
    if edge or full:
        behind = next((ground for ground in on if ground is not None), None)
        drawing.inks.append(Ink("mark", to_rgb(stroke if edge else fill), behind, at))
    if fill != "none":
        colour = to_rgb(fill)
        drawing.shapes.append(
            (lambda x, y: shape.contains_point((x, y)), lambda x, y: colour, opacity(look, "fill"))
        )


def _image(e, drawing: Drawing) -> None:
    look = looks(e)
    address = look.get("{http://www.w3.org/1999/xlink}href") or look["href"]
    data = address.partition("base64,")[2]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) / 255
    left, top, width, height = (float(look.get(k, 0)) for k in ("x", "y", "width", "height"))
    numbers = [float(n) for n in NUMBER.findall(look.get("transform", ""))]
    flipped = look.get("transform", "").startswith("scale(1 -1)")
    if flipped:  # scale(1 -1) translate(0 -bottom): matplotlib stores a picture upside down
        top = -numbers[3] - top - height
    elif numbers:  # matrix(a 0 0 d left top)
        width, height, left, top = width * numbers[0], height * numbers[3], *numbers[4:]
    rows, columns = pixels.shape[:2]

    def colour(x: float, y: float) -> tuple | None:
        down, across = (y - top) / height, (x - left) / width
        row = min(int((1 - down if flipped else down) * rows), rows - 1)
        pixel = pixels[row, min(int(across * columns), columns - 1)]
        return tuple(pixel[:3]) if pixel[3] >= FAINT else None

    drawing.shapes.append(
        (
            lambda x, y: left <= x <= left + width and top <= y <= top + height,
            colour,
            1.0,
        )
    )


def _box(e, drawing: Drawing) -> None:
    """A box or disc of an explorer's picture, for what stands on it."""
    look = looks(e)
    r = float(look.get("r", 0))
    left, top = (
        float(look.get(side, look.get(centre, 0))) - r
        for side, centre in (("x", "cx"), ("y", "cy"))
    )
    width, height = float(look.get("width", 2 * r)), float(look.get("height", 2 * r))
    fill = look.get("fill", "#000000")
    if fill != "none":
        drawing.shapes.append(
            (
                lambda x, y: left <= x <= left + width and top <= y <= top + height,
                lambda x, y: to_rgb(fill),
                opacity(look, "fill"),
            )
        )


DRAWN = {"path": _path, "image": _image, "text": _words, "rect": _box, "circle": _box}


def of_png(file: Path) -> list[Ink]:
    """The inks of the letters of a picture: small pieces on the clear ground, at their fullest."""
    pixels = np.asarray(Image.open(file).convert("RGBA"))
    clear = pixels[..., 3] < 8
    if clear.mean() < 0.05:
        return []  # a photograph
    pieces, _ = ndimage.label(~clear, np.ones((3, 3)))
    inks = []
    for n, box in enumerate(ndimage.find_objects(pieces), 1):
        height, width = (side.stop - side.start for side in box)
        if not (12 <= height <= 40 and width <= 40):
            continue
        piece = np.where((pieces[box] == n)[..., None], pixels[box], 0).reshape(-1, 4)
        fullest = piece[piece[:, 3].argmax()]
        if fullest[3] > 200:
            inks.append(Ink("text", tuple(fullest[:3] / 255), None, (box[1].start, box[0].start)))
    return inks


def luminance(colour) -> float:
    c = np.asarray(colour)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other) -> float:
    """WCAG 2's contrast ratio of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
