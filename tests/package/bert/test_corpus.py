"""Pieces that a text teaches, and articles with and without the data."""

import doctest
from collections import Counter

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from labnotes.bert import corpus, pretraining
from labnotes.bert.corpus import Pieces, count_words, learn_pieces, wiki_articles
from labnotes.bert.pretraining import SPECIAL, UNK

TEXTS = [
    "The lower house was lower than the newer one .",
    "A newer tower , the lowest of the low , was shown to the owner !",
    "Ångström's naïve owner saw 12 [UNK] towers and 3 [MASK] houses .",
] * 30


@pytest.fixture(scope="module")
def tokens():
    return learn_pieces(count_words(TEXTS), 90)


def test_a_vocabulary_has_the_special_tokens_first_and_no_piece_twice(tokens):
    assert tokens[: len(SPECIAL)] == list(SPECIAL)
    assert len(set(tokens)) == len(tokens) <= 90
    assert "the" in tokens and all(token.strip() for token in tokens)


def test_frequent_characters_are_there_so_that_frequent_words_can_be_cut(tokens):
    pieces = Pieces(tokens)
    assert UNK not in [i for word in count_words(TEXTS) for i in pieces.to_ids(word)]


def test_text_is_cut_as_the_tokenizers_library_cuts_it(tokens):
    theirs = Tokenizer(
        models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]",
                         max_input_chars_per_word=100)
    )  # fmt: skip
    theirs.normalizer = normalizers.BertNormalizer(lowercase=True)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.add_special_tokens(list(SPECIAL))
    pieces = Pieces(tokens)
    for text in [*TEXTS[:3], "你好 low", "xylophone", "l" * 101, "", " [MASK] ", "Low[er]"]:
        assert pieces.to_ids(text) == theirs.encode(text).ids


def test_pieces_go_back_to_words(tokens):
    pieces = Pieces(tokens)
    assert pieces.to_text(pieces.to_ids("The lower owner [UNK] !")) == "the lower owner [UNK] !"


def test_words_are_counted_without_special_tokens():
    assert count_words(["The the [UNK]", "the, [SEP]"]) == Counter({"the": 3, ",": 1})


def test_a_vocabulary_without_room_is_refused():
    with pytest.raises(ValueError, match="need room"):
        learn_pieces({"abcdef": 3}, 6)


def test_articles_are_wikitexts_or_stretches_of_a_stand_in(monkeypatch, tmp_path):
    monkeypatch.setenv("LABNOTES_DATA", "")
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path))
    found = wiki_articles(fallback=True)
    assert found.provenance.stand_in and min(map(len, (found.train, found.valid, found.test))) >= 2
    read = corpus.time_machine(fallback=True)
    parts = ["".join(part) for part in (found.train, found.valid, found.test)]
    assert parts[0] + parts[1] == read.train and parts[2] == read.test
    assert len(parts[1]) == -(-len(read.train) // 10)
    with pytest.raises(corpus.DatasetUnavailable):
        wiki_articles()


def test_headings_go_and_a_hyphen_inside_a_word_comes_back():
    text = " \n = First = \n \n a role @-@ playing game \n = = Part = = \n 1 @,@ 000 <unk> \n = Second = \n b \n"
    assert corpus._articles(text) == ["a role-playing game 1,000 [UNK]", "b"]


@pytest.mark.parametrize("module", [corpus, pretraining])
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0
