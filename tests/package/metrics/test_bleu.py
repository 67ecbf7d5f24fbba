"""labnotes.metrics.bleu against sacreBLEU, NLTK, d2l and the numbers printed in papers."""
# ruff: noqa: SIM905 (a sentence reads better than a list of words)

import doctest
import math
import random
import sys
import warnings

import nltk.translate.bleu_score as nltk_bleu
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

import labnotes.metrics.bleu  # noqa: F401  (the module; the name `bleu` is also a function)
from labnotes.metrics import (
    bleu,
    bleu_d2l,
    brevity_penalty,
    clipped_counts,
    clipped_precision,
    closest_length,
    corpus_bleu,
    ngrams,
    tokenize_13a,
)

IDS = torch.tensor([3, 1, 4, 1, 5])
MODULE = sys.modules["labnotes.metrics.bleu"]

# Few different words: repetitions, clipping and partial matches are then common.
texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)
full_texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12)
references = st.lists(full_texts, min_size=1, max_size=3)
pairs = st.tuples(texts, references)


def sacre(candidates, refs, max_n=4, smooth="none"):
    """sacreBLEU's corpus score on the same tokens; every sentence has the same number of references."""
    metric = BLEU(tokenize="none", force=True, smooth_method=smooth, max_ngram_order=max_n)
    streams = [[" ".join(r) for r in stream] for stream in zip(*refs, strict=True)]
    return metric.corpus_score([" ".join(c) for c in candidates], streams)


def nltk_corpus(candidates, refs, max_n=4):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of orders without a match
        return nltk_bleu.corpus_bleu(refs, candidates, weights=(1 / max_n,) * max_n)


@settings(max_examples=300, deadline=None)
@given(pairs, st.integers(1, 5))
def test_a_sentence_score_and_its_parts_equal_sacrebleu(pair, max_n):
    candidate, refs = pair
    ours, theirs = bleu(candidate, refs, max_n), sacre([candidate], [refs], max_n)
    assert ours.score == pytest.approx(theirs.score / 100, abs=1e-12)
    assert list(ours.matches) == theirs.counts and list(ours.totals) == theirs.totals
    assert (ours.candidate_length, ours.reference_length) == (theirs.sys_len, theirs.ref_len)
    if candidate and any(theirs.counts):
        assert ours.brevity_penalty == pytest.approx(theirs.bp, abs=1e-12)
        assert ours.precisions == pytest.approx([p / 100 for p in theirs.precisions], abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(pairs, st.integers(1, 5))
def test_a_sentence_score_equals_nltk(pair, max_n):
    candidate, refs = pair
    # Where an order has no match NLTK gives the smallest float in place of 0: at most 1e-61 here.
    assert bleu(candidate, refs, max_n).score == pytest.approx(
        nltk_corpus([candidate], [refs], max_n), abs=1e-12
    )


long_enough = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=4, max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(long_enough, references), min_size=1, max_size=8))
def test_a_corpus_with_varying_numbers_of_references_equals_nltk(corpus):
    candidates, refs = zip(*corpus, strict=True)
    assert corpus_bleu(candidates, refs).score == pytest.approx(
        nltk_corpus(candidates, refs), abs=1e-12
    )


def test_nltk_alone_counts_a_sentence_too_short_for_an_order_as_one_miss():
    """Why the test above keeps to sentences of max_n words: here sacreBLEU is the witness."""
    candidates, refs = [["a"] * 4, ["b"]], [[["a"] * 4], [["b"]]]
    assert corpus_bleu(candidates, refs).totals == (5, 3, 2, 1)
    assert corpus_bleu(candidates, refs).score == 1.0
    assert sacre(candidates, refs).score == pytest.approx(100)
    # NLTK's totals are 5, 3 + 1, 2 + 1, 1 + 1.
    assert nltk_corpus(candidates, refs) == pytest.approx((1 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(texts, full_texts, full_texts), min_size=1, max_size=6),
    st.sampled_from([(None, "none"), ("exp", "exp"), ("add-one", "add-k")]),
    st.integers(1, 4),
)
def test_a_corpus_score_equals_sacrebleu_with_and_without_smoothing(corpus, smooth, max_n):
    candidates = [c for c, _, _ in corpus]
    refs = [[r, s] for _, r, s in corpus]
    ours = corpus_bleu(candidates, refs, max_n, smooth[0])
    theirs = sacre(candidates, refs, max_n, smooth[1])
    assert ours.score == pytest.approx(theirs.score / 100, abs=1e-12)
    assert 0 <= ours.score <= 1 + 1e-12


@settings(max_examples=200, deadline=None)
@given(full_texts, full_texts, st.integers(1, 5))
def test_bleu_d2l_equals_d2l(candidate, reference, k):
    peer = pytest.importorskip("d2l.torch", reason="d2l is the peer of this variant")
    assert bleu_d2l(candidate, reference, k) == pytest.approx(
        peer.bleu(" ".join(candidate), " ".join(reference), k), abs=1e-12
    )


