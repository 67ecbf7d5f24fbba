"""The checkers of the chapter pretraining/bert take right answers and no wrong ones."""

import torch

from ..planted import answers


def hidden(ids, draws, fates, others, mask, special=True, rate=0.15, stays=True, low=0.8, high=0.9):
    chosen = draws < rate
    if special:
        chosen = chosen & (ids > 4)
    masked, swapped = chosen & (fates < low), chosen & (fates >= low) & (fates < high)
    inputs = torch.where(masked, mask, torch.where(swapped, others, ids))
    return inputs, chosen if stays else masked | swapped


def overwritten(ids, draws, fates, others, mask):
    """Random words first, then masks over all that is chosen and below 0.9."""
    chosen = (ids > 4) & (draws < 0.15)
    inputs = torch.where(chosen & (fates >= 0.8) & (fates < 0.9), others, ids)
    return torch.where(chosen & (fates < 0.9), mask, inputs), chosen


def in_place(ids, draws, fates, others, mask):
    chosen = (ids > 4) & (draws < 0.15)
    ids[chosen & (fates < 0.8)] = mask
    swap = chosen & (fates >= 0.8) & (fates < 0.9)
    ids[swap] = others[swap]
    return ids, chosen


def row(a, b, length, longest=True, first="b", sep=0, behind=True):
    a, b = list(a), list(b)
    while len(a) + len(b) > length - 3:
        if longest:
            side = a if len(a) > len(b) or (len(a) == len(b) and first == "a") else b
        else:
            side = b or a
        side.pop(-1 if behind else 0)
    ids = [2, *a, 3, *b, 3]
    segments = [0] * (len(a) + 2 - sep) + [1] * (len(b) + 1 + sep)
    rest = [0] * (length - len(ids))
    return ids + rest, segments + rest, [1] * len(ids) + rest


TestBert = answers(
    "bert",
    right={"hide": [hidden, in_place], "pair_row": [row]},
    wrong={
        "hide": {
            "special tokens too": lambda *a: hidden(*a, special=False),
            "words that stay are not asked": lambda *a: hidden(*a, stays=False),
            "all masked": lambda *a: hidden(*a, low=1.0, high=1.0),
            "80 and 20": lambda *a: hidden(*a, high=1.0),
            "another rate": lambda *a: hidden(*a, rate=0.2),
            "10/80/10": lambda *a: hidden(*a, low=0.1),
            "masks overwrite random words": overwritten,
            "inputs alone": lambda *a: hidden(*a)[0],
            "chosen as numbers": lambda *a: (hidden(*a)[0], hidden(*a)[1].long()),
            "zeros": lambda i, *a: (torch.zeros_like(i), torch.zeros_like(i)),
            "nan": lambda i, *a: (i * float("nan"), i > 4),
        },
        "pair_row": {
            "b is cut first": lambda *a: row(*a, longest=False),
            "a is cut in a tie": lambda *a: row(*a, first="a"),
            "cut at the beginning": lambda *a: row(*a, behind=False),
            "the first [SEP] counts as b": lambda *a: row(*a, sep=1),
            "padding counts": lambda *a: (*row(*a)[:2], [1] * a[2]),
            "padding of segment 1": lambda *a: (row(*a)[0], [s or 1 - m for s, m in zip(*row(*a)[1:])],
                                                row(*a)[2]),
            "not cut": lambda a, b, n: row(a, b, max(n, len(a) + len(b) + 3)),
            "ids alone": lambda *a: row(*a)[0],
            "tensors": lambda *a: tuple(map(torch.tensor, row(*a))),
            "zeros": lambda a, b, n: ([0] * n,) * 3,
        },
    },
)  # fmt: skip
