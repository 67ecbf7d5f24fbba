"""The map of the Transformer: counts, shapes, order and code are those of the modules themselves."""

import ast
import inspect
import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets
from torch import nn

import labnotes
from labnotes.attention.multi_head import MultiHeadAttention
from labnotes.explore import transformer_map as module
from labnotes.explore.transformer_map import (
    CHOICES,
    LETTERS,
    PAPER,
    TransformerMapExplorer,
    boxes_of,
    count,
    drawing,
    formula,
    listings,
    named,
    parts,
)
from labnotes.transformer.blocks import Block
from labnotes.transformer.model import Transformer

from ..node import imported

SCRIPT = Path(module.__file__).with_name("transformer_map.js")
run_js = partial(imported, SCRIPT)

SIZES = [
    {"d_model": d, "nhead": h, "blocks": n, "dim_feedforward": f, "vocabulary": v}
    for d, h, n, f, v in [
        (512, 8, 6, 2048, 37000), (1024, 16, 6, 4096, 37000), (128, 4, 2, 256, 1450),
        (64, 1, 1, 64, 10), (6, 3, 12, 5, 6), (256, 16, 3, 4096, 8000), (2, 2, 1, 2, 2),
    ]
]  # fmt: skip
ORDERS = pytest.mark.parametrize("norm_first", [False, True])
#: Which parts of `torch.nn` a box stands for, by the last word of its key.
TORCH = {
    "attention": lambda d, f: nn.MultiheadAttention(d, 1),
    "cross": lambda d, f: nn.MultiheadAttention(d, 1),
    "network": lambda d, f: nn.Sequential(nn.Linear(d, f), nn.ReLU(), nn.Linear(f, d)),
    "norm": lambda d, f: nn.LayerNorm(d), "norm1": lambda d, f: nn.LayerNorm(d),
    "norm2": lambda d, f: nn.LayerNorm(d), "norm3": lambda d, f: nn.LayerNorm(d),
}  # fmt: skip


def built(sizes: dict, norm_first: bool, device: str = "meta") -> Transformer:
    with torch.device(device):
        return Transformer(
            sizes["vocabulary"], d_model=sizes["d_model"], nhead=sizes["nhead"],
            num_encoder_layers=sizes["blocks"], num_decoder_layers=sizes["blocks"],
            dim_feedforward=sizes["dim_feedforward"], norm_first=norm_first,
        )  # fmt: skip