def test_the_counts_printed_in_the_paper_come_out():
    """Papineni et al. 2002, section 2.1: 17/18, 8/14, 10/17, 1/13 and 2/7."""
    one = "it is a guide to action which ensures that the military always obeys the commands of the party"
    two = "it is to insure the troops forever hearing the activity guidebook that party direct"
    refs = [
        "it is a guide to action that ensures that the military will forever heed party commands",
        (
            "it is the guiding principle which guarantees the military forces always being under "
            "the command of the party"
        ),
        "it is the practical guide for the army always to heed the directions of the party",
    ]
    refs = [r.split() for r in refs]
    assert clipped_counts(one.split(), refs, 1) == (17, 18)
    assert clipped_counts(two.split(), refs, 1) == (8, 14)
    assert clipped_counts(one.split(), refs, 2) == (10, 17)
    assert clipped_counts(two.split(), refs, 2) == (1, 13)
    cats = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    assert clipped_counts(["the"] * 7, cats, 1) == (2, 7)
    assert clipped_counts(["the"] * 7, cats, 2) == (0, 6)


def test_the_notes_example_comes_out():
    candidate, reference = list("abbcd"), list("abcdef")
    assert [clipped_precision(candidate, [reference], n) for n in (1, 2, 3, 4)] == [
        4 / 5,
        3 / 4,
        1 / 3,
        0.0,
    ]
    scores = [bleu(candidate, [reference], n).score for n in (1, 2, 3, 4)]
    assert scores == pytest.approx([0.655, 0.634, 0.479, 0.0], abs=5e-4)


@pytest.mark.parametrize(
    ("candidate", "refs", "closest"),
    [
        ("a b c d", ["a b c", "a b c d e"], 3),  # as close: the shorter
        ("a b c d", ["a b c d e", "a b c"], 3),  # whatever their order
        ("a b c d", ["a", "a b c d e f"], 6),
        ("", ["a b", "a"], 1),
    ],
)
def test_the_closest_reference_length_counts_and_of_two_the_shorter(candidate, refs, closest):
    candidate, refs = candidate.split(), [r.split() for r in refs]
    assert closest_length(candidate, refs) == closest
    assert closest == nltk_bleu.closest_ref_length(refs, len(candidate))
    assert closest == sacre([candidate], [refs]).ref_len


def test_an_empty_candidate_scores_zero():
    score = bleu([], ["a b c".split()])
    assert (score.score, score.brevity_penalty, score.totals) == (0.0, 0.0, (0, 0, 0, 0))
    assert bleu_d2l([], "a b c".split(), 4) == 0.0
    assert nltk_corpus([[]], [["a b c".split()]]) == 0


def test_a_candidate_shorter_than_max_n_scores_zero_and_a_smaller_max_n_helps():
    words = "so do i".split()
    assert bleu(words, [words]).score == 0.0 == sacre([words], [[words]]).score
    assert bleu(words, [words]).totals == (3, 2, 1, 0)
    assert bleu(words, [words], max_n=3).score == 1.0
    # In a corpus the other sentences' longer n-grams carry it.
    longer = "do you see the sea".split()
    assert corpus_bleu([words, longer], [[words], [longer]]).score == 1.0


def test_repeated_words_are_clipped():
    reference = "the cat sat on the mat".split()
    assert clipped_precision(["the"] * 7, [reference], 1) == 2 / 7
    assert bleu(["the"] * 7, [reference]).score == 0.0


def test_brevity_penalty_equals_nltk_and_its_formula():
    for c in range(12):
        for r in range(1, 12):
            assert brevity_penalty(c, r) == pytest.approx(
                nltk_bleu.brevity_penalty(r, c), abs=1e-15
            )
    assert brevity_penalty(2, 6) == math.exp(-2)
    assert brevity_penalty(5, 5) == 1.0
    assert brevity_penalty(0, 5) == 0.0


def test_the_corpus_score_is_not_the_mean_of_sentence_scores():
    short, long = "the cat sat down".split(), "we saw a dog in the park this morning".split()
    wrong = "they met one man at his house every evening".split()
    corpus = corpus_bleu([short, wrong], [[short], [long]])
    assert (bleu(short, [short]).score + bleu(wrong, [long]).score) / 2 == 0.5
    assert corpus.score == pytest.approx(nltk_corpus([short, wrong], [[short], [long]]), abs=1e-12)
    assert corpus.score < 0.25


