"""The explorer's JavaScript changes a photo as torchvision does, pixel by pixel."""

import base64
import io
import json
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from labnotes.data import photos
from labnotes.explore.augment import FLIPS, AugmentExplorer

from .node import inside

run_js = partial(inside, str(AugmentExplorer._esm))
SVG = "{http://www.w3.org/2000/svg}"
PLAIN = {"side": 100, "across": 50, "down": 50, "flip": "none", "brightness": 100, "contrast": 100,
         "saturation": 100, "hue": 0}  # fmt: skip


@pytest.fixture(scope="module")
def photo():
    pixels = torch.randint(256, (3, 15, 20), generator=torch.Generator().manual_seed(0))
    pixels[:, :3] = 128  # grey
    pixels[:2, 3:5] = 255  # yellow: two greatest values
    pixels[2, 3:5] = 0
    return pixels.to(torch.uint8)


def torchvisions(photo, side, across, down, flip, brightness, contrast, saturation, hue):
    """The changes by torchvision, on floats."""
    rows, columns = photo.shape[1:]
    tall, wide = int(rows * side / 100 + 0.5), int(columns * side / 100 + 0.5)
    top, left = int((rows - tall) * down / 100 + 0.5), int((columns - wide) * across / 100 + 0.5)
    x = tv.resized_crop(photo / 255, top, left, tall, wide, [rows, columns])
    if flip in ("sides", "both"):
        x = tv.horizontal_flip(x)
    if flip in ("upright", "both"):
        x = tv.vertical_flip(x)
    x = tv.adjust_brightness(x, brightness / 100)
    x = tv.adjust_contrast(x, contrast / 100)
    x = tv.adjust_saturation(x, saturation / 100)
    return tv.adjust_hue(x, hue / 100)


def cases():
    """Each control alone at its ends, and forty of all at random."""
    random = np.random.default_rng(0)
    alone = [{"side": 20}, {"side": 77, "across": 0}, {"side": 55, "down": 100}, {"side": 40}]
    alone += [{"flip": f} for f in FLIPS]
    alone += [{n: v} for n in ("brightness", "contrast", "saturation") for v in (0, 35, 150, 200)]
    alone += [{"hue": v} for v in (-50, -33, -1, 10, 33, 50)]
    for _ in range(40):
        numbers = random.integers([20, 0, 0, 0, 0, 0, -50], [101, 101, 101, 201, 201, 201, 51])
        names = [n for n in PLAIN if n != "flip"]
        drawn = dict(zip(names, numbers.tolist(), strict=True))
        alone.append(drawn | {"flip": list(FLIPS)[random.integers(4)]})
    return [PLAIN | case for case in alone]


def test_every_pixel_of_every_case_is_torchvision_s_in_both_languages(photo):
    values = (photo / 255).permute(1, 2, 0).flatten().tolist()
    found = run_js(
        "given.cases.map((s) => Array.from(changed(given.values, 20, 15, s)))",
        {"values": values, "cases": cases()},
    )
    for case, got in zip(cases(), found, strict=True):
        expected = torchvisions(photo, **case)
        ours = torch.tensor(got, dtype=torch.float32).view(15, 20, 3).permute(2, 0, 1)
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0, msg=f"{case}")
        explorer = AugmentExplorer(photo, **case)
        torch.testing.assert_close(explorer.changed(), expected, atol=1e-5, rtol=0)


def test_the_calls_that_are_shown_make_the_picture(photo):
    found = run_js("given.map((s) => calls(s, 20, 15))", cases())
    for case, lines in zip(cases(), found, strict=True):
        names = {"x": photo / 255, "F": tv}
        exec("\n".join(lines), names)
        torch.testing.assert_close(names["x"], torchvisions(photo, **case), atol=1e-5, rtol=0)
    assert found[cases().index(PLAIN)] == []


