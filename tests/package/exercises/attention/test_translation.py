"""The checkers of the chapter attention/translation take right answers and no wrong ones."""

import torch
import torch.nn.functional as F

from ..planted import answers


def smoothed(logits, targets, smoothing, ignore, spread="all", divisor=None):
    counts = targets != ignore
    logits, true = logits[counts], targets[counts]
    n = logits.shape[1]
    if spread == "all":
        q = torch.full(logits.shape, smoothing / n)
        q.scatter_add_(1, true[:, None], torch.full((len(true), 1), 1 - smoothing))
    else:
        q = torch.full(logits.shape, smoothing / (n - 1))
        q.scatter_(1, true[:, None], 1 - smoothing)
    total = -(q * logits.log_softmax(-1)).sum()
    return total / (len(true) if divisor is None else divisor)


def torchs(logits, targets, smoothing, ignore):
    return F.cross_entropy(logits, targets, ignore_index=ignore, label_smoothing=smoothing)


def step(query, key, value, cache, scale=True, front=False, own=True, normalize=True):
    keys, values = cache or (key[:, :0], value[:, :0])
    keys, values = keys.view(len(key), -1, key.shape[1]), values.view(len(key), -1, key.shape[1])
    new = (key[:, None], value[:, None])
    pairs = (new[0], keys), (new[1], values)
    if not front:
        pairs = [pair[::-1] for pair in pairs]
    keys, values = (torch.cat(pair, 1) for pair in pairs)
    seen = slice(None) if own or keys.shape[1] == 1 else slice(-1)
    scores = (query[:, None] * keys).sum(-1) / (query.shape[1] ** 0.5 if scale else 1)
    weights = scores[:, seen].softmax(-1) if normalize else scores[:, seen].exp()
    return (weights[:, :, None] * values[:, seen]).sum(1), (keys, values)


def forgetful(query, key, value, cache):
    return step(query, key, value, None)


def shuffled(query, key, value, cache):
    """New values in front, new keys behind."""
    if cache is None:
        return step(query, key, value, None)
    keys = torch.cat([cache[0], key[:, None]], 1)
    values = torch.cat([value[:, None], cache[1]], 1)
    weights = ((query[:, None] * keys).sum(-1) / query.shape[1] ** 0.5).softmax(-1)
    return (weights[:, :, None] * values).sum(1), (keys, values)


TestTranslation = answers(
    "translation",
    right={
        "smoothed_loss": [smoothed, torchs],
        "cached_step": [step, lambda *args: step(*args, front=True)],  # order plays no role
    },
    wrong={
        "smoothed_loss": {
            "spread over the others only": lambda *args: smoothed(*args, spread="others"),
            "padding counts": lambda z, t, s, i: torchs(z, t, s, -1),
            "divided by all": lambda z, t, s, i: smoothed(z, t, s, i, divisor=len(t)),
            "sum": lambda *args: smoothed(*args, divisor=1),
            "no smoothing": lambda z, t, s, i: torchs(z, t, 0.0, i),
            "the parts swapped": lambda z, t, s, i: torchs(z, t, 1 - s, i),
            "sign": lambda *args: -torchs(*args),
            "zeros": lambda *args: torch.tensor(0.0),
            "nan": lambda *args: torch.tensor(float("nan")),
            "a plain number": lambda *args: torchs(*args).item(),
        },
        "cached_step": {
            "no cache": forgetful,
            "not scaled": lambda *args: step(*args, scale=False),
            "does not see itself": lambda *args: step(*args, own=False),
            "not normalized": lambda *args: step(*args, normalize=False),
            "values in another order than keys": shuffled,
            "keys as values": lambda q, k, v, c: step(q, k, k, c),
            "no pair": lambda q, k, v, c: step(q, k, v, c)[0],
            "another shape": lambda q, k, v, c: (step(q, k, v, c)[0][:, None], None),
            "zeros": lambda q, k, v, c: (torch.zeros_like(v), None),
        },
    },
)
