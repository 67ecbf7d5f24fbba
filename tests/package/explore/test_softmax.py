"""The softmax explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import math
import random
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.explore.softmax import LOSSES, SoftmaxExplorer, judge

from .node import inside

SCRIPT = str(SoftmaxExplorer._esm)
run_js = partial(inside, SCRIPT)
SHOWN = ("logits", "label", "temperature", "loss")


def states() -> list[dict]:
    """Extremes, and random states of two to six classes, for every loss."""
    draw, table = random.Random(0), []
    for loss in LOSSES:
        for t in (0.1, 1.0, 10.0):
            for z in ([10.0, -10.0], [-10.0, 10.0, 10.0], [0.0, 0.0, 0.0]):
                table.append({"logits": z, "label": 0, "temperature": t, "loss": loss})
        for _ in range(40):
            n = draw.randint(2, 6)
            table.append({
                "logits": [round(draw.uniform(-10, 10), 1) for _ in range(n)],
                "label": draw.randrange(n), "temperature": round(10 ** draw.uniform(-1, 1), 2),
                "loss": loss,
            })  # fmt: skip
    return table


def test_javascript_gives_pythons_probabilities_loss_and_gradient():
    table = states()
    found = run_js("given.map(judge)", table)
    assert len(found) == len(table) > 100
    for state, js in zip(table, found, strict=True):
        python = judge(**state)
        assert js["probabilities"] == pytest.approx(python.probabilities, abs=1e-12)
        assert js["loss"] == pytest.approx(python.loss, rel=1e-12, abs=1e-12)
        assert js["gradient"] == pytest.approx(python.gradient, rel=1e-9, abs=1e-12)


def test_the_three_losses_are_torchs():
    z, label, t = [1.5, -2.0, 0.5, 3.0], 2, 0.7
    scaled, target = torch.tensor([z]).double() / t, torch.tensor([label])
    one_hot = torch.tensor([[0.0, 0.0, 1.0, 0.0]]).double()
    p = scaled.softmax(1)
    expected = {
        "cross_entropy": torch.nn.CrossEntropyLoss()(scaled, target),
        "squared": torch.nn.MSELoss(reduction="sum")(p, one_hot),
        "twice": torch.nn.CrossEntropyLoss()(p, target),
    }
    for loss in LOSSES:
        assert judge(z, label, t, loss).loss == pytest.approx(expected[loss].item(), abs=1e-12)
        assert judge(z, label, t, loss).probabilities == pytest.approx(p[0].tolist())


def test_a_step_in_javascript_goes_against_the_gradient_and_stays_in_reach():
    state = {"logits": [2.0, -1.0, 10.0], "label": 2, "temperature": 0.5, "loss": "cross_entropy"}
    for label in (0, 2):
        state["label"] = label
        moved = [z - g for z, g in zip(state["logits"], judge(**state).gradient, strict=True)]
        expected = [min(10, max(-10, z)) for z in moved]
        assert run_js("step(given)", state) == pytest.approx(expected)
        if label == 2:
            assert max(moved) > 10


def test_the_sentence_tells_a_right_guess_from_a_wrong_one():
    found = {"probabilities": [0.2, 0.8], "loss": 1.6094, "gradient": [-0.8, 0.8]}
    wrong, right = run_js(
        '[summary(given, ["coat", "bag"], 0), summary(given, ["coat", "bag"], 1)]', found
    )
    assert wrong == (
        "The model guesses bag, the label is coat, whose probability is 0.200. Loss 1.609; "
        "slope at the label's logit −0.800."
    )
    assert right.startswith("The model rightly guesses bag, whose probability is 0.800.")


def test_small_numbers_are_told_by_their_power_of_ten():
    numbers = [0, 0.25, -0.25, 0.001, 3.2e-7, -4.1e-19, 14]
    expected = ["0", "0.250", "−0.250", "0.001", "3·10⁻⁷", "−4·10⁻¹⁹", "14.000"]
    assert run_js("given.map(short)", numbers) == expected


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = SoftmaxExplorer(names=["shirt", "coat", "bag & co"])
    found = explorer.result()
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    for p, g in zip(found.probabilities, found.gradient, strict=True):
        assert f"{p:.3f}" in texts and f"{g:+.3f}" in texts
    assert "coat (label)" in texts and "bag & co" in texts
    assert f"loss {found.loss:.3f}" in texts[-1]
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    assert "shirt 3 gives 0.879, coat 1 gives 0.119" in explorer.describe()
    assert found.loss == pytest.approx(-math.log(found.probabilities[1]))
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"logits": [1.0, 2.0]}, ValueError, "2 logits and 3 names"),
        ({"label": 3}, ValueError, "there are 3 classes"),
        ({"label": -1}, traitlets.TraitError, "label"),
        ({"logits": [1.0, 2.0, 11.0]}, ValueError, "from -10 to 10"),
        ({"logits": [1.0], "names": ["bag"]}, traitlets.TraitError, "logits"),
        ({"temperature": 0.0}, traitlets.TraitError, "temperature"),
        ({"loss": "hinge"}, traitlets.TraitError, "loss"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        SoftmaxExplorer(**traits)
    assert text in str(caught.value)


def test_an_unknown_loss_is_refused_by_name():
    with pytest.raises(ValueError, match="'hinge': give one of cross_entropy, squared"):
        judge([0.0, 1.0], 0, 1.0, "hinge")
