"""Inputs of BERT against the tokenizers library and transformers, and by brute force."""

import re
from pathlib import Path

import pytest
import torch

from labnotes.bert import (
    batch_of,
    encode,
    encode_words,
    labels_of_pieces,
    places_of_answer,
    windows,
)
from labnotes.bert.inputs import IGNORE, SIGNS, word_spans
from labnotes.data import DatasetUnavailable, catalog, snli, wnut17, xquad_en
from labnotes.text import Vocabulary, WordPiece

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [p for c in "abcdefghijklmnopqrstuvwxyz0123456789?.,'-" for p in (c, f"##{c}")]


@pytest.fixture(scope="module")
def small():
    words = ["who", "was", "it", "ann", "lee", "the", "##ing"]
    return WordPiece(Vocabulary([], reserved=[*SPECIAL, *words, *LETTERS]))


@pytest.fixture(scope="module")
def published():
    """MiniLM's pieces, and the same file read by the tokenizers library."""
    tokenizers = pytest.importorskip("tokenizers")
    try:
        path = catalog.fetch("minilm").paths["vocab.txt"]
    except DatasetUnavailable:
        pytest.skip("needs MiniLM's vocabulary")
    lines = Path(path).read_text("utf-8").rstrip("\n").split("\n")
    ours = WordPiece(Vocabulary([], reserved=lines))
    return ours, lambda: tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)


@pytest.mark.parametrize("limit", [8, 16, 64])
def test_pairs_and_how_they_are_cut_are_those_of_the_tokenizers_library(published, limit):
    ours, peer = published[0], published[1]()
    peer.enable_truncation(limit, strategy="longest_first")
    for first, second, _ in snli().test[:150]:
        row, expected = encode(ours, first, second, limit), peer.encode(first, second)
        assert len(row.ids) == len(expected.ids)
        assert row.segments == expected.type_ids or len(row.ids) == limit
        if len(row.ids) < limit:
            assert row.ids == expected.ids
    text = "word " * 600
    assert encode(ours, text, limit=limit).ids == peer.encode(text).ids


def test_first_pieces_of_words_are_those_of_the_tokenizers_library(published):
    ours, peer = published[0], published[1]()
    for words, _ in wnut17(fallback=True).train[:300]:
        row, places = encode_words(ours, words, 512)
        expected = peer.encode(words, is_pretokenized=True)
        if row.ids == expected.ids:  # a word of no piece is [UNK] here and nothing there
            wanted = [expected.word_ids.index(i) for i in range(len(words))]
            assert places == wanted
        else:
            assert any(not peer.encode(w, add_special_tokens=False).ids for w in words)


def test_windows_hold_the_whole_passage_and_the_questions_first(published):
    ours, peer = published[0], published[1]()
    same = 0
    for q in xquad_en().test[:60]:
        found = windows(ours, q.question, q.context, 128, 32)
        head = len(ours.tokenize(q.question)) + 2
        whole, past = [], 0
        for window in found:
            assert len(window.row.ids) == len(window.row.segments) == len(window.spans) <= 128
            part = window.row.ids[head:-1]
            whole += part if not past else part[32:]
            past += 1
        assert whole == ours.vocabulary.to_ids(
            [p for a, b in word_spans(q.context) for p in ours.tokenize(q.context[a:b])]
        )
        same += whole == peer.encode(q.context, add_special_tokens=False).ids
    assert same >= 58  # a rare sign that is no punctuation to one of the two


def test_every_answer_is_found_again_where_its_places_say(published):
    ours, _ = published
    seen = whole = 0
    for q in xquad_en().train:
        start, stop = q.starts[0], q.starts[0] + len(q.answers[0])
        inside = 0
        for window in windows(ours, q.question, q.context, 176, 48):
            first, last = places_of_answer(window, start, stop)
            if first:
                inside += 1
                a, b = window.spans[first][0], window.spans[last][1]
                assert a <= start and stop <= b
                whole += (a, b) == (start, stop)
                seen += 1
            else:
                assert last == 0
        assert inside, q.id
    assert whole / seen > 0.97  # an answer may begin or end inside a word


