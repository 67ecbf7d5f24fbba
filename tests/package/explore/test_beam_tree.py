"""The beam explorer: its JavaScript searches as the package does, its picture shows its state."""

import math
from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.explore import beam_tree as module
from labnotes.explore.beam_tree import RULES, BeamTreeExplorer, read_tree
from labnotes.sequence import beam_search, exhaustive

from .node import imported

SCRIPT = Path(module.__file__).with_name("beam_tree.js")
run_js = partial(imported, SCRIPT)
NAMES = ["<end>", " la", " pluie", " tombe", " il", " pleut", " fort", " ."]
START, END, LENGTH = [4], 0, 7


def step(prefixes):
    """Log-probabilities that depend on all of a prefix; the end is never far."""
    rows = []
    for prefix in prefixes.tolist():
        draw = torch.Generator().manual_seed(sum((i + 1) * 31**t for i, t in enumerate(prefix)))
        row = 1.5 * torch.randn(len(NAMES), generator=draw, dtype=torch.float64)
        row[END] += 0.4 * len(prefix)
        rows.append(row.log_softmax(0))
    return torch.stack(rows)


@cache
def trees() -> list[dict]:
    return [
        read_tree(step, START, END, LENGTH, NAMES, "It rains."),
        read_tree(lambda p: step(p.flip(1)), START, END, 5, NAMES, "It rains & <pours>."),
    ]


SETTINGS = [
    {"sentence": s, "width": w, "rule": r, "alpha": a}
    for s in (0, 1) for w in (1, 2, 3, 4, 5) for r in RULES for a in (0.0, 0.25, 0.75, 1.0, 2.0)
]  # fmt: skip


def test_javascript_keeps_the_beginnings_that_the_package_keeps():
    found = run_js(
        "console.log(JSON.stringify(data.settings.map((s) => m.search(data.trees[s.sentence], s))));",
        {"trees": trees(), "settings": SETTINGS},
    )
    for settings, lines in zip(SETTINGS, found, strict=True):
        theirs = BeamTreeExplorer(trees(), **settings).lines()
        assert [[h["tokens"] for h in line] for line in lines] == [
            [h.tokens for h in line] for line in theirs
        ]
        for line, other in zip(lines, theirs, strict=True):
            assert [h["score"] for h in line] == pytest.approx([h.score for h in other], abs=1e-9)


def test_the_tree_holds_what_a_search_with_the_model_itself_finds():
    for settings in SETTINGS:
        tree = trees()[settings["sentence"]]
        model = step if settings["sentence"] == 0 else lambda p: step(p.flip(1))
        divide = RULES[settings["rule"]](settings["alpha"])
        best = beam_search(model, START, settings["width"], tree["length"], END, divide)[0]
        ours = BeamTreeExplorer(trees(), **settings).lines()[-1][0]
        assert [tree["tokens"][t] for t in ours.tokens] == [NAMES[t] for t in best.tokens]
        assert ours.score == pytest.approx(best.score, abs=1e-3)


def test_lines_know_where_they_came_from():
    lines = run_js("console.log(JSON.stringify(m.search(data, { width: 4, rule: 'power', alpha: 1 })));",
                   trees()[0])  # fmt: skip
    for before, line in zip(lines, lines[1:], strict=False):
        for h in line:
            parent = before[h["from"]]["tokens"]
            assert h["tokens"] == parent or h["tokens"][:-1] == parent


def test_the_divisors_are_the_packages():
    cases = [[rule, alpha, n] for rule in RULES for alpha in (0, 0.6, 2) for n in (1, 2, 9)]
    found = run_js("console.log(JSON.stringify(data.map((c) => m.divisor(...c))));", cases)
    assert found == pytest.approx([RULES[rule](alpha)(n) for rule, alpha, n in cases])


def test_the_sentence_tells_the_result_what_greedy_finds_and_one_beginning():
    wide = {"width": 5, "rule": "power", "alpha": 0.0}
    body = """const lines = m.search(data.tree, data.settings);
    const one = { width: 1, rule: "power", alpha: 1 }, greedy = m.search(data.tree, one);
    console.log(JSON.stringify([m.told(data.tree, lines, data.settings),
        m.told(data.tree, lines, data.settings, lines[0][0]), m.told(data.tree, greedy, one)]));"""
    result, node, greedy = run_js(body, {"tree": trees()[0], "settings": wide})
    best = BeamTreeExplorer(trees(), width=5).lines()[-1][0]
    text = BeamTreeExplorer(trees()).text(best)
    assert result.startswith(f"A beam of 5 finds “{text}”: log-probability {best.score:.2f}.")
    assert "Greedy search finds" in result and "divided" not in result
    assert node.startswith("“") and "log-probability" in node
    assert greedy.startswith("Greedy search finds") and "divided by" in greedy


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = BeamTreeExplorer(trees(), sentence=1, width=2)
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    written = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    for line in explorer.lines():
        for h in line:
            assert f"{h.score:.2f}" in written
    best = explorer.lines()[-1][0]
    assert explorer.text(best) in explorer.describe() and f"{best.score:.2f}" in explorer.describe()
    assert f"{math.exp(best.score):.2g}" in explorer.describe()


def test_a_narrow_beam_of_the_first_tree_errs_and_a_penalty_changes_a_result():
    """The trees of these tests are worth comparing on: searches do differ on them."""
    exact = exhaustive(step, START, 4, END)[0]
    assert beam_search(step, START, 5, 4, END)[0].tokens == exact.tokens
    results = {
        tuple(BeamTreeExplorer(trees(), **settings).lines()[-1][0].tokens) for settings in SETTINGS
    }
    assert len(results) >= 4


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"sentence": 2}, ValueError, "there are 2 sentences and sentence is 2"),
        ({"width": 6}, traitlets.TraitError, "width"),
        ({"alpha": 2.5}, traitlets.TraitError, "alpha"),
        ({"rule": "none"}, traitlets.TraitError, "rule"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        BeamTreeExplorer(trees(), **traits)
    assert text in str(caught.value)


def test_no_sentence_is_refused():
    with pytest.raises(ValueError, match="there are 0 sentences"):
        BeamTreeExplorer([])