def numel(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# --- counts


@ORDERS
def test_javascript_and_python_count_every_parameter_of_the_package_s_model_once(norm_first):
    data = {"parts": parts(norm_first), "sizes": SIZES}
    found = run_js(
        "console.log(JSON.stringify(data.sizes.map((s) => m.counts(data.parts, s))));", data
    )
    for sizes, js in zip(SIZES, found, strict=True):
        python = TransformerMapExplorer(norm_first=norm_first, **sizes).counts()
        assert js == python
        assert js["total"] == numel(built(sizes, norm_first))
        for part in parts(norm_first):
            side, name = part["key"].split(".")
            if name in TORCH:
                like = TORCH[name](sizes["d_model"], sizes["dim_feedforward"])
                assert js["each"][part["key"]] == numel(like)
                assert part["repeated"] == (name != "norm")
        assert js["groups"]["embedding"] == sizes["vocabulary"] * sizes["d_model"]


def test_a_block_of_the_drawing_counts_what_torch_s_layers_count():
    for sizes in SIZES[:4]:
        d, h, f = sizes["d_model"], sizes["nhead"], sizes["dim_feedforward"]
        layers = {
            "encoder": nn.TransformerEncoderLayer(d, h, f, device="meta"),
            "decoder": nn.TransformerDecoderLayer(d, h, f, device="meta"),
        }
        for side, layer in layers.items():
            own = [p for p in parts(False) if p["key"].startswith(side) and p["repeated"]]
            assert sum(count(p["terms"], sizes) for p in own) == numel(layer)


def test_the_paper_s_models_have_nearly_the_parameters_of_its_table():
    base, big = (
        TransformerMapExplorer(**{k: v for k, v in row.items() if k != "millions"}).counts()[
            "total"
        ]
        for row in PAPER
    )
    assert [row["millions"] for row in PAPER] == [65, 213]
    assert base == pytest.approx(65e6, rel=0.03) and big == pytest.approx(213e6, rel=0.01)
    assert TransformerMapExplorer().counts()["total"] == base


def test_the_number_of_heads_counts_no_parameter():
    totals = {TransformerMapExplorer(nhead=h).counts()["total"] for h in CHOICES["nhead"]}
    assert len(totals) == 1


def test_every_choice_of_heads_divides_every_choice_of_features():
    assert all(d % h == 0 for d in CHOICES["d_model"] for h in CHOICES["nhead"])


@ORDERS
def test_formulas_are_those_of_the_text_books(norm_first):
    own = parts(norm_first)
    js = run_js(
        "console.log(JSON.stringify(data.parts.map((p) => m.formula(p.terms, data.letters))));",
        {"parts": own, "letters": LETTERS},
    )
    assert js == [formula(part["terms"]) for part in own]
    by_key = {part["key"]: text for part, text in zip(own, js, strict=True)}
    assert by_key["decoder.cross"] == "4 d² + 4 d" and by_key["encoder.embedding"] == "V d"
    assert by_key["encoder.network"] == "2 d f + f + d" and by_key["encoder.norm1"] == "2 d"
    shared = [part["key"] for part in own if part["shared"]]
    assert shared == ["decoder.embedding", "decoder.logits"]


# --- shapes and order


@ORDERS
def test_the_shapes_are_those_of_a_run_at_other_sizes(norm_first):
    sizes = {"batch": 1, "source": 4, "target": 3, "vocabulary": 9, "d_model": 10, "nhead": 5,
             "blocks": 2, "dim_feedforward": 7}  # fmt: skip
    model = built(sizes, norm_first, "cpu").eval()
    met, order = {}, []

    def hook(path, layer, given, output):
        met[path] = (tuple(given[0].shape), tuple(output.shape))
        order.append(path)

    for path, layer in model.named_modules():
        if isinstance(layer, (nn.Linear, nn.LayerNorm, MultiHeadAttention)) and ".1." not in path:
            layer.register_forward_hook(partial(hook, path))
    logits = model(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long))
    found = run_js(
        "console.log(JSON.stringify(data.parts.map((p) => p.shapes.map(([w, s]) => [w, m.shape(s, data.sizes)]))));",
        {"parts": parts(norm_first), "sizes": sizes},
    )  # fmt: skip
    drawn = []
    for part, box, told in zip(parts(norm_first), boxes_of(norm_first), found, strict=True):
        side = part["key"].partition(".")[0]
        told = {name: tuple(map(int, text.split("×"))) for name, text in told}
        given, output = told.get("in", told.get("queries")), told["out"]
        length = sizes[{"encoder": "source", "decoder": "target"}[side]]
        if box.owns and box.owns[0] in met:
            assert (given, output) == (met[box.owns[0]][0], met[box.owns[-1]][1])
            drawn += box.owns
        elif part["label"] == "softmax":
            assert given == output == tuple(logits.shape)
        elif part["label"] == "output layer":
            assert given == (1, 3, 10) and output == tuple(logits.shape)
        else:
            assert output == (1, length, 10) and given[:2] == (1, length)
        if part["group"] == "attention":
            keys = 4 if "decoder.cross" in part["key"] else length
            theirs = nn.MultiheadAttention(10, 5, batch_first=True)
            queries, memory = torch.zeros(1, length, 10), torch.zeros(1, keys, 10)
            _, weights = theirs(queries, memory, memory, average_attn_weights=False)
            assert told["weights"] == tuple(weights.shape)
            assert told["keys, values"] == tuple(memory.shape)
    assert {p.rpartition(".")[2] for p in drawn if "linear" in p} == {"linear1", "linear2"}
    heights = drawing(norm_first)["boxes"]
    for side in ("encoder", "decoder"):  # the model calls its parts as they stand, from below
        called = [p for p in order if p.startswith(side) and not p.endswith("out_proj")]
        boxes = sorted((b for b in boxes_of(norm_first) if b.key.startswith(side)),
                       key=lambda b: -heights[b.key][1])  # fmt: skip
        assert called == [path for box in boxes for path in box.owns if path in met]


def test_a_number_without_a_name_is_refused():
    assert named((2, 72, 17)) == [(1, ["batch"]), (3, ["d_model"]), (1, ["dim_feedforward"])]
    with pytest.raises(ValueError, match="25 is none of the sizes"):
        named((2, 25))


# --- what it says


def test_each_box_tells_two_sentences_and_shows_code_that_stands_where_it_says():
    root = Path(labnotes.__file__).parent.parent
    for norm_first in (False, True):
        for part in parts(norm_first):
            assert len(re.findall(r"\.(?=\s|$)", part["said"])) == 2, part["said"]
            assert part["code"]
            assert set(part["code"]) <= listings().keys()
    for place, code in listings().items():
        file, line = place.split(", line ")
        first = code.splitlines()[0]
        assert (root / file).read_text("utf8").splitlines()[int(line) - 1].strip() == first
        (node,) = ast.parse(code).body
        assert ast.get_docstring(node) is None
    assert "self.linear2(" in listings()[_place(parts(False), "encoder.network")]
    assert inspect.getsourcelines(Block.feed_forward)[1] == int(
        _place(parts(False), "decoder.network").rpartition(" ")[2]
    )


def _place(own: list, key: str) -> str:
    return next(part["code"][0] for part in own if part["key"] == key)


