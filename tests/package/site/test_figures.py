"""The size of a page's pictures, and how narrow their letters let them become."""

from __future__ import annotations

import re
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from labnotes import plot
from labnotes_site import figures


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


def test_a_heavy_picture_gets_lighter_and_looks_the_same(tmp_path):
    folder = tmp_path / "_images"
    folder.mkdir()
    ramp = np.linspace(0, 255, 600)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 128.0), axis=2)
    pixels += np.random.default_rng(0).normal(0, 6, pixels.shape)
    heavy = Image.fromarray(pixels.clip(0, 255).astype("uint8"))
    heavy.save(folder / "heavy.png")
    heavy.crop((0, 0, 40, 40)).save(folder / "light.png")
    before = {file.name: file.stat().st_size for file in folder.iterdir()}
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    figures.compress(app, None)
    assert (folder / "heavy.png").stat().st_size < 0.6 * before["heavy.png"]
    assert (folder / "light.png").stat().st_size == before["light.png"]
    with Image.open(folder / "heavy.png") as after:
        difference = np.asarray(after.convert("RGB"), float) - np.asarray(heavy, float)
    assert abs(difference.mean()) < 1 and np.abs(difference).mean() < 12


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
        if colour in (plot.ORANGE, plot.VERMILION):  # those that words are written in
            assert contrast(re.findall("#.{6}", figures.legible(word))[0]) >= 4.5
    [ink] = re.findall("#.{6}", figures.legible(f"fill: {plot.INK.lower()};"))
    assert contrast(ink) >= 4.5


def test_letters_beside_a_photograph_get_their_ink_and_the_photograph_keeps_its_colours(tmp_path):
    folder = tmp_path / "_images"
    folder.mkdir()
    pixels = np.zeros((20, 20, 4), "uint8")  # a clear ground
    pixels[2:8, 2:8] = (0x7A, 0x7F, 0x87, 255)
    pixels[2, 2, 3] = 90  # the edge of a letter
    pixels[10:, 10:] = (200, 120, 40, 255)
    Image.fromarray(pixels).save(folder / "figure.png")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    figures.ink(app, None)
    with Image.open(folder / "figure.png") as image:
        after = np.array(image)
    assert (after[2:8, 2:8, :3] == figures.BESIDE_PHOTO).all() and after[2, 2, 3] == 90
    assert (after[10:, 10:] == pixels[10:, 10:]).all() and (after[0, 0] == 0).all()
