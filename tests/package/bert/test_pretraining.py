"""Masking counted, heads against Hugging Face's, pairs whose lengths and order tell nothing more."""

from collections import Counter

import pytest
import torch

from labnotes.bert import Bert, BertConfig, from_hugging_face
from labnotes.bert.pretraining import (
    CLS,
    MASK,
    PAD,
    SEP,
    SPECIAL,
    BertForPretraining,
    Pairs,
    mask_tokens,
    text_pairs,
)  # fmt: skip

SIZES = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 12,
}  # fmt: skip
WORDS = torch.arange(60) >= len(SPECIAL)


def ids(batch=1200, length=60, seed=0):
    draw = torch.Generator().manual_seed(seed)
    found = torch.randint(len(SPECIAL), 60, (batch, length), generator=draw)
    found[:, 0], found[:, -1] = CLS, PAD
    return found


def hidden(rate=0.15, split=(0.8, 0.1, 0.1), seed=1):
    given = ids()
    draw = torch.Generator().manual_seed(seed)
    return given, mask_tokens(given, WORDS, rate=rate, split=split, generator=draw)


def test_fifteen_per_cent_are_chosen_and_of_these_80_10_10_are_masked_replaced_and_left():
    given, (inputs, chosen, labels) = hidden()
    places = given.ge(len(SPECIAL)).sum().item()
    n = chosen.sum().item()
    assert n > 10_000
    assert abs(n / places - 0.15) < 5 * (0.15 * 0.85 / places) ** 0.5
    masked = (inputs == MASK)[chosen].float().mean().item()
    # One replacement in 55 is the word itself.
    swapped = (inputs[chosen] != labels).float().mean().item() - masked
    for share, expected in ((masked, 0.8), (swapped, 0.1 * 54 / 55)):
        assert abs(share - expected) < 5 * (expected * (1 - expected) / n) ** 0.5
    assert torch.equal(labels, given[chosen])


def test_nothing_changes_outside_the_chosen_places_and_special_tokens_are_never_chosen():
    given, (inputs, chosen, _) = hidden(rate=1.0)
    assert torch.equal(chosen, given >= len(SPECIAL))
    assert torch.equal(inputs[~chosen], given[~chosen])
    given, (inputs, chosen, _) = hidden()
    assert torch.equal(inputs[~chosen], given[~chosen])


def test_random_words_are_words_all_of_them_and_no_special_tokens():
    _, (inputs, chosen, _) = hidden(rate=1.0, split=(0.0, 1.0, 0.0))
    drawn = Counter(inputs[chosen].tolist())
    assert set(drawn) == set(range(len(SPECIAL), 60))
    expected = chosen.sum().item() / 55
    assert all(abs(count - expected) < 6 * expected**0.5 for count in drawn.values())


@pytest.mark.parametrize(
    "split, kept", [((1.0, 0.0, 0.0), 0.0), ((0.0, 0.0, 1.0), 1.0), ((0.5, 0.0, 0.5), 0.5)]
)
def test_each_place_has_one_fate(split, kept):
    _, (inputs, chosen, labels) = hidden(rate=1.0, split=split)
    same = (inputs[chosen] == labels).float().mean().item()
    masked = (inputs[chosen] == MASK).float().mean().item()
    assert same + masked == pytest.approx(1) and same == pytest.approx(kept, abs=0.02)


def test_the_same_generator_gives_the_same_places():
    first, second, third = hidden()[1], hidden()[1], hidden(seed=2)[1]
    assert torch.equal(first.inputs, second.inputs) and not torch.equal(first.inputs, third.inputs)


def from_peer(state):
    """Hugging Face's BertForPreTraining under the names of BertForPretraining."""
    heads = {
        "cls.predictions.transform.dense.": "words.dense.",
        "cls.predictions.transform.LayerNorm.": "words.norm.",
        "cls.seq_relationship.": "pair.",
    }
    found = {f"bert.{name}": value for name, value in from_hugging_face(state).items()}
    found["words.bias"] = state["cls.predictions.bias"]
    for theirs, ours in heads.items():
        for kind in ("weight", "bias"):
            found[ours + kind] = state[theirs + kind]
    return found


