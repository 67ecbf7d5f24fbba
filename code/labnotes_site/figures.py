"""Pictures of a page: their size is told before they come, so that no text jumps, and those far
down wait until the reader is near. Small letters of a figure stay legible on a phone.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

IMAGE = re.compile(r"<img\b[^>]*>")
SOURCE = re.compile(r'\bsrc="([^"]+)"')
VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
# matplotlib draws letters as outlines of a font of 100 units and scales each text down.
TEXT_SCALE = re.compile(r"scale\((0\.\d+) -0\.\d+\)")
TEXT_SIZE = re.compile(r"font-size[:=]\"? *([\d.]+)")
#: The smallest letters that a figure may have on a phone, in CSS pixels.
LEGIBLE = 9.0
#: A larger picture is written with 256 colours, which nobody sees at twice a screen's pixels.
HEAVY = 100_000  # bytes


def sized(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give each picture of a page its size, and let it load when the reader comes near."""
    if doctree is None or "body" not in context:
        return
    folder = Path(app.outdir, posixpath.dirname(pagename))

    def with_size(match: re.Match) -> str:
        tag, source = match[0], SOURCE.search(match[0])
        file = _file(app, folder, source[1]) if source else None
        if file is None or " loading=" in tag:
            return tag
        width, height, least = size(file)
        # A size that the page's author chose stands in the style already.
        told = "" if "style=" in tag else f' width="{width:.0f}" height="{height:.0f}"'
        least = f' data-least="{least:.0f}"' if least else ""
        return tag.removesuffix(">").removesuffix("/").rstrip() + (
            f'{told}{least} loading="lazy" decoding="async">'
        )

    context["body"] = IMAGE.sub(with_size, context["body"])


def _file(app: Sphinx, folder: Path, source: str) -> Path | None:
    """The file behind a picture's address: pictures are copied when all pages are written."""
    if source.startswith("data:"):
        return None
    name = posixpath.basename(source)
    for original, (_, copied) in app.env.images.items():
        if copied == name:
            return Path(app.srcdir, original)
    beside = (folder / source).resolve()
    return beside if beside.is_file() else None


@cache
def size(file: Path) -> tuple[float, float, float | None]:
    """Width and height in CSS pixels, and of a drawing the width below which its letters get small."""
    if file.suffix != ".svg":
        with Image.open(file) as image:
            return *image.size, None
    text = file.read_text("utf8")
    if not (box := VIEW_BOX.search(text)):
        return 0, 0, None
    width, height = float(box[1]), float(box[2])
    points = 4 / 3 if 'pt"' in text[: box.end()] else 1.0
    letters = [100 * float(scale) for scale in TEXT_SCALE.findall(text)]
    letters += [float(each) for each in TEXT_SIZE.findall(text)]
    least = width * LEGIBLE / min(letters) if letters else None
    return width * points, height * points, least


def compress(app: Sphinx, exception: Exception | None) -> None:
    """At the build's end: heavy pictures become a fifth of their size."""
    if exception or app.builder.format != "html":
        return
    for file in Path(app.outdir, "_images").glob("*.png"):
        if file.stat().st_size > HEAVY:
            with Image.open(file) as image:
                few = image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
            few.save(file, optimize=True)
