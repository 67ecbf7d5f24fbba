"""The recorded networks, as readers load them (in half precision), reach what was asked of them."""

import random

import pytest
import torch
import torch.nn.functional as F
from sacrebleu.metrics import BLEU

from labnotes.data import english_french, time_machine, tiny_shakespeare, tokenize
from labnotes.metrics import perplexity
from labnotes.sequence import CharLSTM, Seq2Seq, batched_beam_search
from labnotes.sequence.translation import BEGIN, END, Language
from labnotes.train import RecordError, recorded


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


def test_the_translator_clears_its_bar_and_a_beam_of_four_is_above_greedy(real_data):
    real_data("fra_eng")
    pairs = english_french()
    train = [(e, f) for e, _ in pairs.train if len(tokenize(e)) <= 10 for f in pairs.references(e)]
    english, french = Language([e for e, _ in train], 1200), Language([f for _, f in train], 1450)
    net = Seq2Seq(len(english), len(french), 128, 256)
    net = from_record("sequences/encoder-decoder/translator", net)
    held_out = [e for e, _ in pairs.test if len(tokenize(e)) <= 10]
    test = random.Random(1).sample(held_out, len(held_out))[:1000]  # the chapter's
    references = [pairs.references(sentence) for sentence in test]
    columns = [
        [r[k] if k < len(r) else None for r in references] for k in range(max(map(len, references)))
    ]
    ids, scores = [english.to_ids(sentence) for sentence in test], {}
    for width in (1, 4):
        written = {}
        for size in {len(i) for i in ids}:
            rows = [n for n, i in enumerate(ids) if len(i) == size]
            state = net.start(torch.tensor([ids[n] for n in rows]))
            begin = torch.full((len(rows),), BEGIN)
            found = batched_beam_search(net.step, state, begin, END, width, 30)
            written |= {n: french.to_text(beam[0].tokens) for n, beam in zip(rows, found)}
        scores[width] = BLEU().corpus_score([written[n] for n in range(1000)], columns).score
    print(scores)
    assert scores[1] >= 28 and scores[4] >= scores[1] + 1
