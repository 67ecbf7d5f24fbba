"""The fill-mask explorer shows what the network says, and its JavaScript adds nothing of its own."""

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import torch.nn.functional as F
import traitlets
from torch import nn

from labnotes.bert import BertConfig, BertForPretraining, Pieces
from labnotes.bert.pretraining import CLS, MASK, SEP, SPECIAL
from labnotes.explore import fill_mask as module
from labnotes.explore.fill_mask import BEST, FillMaskExplorer, fill

from ..node import inside

SCRIPT = (Path(module.__file__).with_name("fill_mask.js")).read_text("utf8").replace("export ", "")
run_js = partial(inside, SCRIPT.replace("default { render };", ""))
PIECES = Pieces([*SPECIAL, "the", "cat", "sat", "on", "a", "mat", "##s", ".", "dog", "<b>"])
SENTENCES = ["the cat sat on a mat .", "a dog sat", "cats"]
SVG = "{http://www.w3.org/2000/svg}"


def made(layers=2, heads=2):
    torch.manual_seed(0)
    net = BertForPretraining(
        BertConfig(len(PIECES), 16, layers, heads, 24, max_position_embeddings=30)
    )
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    return net


def by_torch(net, row, place):
    """Logits at one hidden place and each layer's weights, with torch's own encoder layers."""
    ids = torch.tensor([[CLS, *row, SEP]])
    ids[0, place + 1] = MASK
    bert, found = net.bert, []
    x = bert.norm(bert.words(ids) + bert.positions.weight[: ids.shape[1]] + bert.segments.weight[0])
    for ours in bert.layers:
        layer = nn.TransformerEncoderLayer(
            16, ours.self_attn.num_heads, 24, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        ).eval()  # fmt: skip
        layer.load_state_dict(ours.state_dict())
        found.append(layer.self_attn(x, x, x, average_attn_weights=False)[1][0, :, place + 1])
        x = layer(x)
    head = net.words
    y = head.norm(F.gelu(head.dense(x[0, place + 1])))
    return y @ bert.words.weight.T + head.bias, torch.cat(found)


def test_guesses_and_weights_are_those_of_torchs_layers():
    net = made().eval()
    row = PIECES.to_ids(SENTENCES[0])
    found = fill(net, PIECES, row)
    assert len(found) == len(row)
    with torch.no_grad():
        for place, one in enumerate(found):
            logits, weights = by_torch(net, row, place)
            chances = logits.softmax(-1)
            torch.testing.assert_close(one.weights, weights, rtol=0, atol=1e-5)
            assert one.chance == pytest.approx(chances[row[place]].item(), abs=1e-6)
            order = chances.argsort(descending=True).tolist()
            assert [t for t, _ in one.best] == [PIECES.tokens[i] for i in order[:BEST]]
            assert one.rank == order.index(row[place]) + 1
    assert not any(layer.need_weights for layer in net.bert.layers)


def test_the_script_shows_the_rows_that_python_shows():
    explorer = FillMaskExplorer(made(), PIECES, SENTENCES, place=2)
    for s in range(len(SENTENCES)):
        n = len(explorer.tokens[s])
        for place in (0, n - 3):
            for head in range(5):
                explorer.sentence, explorer.place, explorer.head = s, place, head
                given = {"flat": explorer.weights[s][place], "n": n, "head": head}
                found = torch.tensor(run_js("looks(given.flat, given.n, given.head)", given))
                torch.testing.assert_close(found, explorer.looks(), rtol=0, atol=1e-6)
                assert found.sum().item() == pytest.approx(1, abs=0.01)


def test_heads_have_their_names_and_a_place_stays_within_its_sentence():
    assert run_js("heads(2, 4)", 0)[::4] == [
        "mean of all heads",
        "block 1, head 4",
        "block 2, head 4",
    ]
    assert run_js("given.map(([p, n]) => within(p, n))", [[0, 3], [9, 5], [2, 5]]) == [0, 2, 2]


@pytest.mark.parametrize(
    "truth, says",
    [([5000, 1], "The first guess is right: “cat”, 0.50."),
     ([70, 4], "The first guess is “dog”, 0.40; “cat” has rank 4, 0.007.")],
)  # fmt: skip
def test_the_sentence_says_what_the_bars_show(truth, says):
    given = {"tokens": ["[CLS]", "the", "cat", "[SEP]"], "guesses": [["dog", 4000]], "truth": truth}
    found = run_js(
        "outcome(given.tokens, 1, given.guesses, given.truth, [0.1, 0.6, 0.2, 0.1])", given
    )
    assert found == f"{says} The hidden place looks most at “the”, 0.60."


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = FillMaskExplorer(made(), PIECES, ["the <b> sat", *SENTENCES], place=1)
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter(f"{SVG}text")]
    for token, tenths in explorer.guesses[0][1]:
        assert token in texts and f"{tenths / 10_000:.2f}" in texts
    assert svg.find(f"{SVG}title").text == explorer.describe()
    assert explorer.tokens[0][2] in explorer.describe()
    assert "image/svg+xml" in explorer._repr_mimebundle_()[0]


def test_the_script_is_small_and_asks_for_nothing_from_elsewhere():
    assert len(FillMaskExplorer._esm if isinstance(FillMaskExplorer._esm, str) else SCRIPT) < 25_000
    assert "http" not in SCRIPT


@pytest.mark.parametrize(
    ("sentences", "place", "says"),
    [
        ([], 0, "no sentence"),
        (["the cat", ""], 0, "has 0 pieces"),
        (["the " * 41], 0, "has 41 pieces"),
        (["the cat"], 2, "the first sentence has 0 to 1"),
        (["the cat"], -1, "place is -1"),
    ],
)
def test_what_cannot_be_shown_is_refused(sentences, place, says):
    with pytest.raises(ValueError, match=says):
        FillMaskExplorer(made(), PIECES, sentences, place)


def test_a_state_that_cannot_be_is_refused():
    explorer = FillMaskExplorer(made(), PIECES, SENTENCES)
    with pytest.raises(traitlets.TraitError):
        explorer.head = -1
