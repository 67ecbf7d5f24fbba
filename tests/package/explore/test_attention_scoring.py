"""The attention explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import itertools
import math
import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.attention import AdditiveAttention, ScaledDotProductAttention, gaussian_weights
from labnotes.explore import attention_scoring as module
from labnotes.explore.attention_scoring import (
    SCORES,
    AttentionScoringExplorer,
    additive_layer,
    score_keys,
)

from .node import imported

SCRIPT = Path(module.__file__).with_name("attention_scoring.js")
run_js = partial(imported, SCRIPT)
SHOWN = ("query", "key_points", "values", "score", "temperature", "valid_len")


def states():
    """Every score with the first state, extremes, and random states of one to seven keys."""
    table = [{"score": kind, "temperature": t} for kind in SCORES for t in (0.1, 1.0, 10.0)]
    table += [{"valid_len": n} for n in range(6)]
    corners = [[3.0, 3.0], [-3.0, -3.0], [0.0, 0.0]]
    table += [
        {
            "query": q,
            "key_points": corners,
            "values": [1.0, -2.0, 0.0],
            "score": kind,
            "temperature": 0.1,
        }
        for q, kind in itertools.product(corners, SCORES)
    ]
    draw = random.Random(0)

    def point():
        return [round(draw.uniform(-3, 3), 1), round(draw.uniform(-3, 3), 1)]

    for _ in range(100):
        n = draw.randint(1, 7)
        table.append({
            "query": point(), "key_points": [point() for _ in range(n)],
            "values": [round(draw.uniform(-50, 50), 1) for _ in range(n)],
            "score": draw.choice(list(SCORES)), "temperature": round(10 ** draw.uniform(-1, 1), 2),
            "valid_len": draw.randint(0, n),
        })  # fmt: skip
    return [AttentionScoringExplorer(**traits) for traits in table]


def test_javascript_gives_pythons_scores_weights_and_output():
    explorers = states()
    data = [{name: getattr(e, name) for name in SHOWN} for e in explorers]
    found = run_js("console.log(JSON.stringify(data.map(m.attend)));", data)
    assert len(found) == len(explorers) > 100
    for explorer, js in zip(explorers, found, strict=True):
        python = explorer.result()
        assert js["scores"] == pytest.approx(python.scores, abs=1e-12)
        assert js["weights"] == pytest.approx(python.weights, abs=1e-12)
        assert js["output"] == pytest.approx(python.output, abs=1e-9)


def test_javascript_softmax_masks_and_does_not_overflow():
    cases = [([0, 0], 2), ([0, 0], 1), ([0, 0], 0), ([1e308, -1e308], 2), ([-800, -801, 9e9], 2)]
    found = run_js(
        "console.log(JSON.stringify(data.map(([s, n]) => m.maskedSoftmax(s, n))));", cases
    )
    assert found[:4] == [[0.5, 0.5], [1, 0], [0, 0], [1, 0]]
    assert found[4] == pytest.approx([0.7310585786, 0.2689414214, 0], abs=1e-9)


def test_the_sentence_names_the_largest_weight():
    pooled = {"weights": [0.2, 0.7, 0.1], "output": 12.345}
    found = run_js("console.log(JSON.stringify([m.summary(data, 3), m.summary(data, 0)]));", pooled)
    assert found[0] == "Key 2 has the largest weight, 0.70. The output is 12.3."
    assert "Every key is hidden" in found[1]


def as_batch(explorer):
    """The explorer's state as a batch of one, for the package's layers."""
    points = torch.tensor([explorer.key_points], dtype=torch.float64)
    values = torch.tensor(explorer.values, dtype=torch.float64).view(1, -1, 1)
    query = torch.tensor([[explorer.query]], dtype=torch.float64)
    return query, points, values, torch.tensor([explorer.valid_len])


@pytest.mark.parametrize("valid_len", [0, 2, 5])
@pytest.mark.parametrize("kind", ["scaled", "additive"])
def test_numbers_are_those_of_the_packages_layers(kind, valid_len):
    explorer = AttentionScoringExplorer(score=kind, valid_len=valid_len)
    layer = {"scaled": ScaledDotProductAttention(), "additive": additive_layer()}[kind]
    output = layer(*as_batch(explorer))
    assert explorer.result().weights == pytest.approx(layer.weights.flatten().tolist(), abs=1e-12)
    assert explorer.result().output == pytest.approx(output.item(), abs=1e-9)


def test_the_gaussian_score_is_the_kernel_of_nadaraya_and_watson():
    explorer = AttentionScoringExplorer(
        query=[0.7, 0.0], key_points=[[-1.0, 0.0], [0.5, 0.0], [2.0, 0.0]], values=[1.0, 2.0, 3.0],
        score="gaussian", temperature=0.64,
    )  # fmt: skip
    keys = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64)
    expected = gaussian_weights(torch.tensor([0.7], dtype=torch.float64), keys, width=0.8)
    assert explorer.result().weights == pytest.approx(expected[0].tolist(), abs=1e-12)


def test_the_additive_layer_is_the_one_that_the_label_describes():
    layer = additive_layer()
    assert isinstance(layer, AdditiveAttention)
    query, key = [0.3, -1.2], [0.5, 2.0]
    assert score_keys("additive", query, [key]) == pytest.approx([2 * math.tanh(0.8)], abs=1e-12)


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = AttentionScoringExplorer(valid_len=3)
    pooled = explorer.result()
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    for number in [*pooled.scores, *pooled.weights]:
        assert f"{number:.2f}" in texts
    assert f"output {pooled.output:.1f}" in texts
    assert f"Output {pooled.output:.1f}." in explorer.describe()
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"values": [1.0]}, ValueError, "5 keys and 1 values"),
        ({"valid_len": 6}, ValueError, "there are 5 keys"),
        ({"valid_len": -1}, traitlets.TraitError, "valid_len"),
        ({"query": [1.0]}, traitlets.TraitError, "query"),
        ({"key_points": []}, traitlets.TraitError, "key_points"),
        ({"score": "cosine"}, traitlets.TraitError, "score"),
        ({"temperature": 0.0}, traitlets.TraitError, "temperature"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        AttentionScoringExplorer(**traits)
    assert text in str(caught.value)


def test_an_unknown_score_is_refused_by_name():
    with pytest.raises(ValueError, match="'cosine': give one of scaled, dot"):
        score_keys("cosine", [0.0, 0.0], [[0.0, 0.0]])
