"""The checkers of the chapter attention/bahdanau take right answers and no wrong ones."""

import torch

from labnotes.attention import AdditiveAttention

from ..planted import answers


def context(query, keys, outputs, hidden, W_q, w, axis=1, mask=True, project=True):
    asked = query @ W_q.T if project else query[:, : keys.shape[2]]
    scores = torch.tanh(asked[:, None] + keys) @ w
    if mask:
        scores = scores.masked_fill(hidden, -1e30)
    return torch.einsum("bs,bsn->bn", scores.softmax(axis), outputs)


def by_the_layer(query, keys, outputs, hidden, W_q, w):
    """AdditiveAttention, with the identity for the keys' projection."""
    layer = AdditiveAttention(query.shape[1], keys.shape[2], keys.shape[2]).requires_grad_(False)
    layer.W_q.weight.copy_(W_q)
    layer.W_k.weight.copy_(torch.eye(keys.shape[2]))
    layer.w_v.weight.copy_(w[None])
    return layer(query[:, None], keys, outputs, (~hidden).sum(1))[:, 0]


def after(query, keys, outputs, hidden, W_q, w):
    """The mask after the softmax."""
    weights = (torch.tanh((query @ W_q.T)[:, None] + keys) @ w).softmax(1).masked_fill(hidden, 0)
    return (weights[:, :, None] * outputs).sum(1)


def by_words(weights, source, target, rows="mean", columns="sum"):
    found = torch.zeros(max(target) + 1, max(source) + 1)
    for t in range(len(found)):
        for s in range(found.shape[1]):
            part = weights[[i == t for i in target]][:, [j == s for j in source]]
            part = part.sum(1) if columns == "sum" else part.mean(1)
            found[t, s] = part.mean() if rows == "mean" else part.sum()
    return found


TestCheckers = answers(
    "bahdanau",
    right={"context": [context, by_the_layer], "by_words": [by_words]},
    wrong={
        "context": {
            "over the batch": lambda *a: context(*a, axis=0),
            "padding is read": lambda *a: context(*a, mask=False),
            "the mask after the softmax": after,
            "the other way round": lambda q, k, o, h, W, w: context(q, k, o, ~h, W, w),
            "the query is not projected": lambda q, k, o, h, W, w: context(
                q, k, o, h, W, w, project=q.shape[1] < k.shape[2]
            ),
            "no tanh": lambda q, k, o, h, W, w: (
                (((q @ W.T)[:, None] + k) @ w)
                .masked_fill(h, -torch.inf)
                .softmax(1)[:, None]
                .matmul(o)[:, 0]
            ),
            "sum of the outputs": lambda q, k, o, h, W, w: o.masked_fill(h[..., None], 0).sum(1),
            "one axis too many": lambda *a: context(*a)[:, None],
            "zeros": lambda q, *_: torch.zeros_like(q),
            "NaN": lambda q, *_: torch.full_like(q, torch.nan),
            "nothing": lambda *_: None,
        },
        "by_words": {
            "means over the source": lambda *a: by_words(*a, columns="mean"),
            "sums over the target": lambda *a: by_words(*a, rows="sum"),
            "the other way round": lambda *a: by_words(*a, rows="sum", columns="mean"),
            "turned": lambda *a: by_words(*a).T,
            "the pieces as they are": lambda w, *_: w,
            "the first piece of each word": lambda w, s, t: w[
                [t.index(k) for k in range(max(t) + 1)]
            ][:, [s.index(k) for k in range(max(s) + 1)]],
            "zeros": lambda w, s, t: torch.zeros(max(t) + 1, max(s) + 1),
            "NaN": lambda w, s, t: torch.full((max(t) + 1, max(s) + 1), torch.nan),
            "nothing": lambda *_: None,
        },
    },
)