def test_what_a_box_holds_and_the_whole_model_are_told_in_words():
    sizes = TransformerMapExplorer().sizes() | {"norm_first": False}
    keys = ["encoder.attention", "encoder.embedding", "decoder.logits", "encoder.positions"]
    own = [next(p for p in parts(False) if p["key"] == key) for key in keys]
    data = {"parts": own, "sizes": sizes, "letters": LETTERS, "paper": PAPER}
    held, whole = run_js(
        """console.log(JSON.stringify([data.parts.map((p) => m.held(p, data.sizes, data.letters)),
        [m.whole(63082496, data.sizes, data.paper), m.whole(5, { ...data.sizes, blocks: 5 }, data.paper),
         m.whole(1234, { ...data.sizes, norm_first: true }, data.paper)]]));""", data)  # fmt: skip
    assert held[0] == "4 d² + 4 d = 1,050,624 parameters (× 6)."
    assert held[1] == "V d = 18,944,000 parameters."
    assert held[2].startswith("None of its own") and held[3] == "No parameters."
    assert whole == ["All: 63,082,496; the paper says 65 million.", "All: 5.",
                     "All: 1,234."]  # fmt: skip


def test_a_last_norm_that_goes_with_pre_norm_gives_its_place_to_the_norm_below():
    found = run_js(
        """console.log(JSON.stringify(["encoder.norm", "decoder.norm", "decoder.cross", "none"]
        .map((key) => m.opened(data, key).key)));""", parts(False))  # fmt: skip
    assert found == ["encoder.norm2", "decoder.norm3", "decoder.cross", "encoder.embedding"]


# --- the drawing


@ORDERS
def test_boxes_stand_apart_within_the_drawing_and_each_has_its_part(norm_first):
    plan = drawing(norm_first)
    assert plan["boxes"].keys() == {part["key"] for part in parts(norm_first)}
    wide, tall = plan["size"]
    places = list(plan["boxes"].values())
    for i, (x, y, w, h) in enumerate(places):
        assert 0 <= x and x + w <= wide and 0 <= y and y + h <= tall
        for x2, y2, w2, h2 in places[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h + 4 <= y2 or y2 + h2 + 4 <= y
    inside = {key for key, (x, y, w, h) in plan["boxes"].items()
              if any(a <= x and x + w <= a + c and b <= y and y + h <= b + d
                     for a, b, c, d in plan["frames"])}  # fmt: skip
    assert inside == {part["key"] for part in parts(norm_first) if part["repeated"]}


@ORDERS
def test_arrows_lead_from_box_to_box_as_the_data_go(norm_first):
    plan = drawing(norm_first)
    boxes = plan["boxes"]
    ends = {(arrow["from"], arrow["to"]) for arrow in plan["arrows"]}
    column = {
        side: sorted((k for k in boxes if k.startswith(side)), key=lambda k: -boxes[k][1])
        for side in ("encoder", "decoder")
    }
    chain = {pair for keys in column.values() for pair in zip([None, *keys], keys, strict=False)}
    crossing = {(column["encoder"][-1], "decoder.cross")}
    skips = {(a["from"], a["to"]) for a in plan["arrows"] if a["kind"] == "skip"}
    assert ends == chain | crossing | skips
    assert len(skips) == len(plan["signs"]) == 5
    for begin, end in skips:  # past two boxes where the norm comes first, past one where it is last
        keys = column[end.partition(".")[0]]
        assert keys.index(end) - keys.index(begin) == (3 if norm_first else 2)
    kinds = {end: {a["kind"] for a in plan["arrows"] if a["to"] == end} for end in boxes}
    for part in parts(norm_first):
        if part["group"] == "attention":
            assert kinds[part["key"]] >= {"query", "key", "value"}
    assert {a["kind"] for a in plan["arrows"] if (a["from"], a["to"]) in crossing} == {
        "key",
        "value",
    }


@ORDERS
def test_the_picture_and_its_sentence_show_the_first_state(norm_first):
    explorer = TransformerMapExplorer(norm_first=norm_first, blocks=3, source=9)
    counted = explorer.counts()
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    assert {"3×", "×3", "source: 9 tokens", "target: 5 tokens"} <= set(texts)
    assert texts.count("layer norm") == 5 and texts.count("last layer norm") == 2 * norm_first
    assert f"{counted['total']:,} parameters:" in texts and "1 × 9 × 512" in texts
    for name, n in counted["groups"].items():
        assert f"{n:,} {name}" in texts and f"{name} {n:,}" in explorer.describe()
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"] == explorer.describe()
    assert data["image/svg+xml"] == explorer.still_svg()


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"nhead": 3}, ValueError, "d_model is 512, nhead 3: give an even d_model"),
        ({"d_model": 7, "nhead": 7}, ValueError, "d_model is 7"),
        ({"chosen": "decoder.norm"}, ValueError, "no box 'decoder.norm': give one of encoder."),
        ({"blocks": 0}, traitlets.TraitError, "blocks"),
        ({"vocabulary": 0}, traitlets.TraitError, "vocabulary"),
        ({"source": 0}, traitlets.TraitError, "source"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        TransformerMapExplorer(**traits)
    assert text in str(caught.value)
