"""The signal explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import math
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.explore.signal import SignalExplorer, normals
from labnotes.foundations.stability import ACTIVATIONS, mean_squares

from .node import inside

SCRIPT = str(SignalExplorer._esm)
run_js = partial(inside, SCRIPT)
STATES = [
    {"activation": name, "gain": gain, "depth": depth, "width": width, "seed": seed}
    for seed, (name, gain, depth, width) in enumerate(
        [(name, 1.0, 12, 16) for name in ACTIVATIONS]
        + [("relu", 2**0.5, 40, 12), ("relu", 5.0, 40, 64), ("relu", 0.1, 40, 4)]
        + [("tanh", 5.0, 10, 8), ("tanh", 0.1, 3, 64), ("sigmoid", 5.0, 20, 20)]
        + [("sigmoid", 0.1, 40, 8), ("identity", 2.0, 2, 4)]
    )
]


def test_the_script_draws_the_packages_random_numbers_and_they_are_normal():
    cases = [[0, 0, 50], [1, 0, 50], [7, 1000, 20], [2**31 + 5, 3, 20], [2**32 - 1, 9, 4]]
    found = run_js("given.map(([s, f, n]) => [...normals(s, f, n)])", cases)
    for case, numbers in zip(cases, found, strict=True):
        assert numbers == pytest.approx(normals(*case).tolist(), rel=1e-12, abs=0)
    many = normals(3, 0, 200_000)
    assert torch.equal(many[500:600], normals(3, 500, 100))
    below = [(many < z).double().mean().item() for z in (-2, -1, 0, 1, 2)]
    assert below == pytest.approx(
        [math.erfc(-z / 2**0.5) / 2 for z in (-2, -1, 0, 1, 2)], abs=0.004
    )


def test_the_scripts_mean_squares_are_the_packages():
    cases = [[name, size] for name in ACTIVATIONS for size in (0.01, 0.5, 1.0, 5.0)]
    found = run_js("given.map(([name, size]) => meanSquares(name, size))", cases)
    for (name, size), numbers in zip(cases, found, strict=True):
        wanted = mean_squares(ACTIVATIONS[name], size)
        assert numbers["value"] == pytest.approx(wanted.value, rel=1e-12, abs=0)
        assert numbers["slope"] == pytest.approx(wanted.slope, rel=1e-12, abs=0)


def test_the_scripts_sizes_are_those_of_the_formula_and_of_autograd():
    found = run_js(
        "given.map(({activation, gain, depth, width, seed}) => [expected(depth, gain, activation), "
        "measured(draw(depth, width, seed), width, gain, activation)])",
        STATES,
    )
    for state, (expected, measured) in zip(STATES, found, strict=True):
        explorer = SignalExplorer(**state)
        for ours, theirs in ((explorer.expected(), expected), (explorer.measured(), measured)):
            assert theirs["signal"] == pytest.approx(ours.signal, rel=1e-9, abs=0)
            assert theirs["gradient"] == pytest.approx(ours.gradient, rel=1e-9, abs=0)


def test_the_sentence_says_what_becomes_of_both():
    cases = [
        {"signal": [1, 3.1e-5], "gradient": [250, 1]},
        {"signal": [1, 0.5], "gradient": [1e-26, 1]},
        {"signal": [1, 12345], "gradient": [0, 1]},
    ]
    found = run_js("given.map(describe)", cases)
    assert found[0] == (
        "After 2 layers the signal has 3.1·10⁻⁵ times the size of the input: it vanishes. "
        "Back at layer 1 the gradient has 250 times its size: it explodes."
    )
    assert "0.50 times the size of the input: it keeps its size" in found[1]
    assert "1.0·10⁻²⁶ times its size: it vanishes" in found[1]
    assert "1.2·10⁴ times the size of the input: it explodes" in found[2]
    assert "the gradient has 0 times its size: it vanishes" in found[2]


def test_numbers_are_written_as_a_person_writes_them():
    cases = [1, 0.01, 0.0099, 100, 123, 999, 1000, 0.5, 42, 1.234, 1e-7]
    wanted = ["1.0", "0.010", "9.9·10⁻³", "100", "123", "999", "1.0·10³", "0.50", "42", "1.2"]
    assert run_js("given.map(say)", cases) == [*wanted, "1.0·10⁻⁷"]


def test_the_still_picture_is_svg_with_two_dots_a_layer():
    explorer = SignalExplorer(depth=7, width=8, activation="tanh")
    tree = ElementTree.fromstring(explorer.still_svg())
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) == 14
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert (
        explorer.describe() in explorer.still_svg() and "7 layers of 8 units" in explorer.describe()
    )


def test_the_bundle_holds_the_widget_its_picture_and_a_sentence():
    data, _ = SignalExplorer()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg") and data["text/plain"].startswith("Size of")


@pytest.mark.parametrize(
    "traits", [{"gain": 0}, {"gain": 6}, {"depth": 1}, {"width": 65}, {"activation": "selu"}]
)
def test_what_is_out_of_range_is_refused(traits):
    with pytest.raises(traitlets.TraitError):
        SignalExplorer(**traits)


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="layer is 9, there are 8: give 1 to 8"):
        SignalExplorer(depth=8, layer=9)
