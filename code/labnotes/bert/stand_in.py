"""An untrained encoder and four small generated tasks, for pages that find no data."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

from labnotes.bert.model import Bert, BertConfig
from labnotes.data import catalog, provenance
from labnotes.data.labelled import (
    RELATIONS,
    SENTIMENTS,
    LabelledText,
    Question,
    Questions,
    wnut17,
)
from labnotes.data.provenance import Provenance
from labnotes.text.vocabulary import Vocabulary
from labnotes.text.wordpiece import WordPiece, basic_tokens

ADJECTIVES = (
    "awful boring clumsy dull empty flat stale tired".split(),
    "brilliant charming clever funny gripping lovely moving warm".split(),
)
THINGS = "film story cast music ending script".split()
WHO = "man woman boy girl dog cat".split()
DOES = "runs sleeps plays waits eats sings".split()
WHERE = "park street kitchen garden market station".split()
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class StandIn(NamedTuple):
    """What `minilm` and four loaders give, each in a small generated form."""

    encoder: Bert
    pieces: WordPiece
    sentences: LabelledText
    pairs: LabelledText
    names: LabelledText
    questions: Questions


def stand_in() -> StandIn:
    """A small BERT with random weights, and tasks in the forms of SST-2, SNLI, WNUT-17 and XQuAD.

    Nothing is pretrained here, and the sentences follow simple patterns: scores say that the code
    runs, nothing else. The provenance of all parts says so.
    """
    origin = _origin()
    parts = [[f(n, seed) for seed, n in enumerate((1200, 200, 200))] for f in (_sentences, _pairs)]
    sentences = LabelledText(*parts[0], SENTIMENTS, origin)
    pairs = LabelledText(*parts[1], RELATIONS, origin)
    names = wnut17(fallback=True)
    questions = Questions(_questions(200, 0), _questions(60, 1), origin)
    pieces = WordPiece(_vocabulary(sentences, pairs, names, questions))
    sizes = BertConfig(
        vocab_size=len(pieces.vocabulary), hidden_size=48, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=96, max_position_embeddings=192,
    )  # fmt: skip
    encoder = Bert(sizes).eval()
    encoder.provenance = origin
    return StandIn(encoder, pieces, sentences, pairs, names, questions)


def _origin() -> Provenance:
    return Provenance(
        name="generated",
        title="Sentences drawn from patterns, and an encoder with random weights",
        source="bundled",
        licence="MIT, as the code that draws them",
        citation="Drawn by labnotes",
        stand_in=True,
        note=provenance.missing(
            catalog.entry("minilm"),
            "SST-2, SNLI, WNUT-17 or XQuAD may be missing as well. The encoder is NOT pretrained, "
            "so no score of this run says what pretraining is worth.",
        ),
    )


def _sentences(count: int, seed: int) -> list[tuple[str, int]]:
    draw, found = random.Random(seed), []
    for _ in range(count):
        label, turned = draw.randrange(2), draw.random() < 0.3
        word = draw.choice(ADJECTIVES[1 - label if turned else label])
        found.append((f"the {draw.choice(THINGS)} is {'not ' * turned}{word} .", label))
    return found


def _pairs(count: int, seed: int) -> list[tuple[str, str, int]]:
    draw, found = random.Random(seed), []
    for _ in range(count):
        label = draw.randrange(3)
        who, other = draw.sample(WHO, 2)
        does, where = draw.choice(DOES), draw.choice(WHERE)
        says = (f"a {who} {does} .", f"a {who} {does} for a friend .", f"a {other} {does} .")
        found.append((f"a {who} {does} in the {where} .", says[label], label))
    return found


def _questions(count: int, seed: int) -> list[Question]:
    draw, found = random.Random(seed), []
    for number in range(count):
        people, places = draw.sample(WHO, 3), draw.sample(WHERE, 3)
        does = draw.sample(DOES, 3)
        told = " ".join(f"The {w} {d} in the {p}." for w, d, p in zip(people, does, places))
        k = draw.randrange(3)
        asked = f"Where is the {people[k]}?"
        found.append(Question(str(number), told, asked, (places[k],), (told.index(places[k]),)))
    return found


def _vocabulary(sentences, pairs, names, questions) -> Vocabulary:
    texts = [text for text, _ in sentences.train]
    texts += [text for a, b, _ in pairs.train for text in (a, b)]
    texts += [text for q in questions.train for text in (q.context, q.question)]
    words = {word for text in texts for word in basic_tokens(text)}
    counts = Counter(word for tokens, _ in names.train for word in basic_tokens(" ".join(tokens)))
    words |= {word for word, count in counts.items() if count > 20}
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words |= {*letters, *(f"##{letter}" for letter in letters)}
    return Vocabulary([], reserved=[*SPECIAL, *sorted(words)])
