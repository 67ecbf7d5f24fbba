"""The look-and-tell explorer shows the model's own maps, and its two languages say the same."""

from functools import cache, partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import traitlets

from labnotes.captioning import CaptionDecoder, Captioner, GridEncoder
from labnotes.data.worlds import shapes
from labnotes.explore import look_and_tell as module
from labnotes.explore.look_and_tell import WIDTHS, LookAndTellExplorer, read_picture

from ..node import imported

SCRIPT = Path(module.__file__).with_name("look_and_tell.js")
run_js = partial(imported, SCRIPT)
NAMES = ["<pad>", "<bos>", "<eos>", ",", "a", "and", "red", "<cross>", "box & co"]
WORLD = shapes(3, objects=(1, 3))


@cache
def model(gate=True) -> Captioner:
    torch.manual_seed(2)
    return Captioner(GridEncoder(12), CaptionDecoder(9, 12, 8, 10, gate=gate)).eval()


def inputs(i):
    return WORLD.images[i : i + 1].float() / 255


@cache
def pictures(gate=True) -> list[dict]:
    return [
        read_picture(model(gate), WORLD.images[i], inputs(i), WORLD.targets[i], NAMES, 1, 2, 12)
        for i in range(3)
    ]


STATES = [(p, str(w)) for p in range(3) for w in WIDTHS]


def test_both_languages_tell_the_same_of_every_word():
    cases = [
        (LookAndTellExplorer(pictures(), picture=p, width=w, word=n), n)
        for p, w in STATES
        for n in range(len(pictures()[p]["captions"][w]["words"]))
    ]
    found = run_js(
        "console.log(JSON.stringify(data.map(([c, n]) => [m.told(c, n), m.opacities(c.maps[n])])));",
        [[explorer.caption, n] for explorer, n in cases],
    )
    for (explorer, _), (text, opacities) in zip(cases, found, strict=True):
        assert text == explorer.told()
        assert opacities == pytest.approx(explorer.opacities())
        assert min(opacities) == 0 and max(opacities) <= module.DARKEST


@pytest.mark.parametrize("width", WIDTHS)
def test_words_probabilities_and_maps_are_those_of_teacher_forcing(width):
    net, found = model(), pictures()[1]["captions"][str(width)]
    best = net.caption(inputs(1), 1, 2, width, 12)[0][0]
    with torch.no_grad():
        logits, maps = net(inputs(1), torch.tensor([[1, *best.tokens[:-1]]]))
    assert found["words"] == ["end" if t == 2 else NAMES[t] for t in best.tokens]
    assert torch.allclose(torch.tensor(found["maps"]) / 1000, maps[0], atol=6e-4)
    chances = logits[0].softmax(-1)[range(len(best.tokens)), best.tokens]
    assert torch.allclose(torch.tensor(found["sure"]) / 100, chances, atol=6e-3)
    assert all(0 < g < 100 for g in found["gate"])
    assert all(g == 100 for p in pictures(False) for c in p["captions"].values() for g in c["gate"])


def test_shares_are_of_the_shape_that_the_word_is_about():
    """From left to right, and pixel by pixel."""
    for picture, target in zip(pictures(), WORLD.targets, strict=True):
        boxes = sorted(range(len(target["boxes"])), key=lambda k: target["boxes"][k, ::2].sum())
        caption = picture["captions"]["1"]
        for t, share in enumerate(caption["share"]):
            named = t // 4 if t % 4 in (1, 2) else None
            if named is None or named >= len(boxes):
                assert share == -1 and caption["area"][t] == -1 and caption["boxes"][t] == []
                continue
            mask = target["masks"][boxes[named]]
            grid = torch.tensor(caption["maps"][t]).view(8, 8) / 1000
            pixels = grid.repeat_interleave(8, 0).repeat_interleave(8, 1) / 64
            assert share / 100 == pytest.approx(pixels[mask].sum().item(), abs=0.02)
            assert caption["area"][t] == int(100 * mask.float().mean().item() + 0.5)
            assert caption["boxes"][t] == target["boxes"][boxes[named]].tolist()


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = LookAndTellExplorer(pictures(), picture=2, width="5", word=1)
    svg = ElementTree.fromstring(explorer.still_svg())
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    written = "".join(t.text for t in svg.iter("{http://www.w3.org/2000/svg}tspan"))
    assert written == "".join(explorer.caption["words"])
    assert explorer.told() in explorer.describe()
    squares = [r for r in svg.iter("{http://www.w3.org/2000/svg}rect") if r.get("fill-opacity")]
    assert len(squares) == 64


def test_the_state_is_small():
    assert len(str(pictures())) < 120_000


@pytest.mark.parametrize(
    ("traits", "error", "text"),
    [
        ({"picture": 3}, ValueError, "there are 3 pictures and picture is 3"),
        ({"width": "2"}, traitlets.TraitError, "width"),
        ({"word": 99}, ValueError, "word is 99"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, error, text):
    with pytest.raises(error) as caught:
        LookAndTellExplorer(pictures(), **traits)
    assert text in str(caught.value)


def test_no_picture_and_a_long_caption_are_refused():
    with pytest.raises(ValueError, match="there are 0 pictures"):
        LookAndTellExplorer([])
    long = {**pictures()[0], "captions": {w: {"words": ["a"] * 17} for w in "135"}}
    with pytest.raises(ValueError, match="17 words"):
        LookAndTellExplorer([long])
