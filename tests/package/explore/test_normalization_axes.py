"""The normalization explorer: its JavaScript gives the package's numbers, its picture its state."""

import doctest
import random
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.explore import normalization_axes as module
from labnotes.explore.normalization_axes import KINDS, NormalizationAxesExplorer

from .node import imported

SCRIPT = Path(module.__file__).with_name("normalization_axes.js")
SHOWN = ("block kind groups training unit sample scale running_mean running_var eps").split()
SVG = "{http://www.w3.org/2000/svg}"


def states() -> list[NormalizationAxesExplorer]:
    """Every kind, group count and mode with the first block, then random blocks."""
    table = [{"kind": kind} for kind in KINDS]
    table += [{"kind": "group", "groups": g, "unit": [2, 3, 1, 2]} for g in (1, 2, 4)]
    table += [{"kind": "batch", "training": False, "scale": s} for s in (1.0, 0.5, 3.0)]
    table += [{"kind": kind, "scale": 2.0, "unit": [1, 0, 0, 0]} for kind in KINDS]
    draw = random.Random(0)
    for _ in range(60):
        shape = [draw.randint(1, 4), draw.choice([1, 2, 4, 6]), draw.randint(1, 3), 2]
        size = shape[0] * shape[1] * shape[2] * shape[3]
        values = torch.tensor([round(draw.uniform(-9, 9), 1) for _ in range(size)])
        table.append({
            "block": values.double().reshape(shape).tolist(), "kind": draw.choice(list(KINDS)),
            "groups": draw.choice([g for g in (1, 2, 3, 6) if shape[1] % g == 0]),
            "training": draw.random() < 0.7, "unit": [draw.randrange(n) for n in shape],
            "sample": draw.randrange(shape[0]), "scale": draw.choice([0.5, 1.0, 1.75, 3.0]),
            "running_mean": [draw.uniform(-5, 5) for _ in range(shape[1])],
            "running_var": [draw.uniform(0.1, 9) for _ in range(shape[1])],
        })  # fmt: skip
    return [NormalizationAxesExplorer(**traits) for traits in table]


def run_js(expression: str, data) -> object:
    return imported(SCRIPT, f"console.log(JSON.stringify({expression}));", data)


def shown(explorer) -> dict:
    return {name: getattr(explorer, name) for name in SHOWN}


def test_the_script_computes_what_the_package_computes():
    explorers = states()
    found = run_js(
        "data.map((s) => [m.reading(s), m.flat(s), m.normalized(s), m.moved(s)])",
        [shown(e) for e in explorers],
    )
    for explorer, (reading, x, x_hat, moved) in zip(explorers, found, strict=True):
        expected = explorer.reading()
        assert reading["members"] == expected.members
        for name in ("mean", "var", "x", "x_hat"):
            assert reading[name] == pytest.approx(getattr(expected, name), abs=1e-9)
        assert x == pytest.approx(explorer.x().flatten().tolist())
        assert x_hat == pytest.approx(explorer.x_hat().flatten().tolist(), abs=1e-8)
        assert moved == explorer.moved()


def test_a_unit_depends_on_the_set_that_lights_up_and_on_nothing_else():
    for explorer in states():
        x = (explorer.x() + torch.randn(explorer.x().shape) * 1e-3).requires_grad_()
        explorer._normalized(x)[tuple(explorer.unit)].backward()
        read = set(x.grad.flatten().nonzero().flatten().tolist())
        n, c, h, w = explorer.unit
        _, channels, rows, columns = x.shape
        itself = ((n * channels + c) * rows + h) * columns + w
        if explorer.reading().members:
            assert read == set(explorer.reading().members)
        else:
            assert read == {itself}


def test_scaling_one_sample_moves_the_others_only_under_batch_norm_in_training():
    def others(**traits):
        explorer = NormalizationAxesExplorer(scale=2.0, sample=2, **traits)
        return sum(place < 48 for place in explorer.moved()), len(explorer.moved())

    assert others(kind="batch")[0] > 40
    assert others(kind="batch", training=False)[0] == 0
    assert others(kind="batch", training=False)[1] > 0
    for kind in ("layer", "group", "instance"):  # each undoes the scale of its own set
        assert others(kind=kind) == (0, 0)


def test_the_sentence_says_the_numbers():
    explorers = states()
    sentences = run_js("data.map((s) => m.describe(s))", [shown(e) for e in explorers])
    for explorer, sentence in zip(explorers, sentences, strict=True):
        found = explorer.reading()
        numbers = re.search(r"mean (\S+) and variance (\S+),.* becomes (\S+)\.", sentence)
        said = [float(number.replace("−", "-")) for number in numbers.groups()]
        assert said == pytest.approx([found.mean, found.var, found.x_hat], abs=0.00501)
        assert ("running averages" in sentence) == (not found.members)
        assert ("Scaling sample" in sentence) == (explorer.scale != 1)


def test_the_still_picture_lights_the_set_and_marks_what_moved():
    explorer = NormalizationAxesExplorer(kind="group", groups=2, unit=[1, 3, 0, 0])
    tree = ElementTree.fromstring(explorer.still_svg())
    cells = list(tree.iter(f"{SVG}rect"))
    assert len(cells) == 72 and sum("fill-opacity" in cell.attrib for cell in cells) == 12
    assert not list(tree.iter(f"{SVG}path"))
    assert explorer.describe() in explorer.still_svg() and "12 numbers" in explorer.describe()
    explorer = NormalizationAxesExplorer(scale=3.0, shows="x_hat")
    tree = ElementTree.fromstring(explorer.still_svg())
    assert len(list(tree.iter(f"{SVG}path"))) == len(explorer.moved()) > 0


def test_the_bundle_holds_the_widget_its_picture_and_a_sentence():
    data, _ = NormalizationAxesExplorer(training=False)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg")
    assert "running averages" in data["text/plain"]


@pytest.mark.parametrize(
    ("traits", "text"),
    [
        ({"unit": [3, 0, 0, 0]}, "unit is"),
        ({"sample": 3}, "sample is 3"),
        ({"groups": 3}, "groups is 3: give a divisor of 4"),
        ({"running_mean": [0.0]}, "one a channel"),
        ({"block": [[1.0, 2.0]]}, "block has the shape"),
    ],
)
def test_bad_input_is_refused(traits, text):
    with pytest.raises(ValueError, match=text):
        NormalizationAxesExplorer(**traits)
    with pytest.raises(traitlets.TraitError):
        NormalizationAxesExplorer(kind="power")


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(module)
    assert result.attempted == 2 and result.failed == 0
