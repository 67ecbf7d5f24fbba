"""The checkers of the chapter on text accept right answers and nothing else."""

from collections import Counter

import numpy as np

from ..planted import answers


def by_numpy(weights, bias, window, k):
    values = np.array(window, dtype=float)
    for _ in range(k):
        values = np.append(values, np.dot(weights, values[len(values) - len(weights) :]) + bias)
    return values[len(window) :].tolist()


def frozen(weights, bias, window, k):
    return [sum(w * v for w, v in zip(weights, window)) + bias] * k


def backwards(weights, bias, window, k):
    return by_numpy(weights[::-1], bias, window, k)


def without_bias(weights, bias, window, k):
    return by_numpy(weights, 0.0, window, k)


def with_the_window(weights, bias, window, k):
    return [*window, *by_numpy(weights, bias, window, k)]


def one_short(weights, bias, window, k):
    return by_numpy(weights, bias, window, k)[:-1]


def spoiling(weights, bias, window, k):
    found = by_numpy(weights, bias, window, k)
    window.extend(found)
    return found


def counted(words):
    found = Counter()
    for symbols, n in words.items():
        for i in range(len(symbols) - 1):
            found[symbols[i], symbols[i + 1]] += n
    return dict(found)


def once_a_word(words):
    return dict(Counter(pair for symbols in words for pair in zip(symbols, symbols[1:])))


def no_overlap(words):
    found = Counter()
    for symbols, n in words.items():
        for pair in zip(symbols[::2], symbols[1::2]):
            found[pair] += n
    return dict(found)


def distinct(words):
    found = Counter()
    for symbols, n in words.items():
        for pair in set(zip(symbols, symbols[1:])):
            found[pair] += n
    return dict(found)


def as_text(words):
    return {"".join(pair): n for pair, n in counted(words).items()}


TestAnswers = answers(
    "text",
    right={"roll_out": [by_numpy], "pair_counts": [counted, lambda words: Counter(counted(words))]},
    wrong={
        "roll_out": {
            "predictions are not fed back": frozen,
            "the weights are turned round": backwards,
            "no bias": without_bias,
            "the window is given back, too": with_the_window,
            "one too few": one_short,
            "the caller's window is changed": spoiling,
            "zeros": lambda weights, bias, window, k: [0.0] * k,
            "not a number": lambda weights, bias, window, k: [float("nan")] * k,
        },
        "pair_counts": {
            "each word once": once_a_word,
            "no overlap": no_overlap,
            "each pair once a word": distinct,
            "joined pairs": as_text,
            "nothing": lambda words: {},
        },
    },
)
