"""The line explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import random
import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import traitlets

from labnotes.explore import line_fit as module
from labnotes.explore.line_fit import BIASES, LOSSES, WEIGHTS, LineFitExplorer
from labnotes.plot import VERMILION

from .node import imported

SCRIPT = Path(module.__file__).with_name("line_fit.js")
run_js = partial(imported, SCRIPT)


def states():
    """Both losses at the first state, in the corners, among random points."""
    table = [{"loss": kind} for kind in LOSSES]
    table += [{"loss": k, "weight": w, "bias": b} for k in LOSSES for w in WEIGHTS for b in BIASES]
    draw = random.Random(0)
    for _ in range(30):
        n = draw.randint(2, 12)
        table.append({
            "x": [round(draw.uniform(-2, 3), 2) for _ in range(n - 1)] + [3.5],
            "y": [round(draw.uniform(-5, 5), 2) for _ in range(n)],
            "weight": draw.uniform(*WEIGHTS), "bias": draw.uniform(*BIASES),
            "loss": draw.choice(list(LOSSES)), "learning_rate": 10 ** draw.uniform(-2, 0),
        })  # fmt: skip
    return [LineFitExplorer(**traits) for traits in table]


def described(explorer):
    return {
        "kind": explorer.loss, "x": explorer.x, "y": explorer.y, "place": explorer.here,
        "rate": explorer.learning_rate, "reach": explorer.reach,
    }  # fmt: skip


def test_javascript_gives_pythons_loss_slope_steps_and_best_place():
    explorers = states()
    found = run_js(
        """console.log(JSON.stringify(data.map(({kind, x, y, place, rate}) => ({
            loss: m.lossAt(kind, x, y, place), slope: m.slopeAt(kind, x, y, place),
            path: m.descend(kind, x, y, place, rate, 5), best: m.best(kind, x, y)}))));""",
        [described(e) for e in explorers],
    )
    assert len(found) == len(explorers) == 40
    for explorer, js in zip(explorers, found, strict=True):
        assert js["loss"] == pytest.approx(explorer.loss_at(explorer.here), rel=1e-9)
        assert js["slope"] == pytest.approx(explorer.slope_at(explorer.here), abs=1e-9)
        steps = explorer.descend(explorer.here, 5)
        assert np.array(js["path"]) == pytest.approx(np.array(steps), rel=1e-9, abs=1e-9)
        # Of several best places one will do: what counts is the loss there.
        best = explorer.loss_at(explorer.best())
        assert explorer.loss_at(js["best"]) == pytest.approx(best, rel=1e-9, abs=1e-12)


def test_the_best_line_under_the_squared_error_is_numpys_polyfit():
    explorer = LineFitExplorer()
    assert explorer.best() == pytest.approx(np.polyfit(explorer.x, explorer.y, 1), abs=1e-9)
    found = run_js(
        "console.log(JSON.stringify(m.best('squared', data.x, data.y)));", described(explorer)
    )
    assert found == pytest.approx(np.polyfit(explorer.x, explorer.y, 1), abs=1e-9)


def test_contour_lines_lie_at_their_levels_and_are_pythons():
    explorers = states()[:4]
    found = run_js(
        """console.log(JSON.stringify(data.map(({kind, x, y, reach}) => {
            const levels = m.levels(kind, x, y, reach);
            return {levels, rings: levels.map((l) => m.ring(kind, x, y, reach, l, 12))};})));""",
        [described(e) for e in explorers],
    )
    for explorer, js in zip(explorers, found, strict=True):
        assert js["levels"] == pytest.approx(explorer.levels(), rel=1e-9)
        for level, ring in zip(js["levels"], js["rings"], strict=True):
            assert [explorer.loss_at(p) for p in ring] == pytest.approx([level] * 12, rel=1e-5)
            assert np.array(ring) == pytest.approx(np.array(explorer.ring(level, 12)), abs=1e-6)


def test_an_unknown_loss_is_refused_by_name():
    found = run_js(
        """let said = ""; try { m.lossAt("cubed", [1], [1], [0, 0]); } catch (e) { said = e.message; }
        console.log(JSON.stringify(said));""",
        {},
    )
    assert found == "unknown loss cubed"


def test_the_sentence_says_loss_slope_and_step():
    # the three points of the chapter: loss 3, slopes -6 and -2
    data = {"x": [1, 2, 3], "y": [2, 3, 7]}
    found = run_js(
        """const say = (place, path, rate) => m.summary("squared", data.x, data.y, place, path, rate);
        console.log(JSON.stringify([say([1, 1], [], 0.1), say([1.6, 1.2], [[1, 1], [1.6, 1.2]], 0.1),
            say([7, 3], [[1, 1], [7, 3]], 1)]));""",
        data,
    )
    least = np.polyfit(data["x"], data["y"], 1, full=True)[1][0] / 3
    assert found[0] == (
        f"Loss 3.00, the smallest possible is {least:.2f}. Slope by weight −6.00, by bias −2.00: "
        "a step of learning rate 0.10 adds 0.60 and 0.20."
    )
    assert found[1].startswith("After 1 step: loss 1.20,") and "too large" not in found[1]
    assert found[2].endswith(
        "The last step made the loss larger: the learning rate is too large here."
    )


def test_numbers_are_said_with_a_true_minus_and_stay_short():
    found = run_js(
        "console.log(JSON.stringify(data.map(m.said)));", [-1.5, -0.001, 0, 123.456, -2.5e7]
    )
    assert found == ["−1.50", "0.00", "0.00", "123", "−2.5e+7"]


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = LineFitExplorer(path=[[0.5, 1.0], [1.0, -0.25]])
    assert explorer.here == [1.0, -0.25]
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "y = 1.00 x - 0.25" in texts
    errors = np.array(explorer.x) - 0.25 - np.array(explorer.y)
    assert f"mean squared error {np.square(errors).mean():.2f}" in texts
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


def test_the_picture_draws_each_error_as_long_as_it_is():
    explorer = LineFitExplorer()
    paths = ElementTree.fromstring(explorer.still_svg()).iter("{http://www.w3.org/2000/svg}path")
    (drawn,) = (p.get("d") for p in paths if p.get("stroke") == VERMILION)
    assert re.fullmatch(r"(M[\d.-]+ [\d.-]+L[\d.-]+ [\d.-]+){9}", drawn)
    ends = np.array(re.findall(r"[\d.-]+", drawn), float).reshape(9, 2, 2)  # point, end, (x, y)
    lengths = ends[:, 0, 1] - ends[:, 1, 1]  # upwards is negative in a picture
    errors = np.polyval(explorer.here, explorer.x) - np.array(explorer.y)
    assert lengths / errors == pytest.approx(np.full(9, 200 / (np.ptp(explorer.y) + 1.4)), rel=0.02)
    assert np.ptp(ends[:, :, 0], axis=1) == pytest.approx(np.zeros(9))


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"y": [1.0]}, ValueError, "there are 9 x and 1 y"),
        ({"x": [1.0, 1.0], "y": [1.0, 2.0]}, ValueError, "all points have one x"),
        ({"x": [1.0]}, traitlets.TraitError, "x"),
        ({"weight": 4.0}, traitlets.TraitError, "weight"),
        ({"bias": -3.0}, traitlets.TraitError, "bias"),
        ({"loss": "cubed"}, traitlets.TraitError, "loss"),
        ({"learning_rate": 2.0}, traitlets.TraitError, "learning_rate"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        LineFitExplorer(**traits)
    assert text in str(caught.value)
