"""IBM model 1: NLTK's numbers, and expectation maximization by brute force."""

import doctest
import itertools
from collections import Counter

import numpy as np
import pytest
from nltk.translate import AlignedSent
from nltk.translate.ibm1 import IBMModel1 as Nltks

from labnotes.sequence import IBMModel1, ibm

PAIRS = [
    (e.split(), f.split())
    for e, f in [
        ("the house is small", "klein ist das haus"),
        ("the house is big", "das haus ist ja groß"),
        ("the book is small", "das buch ist ja klein"),
        ("the house", "das haus"),
        ("the book", "das buch"),
        ("a book", "ein buch"),
    ]
]


def test_the_examples_hold():
    assert doctest.testmod(ibm).failed == 0


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_the_table_is_nltks(rounds):
    ours = IBMModel1(PAIRS, rounds)
    theirs = Nltks([AlignedSent(f, e) for e, f in PAIRS], rounds).translation_table
    for f in {f for _, target in PAIRS for f in target}:
        for e in [None, *{e for source, _ in PAIRS for e in source}]:
            met = any((e is None or e in s) and f in t for s, t in PAIRS)
            expected = theirs[f][e] if met else 0
            assert ours.probability(f, e) == pytest.approx(expected, abs=1e-9)


def by_brute_force(pairs, rounds):
    """Every alignment of every sentence, with its probability (Brown et al. 1993, section 4.2)."""
    french = {f for _, target in pairs for f in target}
    t = Counter({(f, e): 1 / len(french) for f in french
                 for e in {None}.union(*(s for s, _ in pairs))})  # fmt: skip
    for _ in range(rounds):
        counts = Counter()
        for source, target in pairs:
            source = [None, *source]
            ways = list(itertools.product(source, repeat=len(target)))
            weights = np.array([np.prod([t[f, e] for f, e in zip(target, way)]) for way in ways])
            for way, weight in zip(ways, weights / weights.sum()):
                for f, e in zip(target, way):
                    counts[f, e] += weight
        totals = Counter()
        for (_, e), count in counts.items():
            totals[e] += count
        t = Counter({(f, e): count / totals[e] for (f, e), count in counts.items()})
    return t


def test_words_that_come_twice_count_twice_as_a_sum_over_all_alignments_says():
    pairs = [(["a", "b", "a"], ["x", "x", "y"]), (["b"], ["y", "z"]), (["a", "c"], ["x", "z"])]
    expected = by_brute_force(pairs, 3)
    ours = IBMModel1(pairs, 3)
    for (f, e), chance in expected.items():
        assert ours.probability(f, e) == pytest.approx(chance, abs=1e-12)


def test_probabilities_of_a_word_sum_to_one_and_the_likelihood_never_falls():
    model = IBMModel1(PAIRS, 12)
    for e in [None, "the", "book", "small"]:
        total = sum(model.probability(f, e) for f in model.target.tokens)
        assert total == pytest.approx(1)
    assert len(model.log_likelihoods) == 12
    assert min(np.diff(model.log_likelihoods)) > 0
    # The first: every word has 1 of 8 chances, of 24 words.
    words = sum(len(f) for _, f in PAIRS)
    kinds = len(model.target)
    assert model.log_likelihoods[0] == pytest.approx(-words * np.log(kinds))


def test_words_are_translated_one_by_one_and_unknown_ones_stay():
    model = IBMModel1(PAIRS, 10)
    assert model.translate(["the", "new", "book"]) == ["das", "new", "buch"]
    assert model.translate([]) == [] and model.translate([ibm.NOTHING]) == [ibm.NOTHING]
    assert model.probability("haus", "dog") == model.probability("hund", "house") == 0


def test_what_cannot_be_is_refused():
    for pairs, word in (([], "no pair"), ([("a b", ["c"])], "string"), ([([], ["c"])], "empty")):
        with pytest.raises(ValueError, match=word):
            IBMModel1(pairs)
    with pytest.raises(ValueError, match="rounds"):
        IBMModel1(PAIRS, 0)
    with pytest.raises(ValueError, match="string"):
        IBMModel1(PAIRS).translate("the book")
