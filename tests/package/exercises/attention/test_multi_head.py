"""The checkers of attention/multi-head accept right answers and refuse the usual wrong ones."""

import torch
import torch.nn.functional as F

from labnotes.attention import MultiHeadAttention

from ..planted import answers


def packages_split(x, heads):
    return MultiHeadAttention(x.shape[-1], heads)._split(x)


def by_slices(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def torchs(q, k, v, cache):
    keys, values = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return F.scaled_dot_product_attention(q, keys, values, enable_gqa=True), (keys, values)


def own(q, k, v, cache, repeat=torch.Tensor.repeat_interleave, scale=None, front=False, new=True):
    """Right by default; each argument makes one mistake."""
    pairs = [(n, o) if front else (o, n) for o, n in zip(cache, (k, v), strict=True)]
    keys, values = (torch.cat(pair, 2) for pair in pairs)
    share = q.shape[1] // k.shape[1]
    seen = slice(None) if new else slice(0, max(1, keys.shape[2] - 1))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    weights = (q * scale @ repeat(keys[:, :, seen], share, 1).mT).softmax(-1)
    return weights @ repeat(values[:, :, seen], share, 1), (keys, values)


def copies(x, times, dim):
    return x.repeat(1, times, 1, 1)


RIGHT = {"split_heads": [packages_split, by_slices], "next_token": [own, torchs]}
WRONG = {
    "split_heads": {
        "zeros": lambda x, h: torch.zeros_like(by_slices(x, h)),
        "nan": lambda x, h: torch.full_like(by_slices(x, h), torch.nan),
        "reshaped without a swap": lambda x, h: x.reshape(len(x), h, x.shape[1], -1),
        "not swapped": lambda x, h: x.unflatten(-1, (h, -1)),
        "every h-th feature": lambda x, h: x.unflatten(-1, (-1, h)).permute(0, 3, 1, 2),
        "heads in front of the batch": lambda x, h: by_slices(x, h).transpose(0, 1),
        "another dtype": lambda x, h: by_slices(x, h).double(),
    },
    "next_token": {
        "zeros": lambda q, k, v, c: (torch.zeros_like(q), torchs(q, k, v, c)[1]),
        "nan": lambda q, k, v, c: (torch.full_like(q, torch.nan), torchs(q, k, v, c)[1]),
        "groups repeated as a whole": lambda *a: own(*a, repeat=copies),
        "not divided": lambda *a: own(*a, scale=1.0),
        "divided by d": lambda *a: own(*a, scale=1 / a[0].shape[-1]),
        "the new token in front": lambda *a: own(*a, front=True),
        "the new token not seen": lambda *a: own(*a, new=False),
        "the old cache given back": lambda *a: (own(*a)[0], a[3]),
        "a cache with copies for every head": lambda q, k, v, c: (
            torchs(q, k, v, c)[0],
            tuple(p.repeat_interleave(q.shape[1] // k.shape[1], 1) for p in own(q, k, v, c)[1]),
        ),
        "the output alone": lambda *a: own(*a)[0],
        "keys and values swapped": lambda *a: (own(*a)[0], own(*a)[1][::-1]),
    },
}

TestAnswers = answers("multi_head", RIGHT, WRONG)
