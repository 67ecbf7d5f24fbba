"""Checkers of the chapter on language models that count."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker
from labnotes.metrics import perplexity
from labnotes.sequence import NGram, sampling_distribution


@checker("language_models.corpus_perplexity")
def corpus_perplexity(answer: Callable) -> Iterator[Case]:
    draw = random.Random(0)
    documents = [
        ([[0.5, 0.125]], "1/2 and 1/8: two choices and eight, and the geometric mean is 4"),
        ([[1.0, 1.0, 1.0]], "a model that was always right and certain has perplexity 1"),
        ([[0.1] * 9, [0.5]], "each token counts once: sum over all documents, divide once"),
        ([[0.5, 0.5], [0.0], [0.9]], "one token held impossible, and the perplexity is infinite"),
        ([[0.25], [0.5, 0.5]], "the natural logarithm goes with exp; with log2 take 2 ** mean"),
        ([[1e-200] * 3], "add logarithms: a product of small probabilities is 0 in a float"),
    ]
    for _ in range(10):
        lengths = [draw.randint(1, 6) for _ in range(draw.randint(1, 4))]
        documents.append(([[draw.uniform(0.01, 1) for _ in range(n)] for n in lengths], ""))
    for given, hint in documents:
        chances = [p for document in given for p in document]
        total = sum(-math.log(p) if p else math.inf for p in chances)
        expected = perplexity(total, len(chances))
        got = answer([list(document) for document in given])
        if expected == math.inf and type(got) is float:
            got, expected = str(got), "inf"  # next to infinity every number is near
        yield Case(
            f"corpus_perplexity({given})", got, expected, 1e-6,
            hint or "exp of the mean of -log p over all tokens",
        )  # fmt: skip


@checker("language_models.continuation")
def continuation(answer: Callable) -> Iterator[Case]:
    draw = random.Random(1)
    texts = [
        ("a b", "there is one bigram, and it ends in b"),
        ("a b a b a b", "'a b' came three times and is one kind"),
        ("in san francisco in san francisco a glass the glass", "francisco has one predecessor"),
        ("a a a b", "a token may come after itself"),
        *((" ".join(draw.choices("abcde", k=draw.randint(5, 30))), "") for _ in range(10)),
    ]
    for text, hint in texts:
        tokens = text.split()
        # A bigram model without discount: its unigrams are what is asked for. Nothing stands before
        # the first token, which the package counts if it comes nowhere else.
        kinds = {token: len({a for a, b in zip(tokens, tokens[1:]) if b == token})
                 for token in tokens[1:]}  # fmt: skip
        expected = {token: n / sum(kinds.values()) for token, n in kinds.items()}
        if tokens[0] in kinds:
            model = NGram(2, discount=0.0).fit(tokens)
            expected = {token: model.probability(token) for token in kinds}
        got = answer(list(tokens))
        if isinstance(got, dict):
            # In one order, so that item by item can be compared.
            got, expected = sorted(got.items()), sorted(expected.items())
        yield Case(f"continuation({tokens})", got, expected, 1e-9,
                   hint or "share of the kinds of bigrams that end in the token")  # fmt: skip


@checker("language_models.nucleus")
def nucleus(answer: Callable) -> Iterator[Case]:
    draw = random.Random(2)
    cases = [
        ([0.5, 0.25, 0.25], 0.5, "the first token alone holds the half: at least p is enough"),
        ([0.25, 0.5, 0.25], 0.6, "the likeliest first; of two equal ones the smaller number"),
        ([0.05, 0.95], 0.1, "the likeliest token is always kept"),
        ([0.25, 0.25, 0.25, 0.25], 1.0, "with p = 1 everything is kept"),
    ]
    for _ in range(12):
        parts = [draw.random() ** 3 for _ in range(draw.randint(2, 8))]
        cases.append(([x / sum(parts) for x in parts], round(draw.uniform(0.1, 0.95), 2), ""))
    for probabilities, p, hint in cases:
        kept = sampling_distribution(torch.tensor(probabilities, dtype=torch.float64), top_p=p)
        ranked = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
        expected = [i for i in ranked if kept[i] > 0]
        got = answer(list(probabilities), p)
        shown = [round(x, 3) for x in probabilities]
        yield Case(f"nucleus({shown}, {p})", got, expected,
                   hint=hint or "add the likeliest up until they hold at least p")  # fmt: skip
