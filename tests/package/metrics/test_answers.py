"""Exact match and F1 of answers against cases worked out by SQuAD's rules, and scikit-learn."""

import random

import pytest
from sklearn.metrics import f1_score

from labnotes.metrics import squad_scores
from labnotes.metrics.answers import normalized


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The Cat", "cat"),
        ("an apple, a pear", "apple pear"),
        ("U.S.A.", "usa"),
        ("  two\tblanks ", "two blanks"),
        ("theatre and another", "theatre and another"),
        ("don't", "dont"),
        ("“quoted”", "“quoted”"),  # string.punctuation is ASCII, as in the official script
        ("the", ""),
    ],
)
def test_answers_are_normalized_by_the_official_rules(answer, expected):
    assert normalized(answer) == expected


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("the Eiffel Tower", ["Eiffel tower."], 1, 1),
        ("Eiffel Tower in Paris", ["Eiffel Tower"], 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("red", ["blue", "red"], 1, 1),
        ("red red", ["red"], 0, 2 / 3),
        ("green", ["red"], 0, 0),
        ("", [], 1, 1),
        ("", [""], 1, 1),
        ("", ["red"], 0, 0),
        ("red", [], 0, 0),
        ("the", ["red"], 0, 0),
        ("red", "red", 1, 1),
    ],
)
def test_single_answers_score_what_the_rules_say(answer, references, exact, f1):
    assert squad_scores([answer], [references]) == pytest.approx((exact, f1))


def test_scores_are_means_over_questions_of_the_best_reference():
    found = squad_scores(["a b c d", "x"], [["b", "b c"], ["y", "x z"]])
    assert found.exact == 0.0
    assert found.f1 == pytest.approx((2 * 2 / (3 + 2) + 2 * 1 / (1 + 2)) / 2)


def test_one_of_three_that_is_right_is_an_exact_match_of_a_third():
    assert squad_scores(["x", "y z", "y"], [["x"], ["z"], ["x"]]).exact == pytest.approx(1 / 3)


def test_f1_without_repeated_words_is_scikit_learns():
    draw, words = random.Random(1), "bcdefghijk"
    for _ in range(50):
        ours, theirs = (set(draw.sample(words, draw.randint(1, 6))) for _ in range(2))
        labels = [[w in side for w in words] for side in (theirs, ours)]
        found = squad_scores([" ".join(ours)], [" ".join(theirs)]).f1
        assert found == pytest.approx(f1_score(*labels, zero_division=0))


@pytest.mark.parametrize(
    ("predictions", "references"), [(["a"], []), ([], []), ("a", ["a"]), (["a"], "a")]
)
def test_bad_lists_are_refused(predictions, references):
    with pytest.raises(ValueError, match="question"):
        squad_scores(predictions, references)