def test_a_text_of_no_words_and_one_of_six_hundred(small):
    assert encode(small, "").ids == small.vocabulary.to_ids(["[CLS]", "[SEP]"])
    assert len(encode(small, "who " * 600, limit=128).ids) == 128
    row = encode(small, "who " * 600, "it", limit=20)
    assert row.segments == [0] * 18 + [1] * 2  # the longer one is cut
    assert small.unknown in small.vocabulary.to_tokens(encode(small, "北 who").ids)


def test_a_batch_is_padded_and_masked(small):
    batch = batch_of([encode(small, "who was it"), encode(small, "", "it")])
    assert batch.input_ids.shape == (2, 5)
    assert batch.attention_mask.tolist() == [[1] * 5, [1, 1, 1, 1, 0]]
    assert batch.token_type_ids.tolist() == [[0] * 5, [0, 0, 1, 1, 0]]


def test_labels_stand_at_first_pieces_and_words_that_were_cut_off_have_none(small):
    row, places = encode_words(small, ["who", "ab", "\u200b", "lee"], 7)
    assert small.vocabulary.to_tokens(row.ids) == [
        "[CLS]", "who", "a", "##b", "[UNK]", "lee", "[SEP]",
    ]  # fmt: skip
    assert places == [1, 2, 4, 5]
    assert labels_of_pieces([3, 1, 0, 2], places, 7) == [IGNORE, 3, 1, IGNORE, 0, 2, IGNORE]
    short, places = encode_words(small, ["who", "ab", "lee"], 4)
    assert places == [1] and len(short.ids) == 3
    assert labels_of_pieces([3, 1, 2], places, 3) == [IGNORE, 3, IGNORE]


@pytest.mark.parametrize("text", ["In 1066, yes", "  a  b.c ", "", "(x)\n\ty's", "“Ja”, sagte—er"])
def test_words_and_signs_are_those_of_a_regular_expression(text):
    signs = re.escape("".join(SIGNS))
    expected = [found.span() for found in re.finditer(rf"[{signs}]|[^\s{signs}]+", text)]
    assert word_spans(text) == expected


def test_segments_of_a_window_and_a_question_that_is_too_long(small):
    (window,) = windows(small, "who was it", "ann lee", limit=12, overlap=1)
    assert window.row.segments == [0] * 5 + [1] * 3
    found = windows(small, "who " * 600, "it was ann lee " * 9, limit=30, overlap=2)
    assert max(len(window.row.ids) for window in found) == 30
    for window in found:  # a third of 30 for the question, with [CLS] and [SEP] around it
        assert window.spans[:12] == [None] * 12 and window.spans[12] is not None


def test_an_empty_passage_and_an_answer_across_the_edge(small):
    (window,) = windows(small, "who?", "")
    assert window.spans.count(None) == len(window.spans)
    assert places_of_answer(window, 0, 3) == (0, 0)
    told = "it was ann lee"
    first, second = windows(small, "who", told, limit=7, overlap=2)[:2]
    assert places_of_answer(first, 7, 14) == (0, 0)  # "lee" is cut off
    assert places_of_answer(second, 7, 14) == (4, 5)  # [CLS] who [SEP] was ann lee [SEP]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: encode(p, "who", "it", limit=2), "alone need 3"),
        (lambda p: encode(p, ["who", "was"]), "first and second are list and NoneType"),
        (lambda p: encode(p, "who", 3), "str and int"),
        (lambda p: batch_of([]), "no row"),
        (lambda p: places_of_answer(windows(p, "who", "it was")[0], 5, 3), "from 5 to 3"),
        (lambda p: labels_of_pieces([1], [-1], 4), "go from -1 to -1"),
        (lambda p: encode_words(p, "who was"), "one string"),
        (lambda p: labels_of_pieces([1], [1, 2], 4), "2 words have a place and 1 a label"),
        (lambda p: labels_of_pieces([-1], [1], 4), "a label is -1"),
        (lambda p: labels_of_pieces([1], [4], 4), "the row has 4 pieces"),
        (lambda p: windows(p, "who", "it was", limit=8, overlap=6), "room for 4 pieces"),
    ],
)
def test_bad_input_is_refused_in_words(small, call, says):
    with pytest.raises(ValueError, match=says):
        call(small)


def test_masks_are_integers_that_bert_takes(small):
    batch = batch_of([encode(small, "who")])
    assert all(part.dtype == torch.int64 for part in batch)
