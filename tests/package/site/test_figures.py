"""The size of a page's pictures, and how narrow their letters let them become."""

from __future__ import annotations

import re
from base64 import b64decode
from io import BytesIO
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from labnotes import plot
from labnotes_site.drawn import figures


@pytest.mark.parametrize("letters", ["path", "none"])
def test_a_drawings_size_is_that_of_matplotlib_and_its_smallest_letters_set_the_least_width(
    tmp_path, letters
):
    drawing = Figure(figsize=(5, 2))
    drawing.text(0.1, 0.5, "large", fontsize=18)
    drawing.text(0.5, 0.5, "small", fontsize=7.5)
    file = tmp_path / "drawing.svg"
    with matplotlib.rc_context({"svg.fonttype": letters}):
        drawing.savefig(file)
    width, height, least = figures.size(file)
    assert (width, height) == pytest.approx((5 * 96, 2 * 96))
    # 7.5 points are 10 pixels at full size: 9 pixels at nine tenths of it, in CSS pixels.
    assert least == pytest.approx(5 * 96 * 0.9, rel=0.01)


def test_a_photograph_has_its_own_size_and_no_letters(tmp_path):
    file = tmp_path / "photo.png"
    Image.new("RGB", (31, 17)).save(file)
    assert figures.size(file) == (31, 17, None)


@pytest.mark.parametrize("text", ["0.25", "a word", "A Title, of words"])
@pytest.mark.parametrize("points", [7, 8, 10, 12])
def test_the_letters_of_a_figure_of_pixels_set_its_least_width_too(tmp_path, text, points):
    drawing = Figure(figsize=(5, 2))
    drawing.text(0.05, 0.5, text, fontsize=points, color=plot.INK)
    drawing.text(0.5, 0.5, text, fontsize=points, color=plot.BLUE)  # another colour: not asked for
    file = tmp_path / "drawing.png"
    drawing.savefig(file, dpi=200, transparent=True)
    width, _, least = figures.size(file)
    assert width == 1000
    assert least == pytest.approx(1000 * 9 / (points / 72 * 200), rel=0.1)


def test_a_photograph_inside_a_drawing_gets_lighter(tmp_path):
    (tmp_path / "_images").mkdir()
    site = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    shades = (
        np.random.default_rng(0).normal(0, 6, (200, 400, 3)) + np.linspace(20, 230, 400)[:, None]
    )
    photograph = Image.fromarray(shades.clip(0, 255).astype("uint8"))
    drawing, small = Figure(figsize=(5, 2)), site.outdir / "_images" / "drawing.svg"
    axes = drawing.add_subplot()
    axes.imshow(photograph, interpolation="none")
    axes.set_title("a title")
    drawing.savefig(small)
    text = small.read_text("utf8")
    figures.ink(site, None)
    after = small.read_text("utf8")
    assert len(after) < 0.3 * len(text)
    assert re.sub('"data:[^"]*"', "", after) == re.sub('"data:[^"]*"', "", text)
    [packed] = re.findall('"data:image/avif;base64,([^"]*)"', after)
    with Image.open(BytesIO(b64decode(packed))) as picture:
        inside = np.asarray(picture.convert("RGB"), float)
    [unpacked] = re.findall('"data:image/png;base64,([^"]*)"', text)
    with Image.open(BytesIO(b64decode(unpacked))) as picture:
        assert np.abs(inside - np.asarray(picture.convert("RGB"), float)).mean() < 6


def test_every_colour_of_the_book_reaches_its_contrast_on_the_page_and_its_letters_more():
    """Against the formula of WCAG 2.2, for colours that `labnotes.plot` draws in now."""

    def contrast(colour: str) -> float:
        c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05)

    assert contrast("#767676") == pytest.approx(4.54, abs=0.01)  # a grey known to pass
    palette = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION, plot.SKY, plot.PURPLE, plot.GREY)
    for colour in palette:
        [line] = re.findall("#.{6}", figures.legible(f"stroke: {colour.lower()};"))
        assert contrast(line) >= 3, colour
        word = f'<g style="fill: {colour.lower()}" transform="translate(1 2) scale(0.1 -0.1)">'
        if colour in (
            plot.ORANGE,
            plot.VERMILION,
            plot.GREEN,
            plot.GREY,
        ):  # those that words are written in
            assert contrast(re.findall("#.{6}", figures.legible(word))[0]) >= 4.5
    [ink] = re.findall("#.{6}", figures.legible(f"fill: {plot.INK.lower()};"))
    assert contrast(ink) >= 4.5