def test_ngrams_counts_equal_a_plain_count():
    generator = random.Random(0)
    tokens = [generator.choice("abc") for _ in range(40)]
    for n in (1, 2, 3, 4):
        joined = ["".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        for gram, count in ngrams(tokens, n).items():
            assert count == joined.count("".join(gram))
        assert ngrams(tokens, n).total() == len(joined)
    assert not ngrams(["a"], 2)


def test_tokens_may_be_any_hashable_value():
    assert bleu([1, 2, 3, 4, 5], [[1, 2, 3, 4, 5]]).score == 1.0
    assert bleu(("a", "b", "c", "d"), [("a", "b", "c", "d")]).score == 1.0


def test_arguments_are_left_as_they_were():
    candidate, refs = list("abba"), [list("ab"), list("ba")]
    bleu(candidate, refs, smooth="exp")
    assert candidate == list("abba") and refs == [list("ab"), list("ba")]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: bleu("a cat", [["a", "cat"]]), TypeError, r"candidate is the string.*split\(\)"),
        (lambda: bleu(["a"], ["a cat"]), TypeError, r"references holds strings.*split\(\)"),
        (lambda: bleu(["a", "cat"], ["a", "cat"]), TypeError, "list of token lists"),
        (lambda: bleu(["a"], "a"), TypeError, "references holds strings"),
        (lambda: bleu(["a"], [1, 2]), TypeError, "a reference is a int"),
        (lambda: bleu(None, [["a"]]), TypeError, "candidate is a NoneType"),
        (
            lambda: bleu(list(IDS), [IDS.tolist()]),
            TypeError,
            r"candidate holds tensors.*tolist\(\)",
        ),
        (lambda: bleu(IDS.tolist(), [list(IDS)]), TypeError, "a reference holds tensors"),
        (lambda: bleu(["a"], []), ValueError, "references is empty"),
        (lambda: bleu(["a"], [["a"]], max_n=0), ValueError, "max_n is 0"),
        (lambda: bleu(["a"], [["a"]], max_n=2.0), ValueError, "max_n is 2.0"),
        (lambda: bleu(["a"], [["a"]], smooth="floor"), ValueError, "smooth is 'floor'.*add-one"),
        (lambda: corpus_bleu([], []), ValueError, "candidates is empty"),
        (lambda: corpus_bleu([["a"]], []), ValueError, "1 candidates.*0 sentences"),
        (lambda: corpus_bleu("a cat", ["a cat"]), TypeError, "a string came"),
        (lambda: corpus_bleu(["a cat"], [[["a", "cat"]]]), TypeError, "candidate is the string"),
        (lambda: corpus_bleu([["a"]], [["a"]]), TypeError, "references holds strings"),
        (lambda: bleu_d2l("a cat", ["a"], 2), TypeError, "candidate is the string"),
        (lambda: bleu_d2l(["a"], "a cat", 2), TypeError, "reference is the string"),
        (lambda: bleu_d2l(["a"], ["a"], 0), ValueError, "k is 0"),
        (lambda: ngrams("abc", 2), TypeError, "tokens is the string"),
        (lambda: ngrams(["a"], -1), ValueError, "n is -1"),
        (lambda: brevity_penalty(-1, 3), ValueError, "lengths are -1 and 3"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(MODULE)
    assert result.attempted >= 8 and result.failed == 0


SIGNS = st.text(
    alphabet="ab1 2.,-'&;<>/\n\t\u00e9\u2019\u4e2d!?()[]{}~^`@:+*#%\"\\_|=$", max_size=30
)


@given(SIGNS)
def test_the_tokenizer_13a_is_that_of_sacrebleu(line):
    assert tokenize_13a(line) == Tokenizer13a()(line).split()


@pytest.mark.parametrize(
    "line",
    [
        "1.5, 2,5. .5 a.5 5.a",
        "19-20 a-b 3-",
        "&quot;x&quot; &amp;lt; &apos;",
        "<skipped>a-\nb\nc",
        "",
        "..,,",
    ],
)
def test_the_tokenizer_13a_on_the_cases_of_its_rules(line):
    assert tokenize_13a(line) == Tokenizer13a()(line).split()


def test_a_score_of_plain_text_is_that_which_sacrebleu_prints():
    said = ["Il pleut, n'est-ce pas?", "Elle a pay\u00e9 3,50 euros (hier)."]
    human = [
        ["Il pleut, n'est-ce pas ?", "Il pleut."],
        ["Elle paya 3,50 euros hier.", "Hier, rien."],
    ]
    ours = corpus_bleu(
        [tokenize_13a(line) for line in said],
        [[tokenize_13a(r) for r in refs] for refs in human],
        smooth="exp",
    )
    theirs = BLEU().corpus_score(said, [list(stream) for stream in zip(*human)])
    assert 100 * ours.score == pytest.approx(theirs.score, abs=1e-9)
    assert ours.score > 0.3


def test_what_is_no_text_has_no_tokens():
    with pytest.raises(TypeError, match="list"):
        tokenize_13a(["a", "b"])
