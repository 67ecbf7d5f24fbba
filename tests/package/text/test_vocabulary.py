"""Vocabularies: counts as Python's Counter has them, numbers that go there and back."""

import doctest
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labnotes.text import Vocabulary, vocabulary

WORDS = st.lists(
    st.lists(st.sampled_from("a b c d e ä 中 \xa0".split(" ")), max_size=9), max_size=5
)


@given(documents=WORDS, min_freq=st.integers(1, 4))
def test_frequent_tokens_have_numbers_in_the_order_of_their_counts(documents, min_freq):
    found = Vocabulary(documents, min_freq, reserved=("<pad>", "<unk>"))
    counts = Counter(token for document in documents for token in document)
    assert found.tokens[:2] == ["<pad>", "<unk>"]
    expected = [t for t, n in sorted(counts.items(), key=lambda p: (-p[1], p[0])) if n >= min_freq]
    assert found.tokens[2:] == expected and len(found) == 2 + len(expected)
    for document in documents:
        back = found.to_tokens(found.to_ids(document))
        assert back == [t if counts[t] >= min_freq else "<unk>" for t in document]


def test_of_the_reserved_tokens_the_one_that_comes_twice_is_named():
    with pytest.raises(ValueError, match=r"twice: \['<pad>'\]"):
        Vocabulary([["a"]], reserved=("<pad>", "<unk>", "<pad>"))


def test_a_reserved_token_that_occurs_keeps_its_place():
    found = Vocabulary([["b", "a", "<unk>", "b"]], reserved=("<unk>", "a"))
    assert found.tokens == ["<unk>", "a", "b"]


def test_it_tells_which_tokens_it_has():
    found = Vocabulary([["b", "a"]], reserved=("<unk>",))
    assert "a" in found and "<unk>" in found and "c" not in found


def test_it_is_the_same_when_saved_and_loaded(tmp_path):
    before = Vocabulary([list("hello\xa0wörld 中文")], reserved=("<pad>", "<unk>"))
    before.save(tmp_path / "words.json")
    assert "中" in (tmp_path / "words.json").read_text("utf-8")  # for people to read
    after = Vocabulary.load(tmp_path / "words.json")
    assert after.tokens == before.tokens and after.counts == before.counts
    assert after.to_ids(["l", "?"]) == before.to_ids(["l", "?"])


def test_without_a_token_for_the_unknown_an_unknown_one_is_an_error_that_names_it():
    with pytest.raises(KeyError, match="'x' is not among the 2 tokens"):
        Vocabulary([["a", "b"]], reserved=()).to_ids(["a", "x"])


@pytest.mark.parametrize("ids", [[0, 3], [-1]])
def test_a_number_that_no_token_has_is_refused(ids):
    with pytest.raises(IndexError, match="from 0 to 2"):
        Vocabulary([["a", "b"]]).to_tokens(ids)


def test_a_string_where_tokens_are_asked_is_refused():
    with pytest.raises(ValueError, match="'hello' is one string"):
        Vocabulary(["hello"])
    with pytest.raises(ValueError, match="'ab' is one string"):
        Vocabulary([["a", "b"]]).to_ids("ab")
    with pytest.raises(ValueError, match="come twice: "):
        Vocabulary([], reserved=("<unk>", "<unk>"))
    with pytest.raises(ValueError, match="min_freq is 0"):
        Vocabulary([], min_freq=0)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(vocabulary).failed == 0
