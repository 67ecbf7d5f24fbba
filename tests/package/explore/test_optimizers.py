"""The optimizer explorer: its JavaScript walks where labnotes.optim walks, its picture shows it."""

import random
import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import contourpy
import numpy as np
import pytest
import torch
import traitlets

from labnotes.explore import optimizers as module
from labnotes.explore.optimizers import COLORS, NAMES, OPTIMIZERS, SURFACES, OptimizersExplorer

from .node import imported

SCRIPT = Path(module.__file__).with_name("optimizers.js")
run_js = partial(imported, SCRIPT)
SVG = "{http://www.w3.org/2000/svg}"


def states():
    """Every optimizer on every landscape from its own start, then from random ones."""
    draw, table = random.Random(0), []
    for surface, about in SURFACES.items():
        for rate, beta, start in (
            (0.1, 0.9, about.start),
            (0.3, 0.5, [draw.uniform(-r, r) for r in about.reach]),
            (0.02, 0.0, [draw.uniform(-r, r) for r in about.reach]),
            (round(10 ** draw.uniform(-3, 0), 4), round(draw.uniform(0, 0.99), 2),
             [draw.uniform(-r, r) for r in about.reach]),
        ):  # fmt: skip
            table.append({"surface": surface, "learning_rate": rate, "beta": beta, "steps": 60,
                          "start": list(start)})  # fmt: skip
    return table


