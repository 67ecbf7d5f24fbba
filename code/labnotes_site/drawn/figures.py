"""Pictures of a page: their size is told before they come, so that no text jumps, and those far
down wait until the reader is near. Small letters of a figure stay legible on a phone.
"""

from __future__ import annotations

import posixpath
import re
from base64 import b64decode, b64encode
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

from labnotes_site.drawn import bitmaps

IMAGE = re.compile(r"<img\b[^>]*>")
SOURCE = re.compile(r'\bsrc="([^"]+)"')
VIEW_BOX = re.compile(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"')
# matplotlib draws letters as outlines of a font of 100 units and scales each text down.
TEXT_SCALE = re.compile(r"scale\((0\.\d+) -0\.\d+\)")
TEXT_SIZE = re.compile(r"font-size[:=]\"? *([\d.]+)")
#: The smallest letters that a figure may have on a phone, in CSS pixels.
LEGIBLE = 9.0
#: Figures are drawn once, in colours (`labnotes.plot`) that are to serve any notebook. Some are too
#: faint for a white page: there each is the same colour, darker. Letters reach a contrast of 4.5,
#: lines and marks one of 3, on the page, in the frame of a record, and in the dark theme, which
#: shows drawings brighter.
INK = "#7a7f87"
DARKER = {
    ": #e69f00": ": #ba8100",  # orange
    ": #56b4e9": ": #4794bf",  # sky
    ": #cc79a7": ": #c2739f",  # purple
    ": #8a8f98": ": #878c95",  # grey
    "fill: #f0e442": "fill: #958d29",  # yellow; its lines are frames on photographs
    INK: "#6b7077",
}
RGB = tuple(bytes.fromhex(INK[1:]))
FAINT = re.compile("|".join(DARKER), re.IGNORECASE)
#: The colours of words: small, they need more contrast than a line.
WORDS = {
    "#d55e00": "#b75100",  # vermilion
    "#e69f00": "#936600",  # orange
    "#009e73": "#007a58",  # green
    "#8a8f98": "#6b7077",  # grey
}
WORD = re.compile(r'(?<=<g style="fill: )#\w{6}(?=" transform="translate\([^"]*scale\()')
PHOTOGRAPH = re.compile(r'"data:image/png;base64,([^"]*)"')


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
        # They tell the shape also where the page's author chose a size in the style.
        told = f' width="{width:.0f}" height="{height:.0f}" loading="lazy" decoding="async"'
        tag = tag.removesuffix(">").removesuffix("/").rstrip() + told
        if not least:
            return tag + ">"
        # On a phone it gets no narrower than its letters allow; then it scrolls in its frame.
        sizes = f"--ln-least: {least:.0f}px; --ln-drawn: {width:.0f}px"
        return f'<span class="ln-figure" style="{sizes}">{tag} data-least="{least:.0f}"></span>'

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
            letters = bitmaps.smallest_letters(image.convert("RGBA"), RGB)
            return *image.size, letters and image.width * LEGIBLE / letters
    text = file.read_text("utf8")
    if not (box := VIEW_BOX.search(text)):
        return 0, 0, None
    width, height = float(box[1]), float(box[2])
    points = 4 / 3 if 'pt"' in text[: box.end()] else 1.0
    letters = [100 * float(scale) for scale in TEXT_SCALE.findall(text)]
    letters += [float(each) for each in TEXT_SIZE.findall(text)]
    least = width * LEGIBLE / min(letters) if letters else None
    return width * points, height * points, least


def ink(app: Sphinx, exception: Exception | None) -> None:
    """At the build's end: drawings get colours that are legible on the page."""
    if exception or app.builder.format != "html":
        return
    for file in Path(app.outdir, "_images").glob("*.svg"):
        before = file.read_text("utf8")
        after = legible(before)
        if len(after) > bitmaps.HEAVY:
            after = PHOTOGRAPH.sub(_lighter, after)
        if after != before:
            file.write_text(after, "utf8")


def legible(drawing: str) -> str:
    """A drawing with its colours dark enough for a white page.

    Examples
    --------
    >>> legible('<path style="fill: none; stroke: #e69f00"/>')
    '<path style="fill: none; stroke: #ba8100"/>'
    """
    drawing = WORD.sub(lambda match: WORDS.get(match[0], match[0]), drawing)
    return FAINT.sub(lambda match: DARKER[match[0].lower()], drawing)


def _lighter(match: re.Match) -> str:
    """A photograph inside a drawing, told anew in a format made for photographs."""
    with Image.open(BytesIO(b64decode(match[1]))) as image:
        picture = image.convert("RGBA")
    if bitmaps.has_clear_ground(picture) or len(match[1]) < bitmaps.HEAVY / 10:
        return match[0]  # a mask or a few coloured cells, whose edges are to stay sharp
    packed = BytesIO()
    bitmaps.write_photograph(picture, packed)
    return f'"data:image/avif;base64,{b64encode(packed.getvalue()).decode()}"'
