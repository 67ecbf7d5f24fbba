"""The explorer of gates: its JavaScript gives the package's numbers, its picture its state."""

import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets
from torch import nn

from labnotes.explore import lstm_gates as module
from labnotes.explore.lstm_gates import PRESETS, STEPS, LstmGatesExplorer, over_time, preset

from ..node import imported

SCRIPT = Path(module.__file__).with_name("lstm_gates.js")
run_js = partial(imported, SCRIPT)


def states():
    """Every example, and random gates and candidates, shut and open ones among them."""
    table = [preset(name) for name in PRESETS]
    draw = random.Random(0)
    for _ in range(60):
        table.append(
            {"g": [draw.choice([-1.0, 0.0, 1.0, draw.uniform(-1, 1)]) for _ in range(STEPS)]}
            | {
                gate: [draw.choice([0.0, 1.0, draw.random()]) for _ in range(STEPS)]
                for gate in "ifo"
            }
        )
    return table


def test_javascript_gives_the_packages_cells():
    table = states()
    found = run_js("console.log(JSON.stringify(data.map(m.overTime)));", table)
    assert len(found) == len(table) > 60
    for state, js in zip(table, found, strict=True):
        python = over_time(**state)
        assert js["cells"] == pytest.approx(python.cells, abs=1e-9)
        assert js["hidden"] == pytest.approx(python.hidden, abs=1e-9)
        assert js["left"] == pytest.approx(python.left, abs=1e-9)


def test_the_cells_are_those_of_torchs_lstm():
    """One cell of nn.LSTM that reads its gates' logits."""
    layer = nn.LSTM(4, 1, bias=False).double()
    layer.weight_ih_l0.data = torch.eye(4).double()
    layer.weight_hh_l0.data.zero_()
    for state in states()[5:25]:
        # Torch's own kernel does not like infinite inputs: nearly open, nearly shut.
        inner = {name: [min(max(v, -1 + 1e-9), 1 - 1e-9) for v in state[name]] for name in "g"}
        inner |= {n: [min(max(v, 1e-9), 1 - 1e-9) for v in state[n]] for n in "ifo"}
        gates = {n: torch.tensor(inner[n], dtype=torch.float64) for n in "gifo"}
        x = torch.stack(
            [gates["i"].logit(), gates["f"].logit(), gates["g"].atanh(), gates["o"].logit()], 1
        )
        hidden, (_, cell) = layer(x)
        found = over_time(**state)
        assert found.hidden == pytest.approx(hidden[:, 0].tolist(), abs=1e-6)
        assert found.cells[-1] == pytest.approx(cell.item(), abs=1e-6)


def test_what_is_left_is_the_derivative_of_the_cell_with_respect_to_the_first():
    for state in states()[:20]:
        c = first = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        for f, i, g in zip(state["f"][1:], state["i"][1:], state["g"][1:], strict=True):
            c = f * c + i * g
        (slope,) = torch.autograd.grad(c, first)
        assert over_time(**state).left[-1] == pytest.approx(slope.item(), abs=1e-12)


def test_the_examples_are_the_same_in_both():
    found = run_js("console.log(JSON.stringify(data.map(m.preset)));", list(PRESETS))
    assert found == [preset(name) for name in PRESETS]


def test_the_examples_do_what_their_names_say():
    ends = {name: over_time(**preset(name)) for name in PRESETS}
    assert ends["hold"].cells == [0.8] * STEPS and ends["hold"].left[-1] == 1
    assert ends["fade"].cells[-1] == pytest.approx(0.8**15)
    assert ends["count"].cells == [1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11]
    assert ends["empty"].cells[8:11] == [0, 1, 2] and ends["empty"].left[8] == 0
    assert ends["hide"].hidden[10] == 0 and ends["hide"].hidden[11] == pytest.approx(
        0.664, abs=1e-3
    )


def test_a_slider_sets_one_step_or_all():
    found = run_js(
        "console.log(JSON.stringify(data.map((c) => m.changed(...c))));",
        [[[1, 2, 3], 1, 9, False], [[1, 2, 3], 1, 9, True]],
    )
    assert found == [[1, 9, 3], [9, 9, 9]]


def test_the_sentence_computes_the_step_in_sight():
    said = run_js(
        "console.log(JSON.stringify(data.map(([s, t]) => m.sentence(s, t))));",
        [[preset("fade"), 0], [preset("fade"), 2], [preset("empty"), 8]],
    )
    assert said == [
        "Step 1: c = 0.80 · 0.00 + 1.00 · 1.00 = 1.00. Shown: h = 1.00 · tanh 1.00 = 0.76.",
        "Step 3: c = 0.80 · 0.80 + 1.00 · 0.00 = 0.64. Shown: h = 1.00 · tanh 0.64 = 0.56. "
        "Of the cell after step 1, 64 % is left.",
        "Step 9: c = 0.00 · 6.00 + 1.00 · 0.00 = 0.00. Shown: h = 1.00 · tanh 0.00 = 0.00. "
        "Of the cell after step 1, 0 % is left.",
    ]


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = LstmGatesExplorer(**preset("fade"))
    svg = ElementTree.fromstring(explorer.still_svg())
    name = "{http://www.w3.org/2000/svg}"
    assert len(svg.find(f"{name}polyline").get("points").split()) == STEPS
    opacities = [r.get("fill-opacity") for r in svg.findall(f"{name}rect") if r.get("fill-opacity")]
    assert opacities == ["1.00"] * STEPS + ["0.80"] * STEPS + ["1.00"] * STEPS
    assert "the cell holds 0.04 and shows 0.04; of the cell after the first step 4 %" in (
        explorer.describe()
    )
    assert svg.find(f"{name}title").text == explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"g": [0.0] * 3}, ValueError, "give 16"),
        ({"f": [0.5] * 15}, ValueError, "16, 16, 15 and 16 numbers"),
        ({"g": [1.5] + [0.0] * 15}, ValueError, "from -1 to 1"),
        ({"o": [-0.1] + [0.0] * 15}, ValueError, "gate o is"),
        ({"step": 16}, traitlets.TraitError, "step"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        LstmGatesExplorer(**traits)
    assert text in str(caught.value)


def test_unknown_examples_and_empty_sequences_are_refused():
    with pytest.raises(ValueError, match="'held': give one of hold, fade"):
        preset("held")
    with pytest.raises(ValueError, match="0, 0, 0 and 0 numbers"):
        over_time([], [], [], [])
