"""Entities and their F1 against hand-counted cases of CoNLL's rules, and against scikit-learn."""

import random

import pytest
from sklearn.metrics import f1_score

from labnotes.metrics import entities, entity_f1

# What seqeval 1.2.2 (default mode) and conlleval give.
CASES = [
    ("O O O", []),
    ("B-A I-A O", [("A", 0, 2)]),
    ("B-A B-A", [("A", 0, 1), ("A", 1, 2)]),
    ("I-A I-A O I-A", [("A", 0, 2), ("A", 3, 4)]),
    ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)]),
    ("O I-A B-A I-A", [("A", 1, 2), ("A", 2, 4)]),
    ("I-A I-B I-A", [("A", 0, 1), ("B", 1, 2), ("A", 2, 3)]),
    ("B-A-B I-A-B O", [("A-B", 0, 2)]),
    ("", []),
]


@pytest.mark.parametrize(("tags", "expected"), CASES)
def test_entities_are_those_of_the_conll_evaluation(tags, expected):
    assert [tuple(entity) for entity in entities(tags.split())] == expected


def test_the_example_of_seqevals_documentation_gives_its_figure():
    true = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    found = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert entity_f1(found, true) == 0.5


def test_f1_is_scikit_learns_over_all_spans_that_could_be():
    draw = random.Random(0)
    tags = ["O", "B-A", "I-A", "B-B", "I-B"]
    true = [draw.choices(tags, k=draw.randint(1, 9)) for _ in range(60)]
    found = [[t if draw.random() < 0.8 else draw.choice(tags) for t in row] for row in true]
    labels = [[], []]
    for n, row in enumerate(true):
        spans = [(k, i, j) for k in "AB" for i in range(len(row)) for j in range(i + 1, 10)]
        for side, rows in zip(labels, (found, true), strict=True):
            here = {tuple(e) for e in entities(rows[n])}
            side += [span in here for span in spans]
    assert entity_f1(found, true) == pytest.approx(f1_score(labels[1], labels[0]), abs=1e-12)
    assert 0.2 < entity_f1(found, true) < 0.9
    assert entity_f1(true, true) == 1.0


@pytest.mark.parametrize(
    ("predicted", "true", "says"),
    [
        ([["O"]], [], "1 sentences were predicted, 0"),
        ([["O"]], [["O", "O"]], "1 predicted tags, 2 true"),
        (["O"], [["O"]], "one string"),
        ([["PER"]], [["O"]], "a tag is 'PER'"),
        ([["B-"]], [["O"]], "a tag is 'B-'"),
        ([[0]], [["O"]], "a tag is 0"),
    ],
)
def test_bad_tags_are_refused_in_words(predicted, true, says):
    with pytest.raises(ValueError, match=says):
        entity_f1(predicted, true)


def test_no_entity_at_all_is_zero_as_in_seqeval():
    assert entity_f1([["O"]], [["O"]]) == 0.0
