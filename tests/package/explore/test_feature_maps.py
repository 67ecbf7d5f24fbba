"""The explorer's JavaScript reads the maps, fields and means that the package computes."""

import base64
import doctest
import io
import json
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from labnotes.convnets import ReceptiveField, nin_small, receptive_field_of
from labnotes.explore import feature_maps
from labnotes.explore.feature_maps import FeatureMapExplorer, Maps, quantised, read_maps

from .node import inside

SCRIPT = FeatureMapExplorer._esm
run_js = partial(inside, str(SCRIPT))
CLASSES = [f"class {i}" for i in range(10)]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nin_small(in_channels=3, width=12, last_relu=False).eval()


@pytest.fixture(scope="module")
def image():
    return torch.randn(3, 32, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def maps(net, image):
    return read_maps(net.features, image, {"block 1": 0, "block 2": 3, "class maps": 6})


@pytest.fixture(scope="module")
def photo():
    colours = torch.Generator().manual_seed(2)
    return torch.randint(256, (3, 64, 80), generator=colours).to(torch.uint8)


@pytest.fixture
def explorer(photo, maps):
    return FeatureMapExplorer(photo, maps, CLASSES, scale=2)


def test_the_maps_are_what_hooks_see_in_a_pass_of_the_whole_net(net, image, maps):
    seen = {}
    for place in (0, 3, 6):
        net.features[place].register_forward_hook(lambda _, __, y, k=place: seen.update({k: y}))
    with torch.no_grad():
        logits = net(image[None])[0]
    for one, place in zip(maps, (0, 3, 6), strict=True):
        torch.testing.assert_close(one.values, seen[place][0])
        field = receptive_field_of(net.features[: place + 1], 32)
        assert one.field == field
    torch.testing.assert_close(maps[-1].values.mean((1, 2)), logits)


def test_reading_maps_leaves_the_mode_as_it_was_and_drops_nothing_out(image):
    net = nin_small(in_channels=3, width=8).train()
    first, second = (read_maps(net.features, image, {"end": 6})[0].values for _ in range(2))
    assert net.features.training and torch.equal(first, second)
    few = read_maps(net.features, image, {"end": 6}, channels=3)[0].values
    assert torch.equal(few, first[:3])


def test_the_kept_levels_are_within_half_a_level_of_the_values(explorer, maps):
    for number, one in enumerate(maps):
        explorer.layer = number
        for channel in range(len(one.values)):
            explorer.channel = channel
            values = one.values[channel].numpy()
            half = (values.max() - values.min()) / 510
            np.testing.assert_allclose(explorer._map(), values, atol=1.02 * half + 1e-6)
            low, high = (explorer.layers[number][end][channel] for end in ("low", "high"))
            assert low == pytest.approx(values.min(), rel=1e-5, abs=1e-6)
            assert high == pytest.approx(values.max(), rel=1e-5, abs=1e-6)


def test_a_map_of_one_value_is_kept_as_that_value():
    levels, low, high = quantised(torch.full((2, 3, 4), -1.5))
    assert levels == bytes(24) and low == high == [-1.5, -1.5]


def test_the_script_reads_the_same_values_fields_and_strongest_channels(explorer, maps):
    random, cases = np.random.default_rng(0), []
    for _ in range(60):
        layer = int(random.integers(3))
        channels, rows, columns = maps[layer].values.shape
        place = [int(random.integers(n)) for n in (channels, rows, columns)]
        cases.append([layer, *place])
    found = run_js(
        "given.cases.map(([l, c, r, x]) => { const layer = given.layers[l], b = decode(layer.levels);"
        "return [value(layer, b, c, r, x), seen(layer, r, x), strongest(layer, b, r, x, 5)]; })",
        {"cases": cases, "layers": explorer.layers},
    )
    for (layer, channel, row, column), (got, place, strongest) in zip(cases, found, strict=True):
        explorer.layer, explorer.channel, explorer.row, explorer.column = (
            layer,
            channel,
            row,
            column,
        )
        assert got == pytest.approx(explorer.value, abs=1e-5)
        one = maps[layer]
        half = ((one.values.amax((1, 2)) - one.values.amin((1, 2))) / 510).max().item()
        assert got == pytest.approx(one.values[channel, row, column].item(), abs=1.05 * half)
        (left, right), (top, bottom) = (
            (2 * first, 2 * last + 1) for first, last in map(one.field.interval, (column, row))
        )
        assert place == {"left": left, "top": top, "right": right, "bottom": bottom}
        assert explorer.seen == (left, top, right, bottom)
        best = one.values[:, row, column].topk(5)
        np.testing.assert_allclose([v for _, v in strongest], best.values, atol=1.05 * half)
        assert [v for _, v in strongest] == sorted((v for _, v in strongest), reverse=True)


def test_means_and_softmax_of_the_script_are_the_nets_logits_and_probabilities(explorer, maps):
    means, chances = run_js(
        "[means(given.layers.at(-1), decode(given.layers.at(-1).levels)), softmax(given.logits)]",
        {"layers": explorer.layers, "logits": explorer.logits},
    )
    exact = maps[-1].values.mean((1, 2))
    np.testing.assert_allclose(explorer.logits, exact, rtol=1e-6)
    half = ((maps[-1].values.amax((1, 2)) - maps[-1].values.amin((1, 2))) / 510).max().item()
    np.testing.assert_allclose(means, exact, atol=half)
    np.testing.assert_allclose(chances, torch.softmax(exact, 0), atol=1e-6)
    assert run_js("softmax(given)", [1000.0, 1000.0]) == [0.5, 0.5]


def test_the_pointer_takes_the_unit_whose_field_has_its_middle_nearest(explorer, maps):
    points = [x / 4 for x in range(-8, 4 * 80 + 8)]
    found = run_js(
        "given.layers.map((layer) => given.points.map((x) => nearest(layer, x, layer.columns)))",
        {"layers": explorer.layers, "points": points},
    )
    for one, units in zip(maps, found, strict=True):
        count = one.values.shape[2]
        # in pixels of the photo, where pixel p covers the points from p to p + 1
        middles = [2 * (sum(one.field.interval(u)) / 2 + 0.5) for u in range(count)]
        for x, unit in zip(points, units, strict=True):
            least = min(abs(m - x) for m in middles)
            assert abs(middles[unit] - x) == pytest.approx(least)


def test_the_part_of_a_field_that_is_on_the_photo_is_counted_in_pixels():
    fields = [(0, 0, 9, 9), (-3, 2, 6, 11), (75, 60, 84, 69), (-20, -20, -5, -5), (-9, -9, 99, 99)]
    names = ("left", "top", "right", "bottom")
    found = run_js(
        "given.map((f) => inside(f, 80, 64))", [dict(zip(names, f, strict=True)) for f in fields]
    )
    for (left, top, right, bottom), part in zip(fields, found, strict=True):
        on = np.zeros((bottom - top + 1, right - left + 1), bool)
        rows, columns = np.arange(top, bottom + 1), np.arange(left, right + 1)
        on[np.ix_((rows >= 0) & (rows < 64), (columns >= 0) & (columns < 80))] = True
        assert part == pytest.approx(on.mean())


def test_the_sentence_gives_value_field_and_padding(explorer):
    explorer.layer, explorer.channel, explorer.row, explorer.column = 2, 3, 0, 0
    sentence = run_js(
        "describe(given.layer, 'x', given.value, seen(given.layer, 0, 0), 80, 64)",
        {"layer": explorer.layers[2], "value": explorer.value},
    )
    left, top, right, bottom = (str(n).replace("-", "−") for n in explorer.seen)
    assert f"columns {left} to {right} and rows {top} to {bottom} of the photo" in sentence
    assert "class maps, channel x: " in sentence and "% of that is padding." in sentence


def test_both_sides_use_the_same_two_colours():
    assert run_js("[LOW, HIGH]", None) == [list(feature_maps.LOW), list(feature_maps.HIGH)]
    assert run_js("[colour(0), colour(1)]", None) == [
        list(feature_maps.LOW),
        list(feature_maps.HIGH),
    ]


def test_it_begins_at_the_peak_of_the_class_with_the_greatest_logit(explorer, maps):
    values = maps[-1].values
    assert explorer.layer == 2 and explorer.channel == values.mean((1, 2)).argmax()
    peak = values[explorer.channel].max().item()
    assert values[explorer.channel, explorer.row, explorer.column] == peak
    assert f'"{CLASSES[explorer.channel]}": {max(explorer.logits):.2f}' in explorer.describe()


def test_the_still_picture_holds_photo_map_and_two_frames(explorer, photo):
    tree = ElementTree.fromstring(explorer.still_svg())
    assert tree.find(f"{SVG}title").text == explorer.describe()
    pictures = [e.get("href") for e in tree.iter(f"{SVG}image")]
    sizes = [Image.open(io.BytesIO(base64.b64decode(p.split(",")[1]))).size for p in pictures]
    one = explorer.layers[explorer.layer]
    assert sizes == [(80, 64), (one["columns"], one["rows"])]
    field, unit = tree.iter(f"{SVG}rect")
    assert float(field.get("x")) == pytest.approx(explorer.seen[0] * 4)
    assert float(field.get("width")) == pytest.approx(one["size"] * 4)
    assert float(unit.get("width")) == pytest.approx(one["jump"] * 4)


def test_the_bundle_holds_the_widget_its_picture_and_a_sentence(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg")
    assert data["text/plain"].startswith("A photo beside the map of class maps")


def test_a_page_stays_light_with_a_photo_of_128_pixels():
    torch.manual_seed(0)
    net = nin_small(in_channels=3, width=32)
    maps = read_maps(net.features, torch.randn(3, 48, 64), {"1": 0, "2": 3, "class maps": 6})
    photo = torch.randint(256, (3, 96, 128)).to(torch.uint8)  # noise: the worst case for JPEG
    explorer = FeatureMapExplorer(photo, maps, CLASSES, scale=2)
    assert len(json.dumps({k: explorer.get_state()[k] for k in ("photo", "layers")})) < 130_000


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"photo": torch.zeros(3, 8, 8)}, r"photo is \(3, 8, 8\) of torch.float32"),
        ({"photo": torch.zeros(1, 8, 8, dtype=torch.uint8)}, r"give \(3, height, width\)"),
        ({"layers": []}, "layers is empty"),
        ({"classes": ["cat"]}, "1 classes, 10 channels"),
        ({"scale": 0}, "scale is 0"),
        ({"layer": 3}, "layer is 3, there are 3: give 0 to 2"),
        ({"channel": 10}, "channel is 10, there are 10"),
        ({"row": -1}, "row is -1"),
    ],
)
def test_bad_input_is_refused(photo, maps, change, text):
    given = {"photo": photo, "layers": maps, "classes": CLASSES, "scale": 2} | change
    with pytest.raises(ValueError, match=text):
        FeatureMapExplorer(**given)


def test_maps_that_cannot_be_shown_are_refused(photo, net, image):
    field = ReceptiveField(1, 1, 0)
    for values, text in (
        (torch.zeros(4, 4), "give \\(channels, height, width\\)"),
        (torch.full((1, 2, 2), float("nan")), "not finite"),
    ):
        with pytest.raises(ValueError, match=text):
            FeatureMapExplorer(photo, [Maps("x", values, field)])
    with pytest.raises(ValueError, match="'x' is layer 9, there are 7"):
        read_maps(net.features, image, {"x": 9})
    with pytest.raises(ValueError, match="'flat' gives"):
        read_maps(nn.Sequential(nn.Flatten()), image, {"flat": 0})


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(feature_maps)
    assert result.attempted >= 2 and result.failed == 0