def test_javascript_walks_the_steps_of_labnotes_optim():
    table = states()
    found = run_js(
        """console.log(JSON.stringify(data.map((d) => Object.keys(m.RULES).map((name) =>
            m.walk(d.surface, name, d.start, d.learning_rate, d.beta, d.steps)))));""",
        table,
    )
    assert len(found) == 16
    for state, walks in zip(table, found, strict=True):
        explorer = OptimizersExplorer(**state)
        for name, walk in zip(OPTIMIZERS, walks, strict=True):
            ours = explorer.walk(name)
            assert len(walk) == len(ours) and walk[0] == state["start"], (state, name)
            assert np.array(walk) == pytest.approx(np.array(ours), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_walk_is_that_of_torchs_optimizer(name):
    explorer = OptimizersExplorer(surface="wells", steps=30, learning_rate=0.05, beta=0.8)
    theirs = {
        "sgd": partial(torch.optim.SGD, lr=0.05),
        "momentum": partial(torch.optim.SGD, lr=0.05, momentum=0.8),
        "nesterov": partial(torch.optim.SGD, lr=0.05, momentum=0.8, nesterov=True),
        "adagrad": partial(torch.optim.Adagrad, lr=0.05),
        "rmsprop": partial(torch.optim.RMSprop, lr=0.05, alpha=0.8),
        "adam": partial(torch.optim.Adam, lr=0.05, betas=(0.8, 0.999)),
    }[name]
    p = torch.tensor(explorer.start, dtype=torch.float64, requires_grad=True)
    optimizer = theirs([p])
    for place in explorer.walk(name):
        assert p.tolist() == pytest.approx(place, abs=1e-9)
        optimizer.zero_grad()
        (((p[0] ** 2) / 4 - 1) ** 2 - 0.15 * p[0] + p[1] ** 2 / 2).backward()
        optimizer.step()


def test_heights_slopes_and_starts_are_pythons():
    draw = random.Random(1)
    places = {n: [[draw.uniform(-r, r) for r in s.reach] for _ in range(20)] for n, s in SURFACES.items()}  # fmt: skip
    found = run_js(
        """console.log(JSON.stringify(Object.fromEntries(Object.entries(data).map(([n, all]) => [n, {
            reach: m.SURFACES[n].reach, start: m.SURFACES[n].start,
            heights: all.map(m.SURFACES[n].height), slopes: all.map(m.SURFACES[n].slope)}]))));""",
        places,
    )
    assert list(found) == list(SURFACES)
    for name, js in found.items():
        assert (tuple(js["reach"]), tuple(js["start"])) == (
            SURFACES[name].reach,
            SURFACES[name].start,
        )
        for place, height, slope in zip(places[name], js["heights"], js["slopes"], strict=True):
            p = torch.tensor(place, dtype=torch.float64, requires_grad=True)
            value = SURFACES[name].height(*p)
            value.backward()
            assert height == pytest.approx(value.item(), rel=1e-12)
            assert slope == pytest.approx(p.grad.tolist(), abs=1e-12)


@pytest.mark.parametrize("name", SURFACES)
def test_contour_lines_are_those_of_contourpy(name):
    explorer = OptimizersExplorer(surface=name)
    found = run_js(
        """const map = m.grid(data), levels = m.levels(data);
        console.log(JSON.stringify({levels, lines: levels.map((l) => m.contour(map, l))}));""",
        name,
    )
    assert found["levels"] == pytest.approx(explorer.levels(), rel=1e-12)
    theirs = contourpy.contour_generator(*explorer.grid())
    for level, pieces in zip(found["levels"], found["lines"], strict=True):
        length = sum(np.hypot(*np.diff(ring, axis=0).T).sum() for ring in theirs.lines(level))
        mine = sum(np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pieces)
        assert mine == pytest.approx(length, rel=1e-6)


def test_a_walk_that_runs_away_ends_and_says_so():
    state = {"surface": "ravine", "learning_rate": 0.6, "steps": 100}
    walk = OptimizersExplorer(**state).walk("sgd")
    assert len(walk) < 30 and abs(walk[-1][1]) > 30
    said = run_js(
        """const path = m.walk("ravine", "sgd", [-5, -2], data, 0.9, 100);
        console.log(JSON.stringify([path.length, m.outcome("ravine", path),
            m.outcome("ravine", [[0, 0], [1, 1]]), m.outcome("ravine", [[0, 0], [0, 99]])]));""",
        0.6,
    )
    steps = len(walk) - 1
    assert said == [len(walk), f"ran away after {steps} steps", "2.1", "ran away after 1 step"]


def test_numbers_are_short_with_a_true_minus():
    found = run_js(
        "console.log(JSON.stringify(data.map(m.said)));", [-1.5, 0, 0.00012345, 123.456, 2.5e7]
    )
    assert found == ["−1.5", "0", "1.2e−4", "123", "2.5e+7"]


def test_the_picture_draws_each_chosen_path_and_says_where_it_ends():
    explorer = OptimizersExplorer(chosen=["momentum", "adam"], steps=25)
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find(f"{SVG}title").text == explorer.describe()
    texts = ["".join(t.itertext()) for t in svg.iter(f"{SVG}text")]
    for text, name in zip(texts, explorer.chosen, strict=True):
        loss = explorer.height_at(explorer.walk(name)[-1])
        assert text == f"{NAMES[name]}: loss {loss:.3g} after 25 steps"
        assert f"{NAMES[name]} at a loss of {loss:.3g}" in explorer.describe()
    trails = {p.get("stroke"): p.get("d") for p in svg.iter(f"{SVG}path") if p.get("stroke-width") == "2"}  # fmt: skip
    assert list(trails) == [COLORS[name] for name in explorer.chosen]
    for name in explorer.chosen:
        spots = np.array(re.findall(r"[\d.-]+", trails[COLORS[name]]), float).reshape(-1, 2)
        drawn = (spots - [320, 170]) / [50, -50]  # 300 for 6 across, 150 for 3 upwards
        assert drawn == pytest.approx(np.array(explorer.walk(name)), abs=0.002)
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"chosen": ["sgd", "lion"]}, ValueError, "unknown optimizer 'lion'"),
        ({"start": [7.0, 0.0]}, ValueError, "the map reaches from -6 to 6"),
        ({"start": [1.0]}, ValueError, "start is"),
        ({"start": [float("nan"), 0.0]}, ValueError, "the map reaches from -6 to 6"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate is nan"),
        ({"beta": float("nan")}, ValueError, "beta nan"),
        ({"surface": "mountain"}, traitlets.TraitError, "surface"),
        ({"learning_rate": 2.0}, traitlets.TraitError, "learning_rate"),
        ({"beta": 1.0}, traitlets.TraitError, "beta"),
        ({"steps": 201}, traitlets.TraitError, "steps"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        OptimizersExplorer(**traits)
    assert text in str(caught.value)
