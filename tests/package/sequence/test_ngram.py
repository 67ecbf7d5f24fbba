"""N-gram models against nltk's, and against the formulas of Chen and Goodman by recursion."""

import math
import random
from collections import Counter
from functools import lru_cache

import pytest
from nltk.lm import KneserNeyInterpolated, Lidstone
from nltk.lm.preprocessing import everygrams

from labnotes.sequence import NGram

TEXT = random.Random(0).choices("aaabbcdefg", k=400)
HELD_OUT = random.Random(1).choices("aaabbcdefg", k=60)


def fitted(model, text, order):
    """nltk's model on one text, all n-grams up to the order."""
    model.fit([list(everygrams(text, max_len=order))], vocabulary_text=text)
    return model


@pytest.mark.parametrize("k", [1.0, 0.01])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_add_k_is_nltks_lidstone(order, k):
    theirs = fitted(Lidstone(k, order), TEXT, order)  # its vocabulary has <UNK>, ours one more too
    ours = NGram(order, "add-k", k=k).fit(TEXT)
    for i in range(order, 60):
        context = tuple(HELD_OUT[i - order + 1 : i])
        expected = theirs.score(HELD_OUT[i], context)
        assert ours.probability(HELD_OUT[i], context) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("discount", [0.1, 0.75])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_kneser_ney_is_nltks_down_to_the_uniform_distribution(order, discount):
    text = ["a", *TEXT]  # the first token is seen later too, so the text's beginning adds nothing
    theirs = fitted(KneserNeyInterpolated(order, discount=discount), text, order)
    kinds = len(set(text))
    before = Counter(after for _, after in {*zip(text, text[1:], strict=False)})
    pairs = sum(before.values())

    def unigram(word):
        """nltk stops at the unigrams; Chen and Goodman mix them with the uniform distribution."""
        seen = max(before[word] - discount, 0) / pairs
        return seen + discount * len(before) / pairs / (kinds + 1)

    theirs.estimator.unigram_score = unigram
    ours = NGram(order, discount=discount).fit(text)
    checked = 0
    for i in range(order, 60):
        context = tuple(HELD_OUT[i - order + 1 : i])
        if all(theirs.counts[context[j:]].N() for j in range(len(context))):
            checked += 1
            expected = theirs.score(HELD_OUT[i], context)
            assert ours.probability(HELD_OUT[i], context) == pytest.approx(expected, rel=1e-9)
    assert checked > 10


@pytest.mark.parametrize("beginning", ["", "QR"])  # seen nowhere else, nothing stands before it
def test_modified_kneser_ney_is_the_recursion_of_the_paper(beginning):
    order, text = 3, random.Random(5).choices("thecaso ", weights=[8, 7, 6, 4, 3, 2, 1, 1], k=600)
    text = [*beginning, *text]
    ours = NGram(order).fit(text)

    @lru_cache(None)
    def counts(n):
        if n == order:
            return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
        longer = {tuple(text[i : i + n + 1]) for i in range(len(text) - n)}
        found = Counter(gram[1:] for gram in longer)
        found[tuple(text[:n])] = max(1, found[tuple(text[:n])])
        return found

    @lru_cache(None)
    def discounts(n):
        of = [sum(c == i for c in counts(n).values()) for i in range(5)]
        if not all(of[1:]):
            return (0, 0.5, 0.75, 0.75)
        y = of[1] / (of[1] + 2 * of[2])
        each = [i - (i + 1) * y * of[i + 1] / of[i] for i in (1, 2, 3)]
        return (0, *(min(max(d, 0), i) for i, d in enumerate(each, 1)))

    def chance(word, context):
        n = len(context) + 1
        shorter = chance(word, context[1:]) if context else 1 / (len(set(text)) + 1)
        after = {w: counts(n)[(*context, w)] for w in set(text) if (*context, w) in counts(n)}
        if not after:
            return shorter
        total = sum(after.values())
        freed = sum(discounts(n)[min(c, 3)] for c in after.values())
        own = after.get(word, 0)
        return (own - discounts(n)[min(own, 3)]) / total + freed / total * shorter

    for context in [
        ("t", "h"),
        ("h", "e"),
        ("e", " "),
        ("x", "y"),
        ("x", "e"),
        ("Q", "R"),
        ("a",),
        ("Q",),
        (),
    ]:
        for word in [*set(text), "?"]:
            expected = chance(word, context)
            assert ours.probability(word, context) == pytest.approx(expected, rel=1e-12)
    assert any(d != [0.5, 0.75, 0.75] for d in ours._discounts.values())


@pytest.mark.parametrize("model", [NGram(1), NGram(3), NGram(5), NGram(3, "add-k", k=0.1)])
def test_the_probabilities_and_that_of_something_new_sum_to_one(model):
    model.fit(TEXT)
    for context in ["ab", "aa", "gg", "zz", "a", ""]:
        total = sum(model.distribution(context).values()) + model.probability("new", context)
        assert total == pytest.approx(1.0, abs=1e-12)


def test_perplexity_is_the_geometric_mean_of_inverse_probabilities():
    model = NGram(2).fit(TEXT)
    chances = [model.probability(t, HELD_OUT[max(0, i - 1) : i]) for i, t in enumerate(HELD_OUT)]
    expected = math.prod(1 / c for c in chances) ** (1 / len(chances))
    assert model.perplexity(HELD_OUT) == pytest.approx(expected, rel=1e-9)
    assert NGram(1, "add-k", k=0).fit("ab").perplexity("abc") == math.inf
    assert NGram(2, "add-k", k=0).fit("ab").perplexity("ba") == math.inf
    uniform = NGram(1, "add-k", k=1e9).fit("abc").perplexity("cab")
    assert uniform == pytest.approx(4.0)  # three letters and what is new


def test_on_text_kneser_ney_beats_adding_one_and_a_longer_context_helps():
    text = "to be or not to be that is the question whether tis nobler in the mind to suffer " * 4
    train, test = text[:220], text[220:]
    added = NGram(4, "add-k", k=1).fit(train).perplexity(test)
    assert NGram(4).fit(train).perplexity(test) < added
    assert NGram(4).fit(train).perplexity(test) < NGram(1).fit(train).perplexity(test)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: NGram(0), "order is 0"),
        (lambda: NGram(2, "laplace"), "smoothing is 'laplace'"),
        (lambda: NGram(2, "add-k", k=-1), "k is -1"),
        (lambda: NGram(2, discount=1.5), "discount is 1.5"),
        (lambda: NGram(3).fit("ab"), "2 tokens: give at least 3"),
        (lambda: NGram(2).fit("abc").perplexity(""), "0 tokens"),
        (lambda: NGram(2).perplexity("abc"), "call fit"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()
