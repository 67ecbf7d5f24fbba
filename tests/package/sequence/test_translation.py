"""Languages in pieces and back; batches that hold every pair once, as it was."""

import doctest
from collections import Counter

import pytest
import torch

from labnotes.sequence import translation
from labnotes.sequence.translation import (
    BEGIN,
    END,
    PAD,
    UNKNOWN,
    Language,
    PairBatches,
    as_sentence,
    words_of,
)

SENTENCES = [
    "Tom saw a cat.",
    "The cat saw Tom.",
    "We saw Tom, and the cat.",
    "I know that I saw it.",
    "Where is Tom?",
]


@pytest.fixture
def language():
    return Language(SENTENCES, merges=20)


def test_the_examples_hold():
    assert doctest.testmod(translation).failed == 0


def test_sentences_come_back_as_they_were(language):
    for sentence in [*SENTENCES, "The Tom is we, cat?"]:
        back = language.to_text(language.to_ids(sentence))
        assert back.replace(" ?", "?") == sentence


def test_only_words_that_are_mostly_small_inside_lose_their_capital(language):
    assert language.words("Tom is.")[0] == "Tom"
    assert language.words("The Tom.")[:2] == ["the", "Tom"]
    assert language.words("I saw.")[0] == "I"
    assert language.words("Nobody.")[0] == "nobody" and language.words("") == []


def test_the_reserved_tokens_have_the_first_four_numbers(language):
    found = language.vocabulary.to_tokens([PAD, UNKNOWN, BEGIN, END])
    assert found == ["<pad>", "<unk>", "<bos>", "<eos>"]
    ids = language.to_ids("Tom saw ☃.")
    assert ids[-1] == END and ids.count(END) == 1 and UNKNOWN in ids
    assert len(language) == len(language.vocabulary) <= 4 + 21 + 20  # characters, merges


def test_a_text_ends_at_its_first_end_and_holds_neither_padding_nor_beginning(language):
    ids = language.to_ids("The cat saw Tom.")
    assert language.to_text([BEGIN, *ids, *ids, PAD]) == "The cat saw Tom."
    assert language.to_text([BEGIN, PAD]) == "" == as_sentence([])


def test_no_break_spaces_and_curved_apostrophes_do_not_make_other_words():
    assert words_of("L\u2019été\u202f!") == words_of("L'été !") == ["L'été", "!"]


def pairs(number=60):
    draw = torch.Generator().manual_seed(0)

    def one():
        length = int(torch.randint(1, 6, (), generator=draw))
        return [*torch.randint(4, 30, (length,), generator=draw).tolist(), END]

    return [one() for _ in range(number)], [one() for _ in range(number)]


def test_a_pass_has_every_pair_once_with_sources_of_one_length_in_a_batch():
    sources, targets = pairs()
    batches = PairBatches(sources, targets, 7, torch.Generator().manual_seed(1))
    passes = [list(batches), list(batches)]
    for found in passes:
        seen = Counter()
        assert len(found) == len(batches) and max(len(batch[0]) for batch in found) == 7
        for source, inputs, written, lengths in found:
            assert (source != PAD).all() and (source[:, -1] == END).all()
            assert written.shape[1] == int(lengths.max())
            for s, i, t, n in zip(source.tolist(), inputs.tolist(), written.tolist(), lengths):
                assert i[0] == BEGIN and i[1:n] == t[: n - 1] and END not in i
                assert set(i[n:]) | set(t[n:]) <= {PAD}
                seen[tuple(s), tuple(t[:n])] += 1
        assert seen == Counter(zip(map(tuple, sources), map(tuple, targets)))
    assert any(len(a[0]) != len(b[0]) or not a[0].equal(b[0]) for a, b in zip(*passes))


def test_in_batches_of_one_pair_every_source_is_whole():
    sources, targets = pairs()
    found = [source[0].tolist() for source, *_ in PairBatches(sources, targets, 1)]
    assert sorted(found) == sorted(sources)


def test_targets_as_different_as_is_allowed_leave_every_source_whole():
    sources = [[5, END], [5, 6, END]] * 40
    targets = [[4] * 97 + [END], [END]] * 40
    batches = PairBatches(sources, targets, 8, torch.Generator().manual_seed(2))
    assert all((source[:, -1] == END).all() for source, *_ in batches)


def test_the_same_generator_gives_the_same_passes():
    one, two = (PairBatches(*pairs(), 7, torch.Generator().manual_seed(4)) for _ in range(2))
    for a, b in zip(one, two):
        assert all(x.equal(y) for x, y in zip(a, b))


def test_what_cannot_be_is_refused():
    for sentences in ([], [""]):
        with pytest.raises(ValueError, match="no sentence"):
            Language(sentences, 5)
    for texts in ("Tom left.", ["Tom left.", 3]):
        with pytest.raises(ValueError, match="list of strings"):
            Language(texts, 5)
    for sides in ([[5]], [[END]]), ([[END]], [[5]]):
        with pytest.raises(ValueError, match="end with END"):
            PairBatches(*sides, 2)
    with pytest.raises(ValueError, match="1 to 99 numbers"):
        PairBatches([[END], [END]], [[END], [4] * 98 + [END]], 2)
    with pytest.raises(ValueError, match="merges"):
        Language(SENTENCES, 0)
    with pytest.raises(ValueError, match="1 sources and 2 targets"):
        PairBatches([[END]], [[END], [END]], 2)
    with pytest.raises(ValueError, match="at least one pair"):
        PairBatches([], [], 2)
    with pytest.raises(ValueError, match="is empty"):
        PairBatches([[]], [[END]], 2)
    with pytest.raises(ValueError, match="batch_size"):
        PairBatches([[END]], [[END]], 0)