def test_the_sentence_gives_mean_and_share_of_values_at_the_ends(photo):
    values = (photo / 255).permute(1, 2, 0).flatten()
    settings = PLAIN | {"brightness": 170, "side": 60, "flip": "sides"}
    after = torchvisions(photo, **settings)
    sentence = run_js(
        "describe(given.s, 20, 15, measure(given.v), measure(changed(given.v, 20, 15, given.s)))",
        {"s": settings, "v": values.tolist()},
    )
    levels = [(255 * x).round() for x in (values, after)]
    ends = [((x == 0) | (x == 255)).float().mean().item() for x in levels]
    assert f"{values.mean():.2f} → {after.mean():.2f}" in sentence
    assert f"{100 * ends[0]:.1f} % → {100 * ends[1]:.1f} %" in sentence
    assert sentence.startswith("36 % of the photo, flip: left to right.")


def test_what_is_drawn_at_random_can_be_shown_and_fills_its_ranges(photo):
    drawn = run_js("[draw(() => 0), draw(() => 0.9999999), draw(() => 0.5)]", None)
    for settings in drawn:
        AugmentExplorer(photo, **settings)
    low, high, middle = drawn
    assert (low["side"], high["side"], low["hue"], high["hue"]) == (55, 100, -10, 10)
    assert (low["flip"], high["flip"]) == ("sides", "none")
    assert {n: middle[n] for n in ("brightness", "contrast", "saturation", "hue")} == {
        "brightness": 100, "contrast": 100, "saturation": 100, "hue": 0,
    }  # fmt: skip


def test_both_languages_cut_the_same_piece_and_call_the_same_settings_plain(photo):
    explorer = AugmentExplorer(photo)
    assert {name: getattr(explorer, name) for name in PLAIN} == PLAIN == run_js("PLAIN", None)
    pieces = run_js("given.map((s) => cropBox(s, 20, 15))", cases())
    for case, piece in zip(cases(), pieces, strict=True):
        names = ("top", "left", "height", "width")
        assert AugmentExplorer(photo, **case).box == tuple(piece[n] for n in names)


def test_the_photo_goes_into_the_page_without_loss_and_the_still_picture_has_both(photo):
    explorer = AugmentExplorer(photo, side=60, across=10, down=90, brightness=130)
    content = base64.b64decode(explorer.photo.partition(",")[2])
    assert np.array_equal(np.array(Image.open(io.BytesIO(content))), photo.permute(1, 2, 0))
    tree = ElementTree.fromstring(explorer.still_svg())
    assert tree.find(f"{SVG}title").text == explorer.describe()
    assert len(list(tree.iter(f"{SVG}image"))) == 2
    (frame,) = tree.iter(f"{SVG}rect")
    top, left, tall, wide = explorer.box
    assert [float(frame.get(n)) for n in ("y", "x", "height", "width")] == pytest.approx(
        [16 * n for n in (top, left, tall, wide)]
    )
    assert f"rows {top} to {top + tall - 1}" in explorer.describe()


def test_the_picture_of_the_page_is_light():
    scene = photos(fallback=True, longest=120)["cat1"]
    state = AugmentExplorer(scene).get_state()
    assert len(json.dumps(state["photo"])) <= 54_000  # 40 kB as base64


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"photo": torch.zeros(3, 8, 8)}, r"photo is \(3, 8, 8\) of torch.float32"),
        ({"photo": torch.zeros(3, 8, 300, dtype=torch.uint8)}, "8 high and 300 wide"),
        ({"photo": torch.zeros(3, 1, 8, dtype=torch.uint8)}, "2 to 160 pixels"),
        ({"flip": "over"}, "flip is 'over': give one of none, sides, upright, both"),
        ({"side": 10}, "side is 10: give 20 to 100"),
        ({"hue": 51}, "hue is 51: give -50 to 50"),
        ({"gamma": 2}, "there is no 'gamma'"),
    ],
)
def test_bad_input_is_refused(photo, change, text):
    with pytest.raises(ValueError, match=text):
        AugmentExplorer(**({"photo": photo} | change))