def test_logits_and_gradients_are_those_of_hugging_faces_model_for_pretraining():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    peer = transformers.BertForPreTraining(
        transformers.BertConfig(**SIZES, layer_norm_eps=1e-3)
    ).double().eval()  # fmt: skip
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = BertForPretraining(BertConfig(**SIZES, layer_norm_eps=1e-3)).double().eval()
    ours.load_state_dict(from_peer(peer.state_dict()))
    given = ids(3, 9)
    segments = (torch.arange(9) > 4).long().expand(3, -1)
    attention = (torch.arange(9) < torch.tensor([9, 5, 7])[:, None]).long()
    chosen = (torch.arange(9) % 3 == 1).expand(3, -1) & (attention == 1)
    expected = peer(given, attention_mask=attention, token_type_ids=segments)
    found = ours(given, chosen, attention, segments)
    torch.testing.assert_close(found.words, expected.prediction_logits[chosen])
    torch.testing.assert_close(found.pair, expected.seq_relationship_logits)
    (found.words.square().sum() + found.pair.sum()).backward()
    theirs = expected.prediction_logits[chosen].square().sum()
    (theirs + expected.seq_relationship_logits.sum()).backward()
    # The table is used at both ends.
    table = peer.bert.embeddings.word_embeddings.weight.grad
    mine = ours.bert.words.weight.grad
    torch.testing.assert_close(mine[1:], table[1:])  # Hugging Face gives padding none


def test_the_network_for_pretraining_holds_no_second_table():
    config = BertConfig(**SIZES)
    count = sum(p.numel() for p in BertForPretraining(config).parameters())
    d, v = 24, 60
    alone = sum(p.numel() for p in Bert(config).parameters())
    assert count == alone + (d * d + d) + 2 * d + v + (2 * d + 2)


# --- pairs ---------------------------------------------------------------------------------------

END = 7


