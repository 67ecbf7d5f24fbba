"""The next-word explorer: what its JavaScript counts, predicts and draws is the package's."""

import itertools
import random
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import traitlets

from labnotes.data.text import tokenize
from labnotes.explore import next_word as module
from labnotes.explore.next_word import CUTS, ROOM, SIGNS, SMOOTHINGS, NextWordExplorer, pack

from .node import imported

run_js = partial(imported, Path(module.__file__).with_name("next_word.js"))
#: A Markov chain of letters, so that contexts come again; and a few words that come once.
draw = random.Random(0)
TEXT = "prologue it was the time of the machine . the time was late , and the machine was there . ".split()
for _ in range(900):
    TEXT.append(draw.choice({"the": "machine time".split(), "was": "late there the".split()}.get(
        TEXT[-1], "the was it , . and of time machine lamp".split())))  # fmt: skip
TEXT += "who has seen a morlock ?".split()
BEGINNINGS = [
    "",
    "the",
    "The time",
    "was the",
    "it was the time of",
    "lamp lamp lamp lamp",
    "zzz the",
]


def explorers():
    table = itertools.product(BEGINNINGS, range(1, 6), SMOOTHINGS)
    made = [
        NextWordExplorer.of(TEXT, words=12, beginning=b, order=n, smoothing=s,
                            temperature=draw.choice([0.2, 1.0, 3.0]), cut=draw.choice(list(CUTS)))
        for b, n, s in table
    ]  # fmt: skip
    made.append(NextWordExplorer.of("ab" * 3, words=5, beginning="a", order=2))  # few counts
    made.append(NextWordExplorer.of(TEXT, words=500, beginning="the time", order=3, cut="top-5"))
    return made


def test_javascript_counts_predicts_and_cuts_as_python_does():
    made = explorers()
    data = [
        {"words": e.words, "text": e.text, "signs": e.signs, "beginning": e.beginning,
         "order": e.order, "smoothing": e.smoothing, "temperature": e.temperature, "cut": e.cut}
        for e in made
    ]  # fmt: skip
    found = run_js(
        """console.log(JSON.stringify(data.map((d) => {
            const ids = m.unpack(d.text, d.words.length, d.signs);
            const counts = m.counter(ids, d.words.length);
            const typed = m.tokenize(d.beginning).map((t) => Math.max(0, d.words.indexOf(t)));
            const context = d.order > 1 ? typed.slice(1 - d.order) : [];
            const chances = m.predict(counts, context, d.order, d.smoothing);
            return { ids, context, chances, drawn: m.drawable(chances, d.temperature, d.cut) };
        })));""",
        data,
    )
    assert len(found) == len(made) > 100
    for explorer, js in zip(made, found, strict=True):
        python = explorer.result()
        assert js["ids"] == explorer._ids and js["context"] == explorer.context()
        assert js["chances"] == pytest.approx(python.model, abs=1e-12)
        assert js["drawn"] == pytest.approx(python.drawn, abs=1e-9)
        if explorer.smoothing != "none" and 0 in explorer._ids:
            assert sum(js["chances"]) == pytest.approx(1)


@pytest.mark.parametrize("size", [1, 5, 88, 89, 800, 7000])
def test_a_packed_text_comes_back(size):
    ids = [random.Random(size).randrange(size) for _ in range(500)] + [0, size - 1]
    data = [pack(ids, size), size, SIGNS]
    assert run_js("console.log(JSON.stringify(m.unpack(...data)));", data) == ids


def test_javascript_finds_the_tokens_that_python_finds():
    texts = [
        "I don't owe 3.50, do I?",
        "L\u2019e\u0301te\u0301!",
        "a  b\n\u201cc\u201d",
        "x-ray's",
        "1,000a",
        "",
    ]
    found = run_js("console.log(JSON.stringify(data.map(m.tokenize)));", texts)
    assert found == [tokenize(text) for text in texts]


def test_a_number_between_0_and_1_draws_each_token_in_its_share():
    drawn = [0.0, 0.25, 0.0, 0.5, 0.25, 0.0]
    numbers = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999, 1.0]
    found = run_js(
        "console.log(JSON.stringify(data[1].map((u) => m.draw(data[0], u))));", [drawn, numbers]
    )
    assert found == [1, 1, 3, 3, 4, 4, 4]
    assert run_js("console.log(m.draw(data, 0.5));", [0.0, 0.0]) == -1


def test_chance_is_spread_evenly():
    numbers = run_js(
        "console.log(JSON.stringify(Array.from({length: 4000}, (_, n) => m.chance(n))));", 0
    )
    tenths = [sum(i / 10 <= u < (i + 1) / 10 for u in numbers) for i in range(10)]
    assert all(300 < n < 500 for n in tenths) and 0 <= min(numbers) < max(numbers) < 1


def test_the_sentence_says_what_was_seen_and_how_often():
    words = ["<unk>", "the", "time", "."]
    ids = [1, 2, 3, 1, 2, 1, 2, 3]
    found = run_js(
        """const [words, ids] = data, c = m.counter(ids, 4);
        console.log(JSON.stringify([[1, 2], [3, 2], [0, 3], []].map((context) => {
            const p = m.predict(c, context, 3, "none");
            return m.summary(words, context, m.known(c, context), p, m.drawable(p, 1, "all"));
        })));""",
        [words, ids],
    )
    assert found[0] == (
        "After “the time”, seen 3 times: “.” is the likeliest word, 0.67. 2 words can be drawn."
    )
    assert found[1].startswith(
        "“. time” was never seen before a word, “time” 3 times: counts alone"
    )
    assert "“(a rare word) .” was never seen" in found[2]
    assert found[3].startswith("Whatever stands before: “the” is the likeliest")


def test_the_picture_and_its_sentence_show_the_first_state():
    explorer = NextWordExplorer.of(TEXT, words=12, beginning="it was the", order=2, title="<Tales>")
    best = explorer.likeliest(1)[0]
    assert explorer.words[best] in ("time", "machine")
    svg = ElementTree.fromstring(explorer.still_svg())
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert explorer.words[best] in texts and f"{explorer.result().model[best]:.2f}" in texts
    assert svg.find("{http://www.w3.org/2000/svg}title").text == explorer.describe()
    assert "<Tales>" in explorer.describe()


def test_a_long_text_is_cut_to_its_room():
    generator = random.Random(1)
    long = [str(int(generator.paretovariate(0.5))) for _ in range(70_000)]
    explorer = NextWordExplorer.of(long, words=900)
    state = len(explorer.text) + sum(len(w) + 4 for w in explorer.words)
    assert 0.9 * ROOM < state <= ROOM and len(explorer.words) == 901
    assert 20_000 < len(explorer._ids) < 70_000


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: NextWordExplorer(["<unk>"], [0] * 4), ValueError, "4 tokens to count"),
        (lambda: NextWordExplorer(["<unk>"], [0, 1, 0]), ValueError, "1 is no token's number"),
        (lambda: NextWordExplorer(["<unk>"], [0] * (ROOM + 1)), ValueError, "more than 60,000"),
        (lambda: NextWordExplorer.of(TEXT, words=0), ValueError, "words is 0"),
        (lambda: NextWordExplorer.of(TEXT, order=6), traitlets.TraitError, "order"),
        (lambda: NextWordExplorer.of(TEXT, temperature=0.0), traitlets.TraitError, "temperature"),
        (lambda: NextWordExplorer.of(TEXT, smoothing="laplace"), traitlets.TraitError, "smoothing"),
        (lambda: pack([1], 9000), ValueError, "two signs tell at most 7569"),
    ],
)
def test_a_state_that_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
