"""CIDEr equals a case computed by hand, scikit-learn's cosines, and knows its bad input."""

import math
import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from labnotes.metrics import cider


def split(*texts):
    return [text.split() for text in texts]


def witness(candidates, references, max_n=4):
    """The paper's equations 1 to 3, with scikit-learn's counts and cosines."""
    orders = []
    for n in range(1, max_n + 1):
        count = CountVectorizer(ngram_range=(n, n), analyzer="word", token_pattern=r"\S+")
        texts = [" ".join(c) for c in candidates]
        refs = [[" ".join(r) for r in found] for found in references]
        count.fit(texts + [r for found in refs for r in found])
        df = sum((count.transform(found).toarray().sum(0) > 0).astype(float) for found in refs)
        idf = np.log(len(refs) / np.maximum(df, 1))
        orders.append(
            [
                cosine_similarity(
                    count.transform([text]).toarray() * idf, count.transform(found).toarray() * idf
                ).mean()
                for text, found in zip(texts, refs)
            ]
        )
    return np.mean(orders, 0)


def test_two_images_by_hand():
    """log 2 for each word of one image alone, 0 for those of both; equal bigrams, if any, count 1."""
    human = [split("a red cross", "one cross"), split("a blue cross")]
    found = cider(split("a red box", "a blue cross"), human, max_n=2)
    # Image 1, words: red and box (which nobody has, so one image) weigh alike, 1/3 log 2; "a red
    # cross" has weight in red alone, "one cross" in one: cosines 1/sqrt(2) and 0. Bigrams: "a red"
    # and "red box" against "a red", "red cross": 1/2; against "one cross": 0.
    assert found.each[0] == pytest.approx(((1 / math.sqrt(2)) / 2 + (1 / 2) / 2) / 2)
    assert found.each[1] == pytest.approx(1.0)
    assert found.orders == pytest.approx((((1 / math.sqrt(2)) / 2 + 1) / 2, (0.25 + 1) / 2))
    assert found.score == pytest.approx(sum(found.each) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_random_captions_score_as_scikit_learn_computes_them(seed):
    draw = random.Random(seed)

    def sentence():
        return draw.choices("a red blue cross box and on the left of".split(), k=draw.randint(4, 9))

    references = [[sentence() for _ in range(draw.randint(1, 5))] for _ in range(7)]
    candidates = [sentence() for _ in range(7)]
    found = cider(candidates, references)
    assert found.each == pytest.approx(witness(candidates, references).tolist(), abs=1e-12)
    assert found.score == pytest.approx(float(np.mean(found.each)))


def test_a_caption_equal_to_its_only_reference_scores_one_and_a_strange_one_nothing():
    human = [split("a red cross on grey ground"), split("two blue boxes near a wall")]
    assert cider([human[0][0], human[1][0]], human).score == pytest.approx(1.0)
    assert cider(split("zebra zebra zebra zebra", ""), human).score == 0


def test_a_right_caption_of_three_words_lacks_the_order_of_four():
    human = [split("a red cross"), split("two blue boxes")]
    found = cider([human[0][0], human[1][0]], human)
    assert found.orders == pytest.approx((1, 1, 1, 0)) and found.score == pytest.approx(0.75)


def test_words_that_all_images_share_weigh_nothing():
    human = [split("a cat"), split("a dog")]
    assert cider(split("a a a", "a"), human).score == 0


@pytest.mark.parametrize(
    ("candidates", "references", "error", "said"),
    [
        (["a cat"], [], ValueError, "1 candidates"),
        (split("a"), [split("a")], ValueError, "1 image: with fewer than two"),
        (split("a", "b"), [split("a"), []], ValueError, "no reference"),
        (split("a", "b"), [["a"], ["b"]], TypeError, "list of token lists"),
        (["a", "b"], [split("a"), split("b")], TypeError, "string"),
        ("ab", [split("a"), split("b")], TypeError, "string"),
    ],
)
def test_bad_input_is_refused(candidates, references, error, said):
    with pytest.raises(error, match=said):
        cider(candidates, references)


def test_an_order_of_zero_is_refused():
    with pytest.raises(ValueError, match="max_n"):
        cider(split("a", "b"), [split("a"), split("b")], max_n=0)
