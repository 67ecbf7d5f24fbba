"""The explorer of straight pieces: its JavaScript gives the package's numbers, its picture its state."""

import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import traitlets
from scipy.optimize import lsq_linear

from labnotes.explore import relu_pieces as module
from labnotes.explore.relu_pieces import (
    CORNERS,
    CURVES,
    ReluPiecesExplorer,
    curve,
    error_of,
    even_hinges,
    grid,
)

from .node import imported

SCRIPT = Path(module.__file__).with_name("relu_pieces.js")
run_js = partial(imported, SCRIPT)


def states():
    """Every curve with evenly spread hinges, with crowded ones, and with random ones."""
    table = [(kind, even_hinges(n)) for kind in CURVES for n in range(1, 11)]
    table += [(kind, [-3.0, *(round(k / 10, 1) for k in range(20, 29))]) for kind in CURVES]
    draw = random.Random(0)
    for _ in range(60):
        places = draw.sample(range(-29, 30), draw.randint(0, 9))
        table.append((draw.choice(list(CURVES)), [-3.0, *sorted(p / 10 for p in places)]))
    return table


def test_javascript_gives_pythons_curve_slopes_and_error():
    table = states()
    found = run_js(
        """console.log(JSON.stringify(data.map(([kind, hinges]) => {
            const f = m.fit(kind, hinges);
            return {...f, values: m.grid.map(f.at), target: m.grid.map((x) => m.curve(kind, x))};
        })));""",
        table,
    )
    assert len(found) == len(table) > 100
    for (kind, hinges), js in zip(table, found, strict=True):
        pieces, error = error_of(kind, hinges)
        assert js["error"] == pytest.approx(error, abs=1e-9)
        assert js["slopes"] == pytest.approx(pieces.slopes.tolist(), abs=1e-7)
        assert js["bias"] == pytest.approx(pieces.bias.item(), abs=1e-7)
        assert js["values"] == pytest.approx(pieces(grid()).tolist(), abs=1e-9)
        assert js["target"] == pytest.approx(curve(kind, grid()).tolist(), abs=1e-12)


def test_even_hinges_are_the_same_in_both():
    found = run_js("console.log(JSON.stringify(data.map(m.evenHinges)));", list(range(1, 11)))
    assert found == [even_hinges(n) for n in range(1, 11)]


def test_the_error_is_the_least_that_scipy_finds():
    for kind, hinges in states()[::7]:
        x = grid().numpy()
        columns = np.column_stack([np.ones_like(x), *(np.maximum(x - t, 0) for t in hinges)])
        theirs = lsq_linear(columns, curve(kind, grid()).numpy())
        assert error_of(kind, hinges)[1] == pytest.approx(np.sqrt(2 * theirs.cost / 121), abs=1e-8)


def test_the_zigzag_is_numpys_interpolation_and_its_corners_meet_it_exactly():
    np.testing.assert_allclose(
        curve("zigzag", grid()).numpy(), np.interp(grid().numpy(), *CORNERS), atol=1e-12
    )
    assert error_of("zigzag", CORNERS[0][:-1])[1] < 1e-12


def test_a_hinge_stays_between_its_neighbours():
    hinges = [-3.0, -1.0, 1.0]
    cases = [[hinges, 1, 5], [hinges, 1, -5], [hinges, 2, 5], [hinges, 2, -5], [hinges, 0, 1],
             [hinges, 3, 1], [hinges, 1, 0.26]]  # fmt: skip
    found = run_js("console.log(JSON.stringify(data.map((c) => m.moved(...c))));", cases)
    assert found == [
        [-3, 0.9, 1], [-3, -2.9, 1], [-3, -1, 2.9], [-3, -1, -0.9], hinges, hinges, [-3, 0.3, 1],
    ]  # fmt: skip


def test_searching_hinges_end_where_no_single_step_lowers_the_error():
    starts = [(kind, even_hinges(4)) for kind in CURVES]
    found = run_js(
        """console.log(JSON.stringify(data.map(([kind, hinges]) => {
            const path = [hinges];
            for (let n = 0; n < 200; n++) path.push(m.sweep(kind, path.at(-1)));
            return path;
        })));""",
        starts,
    )
    for (kind, _), path in zip(starts, found, strict=True):
        errors = [error_of(kind, hinges)[1] for hinges in path]
        assert all(b <= a + 1e-9 for a, b in zip(errors, errors[1:])) and errors[-1] < errors[0]
        last = path[-1]
        for i in range(1, 4):
            for step in (-0.1, 0.1):
                tried = [*last[:i], round(last[i] + step, 1), *last[i + 1 :]]
                if all(b - a > 0.09 for a, b in zip(tried, [*tried[1:], 3.0])):
                    assert error_of(kind, tried)[1] > errors[-1] - 2e-9


def test_the_sentence_says_the_error_and_that_of_even_hinges():
    cases = [[1, 0.5, 0.5], [4, 0.0001, 0.2], [3, 0.123, 0.2]]
    found = run_js("console.log(JSON.stringify(data.map((c) => m.summary(...c))));", cases)
    assert found == [
        "1 unit. Root mean square error 0.500; as with hinges spread evenly.",
        "4 units. The curve is met exactly; with hinges spread evenly 0.200.",
        "3 units. Root mean square error 0.123; with hinges spread evenly 0.200.",
    ]


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = ReluPiecesExplorer()
    svg = ElementTree.fromstring(explorer.still_svg())
    assert len(svg.findall("{http://www.w3.org/2000/svg}circle")) == len(explorer.hinges)
    error = explorer.result().error
    assert f"error of {error:.3f}." in explorer.describe()
    assert any(f"{error:.3f}" in "".join(t.itertext()) for t in svg)
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


def test_the_result_has_the_error_of_every_number_of_units():
    found = ReluPiecesExplorer(hinges=even_hinges(6)).result()
    assert len(found.even_errors) == 10 and found.error == pytest.approx(found.even_errors[5])


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"hinges": [-2.0, 1.0]}, ValueError, "the first -3"),
        ({"hinges": [-3.0, 1.0, 0.0]}, ValueError, "ascending places"),
        ({"hinges": [-3.0, 1.0, 1.05]}, ValueError, "at least 0.1 apart"),
        ({"hinges": [-3.0, 3.0]}, ValueError, "from -3 to 2.9"),
        ({"hinges": []}, traitlets.TraitError, "hinges"),
        ({"hinges": [-3.0 + k / 5 for k in range(11)]}, traitlets.TraitError, "hinges"),
        ({"selected": 3}, ValueError, "there are 3 hinges"),
        ({"curve": "circle"}, traitlets.TraitError, "curve"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        ReluPiecesExplorer(**traits)
    assert text in str(caught.value)


def test_an_unknown_curve_is_refused_by_name():
    with pytest.raises(ValueError, match="'circle': give one of wave, zigzag"):
        curve("circle", torch.zeros(1))
