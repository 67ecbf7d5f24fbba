"""The checkers of the chapter on language models that count."""

import math
from collections import Counter

import numpy as np

from ..planted import answers


def pooled(documents):
    chances = np.array([p for document in documents for p in document])
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(chances).mean()))


def by_kinds(tokens):
    found = Counter()
    for token in set(tokens[1:]):
        found[token] = len({tokens[i - 1] for i in range(1, len(tokens)) if tokens[i] == token})
    return {token: n / found.total() for token, n in found.items()}


def smallest(probabilities, p):
    order = np.argsort(-np.array(probabilities), kind="stable")
    held = np.cumsum(np.array(probabilities)[order])
    return [int(i) for i in order[: int(np.argmax(held >= p - 1e-12)) + 1]]


def frequencies(tokens):
    return {token: n / (len(tokens) - 1) for token, n in Counter(tokens[1:]).items()}


TestAnswers = answers(
    "language_models",
    {
        "corpus_perplexity": [pooled],
        "continuation": [by_kinds],
        "nucleus": [smallest],
    },
    {
        "corpus_perplexity": {
            "zeros": lambda d: 0.0,
            "nan": lambda d: math.nan,
            "text": lambda d: str(pooled(d)),
            "mean of the documents' perplexities": lambda d: float(
                np.mean([pooled([x]) for x in d])
            ),
            "geometric mean over documents": lambda d: math.exp(
                sum(math.log(pooled([x])) for x in d) / len(d)
            ),
            "harmonic mean of the choices": lambda d: 1 / float(np.mean([p for x in d for p in x])),
            "arithmetic mean of the choices": lambda d: float(
                np.mean([1 / p if p else math.inf for x in d for p in x])
            ),
            "no exponential": lambda d: math.log(pooled(d)),
            "without the minus": lambda d: 1 / pooled(d),
            "two to the mean of natural logarithms": lambda d: 2 ** math.log(pooled(d)),
            "zeros are left out": lambda d: pooled([[p for p in x if p] for x in d]),
            "a raw product": lambda d: (
                (1 / q) ** (1 / sum(map(len, d)))
                if (q := math.prod(p for x in d for p in x))
                else math.inf
            ),
        },
        "continuation": {
            "empty": lambda t: {},
            "a list": lambda t: list(by_kinds(t).items()),
            "frequencies": frequencies,
            "successors": lambda t: by_kinds(t[::-1]),
            "not divided": lambda t: {
                w: float(len({*zip(t, t[1:])}) * p) for w, p in by_kinds(t).items()
            },
            "divided by the bigrams, not their kinds": lambda t: {
                w: p * len({*zip(t, t[1:])}) / (len(t) - 1) for w, p in by_kinds(t).items()
            },
            "divided by the words": lambda t: {
                w: p * len({*zip(t, t[1:])}) / len(set(t)) for w, p in by_kinds(t).items()
            },
            "itself never counts": lambda t: {
                w: len({a for a, b in zip(t, t[1:]) if b == w and a != w}) / len({*zip(t, t[1:])})
                for w in t[1:]
            },
        },
        "nucleus": {
            "empty": lambda q, p: [],
            "everything": lambda q, p: sorted(range(len(q)), key=lambda i: -q[i]),
            "one too few": lambda q, p: smallest(q, p)[:-1],
            "one too many": lambda q, p: sorted(range(len(q)), key=lambda i: -q[i])[
                : len(smallest(q, p)) + 1
            ],
            "those above p": lambda q, p: [i for i in range(len(q)) if q[i] >= p],
            "in the order of the numbers": lambda q, p: sorted(smallest(q, p)),
            "the unlikeliest": lambda q, p: smallest([1 - x for x in q], p),
            "a tuple": lambda q, p: tuple(smallest(q, p)),
            "the probabilities": lambda q, p: [q[i] for i in smallest(q, p)],
        },
    },
)
