"""Byte pairs: merges and pieces of the tokenizers library, and the algorithm of the paper."""

import doctest
import json
import re
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from labnotes.data import time_machine
from labnotes.text import BytePairs, byte_pairs

LAST = "\U0010ffff"  # a single character, which the library sorts after all others, as we do "</w>"
WORDS = st.dictionaries(
    st.text("abcé中", min_size=1, max_size=9), st.integers(1, 9), min_size=1, max_size=12
)


def marked(words) -> list[str]:
    return [word + LAST for word in words]


def learned_by_the_library(counts: dict[str, int], merges: int) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    letters = set("".join(counts)) | {LAST}
    trainer = trainers.BpeTrainer(vocab_size=len(letters) + merges, show_progress=False)
    texts = (" ".join(marked([word] * n)) for word, n in counts.items())
    tokenizer.train_from_iterator(texts, trainer)
    found = re.search(r'"merges":(\[.*?\]\])', tokenizer.to_str())
    return [] if found is None else parsed(found[1])


def parsed(merges: str) -> list[tuple[str, str]]:
    return [tuple(s.replace(LAST, "</w>") for s in pair) for pair in json.loads(merges)]


def pieces_of_the_library(merges, text: str) -> list[str]:
    theirs = [tuple(s.replace("</w>", LAST) for s in pair) for pair in merges]
    symbols = sorted(set(text) | {LAST} | {s for pair in theirs for s in (*pair, "".join(pair))})
    vocabulary = {symbol: i for i, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=theirs))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return [
        t.replace(LAST, "</w>") for t in tokenizer.encode(" ".join(marked(text.split()))).tokens
    ]


@settings(deadline=None)
@given(counts=WORDS, merges=st.integers(1, 12))
def test_merges_and_pieces_are_the_librarys_ties_included(counts, merges):
    ours = BytePairs.learn(counts, merges)
    # The library goes on where a merge gives a symbol that is there already.
    assert learned_by_the_library(counts, merges)[: len(ours.merges)] == ours.merges
    text = " ".join(counts)
    assert ours.tokenize(text) == pieces_of_the_library(ours.merges, text)


def test_on_a_novel_too_a_thousand_merges_are_the_librarys(real_data):
    real_data("time_machine")
    text = time_machine()
    counts = Counter(text.train.split())
    ours = BytePairs.learn(counts, 1000)
    assert ours.merges == learned_by_the_library(counts, 1000) and len(ours.merges) == 1000
    assert ours.tokenize(text.test) == pieces_of_the_library(ours.merges, text.test)
    assert ours.join(ours.tokenize(text.test)) == " ".join(text.test.split())


def most_frequent_pair_of_the_paper(vocabulary: dict[str, int]) -> dict[tuple[str, str], int]:
    """Algorithm 1 of Sennrich et al. (2016): the counts of pairs of symbols divided by blanks."""
    pairs = defaultdict(int)
    for word, freq in vocabulary.items():
        symbols = word.split()
        for i in range(len(symbols) - 1):
            pairs[symbols[i], symbols[i + 1]] += freq
    return pairs


def test_each_merge_is_a_most_frequent_pair_of_the_papers_algorithm():
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3, "aaaa": 4, "banana": 2}
    vocabulary = {" ".join([*word, "</w>"]): n for word, n in counts.items()}
    merges = BytePairs.learn(counts, 100).merges
    for pair in merges:
        pairs = most_frequent_pair_of_the_paper(vocabulary)
        assert pairs[pair] == max(pairs.values())
        bigram = re.compile(r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)")
        vocabulary = {bigram.sub("".join(pair), word): n for word, n in vocabulary.items()}
    assert list(vocabulary) == [word + "</w>" for word in counts], "in the end each word is a piece"


@given(text=st.text(), counts=WORDS)
def test_joined_pieces_are_the_text_with_single_blanks(text, counts):
    pieces = BytePairs.learn(counts, 9)
    assert pieces.join(pieces.tokenize(text)) == " ".join(text.split())


def test_words_one_by_one_count_as_much_as_their_counts():
    words = "the cat that sat on the mat".split()
    assert BytePairs.learn(words, 5).merges == BytePairs.learn(Counter(words), 5).merges


@pytest.mark.parametrize(
    ("words", "merges", "message"),
    [
        ("the cat", 5, "'the cat' is one string"),
        (["the cat"], 5, "'the cat' is no word"),
        ([""], 5, "'' is no word"),
        (["a</w>"], 5, "'a</w>' is no word"),
        ([3], 5, "3 is no word"),
        ({"a": 0}, 5, "'a' is counted 0 times"),
        ({"a": 1.5}, 5, "'a' is counted 1.5 times"),
        ([], 5, "no word to learn from"),
        (["a"], 0, "merges is 0"),
        ([["the", "cat"]], 5, "words are no strings in a row"),
        (5, 5, "words are no strings in a row"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(words, merges, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BytePairs.learn(words, merges)


@pytest.mark.parametrize("merges", [["a"], [("a", "")], [("a", "b", "c")], [(1, "a")], [3]])
def test_what_is_no_pair_of_strings_is_refused(merges):
    with pytest.raises(ValueError, match="is no merge"):
        BytePairs(merges)


@pytest.mark.parametrize("text", ["a </w> b", None, ["a", "b"]])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ValueError, match="is no text"):
        BytePairs([("a", "b")]).tokenize(text)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(byte_pairs).failed == 0
