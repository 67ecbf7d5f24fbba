"""Tokens of a text: the words that the book's tokeniser finds, or its characters, none lost."""

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labnotes import data
from labnotes.text import tokenize, tokens


@given(st.text())
def test_words_are_those_of_the_books_tokeniser(text):
    assert tokenize(text) == tokenize(text, "word") == data.tokenize(text)


@given(st.text())
def test_characters_are_the_composed_text_with_single_blanks(text):
    found = tokenize(text, unit="character")
    plain = unicodedata.normalize("NFC", text).replace("\u2019", "'")
    assert "".join(found) == " ".join(plain.split()) and all(len(c) == 1 for c in found)


def test_a_text_of_one_character_is_one_token_either_way():
    assert tokenize("A") == ["a"] and tokenize("A", "character") == ["A"]
    assert tokenize(" \xa0 ") == tokenize("\xa0", "character") == []


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        (["a", "b"], "word", "text is of list"),
        (b"ab", "character", "text is of bytes"),
        ("ab", "words", 'unit is \'words\': give "word" or "character"'),
        ("ab", None, "unit is None"),
    ],
)
def test_what_is_no_text_and_no_unit_is_refused(text, unit, words):
    with pytest.raises(ValueError, match=words):
        tokenize(text, unit)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(tokens).failed == 0
