"""The RoIAlign explorer: its JavaScript gives torchvision's numbers, its picture shows its state."""

import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import torchvision.ops as tv
import traitlets

from labnotes.explore import roi_align as module
from labnotes.explore.roi_align import SIDE, RoIAlignExplorer

from .node import imported, inside

SCRIPT = Path(module.__file__).with_name("roi_align.js")
run_js = partial(imported, SCRIPT)
SHOWN = ("features", "region", "output", "ratio", "aligned")


def states() -> list[RoIAlignExplorer]:
    draw = random.Random(0)
    table = [{"region": [0, 0, 8, 8]}, {"region": [0.5, 1.5, 2.5, 3.5]}, {}]
    for k in range(200):
        x, y = (sorted(v / 10 for v in draw.sample(range(0, 81), 2)) for _ in range(2))
        table.append({
            "features": [[draw.uniform(-5, 5) for _ in range(SIDE)] for _ in range(SIDE)],
            "region": [x[0], y[0], x[1], y[1]], "output": k % 3 + 1,
            "ratio": draw.randint(1, 3), "aligned": draw.random() < 0.5,
        })  # fmt: skip
    return [RoIAlignExplorer(**traits) for traits in table]


def test_javascript_and_python_give_torchvisions_numbers():
    explorers = states()
    data = [{name: getattr(e, name) for name in SHOWN} for e in explorers]
    found = run_js(
        "console.log(JSON.stringify(data.map((s) => [m.roiPool(s), m.roiAlign(s)])));", data
    )
    for e, (pool, align) in zip(explorers, found, strict=True):
        features = torch.tensor(e.features, dtype=torch.float64)[None, None]
        region = torch.tensor([[0.0, *e.region]], dtype=torch.float64)
        theirs = tv.roi_pool(features, region, e.output)[0, 0]
        assert torch.allclose(torch.tensor(pool, dtype=torch.float64), theirs)
        assert e.pooled() == theirs.tolist()
        theirs = tv.roi_align(features, region, e.output, 1.0, e.ratio, e.aligned)[0, 0]
        assert torch.allclose(torch.tensor(align, dtype=torch.float64), theirs, atol=1e-9)
        assert torch.allclose(torch.tensor(e.read(), dtype=torch.float64), theirs, atol=1e-9)


def test_a_region_stays_within_the_map_in_tenths_of_a_cell():
    cases = [(-1, 3, 2, 2), (7.5, 0.04, 2, 2), (1.26, 7.9, 3.3, 8), (0, 0, 8, 8)]
    found = run_js("console.log(JSON.stringify(data.map((c) => m.placed(...c, 8))));", cases)
    assert found == [[0, 3, 2, 5], [6, 0, 8, 2], [1.3, 0, 4.6, 8], [0, 0, 8, 8]]


def test_the_sentence_says_what_is_rounded():
    script = SCRIPT.read_text("utf8").replace("export ", "").replace("default { render };", "")
    given = [
        {"features": [[0] * 8] * 8, "region": region, "aligned": aligned}
        for region, aligned in (
            ([1.3, 0.7, 5.7, 4.4], True), ([1, 0, 5, 4], False), ([4.2, 5.5, 8, 8], True)
        )
    ]  # fmt: skip
    rounded, whole, last = inside(script, "given.map(told)", given)
    assert "4.4 x 3.7 cells" in rounded and "rounds it to columns 1 to 6 and rows 1 to 4" in rounded
    assert "reads at the dots" in rounded
    assert "takes columns 1 to 5 and rows 0 to 4" in whole and "half a cell too far" in whole
    assert "columns 4 to 8 and rows 6 to 8" in last and "There is no number 8" in last
    assert "no number" not in rounded + whole


def test_the_first_state_shows_that_the_two_differ():
    explorer = RoIAlignExplorer()
    moved = RoIAlignExplorer(region=[v + 0.1 for v in explorer.region])
    assert moved.pooled() == explorer.pooled() and moved.read() != explorer.read()


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = RoIAlignExplorer()
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    written = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    for table in (explorer.pooled(), explorer.read()):
        for value in sum(table, []):
            assert f"{value:.2f}" in written and f"{value:.2f}" in explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert len(SCRIPT.read_bytes()) < 25_000


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"region": [2, 2, 2, 5]}, ValueError, "x1 < x2"),
        ({"region": [2, 2, 5, 9]}, ValueError, "within 0 and 8"),
        ({"features": [[1.0] * 8] * 7}, ValueError, "7 rows"),
        ({"region": [1, 2, 3]}, traitlets.TraitError, "region"),
        ({"output": 4}, traitlets.TraitError, "output"),
        ({"shown": "both"}, traitlets.TraitError, "shown"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        RoIAlignExplorer(**traits)
    assert text in str(caught.value)
