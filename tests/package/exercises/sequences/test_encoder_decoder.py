"""The checkers of the chapter sequences/encoder-decoder take right answers and no wrong ones."""

import torch
import torch.nn.functional as F

from ..planted import answers


def mean(values, lengths, divisor=None):
    counts = torch.arange(values.shape[1]) < lengths[:, None]
    n = counts.sum().clamp(min=1) if divisor is None else divisor(values)
    return torch.where(counts, values, 0.0).sum() / n


def looped(values, lengths):
    kept = [x for row, n in zip(values.tolist(), lengths.tolist()) for x in row[:n]]
    return torch.tensor(sum(kept) / len(kept) if kept else 0.0)


def round_of(pairs, t, over="e", once=False, smooth=0.0):
    got, total = dict.fromkeys(t, 0.0), {}
    for es, fs in pairs:
        es, fs = (set(es), set(fs)) if once else (es, fs)
        for f in fs:
            together = sum(t[f, e] for e in es)
            for e in es:
                share = t[f, e] / together + smooth
                got[f, e] += share
                key = e if over == "e" else f
                total[key] = total.get(key, 0.0) + share
    return {(f, e): got[f, e] / total[e if over == "e" else f] for f, e in t}


TestEncoderDecoder = answers(
    "encoder_decoder",
    right={"masked_mean": [mean, looped], "em_round": [round_of]},
    wrong={
        "masked_mean": {
            "by the padded length": lambda v, n: mean(v, n, lambda v: v.numel()),
            "by the rows": lambda v, n: mean(v, n, len),
            "sum": lambda v, n: mean(v, n, lambda v: 1),
            "mean of the rows' means": lambda v, n: torch.stack(
                [row[:k].mean() if k else row.sum() * 0 for row, k in zip(v, n)]
            ).mean(),
            "padding counts": lambda v, n: v.mean(),
            "one too many": lambda v, n: mean(v, (n + 1).clamp(max=v.shape[1])),
            "times a mask": lambda v, n: (
                (v * (torch.arange(v.shape[1]) < n[:, None])).sum() / n.sum().clamp(min=1)
            ),
            "0/0": lambda v, n: F.relu(mean(v, n)) if n.sum() else torch.tensor(float("nan")),
            "zeros": lambda v, n: torch.tensor(0.0),
        },
        "em_round": {
            "divided by what f gave": lambda p, t: round_of(p, t, over="f"),
            "each word once": lambda p, t: round_of(p, t, once=True),
            "add one": lambda p, t: round_of(p, t, smooth=1.0),
            "unchanged": lambda p, t: t,
            "not divided": lambda p, t: {c: 1.0 for c in t},
            "swapped": lambda p, t: {(e, f): x for (f, e), x in round_of(p, t).items()},
            "nothing": lambda p, t: {},
        },
    },
)