def articles(n=30, seed=0):
    """Articles whose every token but the ends of sentences is their own number, 100 + article."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for number in range(n):
        lengths = torch.randint(2, 9, (40,), generator=draw).tolist()
        found.append([t for k in lengths for t in [*[100 + number] * k, END]])
    return found


def numbered(n=20, sentences=31):
    """Articles that count: sentence s of article a is a * 1000 + 10 * s + 100000, then the end."""
    return [
        [t for s in range(sentences) for t in (100_000 + 1000 * a + 10 * s,) * 3 + (END,)]
        for a in range(n)
    ]


def parts(pairs, i):
    row = pairs.ids[i, : pairs.lengths[i]].tolist()
    first = row.index(SEP)
    assert row[0] == CLS and row[-1] == SEP and row.count(SEP) == 2
    return row[1:first], row[first + 1 : -1]


def test_pairs_have_their_tokens_segments_and_padding_where_bert_wants_them():
    pairs = text_pairs(articles(), {END}, 40, generator=torch.Generator().manual_seed(0))
    assert pairs.ids.shape == pairs.segments.shape == (len(pairs), 40)
    for i in range(len(pairs)):
        a, b = parts(pairs, i)
        n = int(pairs.lengths[i])
        assert n == len(a) + len(b) + 3 <= 40 and a and b
        assert pairs.segments[i].tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 1) + [0] * (
            40 - n
        )
        assert (pairs.ids[i, n:] == PAD).all() and a[-1] == b[-1] == END
    assert torch.equal(pairs.attention_mask.sum(1), pairs.lengths)
    full = pairs.lengths == pairs.lengths[0]
    whole = Pairs(pairs.ids[full, : pairs.lengths[0]], *3 * [pairs.lengths[full]])
    assert whole.attention_mask is None and whole.to("meta").ids.is_meta


def test_next_pairs_are_of_one_article_or_of_two_and_lengths_tell_nothing():
    pairs = text_pairs(articles(), {END}, 40, "next", torch.Generator().manual_seed(0))
    for i in range(len(pairs)):
        a, b = parts(pairs, i)
        assert (a[0] != b[0]) == bool(pairs.labels[i])
    assert 0.4 < pairs.labels.float().mean() < 0.52
    whole = text_pairs(articles(), {END}, 40, "order", torch.Generator().manual_seed(0))
    # The same draws, so the same stretches: the exchange has left every length as it was.
    assert torch.equal(pairs.lengths, whole.lengths)


def test_order_pairs_are_neighbours_swapped_where_the_label_says_so():
    pairs = text_pairs(numbered(), {END}, 40, "order", torch.Generator().manual_seed(0))
    for i in range(len(pairs)):
        a, b = parts(pairs, i)
        first, second = (b, a) if pairs.labels[i] else (a, b)
        assert second[0] == first[-2] + 10  # the sentence after the last of the first
    assert pairs.labels.float().mean() == pytest.approx(0.5, abs=0.01)


def test_the_label_of_a_next_pair_that_is_not_spoiled_is_the_sentence_behind():
    pairs = text_pairs(numbered(), {END}, 40, "next", torch.Generator().manual_seed(0))
    follows = [b[0] == a[-2] + 10 for a, b in (parts(pairs, i) for i in range(len(pairs)))]
    assert follows == [label == 0 for label in pairs.labels.tolist()]


def test_the_pair_head_and_all_below_it_learn_the_labels_of_fixed_pairs_by_heart():
    texts = ids(10, 200)
    texts[:, ::4] = END
    pairs = text_pairs(texts.tolist(), {END}, 12, "next", torch.Generator().manual_seed(0))
    few = Pairs(pairs.ids[:64], pairs.segments[:64], pairs.lengths[:64], pairs.labels[:64])
    torch.manual_seed(0)
    net = BertForPretraining(BertConfig(**SIZES, hidden_dropout_prob=0.0))
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3, weight_decay=0.0)
    nothing = torch.zeros_like(few.ids, dtype=torch.bool)
    for _ in range(150):
        pair = net(few.ids, nothing, few.attention_mask, few.segments).pair
        loss = torch.nn.functional.cross_entropy(pair, few.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert few.labels.float().mean().item() == pytest.approx(0.5, abs=0.2)
    assert loss.item() < 0.02 and torch.equal(pair.argmax(1), few.labels)


def test_batches_have_all_pairs_once_and_hardly_any_padding():
    pairs = text_pairs(articles(100), {END}, 40, generator=torch.Generator().manual_seed(0))
    batches = pairs.batches(16, torch.Generator().manual_seed(1))
    rows = Counter((int(n), *row[:n].tolist()) for b in batches for row, n in zip(b.ids, b.lengths))
    assert rows == Counter((int(n), *row[:n].tolist()) for row, n in zip(pairs.ids, pairs.lengths))
    used = sum(int(b.lengths.sum()) for b in batches)
    assert used / sum(b.ids.numel() for b in batches) > 0.97
    assert all(b.segments.shape == b.ids.shape and len(b.labels) == len(b) for b in batches)


def test_sentences_of_no_and_of_six_hundred_tokens_are_taken():
    long = [[9] * 600 + [END] + [8, END] * 30, [], [END], [9, END, 8, END, 9, END]]
    pairs = text_pairs(long, {END}, 40, generator=torch.Generator().manual_seed(3))
    assert pairs.lengths.max() <= 40 and len(pairs)


def test_a_batch_of_no_texts_has_no_answers():
    empty = torch.zeros(0, 9, dtype=torch.long)
    inputs, chosen, labels = mask_tokens(empty, WORDS)
    assert inputs.shape == chosen.shape == (0, 9) and labels.shape == (0,)
    words, pair = BertForPretraining(BertConfig(**SIZES))(empty, chosen)
    assert words.shape == (0, 60) and pair.shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mask_tokens(ids(), WORDS.long()), "give bool"),
        (lambda: mask_tokens(ids(), torch.zeros(60, dtype=torch.bool)), "at least one word"),
        (lambda: mask_tokens(ids() + 1, WORDS), "vocabulary has 0 to 59"),
        (lambda: mask_tokens(ids(), WORDS, rate=1.5), "rate is 1.5"),
        (lambda: mask_tokens(ids(), WORDS, rate=float("nan")), "rate is nan"),
        (lambda: mask_tokens(ids().float(), WORDS), "give integers"),
        (lambda: mask_tokens(ids(), WORDS, split=(0.8, 0.1, 0.2)), "sum to 1"),
        (lambda: mask_tokens(ids(), WORDS, split=(0.8, 0.1, float("nan"))), "sum to 1"),
        (lambda: text_pairs(articles(), {END}, 40, "nsp"), "give one of next, order"),
        (lambda: text_pairs(articles(1), {END}, 40), "at least two"),
        (lambda: text_pairs(articles(), {END}, 4), "at least 5"),
        (lambda: text_pairs([[1, 2], [3]], {END}, 40), "no article has two sentences"),
        (
            lambda: BertForPretraining(BertConfig(**SIZES))(ids(2, 5), torch.ones(2, 5)),
            "True where a word is asked for",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()
