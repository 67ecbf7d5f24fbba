"""The size of a page's pictures, and how narrow their letters let them become."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

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
