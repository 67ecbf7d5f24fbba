"""The BLEU explorer: its JavaScript gives the package's numbers, its picture shows its state."""

import random
from dataclasses import asdict
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import traitlets

from labnotes.explore import bleu as module
from labnotes.explore.bleu import EXAMPLES, BleuExplorer, known, marks
from labnotes.metrics import bleu, bleu_d2l, closest_length, ngrams

from .node import imported

SCRIPT = Path(module.__file__).with_name("bleu.js")
run_js = partial(imported, SCRIPT)


def cases():
    """The explorer's examples, edge cases, and random sentences of few words."""
    table = [(e["candidate"], e["references"], 4) for e in EXAMPLES]
    table += [("", ["a b"], 4), ("a", ["a"], 4), ("a b c", ["a b c"], 3), ("  a\tb ", ["b  a"], 2)]
    table += [("é l'eau", ["l'eau é"], 1), ("a b c d", ["a b c", "a b c d e"], 4)]
    table += [("__proto__ constructor", ["constructor __proto__"], 1)]
    generator = random.Random(0)
    for _ in range(150):
        texts = [" ".join(generator.choices("abc", k=generator.randint(1, 9))) for _ in range(3)]
        table.append((texts[0], texts[1 : generator.choice([2, 3])], generator.randint(1, 4)))
    return table


@pytest.fixture(scope="module")
def from_js():
    return run_js(
        """
        console.log(JSON.stringify(data.map(([text, texts, N]) => {
          const c = m.tokenize(text), refs = texts.map(m.tokenize), n = Math.min(2, N);
          return {tokens: c, ...m.bleu(c, refs, N), variant: m.bleuD2l(c, refs[0], N),
                  closest: m.closestLength(c.length, refs), bigrams: m.countNgrams(c, 2).size,
                  marks: m.marks(c, refs, n), known: m.known(refs[0], c, n)};
        })));
        """,
        cases(),
    )


def test_the_scores_in_javascript_equal_the_package(from_js):
    assert len(from_js) == len(cases())
    for (text, texts, max_n), js in zip(cases(), from_js, strict=True):
        candidate, references = text.split(), [t.split() for t in texts]
        score = bleu(candidate, references, max_n)
        assert js["tokens"] == candidate
        assert js["score"] == pytest.approx(score.score, abs=1e-12)
        assert js["precisions"] == pytest.approx(list(score.precisions), abs=1e-12)
        assert (js["matches"], js["totals"]) == (list(score.matches), list(score.totals))
        assert js["penalty"] == pytest.approx(score.brevity_penalty, abs=1e-12)
        assert (js["c"], js["r"]) == (score.candidate_length, score.reference_length)
        assert js["closest"] == closest_length(candidate, references)
        assert js["bigrams"] == len(ngrams(candidate, 2))
        assert js["variant"] == pytest.approx(bleu_d2l(candidate, references[0], max_n), abs=1e-12)


def test_the_marks_in_javascript_equal_those_in_python(from_js):
    for (text, texts, max_n), js in zip(cases(), from_js, strict=True):
        candidate, references = text.split(), [t.split() for t in texts]
        n = min(2, max_n)
        assert js["marks"] == asdict(marks(candidate, references, n))
        assert js["known"] == asdict(known(references[0], candidate, n))


def test_marked_single_words_are_as_many_as_the_score_counts():
    for text, texts, _ in cases():
        candidate, references = text.split(), [t.split() for t in texts]
        assert (
            marks(candidate, references, 1).words.count("hit")
            == bleu(candidate, references, 1).matches[0]
        )


def test_a_word_whose_matches_are_used_up_is_marked_as_clipped():
    references = [
        ["the", "cat", "is", "on", "the", "mat"],
        ["there", "is", "a", "cat", "on", "the", "mat"],
    ]
    assert marks(["the"] * 4, references, 1).words == ["hit", "hit", "clipped", "clipped"]
    assert marks(["a", "dog"], references, 1).words == ["hit", ""]


def test_words_are_joined_only_where_one_counted_ngram_holds_both():
    cover = marks(list("abbcd"), [list("abcdef")], 2)
    assert cover.words == ["hit"] * 5  # ab, bc and cd cover them all
    assert cover.joined == [True, False, True, True]  # but no bigram bb
    assert marks(list("ab"), [list("ab")], 1).joined == [False]


def test_the_picture_is_valid_svg_with_the_score_in_it():
    for example in EXAMPLES:
        explorer = BleuExplorer(candidate=example["candidate"], references=example["references"])
        root = ElementTree.fromstring(explorer.still_svg())
        words = " ".join(text for text in root.itertext())
        assert f"{explorer.result().score:.3f}" in words
        assert all(word in words for word in example["candidate"].split())
        boxes = [e for e in root.iter() if e.tag.endswith("text") and e.get("textLength")]
        assert max(float(e.get("x")) + float(e.get("textLength")) for e in boxes) <= 640
        height = float(root.get("height"))
        assert max(float(e.get("y")) for e in root.iter() if e.get("y")) <= height


def test_signs_of_markup_in_a_sentence_are_escaped_in_the_picture():
    explorer = BleuExplorer(candidate="a < b & c", references=['"<b>" > a'])
    assert ElementTree.fromstring(explorer.still_svg()) is not None


def test_the_description_says_what_the_picture_shows():
    text = BleuExplorer().describe()
    for part in ("a b b c d", "4/5, 3/4, 1/3, 0/2", "0.819", "BLEU-4 0.000"):
        assert part in text


def test_empty_sentences_still_draw():
    explorer = BleuExplorer(candidate="", references=[""])
    assert explorer.result().score == 0
    assert ElementTree.fromstring(explorer.still_svg()) is not None


@pytest.mark.parametrize("bad", [{"max_n": 5}, {"max_n": 0}, {"shown": 0}, {"references": []}])
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(traitlets.TraitError):
        BleuExplorer(**bad)
