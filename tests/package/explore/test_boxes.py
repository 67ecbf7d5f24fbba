"""The boxes explorer: its JavaScript agrees with the package and torchvision, its picture with its state."""

import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import torchvision.ops as tv
import traitlets

from labnotes.explore import boxes as module
from labnotes.explore.boxes import HEIGHT, WIDTH, BoxesExplorer

from .node import imported, inside

SCRIPT = Path(module.__file__).with_name("boxes.js")
run_js = partial(imported, SCRIPT)
SHOWN = ("boxes", "scores", "labels", "iou_threshold", "score_threshold", "per_class")


def box(draw: random.Random) -> list[float]:
    x, y = (sorted(draw.sample(range(0, most + 1, 4), 2)) for most in (WIDTH, HEIGHT))
    return [x[0], y[0], x[1], y[1]]


def states() -> list[BoxesExplorer]:
    draw = random.Random(0)
    table = [
        {"iou_threshold": t / 4, "per_class": apart} for t in range(5) for apart in (True, False)
    ]
    for _ in range(60):
        n = draw.randint(1, 12)
        table.append({
            "boxes": [box(draw) for _ in range(n)],
            "scores": [draw.randint(0, 20) / 20 for _ in range(n)],  # some are equal
            "labels": [draw.randint(0, 1) for _ in range(n)], "iou_threshold": draw.random() / 2,
            "score_threshold": draw.choice([0.0, 0.3]), "per_class": draw.random() < 0.5,
        })  # fmt: skip
    return [BoxesExplorer(task="nms", **traits) for traits in table]


def test_javascript_gives_torchvisions_iou():
    draw = random.Random(1)
    pairs = [[box(draw), box(draw)] for _ in range(100)]
    pairs += [[[0, 0, 10, 10], [10, 0, 20, 10]], [[0, 0, 10, 10], [0, 0, 10, 10]]]
    found = run_js("console.log(JSON.stringify(data.map(([a, b]) => m.overlap(a, b))));", pairs)
    for (a, b), js in zip(pairs, found, strict=True):
        one, other = (torch.tensor([v], dtype=torch.float64) for v in (a, b))
        assert js["iou"] == pytest.approx(tv.box_iou(one, other).item(), abs=1e-12)
        assert js["common"] / js["union"] == pytest.approx(js["iou"])
        assert BoxesExplorer(pair=[a, b]).overlap() == pytest.approx(js["iou"], abs=1e-12)


def test_javascript_and_python_take_the_same_steps_and_keep_torchvisions_boxes():
    explorers = states()
    data = [{name: getattr(e, name) for name in SHOWN} for e in explorers]
    found = run_js("console.log(JSON.stringify(data.map(m.suppress)));", data)
    for explorer, js in zip(explorers, found, strict=True):
        assert [(s["kept"], s["gone"]) for s in js] == explorer.steps()
        boxes = torch.tensor(explorer.boxes, dtype=torch.float64)
        scores = torch.tensor(explorer.scores, dtype=torch.float64)
        labels = torch.tensor(explorer.labels) * explorer.per_class
        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] >= explorer.score_threshold]
        falling = torch.linspace(1, 0, len(order) + 1)[: len(order)]  # equal scores: the first wins
        kept = order[
            tv.batched_nms(boxes[order], falling.double(), labels[order], explorer.iou_threshold)
        ]
        assert [s["kept"] for s in js] == kept.tolist()


def test_a_box_stays_within_the_picture_and_keeps_its_size():
    cases = [([-5, 3], [40, 30]), ([300, 190], [40, 30]), ([10.4, 20.6], [10, 200])]
    found = run_js(
        f"console.log(JSON.stringify(data.map(([c, s]) => m.within(c, s, [{WIDTH}, {HEIGHT}]))));", cases
    )  # fmt: skip
    assert found == [[0, 3, 40, 33], [280, 170, 320, 200], [10, 0, 20, 200]]


def test_the_sentences_say_what_the_picture_shows():
    explorer = BoxesExplorer(task="nms")
    given = {name: getattr(explorer, name) for name in (*SHOWN, "names")}
    script = SCRIPT.read_text("utf8").replace("export ", "").replace("default { render };", "")
    first, begin = inside(
        script,
        "[narrated(suppress(given), 1, given, 9), narrated(suppress(given), 0, given, 9)]",
        given,
    )
    kept, gone = explorer.steps()[0]
    assert first.startswith(
        f"Step 1 of {len(explorer.steps())}: keep box {kept + 1}, dog 0.90; drop"
    )
    assert all(f"{i + 1} (IoU" in first for i in gone)
    assert begin == f"9 boxes wait. {len(explorer.steps())} boxes are kept in the end."
    told = inside(
        script, "[[0, 0, 10, 10], [0, 0, 10, 5]].map((b) => told(overlap([0, 0, 10, 10], b)))", None
    )
    assert "IoU 1.000: counts" in told[0] and "IoU 0.500: counts" in told[1]


def test_the_first_states_teach_something():
    assert 0 < BoxesExplorer().overlap() < 0.5
    explorer = BoxesExplorer(task="nms")
    together = BoxesExplorer(task="nms", per_class=False)
    assert 2 < len(explorer.steps()) < len(explorer.boxes)
    assert {k for k, _ in explorer.steps()} != {k for k, _ in together.steps()}


@pytest.mark.parametrize("task", ["overlap", "nms"])
def test_the_picture_and_its_sentence_show_the_first_state(task):
    explorer = BoxesExplorer(task=task)
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    rects = list(svg.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    thick = [r for r in rects if r.get("stroke-width") == "4"]
    if task == "overlap":
        assert f"{explorer.overlap():.3f}" in explorer.describe() and len(rects) == 3
    else:
        assert len(rects) == len(explorer.boxes) and len(thick) == len(explorer.steps())
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert len(SCRIPT.read_bytes()) < 25_000


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"scores": [0.5]}, ValueError, "9 boxes, 1 scores"),
        ({"pair": [[0, 0, 10, 10], [5, 5, 5, 9]]}, ValueError, "is no box within 320x200"),
        ({"pair": [[0, 0, 10, 10]]}, traitlets.TraitError, "pair"),
        ({"task": "draw"}, traitlets.TraitError, "task"),
        ({"iou_threshold": 1.5}, traitlets.TraitError, "iou_threshold"),
        ({"labels": [2] * 9}, traitlets.TraitError, "labels"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        BoxesExplorer(**traits)
    assert text in str(caught.value)
