"""The checkers of the chapter sequences/deep-bidirectional take right answers and no wrong ones."""

import torch

from ..planted import answers


def reverse(inputs, lengths):
    result = inputs.clone()
    for row, n in zip(result, lengths.tolist()):
        row[:n] = row[:n].flip(0)
    return result


def last(outputs, lengths, early=1, place=0):
    half, rows = outputs.shape[2] // 2, torch.arange(len(outputs))
    return torch.cat([outputs[rows, lengths - early, :half], outputs[:, place, half:]], 1)


RIGHT = {
    "reverse_padded": [reverse, lambda x, n: torch.stack([
        torch.cat([row[:k].flip(0), row[k:]]) for row, k in zip(x, n.tolist())])],
    "last_states": [last],
}  # fmt: skip
WRONG = {
    "reverse_padded": {
        "the usual mistake: padding first": lambda x, n: x.flip(1),
        "nothing turned round": lambda x, n: x,
        "the batch turned round": lambda x, n: x.flip(0),
        "the longest length for all": lambda x, n: reverse(x, n * 0 + n.max()),
        "one word forgotten": lambda x, n: reverse(x, n - 1),
        "padding lost": lambda x, n: reverse(x, n)[:, : int(n.min())],
        "zeros": lambda x, n: x * 0,
        "NaN": lambda x, n: reverse(x, n) * float("nan"),
        "another type": lambda x, n: reverse(x, n).double(),
        "a list": lambda x, n: reverse(x, n).tolist(),
        "nothing": lambda x, n: None,
        "sizes turned round too": lambda x, n: reverse(x, n).flip(-1),
    },
    "last_states": {
        "the usual mistake: the last place": lambda o, n: o[:, -1],
        "both at the last word": lambda o, n: o[torch.arange(len(o)), n - 1],
        "both at the first": lambda o, n: o[:, 0],
        "off by one": lambda o, n: last(o, n, early=2),
        "the backward half at the end": lambda o, n: last(o, n, place=-1),
        "halves exchanged": lambda o, n: last(o, n).roll(o.shape[2] // 2, 1),
        "mean over time": lambda o, n: o.mean(1),
        "one half": lambda o, n: last(o, n)[:, : o.shape[2] // 2],
        "zeros": lambda o, n: last(o, n) * 0,
        "NaN": lambda o, n: last(o, n) * float("nan"),
        "nothing": lambda o, n: None,
    },
}
TestDeepBidirectional = answers("deep_bidirectional", RIGHT, WRONG)
