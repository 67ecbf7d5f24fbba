"""The recorded networks, as readers load them (in half precision), reach what was asked of them."""

import random
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from sacrebleu.metrics import BLEU

from labnotes.data import english_french, time_machine, tiny_shakespeare, tokenize
from labnotes.metrics import perplexity
from labnotes.sequence import (
    AttentionSeq2Seq,
    CharLSTM,
    Seq2Seq,
    batched_beam_search,
    power_penalty,
)
from labnotes.sequence.translation import BEGIN, END, PAD, Language
from labnotes.text import pad
from labnotes.train import RecordError, recorded
from labnotes.transformer.model import State, Transformer


def from_record(name, network):
    try:
        return recorded(name, network).eval().requires_grad_(False)
    except RecordError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [("time-machine", time_machine, 4.35), ("shakespeare", tiny_shakespeare, 4.85)],
)
def test_the_writing_networks_clear_their_bars_on_the_last_tenth(name, text, asked, real_data):
    real_data(text.__name__)
    text = text()
    alphabet = "".join(sorted(set(text.train[:-2500])))  # the rest was held out
    net = from_record(f"sequences/gated/{name}", CharLSTM(alphabet))
    ids = net.encode("".join(c for c in text.test if c in alphabet))
    logits, _ = net(ids[None, :-1])
    lost = F.cross_entropy(logits[0], ids[1:], reduction="sum")
    assert perplexity(lost.item(), len(ids) - 1) <= asked


@cache
def translation():
    """The pairs, both languages of the chapters on translation, and their 1,000 test sentences."""
    pairs = english_french()
    train = [(e, f) for e, _ in pairs.train if len(tokenize(e)) <= 10 for f in pairs.references(e)]
    english, french = Language([e for e, _ in train], 1200), Language([f for _, f in train], 1450)
    held_out = [e for e, _ in pairs.test if len(tokenize(e)) <= 10]
    return pairs, english, french, random.Random(1).sample(held_out, len(held_out))[:1000]


def score(net, sentences, width, penalty=None):
    """BLEU with all references of the translations of a beam search, 200 sentences in a padded batch."""
    pairs, english, french, _ = translation()
    ids = [english.to_ids(sentence) for sentence in sentences]
    order, written = sorted(range(len(ids)), key=lambda n: len(ids[n])), {}
    for rows in (order[k : k + 200] for k in range(0, len(order), 200)):
        read, lengths = pad([ids[n] for n in rows], PAD)
        ours = isinstance(net, Transformer)
        state = net.start(read) if ours else net.start(read, lengths)
        begin, select = torch.full((len(rows),), BEGIN), State.select if ours else None
        found = batched_beam_search(net.step, state, begin, END, width, 30, penalty, select)
        written |= {n: french.to_text(beam[0].tokens) for n, beam in zip(rows, found)}
    references = [pairs.references(sentence) for sentence in sentences]
    columns = [
        [r[k] if k < len(r) else None for r in references] for k in range(max(map(len, references)))
    ]
    return BLEU().corpus_score([written[n] for n in range(len(ids))], columns).score


def test_the_translator_clears_its_bar_and_a_beam_of_four_is_above_greedy(real_data):
    real_data("fra_eng")
    _, english, french, test = translation()
    net = Seq2Seq(len(english), len(french), 128, 256)
    net = from_record("sequences/encoder-decoder/translator", net)
    scores = {width: score(net, test, width) for width in (1, 4)}
    print(scores)
    assert scores[1] >= 28 and scores[4] >= scores[1] + 1


def test_the_transformer_clears_its_bar_and_is_above_the_gru_with_attention(real_data):
    real_data("fra_eng")
    _, english, french, test = translation()
    net = Transformer(
        len(english), len(french), d_model=128, nhead=4, num_encoder_layers=2,
        num_decoder_layers=2, dim_feedforward=224, norm_first=True, padding=PAD,
    )  # fmt: skip
    net = from_record("attention/translation/translator", net)
    gru = AttentionSeq2Seq(len(english), len(french), 128, 216)
    gru = from_record("attention/bahdanau/translator", gru)
    ours, theirs = (score(each, test[:500], 4, power_penalty(1.0)) for each in (net, gru))
    print(ours, theirs)
    assert ours >= 47 and ours > theirs
