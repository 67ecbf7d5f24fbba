"""The curve explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import traitlets
from numpy.polynomial import Polynomial
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from labnotes.explore import fit_curve as module
from labnotes.explore.fit_curve import DEGREES, PENALTIES, FitCurveExplorer, axis, truth

from .node import imported

SCRIPT = Path(module.__file__).with_name("fit_curve.js")
run_js = partial(imported, SCRIPT)


def states():
    """The first state, the corners, and random ones; with more weights than points too."""
    table = [{}, {"points": 5, "degree": 15}, {"points": 5, "degree": 5}, {"points": 40}]
    table += [{"points": 8, "degree": d} for d in range(5, 12)]
    draw = random.Random(0)
    table += [
        {
            "degree": draw.randint(1, 15), "points": draw.randint(5, 40), "sample": draw.randint(0, 4),
            "noise": draw.choice([0.0, 0.1, 0.45, 1.0]), "penalty": draw.choice(PENALTIES),
        }
        for _ in range(60)
    ]  # fmt: skip
    return [FitCurveExplorer(**traits) for traits in table]


def described(explorer):
    x, y = explorer.data()
    return {
        "x": x.tolist(), "y": y.tolist(), "degree": explorer.degree, "penalty": explorer.penalty,
        "noise": explorer.noise, "count": explorer.reach["grid"],
    }  # fmt: skip


def test_javascript_gives_pythons_curve_and_errors():
    explorers = states()
    found = run_js(
        """console.log(JSON.stringify(data.map(({x, y, degree, penalty, noise, count}) => {
            const at = m.fit(x, y, degree, penalty), grid = m.axis(count);
            return {...m.errors(at, x, y, noise, grid), grid, values: grid.map(at),
                truth: grid.map(m.truth)};})));""",
        [described(e) for e in explorers],
    )
    assert len(found) == len(explorers) > 60
    for explorer, js in zip(explorers, found, strict=True):
        values = explorer.values(explorer.degree, axis())
        size = values.abs().max().item()
        assert js["grid"] == axis().tolist()
        assert js["truth"] == pytest.approx(truth(axis()).tolist(), abs=1e-12)
        assert js["values"] == pytest.approx(values.tolist(), abs=1e-6 * max(1, size))
        errors = explorer.errors(explorer.degree)
        assert js["train"] == pytest.approx(errors.train, abs=1e-6)
        assert js["fresh"] == pytest.approx(errors.fresh, rel=1e-5)


def test_without_a_penalty_the_curve_is_numpys_polynomial_fit():
    for explorer in states():
        if explorer.penalty == 0 and explorer.degree < explorer.points - 1:
            x, y = (v.numpy() for v in explorer.data())
            theirs = Polynomial.fit(x, y, explorer.degree)(axis().numpy())
            ours = explorer.values(explorer.degree, axis()).numpy()
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, np.abs(theirs).max()))


def test_with_a_penalty_the_curve_is_scikit_learns():
    for explorer in states():
        if explorer.penalty >= 1e-4:
            x, y = (v.numpy() for v in explorer.data())
            theirs = make_pipeline(
                PolynomialFeatures(explorer.degree, include_bias=False),
                Ridge(alpha=explorer.points * explorer.penalty, solver="svd"),
            ).fit(x[:, None], y)
            ours = explorer.values(explorer.degree, axis()).numpy()
            np.testing.assert_allclose(ours, theirs.predict(axis().numpy()[:, None]), atol=1e-7)


def test_with_more_weights_than_points_the_curve_meets_them_by_the_shortest_weights():
    explorer = FitCurveExplorer(points=6, degree=12)
    x, y = (v.numpy() for v in explorer.data())
    powers = x[:, None] ** np.arange(1, 13)
    expected = np.linalg.pinv(powers - powers.mean(0)) @ (y - y.mean())
    np.testing.assert_allclose(explorer.model(12).weights.numpy(), expected, atol=1e-7)
    assert explorer.errors(12).train < 1e-9


def test_the_error_on_fresh_points_is_that_of_many_drawn_ones():
    explorer = FitCurveExplorer(degree=5)
    draw = np.random.default_rng(0)
    x = draw.uniform(-1, 1, 200_000)
    y = np.sin(np.pi * x) + explorer.noise * draw.standard_normal(x.size)
    fitted = Polynomial.fit(*(v.numpy() for v in explorer.data()), 5)
    expected = np.sqrt(np.mean((fitted(x) - y) ** 2))
    assert explorer.errors(5).fresh == pytest.approx(expected, rel=0.02)


def test_the_best_degree_has_the_least_error_on_fresh_points():
    explorer = FitCurveExplorer()
    fresh = [explorer.errors(d).fresh for d in range(1, DEGREES + 1)]
    assert explorer.best() == 1 + int(np.argmin(fresh)) and 1 < explorer.best() < DEGREES


def test_the_sentence_says_both_errors_the_threshold_and_the_better_degree():
    errors = [
        {"train": 0.5, "fresh": 0.6},
        {"train": 0.2, "fresh": 0.3},
        {"train": 0, "fresh": 9e4},
    ]
    found = run_js(
        """console.log(JSON.stringify([1, 2, 3].map((d) => m.summary(data, d, 4, 0, 0.25))
            .concat(m.summary(data, 3, 4, 0.1, 0.25), m.summary(data, 3, 5, 0, 0.25))));""",
        errors,
    )
    assert found[0] == (
        "Error 0.50 on these points, 0.60 on fresh ones; the noise alone makes 0.25. "
        "Degree 2 would have 0.30: this one is too stiff, it underfits."
    )
    assert found[1].endswith("makes 0.25. No other degree does clearly better.")
    assert "9e+4 on fresh" in found[2] and found[2].endswith("too free, it overfits.")
    assert "4 parameters for 4 points: the curve goes through all of them." in found[2]
    assert "parameters" not in found[3] + found[4]


def test_points_are_well_spread_for_every_count_and_noise_is_standard():
    explorer = FitCurveExplorer()
    for count in range(5, 41):
        x = np.sort(explorer.places[:count])
        assert np.diff(x, prepend=-1, append=1).max() < 3.3 * 2 / (count + 1)
    drawn = np.array(explorer.noises)
    assert drawn.shape == (5, 40) and abs(drawn.mean()) < 0.2 and abs(drawn.std() - 1) < 0.15


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = FitCurveExplorer(degree=4, penalty=0.001)
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    now = explorer.errors(4)
    assert f"error {now.train:.2f} on the points, {now.fresh:.2f} on fresh ones" in texts
    assert f"{now.train:.2f} on these points and {now.fresh:.2f} on fresh" in explorer.describe()
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


def test_the_picture_has_a_dot_for_each_point_at_its_place():
    explorer = FitCurveExplorer(points=7, noise=0.0)
    paths = ElementTree.fromstring(explorer.still_svg()).iter("{http://www.w3.org/2000/svg}path")
    (dots,) = (p.get("d") for p in paths if p.get("stroke-linecap") == "round")
    drawn = np.array([m.split() for m in dots.replace("h0", "").split("M")[1:]], float)
    x = np.array(explorer.places[:7])
    assert drawn == pytest.approx(
        np.stack([170 + 145 * x, 125 - 44 * np.sin(np.pi * x)], 1), abs=0.1
    )


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"penalty": 0.5}, ValueError, "penalty is 0.5"),
        ({"degree": 0}, traitlets.TraitError, "degree"),
        ({"degree": 16}, traitlets.TraitError, "degree"),
        ({"points": 4}, traitlets.TraitError, "points"),
        ({"points": 41}, traitlets.TraitError, "points"),
        ({"noise": -0.1}, traitlets.TraitError, "noise"),
        ({"sample": 5}, traitlets.TraitError, "sample"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        FitCurveExplorer(**traits)
    assert text in str(caught.value)
