"""The stand-in has the forms of the real data, says what it is, and can be learned."""

from collections import Counter

import pytest

from labnotes.bert import encode, stand_in
from labnotes.bert.stand_in import ADJECTIVES
from labnotes.text.wordpiece import basic_tokens


@pytest.fixture(scope="module")
def made():
    return stand_in()


def test_it_says_that_nothing_is_pretrained(made):
    for part in (made.encoder, made.sentences, made.pairs, made.questions):
        assert part.provenance.stand_in and "NOT pretrained" in part.provenance.note
        assert "labnotes data get minilm" in part.provenance.note
    assert sum(p.numel() for p in made.encoder.parameters()) < 100_000


def test_labels_follow_from_the_words_and_no_class_is_rare(made):
    for text, label in made.sentences.train + made.sentences.test:
        good = any(word in text.split() for word in ADJECTIVES[1])
        assert (good != ("not" in text.split())) == bool(label)
    for first, second, label in made.pairs.test:
        same = first.split()[1] == second.split()[1]
        assert same == (label != 2) and ("friend" in second) == (label == 1)
    for data, classes in ((made.sentences, 2), (made.pairs, 3)):
        counts = Counter(row[-1] for row in data.train)
        assert len(counts) == classes and min(counts.values()) > 0.8 * 1200 / classes


def test_answers_stand_where_they_should_and_are_told_of_who_is_asked_about(made):
    for q in made.questions.train + made.questions.test:
        start = q.starts[0]
        assert q.context[start : start + len(q.answers[0])] == q.answers[0]
        who = q.question.removeprefix("Where is the ").rstrip("?")
        (told,) = [part for part in q.context.split(".") if f" {who} " in f" {part} "]
        assert told.endswith(q.answers[0])


def test_its_pieces_cut_every_text_of_it_and_its_encoder_reads_them(made):
    for text, _ in made.sentences.test[:20]:
        row = encode(made.pieces, text)
        assert made.pieces.unknown not in made.pieces.vocabulary.to_tokens(row.ids)
    assert max(made.pieces.vocabulary.to_ids(["[MASK]", "z"])) < made.encoder.config.vocab_size


def test_its_words_are_those_of_the_texts_and_names_that_come_often(made):
    tokens = set(made.pieces.vocabulary.tokens)
    texts = [text for text, _ in made.sentences.train]
    texts += [text for first, second, _ in made.pairs.train for text in (first, second)]
    texts += [text for q in made.questions.train for text in (q.context, q.question)]
    told = {word for text in texts for word in basic_tokens(text)}
    assert told <= tokens
    named = Counter(w for words, _ in made.names.train for w in basic_tokens(" ".join(words)))
    for word, count in named.items():
        if word not in told and len(word) > 1:
            assert (word in tokens) == (count > 20), (word, count)
    letters = {"a", "z", "##a", "##z"}
    assert letters <= tokens and not {"{", "##{", "`", "##`"} & tokens


def test_it_is_the_same_each_time(made):
    again = stand_in()
    assert again.sentences.train == made.sentences.train
    assert again.pieces.vocabulary.tokens == made.pieces.vocabulary.tokens
