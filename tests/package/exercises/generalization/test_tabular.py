"""The checkers of generalization/tabular accept right answers and refuse the usual wrong ones."""

import numpy as np
import torch
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from ..planted import answers

NAN = float("nan")


def standardize(train, new, *, of=None, fill=0.0, correction=0, guard=True):
    known = train if of is None else of(train, new)
    mean = known.nanmean(0)
    count = (~known.isnan()).sum(0)
    std = ((known - mean).square().nansum(0) / (count - correction)).sqrt()
    std = torch.where(std > 0, std, torch.ones_like(std)) if guard else std
    return tuple(((part - mean) / std).nan_to_num(fill) for part in (train, new))


def by_sklearn(train, new):
    scaler = StandardScaler().fit(train.numpy())
    return tuple(
        torch.tensor(np.nan_to_num(scaler.transform(part.numpy()))).float() for part in (train, new)
    )


def filled_first(train, new):
    """The mean is filled in before the spread is taken, which makes it too small."""
    mean = train.nanmean(0)
    train, new = (torch.where(part.isnan(), mean, part) for part in (train, new))
    return standardize(train, new)


def each_by_itself(train, new):
    return standardize(train, train)[0], standardize(new, new)[0]


def fold_data(x, y, k, i):
    train, valid = list(KFold(k).split(x))[i]
    return x[train], y[train], x[valid], y[valid]


def rest_left_out(x, y, k, i):
    """The notes' own way: folds of rows // k, what is left over is dropped."""
    size = len(x) // k
    parts = [slice(j * size, (j + 1) * size) for j in range(k)]
    rest = [parts[j] for j in range(k) if j != i]
    return (torch.cat([x[p] for p in rest]), torch.cat([y[p] for p in rest]),
            x[parts[i]], y[parts[i]])  # fmt: skip


def rest_to_the_last(x, y, k, i):
    size = len(x) // k
    held = torch.zeros(len(x), dtype=torch.bool)
    held[i * size : (i + 1) * size if i < k - 1 else len(x)] = True
    return x[~held], y[~held], x[held], y[held]


def target_encode(words, targets, folds, *, others=lambda f, i: f != f[i], lack=None):
    codes = []
    for i, word in enumerate(words):
        rows = others(folds, i)
        same = rows & torch.tensor([w == word for w in words])
        lacking = targets[rows].mean() if lack is None else torch.tensor(lack)
        codes.append(targets[same].mean() if same.any() else lacking)
    return torch.stack(codes)


def mean_of_fold_means(words, targets, folds):
    codes = []
    for i, word in enumerate(words):
        same = torch.tensor([w == word for w in words])
        means = [targets[same & (folds == f)].mean() for f in set(folds.tolist()) - {int(folds[i])}
                 if (same & (folds == f)).any()]  # fmt: skip
        codes.append(torch.stack(means).mean() if means else targets[folds != folds[i]].mean())
    return torch.stack(codes)


TestTabular = answers(
    "tabular",
    right={
        "standardize": [standardize, by_sklearn],
        "fold_data": [fold_data],
        "target_encode": [target_encode],
    },
    wrong={
        "standardize": {
            "statistics of all rows": lambda a, b: standardize(
                a, b, of=lambda t, n: torch.cat([t, n])
            ),
            "statistics of new rows": lambda a, b: standardize(a, b, of=lambda t, n: n),
            "each by itself": each_by_itself,
            "n - 1": lambda a, b: standardize(a, b, correction=1),
            "holes filled before": filled_first,
            "holes left": lambda a, b: standardize(a, b, fill=NAN),
            "holes filled with 1": lambda a, b: standardize(a, b, fill=1.0),
            "constant column": lambda a, b: standardize(a, b, guard=False),
            "only new": lambda a, b: standardize(a, b)[1],
            "swapped": lambda a, b: standardize(a, b)[::-1],
            "zeros": lambda a, b: (torch.zeros_like(a), torch.zeros_like(b)),
            "doubles": lambda a, b: tuple(v.double() for v in standardize(a, b)),
            "a list": lambda a, b: list(standardize(a, b)),
            "over rows": lambda a, b: tuple(v.T for v in standardize(a.T, a.T)),
            "nothing": lambda a, b: None,
        },
        "fold_data": {
            "rest left out": rest_left_out,
            "rest to the last": rest_to_the_last,
            "swapped": lambda x, y, k, i: (*fold_data(x, y, k, i)[2:], *fold_data(x, y, k, i)[:2]),
            "next fold": lambda x, y, k, i: fold_data(x, y, k, (i + 1) % k),
            "from one": lambda x, y, k, i: fold_data(x, y, k, i - 1),
            "all rows train": lambda x, y, k, i: (x, y, *fold_data(x, y, k, i)[2:]),
            "every k-th": lambda x, y, k, i: (
                *(v[torch.arange(len(x)) % k != i] for v in (x, y)), x[i::k], y[i::k],
            ),
            "no targets": lambda x, y, k, i: fold_data(x, y, k, i)[::2],
            "a list": lambda x, y, k, i: list(fold_data(x, y, k, i)),
            "nothing": lambda x, y, k, i: None,
        },
        "target_encode": {
            "all rows": lambda *a: target_encode(*a, others=lambda f, i: f > -1),
            "own fold": lambda *a: target_encode(*a, others=lambda f, i: f == f[i]),
            "all rows but itself": lambda *a: target_encode(
                *a, others=lambda f, i: torch.arange(len(f)) != i
            ),
            "earlier folds": lambda *a: target_encode(*a, others=lambda f, i: f < f[i], lack=0.0),
            "lacking word is 0": lambda *a: target_encode(*a, lack=0.0),
            "mean of fold means": mean_of_fold_means,
            "zeros": lambda w, t, f: torch.zeros(len(w)),
            "nan": lambda w, t, f: torch.full((len(w),), NAN),
            "doubles": lambda *a: target_encode(*a).double(),
            "a list": lambda *a: target_encode(*a).tolist(),
            "a column": lambda *a: target_encode(*a)[:, None],
            "nothing": lambda *a: None,
        },
    },
)  # fmt: skip
