"""Figures made of pixels: lighter, and with letters that can be read."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from labnotes import plot
from labnotes_site.drawn import bitmaps


def noisy(height: int = 600, width: int = 600) -> Image.Image:
    """A picture like a photograph: shades that nowhere repeat."""
    down, across = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, width)[None]
    pixels = np.stack(np.broadcast_arrays(down, across, 128.0), axis=2)
    pixels += np.random.default_rng(0).normal(0, 6, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_images").mkdir()
    return SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)


def difference(one: Image.Image, other: Image.Image) -> np.ndarray:
    return np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)


def test_a_heavy_photograph_gets_lighter_looks_the_same_and_the_pages_show_it(site):
    folder, page = site.outdir / "_images", site.outdir / "page.html"
    noisy().save(folder / "heavy.png")
    noisy(40, 40).save(folder / "light.png")
    page.write_text('<img src="_images/heavy.png"><img src="_images/light.png">', "utf8")
    before = (folder / "heavy.png").stat().st_size
    bitmaps.finish(site, None)
    assert {file.name for file in folder.iterdir()} == {"heavy.avif", "light.png"}
    assert page.read_text("utf8") == '<img src="_images/heavy.avif"><img src="_images/light.png">'
    assert (folder / "heavy.avif").stat().st_size < 0.1 * before
    with Image.open(folder / "heavy.avif") as after:
        apart = difference(after, noisy())
    assert abs(apart.mean()) < 1 and np.abs(apart).mean() < 6


def letters_on_clear_ground(colour) -> np.ndarray:
    """Two letters of 20 pixels, a dot and a photograph of 500 on a clear ground."""
    pixels = np.zeros((600, 600, 4), "uint8")
    pixels[100:, 100:, :3] = np.asarray(noisy(500, 500))
    pixels[100:, 100:, 3] = 255
    for top, left, bottom, right in ((20, 20, 40, 32), (20, 40, 40, 52), (20, 60, 24, 64)):
        pixels[top:bottom, left:right] = (*colour, 255)
        pixels[top, left:right, 3] = np.linspace(20, 250, right - left)
    return pixels


def finished(site) -> tuple[np.ndarray, int]:
    """The pixels of the only picture as the build leaves it, and its bytes."""
    bitmaps.finish(site, None)
    [file] = (site.outdir / "_images").iterdir()
    assert file.suffix == ".webp"
    return np.asarray(Image.open(file).convert("RGBA")), file.stat().st_size


PALETTE = [
    tuple(int(name[i : i + 2], 16) for i in (1, 3, 5))
    for name in (plot.BLUE, plot.ORANGE, plot.GREEN, plot.VERMILION, plot.SKY, plot.GREY, plot.INK)
]


@pytest.mark.parametrize("colour", [*PALETTE, (0, 0, 0), (255, 255, 255)])
def test_letters_of_a_heavy_drawing_stand_out_on_white_and_black_and_the_rest_stays(site, colour):
    file = site.outdir / "_images" / "drawing.png"
    before = letters_on_clear_ground(colour)
    Image.fromarray(before).save(file)
    heavy = file.stat().st_size
    after, size = finished(site)
    assert size < 0.5 * heavy
    [letter] = np.unique(after[21:40, 20:52][after[21:40, 20:52, 3] == 255][:, :3], axis=0)
    assert (after[21:24, 60:64, :3] == letter).all()  # the dot of a letter
    lights = [lightness(c) for c in ((255, 255, 255), letter, (0, 0, 0))]
    assert (lights[0] + 0.05) / (lights[1] + 0.05) >= 4.5
    assert (lights[1] + 0.05) / (lights[2] + 0.05) >= 4.5
    if max(colour) > min(colour):  # the hue: the same order of red, green and blue
        assert (np.argsort(letter) == np.argsort(colour)).all()
    assert np.abs(after[..., 3].astype(int) - before[..., 3]).max() <= 12
    photograph = np.s_[100:, 100:, :3]
    assert np.abs(after[photograph].astype(float) - before[photograph]).mean() < 12


def lightness(colour) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    r, g, b = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (int(part) / 255 for part in colour)
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_a_light_drawing_keeps_all_but_its_letters(site):
    file = site.outdir / "_images" / "drawing.png"
    before = letters_on_clear_ground((0x7A, 0x7F, 0x87))[:140]
    Image.fromarray(before).save(file)
    light = file.stat().st_size
    assert light < bitmaps.HEAVY
    after, size = finished(site)
    assert size < light
    assert (after[100:] == before[100:]).all() and (after[..., 3] == before[..., 3]).all()
    assert (after[20:40, 20:52] != before[20:40, 20:52]).any()


def test_a_second_build_finds_its_pictures_as_they_are_and_takes_in_new_ones(site):
    folder, page = site.outdir / "_images", site.outdir / "page.html"
    page.write_text('<img src="_images/drawing.png">', "utf8")
    drawing = Image.fromarray(letters_on_clear_ground((0, 0, 0)))
    drawing.save(folder / "drawing.png")
    bitmaps.finish(site, None)
    once = (folder / "drawing.webp").read_bytes()
    bitmaps.finish(site, None)
    assert (folder / "drawing.webp").read_bytes() == once
    drawing.save(folder / "drawing.png")  # a build that writes the page anew copies the picture
    bitmaps.finish(site, None)
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {"drawing.webp": once}
    assert page.read_text("utf8") == '<img src="_images/drawing.webp">'


def test_a_colour_that_was_made_legible_stays_as_it_is():
    for colour in itertools.product(range(0, 256, 15), repeat=3):
        found = bitmaps.between(colour)
        assert bitmaps.between(found) == found, colour
        assert 4.5 <= 1.05 / (lightness(found) + 0.05), colour
        assert 4.5 <= (lightness(found) + 0.05) / 0.05, colour
