"""Checkers for the exercises of the chapter generalization/tabular."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from labnotes.exercises import Case, checker

NAN = float("nan")


@checker("tabular.standardize")
def standardize(answer: Callable) -> Iterator[Case]:
    """``answer(train, new)`` -> both, standardized with the columns of train, holes filled with 0.

    Expected: NumPy's nanmean and nanstd, column by column.
    """
    hint = "mean and standard deviation of train, for both; the holes become 0 at the end"
    small = torch.tensor([[100.0], [180.0], [NAN], [180.0], [100.0]])
    new = torch.tensor([[140.0], [NAN], [220.0]])
    yield Case("standardize(train, new), train [100, 180, nan, 180, 100], new [140, nan, 220]",
               answer(small.clone(), new.clone()),
               (torch.tensor([[-1.0], [1.0], [0.0], [1.0], [-1.0]]),
                torch.tensor([[0.0], [0.0], [2.0]])),
               tolerance=1e-5, hint=hint)  # fmt: skip
    draw = np.random.RandomState(0)
    train, new = draw.randn(7, 4) * [1, 10, 3, 0] + [0, 50, -2, 4], draw.randn(3, 4) + 4
    train[draw.rand(7, 4) < 0.2], new[0, 1] = NAN, NAN
    mean, std = np.nanmean(train, 0), np.nanstd(train, 0)
    std[3] = 1.0  # the constant column
    expected = tuple(torch.tensor(np.nan_to_num((v - mean) / std)).float() for v in (train, new))
    given = [torch.tensor(v).float() for v in (train, new)]
    yield Case("standardize(train, new), 7 and 3 rows of 4 columns, the last one constant in train",
               answer(*(v.clone() for v in given)), expected, tolerance=1e-4,
               hint=hint + "; divide by n, and a constant column by 1")  # fmt: skip


@checker("tabular.fold_data")
def fold_data(answer: Callable) -> Iterator[Case]:
    """``answer(x, y, k, i)`` -> (train_x, train_y, valid_x, valid_y), folds of neighbours.

    Expected: the folds of ``numpy.array_split``.
    """
    for rows, k in ((6, 3), (7, 3), (5, 5), (11, 4)):
        x = torch.arange(2.0 * rows).view(rows, 2)
        y = 100.0 + torch.arange(rows)
        for i, held in enumerate(np.array_split(np.arange(rows), k)):
            rest = np.setdiff1d(np.arange(rows), held)
            yield Case(
                call=f"fold_data(x, y, k={k}, i={i}), x of shape ({rows}, 2)",
                got=answer(x.clone(), y.clone(), k, i),
                expected=(x[rest], y[rest], x[held], y[held]),
                hint="training rows first, then the fold; the first rows % k folds are one larger",
            )


@checker("tabular.target_encode")
def target_encode(answer: Callable) -> Iterator[Case]:
    """``answer(words, targets, folds)`` -> for each row the mean target of its word elsewhere.

    Expected: sums over rows written out; then, that a row's own fold plays no part in its code.
    """
    words, folds = ["a", "a", "b", "a", "b", "c"], torch.tensor([0, 1, 0, 1, 1, 0])
    targets = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    call = f"target_encode({words}, [1, 2, 3, 4, 5, 6], folds {folds.tolist()})"
    yield Case(call, answer(list(words), targets.clone(), folds.clone()),
               torch.tensor([3.0, 1.0, 5.0, 1.0, 3.0, 11 / 3]), tolerance=1e-5,
               hint="only rows of other folds; a word that they lack gets their overall mean")  # fmt: skip
    draw = np.random.RandomState(0)
    words = [str(w) for w in draw.choice(["x", "y", "z"], 20)]
    folds, targets = torch.tensor(np.arange(20) % 4), torch.tensor(draw.randn(20)).float()
    got = answer(list(words), targets.clone(), folds.clone())
    yield Case("target_encode(words, targets, folds), 20 rows, 4 folds", got,
               _by_sums(words, targets, folds), tolerance=1e-5,
               hint="the mean is over rows with the same word in all other folds together")  # fmt: skip
    moved = targets.clone()
    moved[5] += 100.0
    after = answer(list(words), moved, folds.clone())
    same = folds == folds[5]
    yield Case("the codes of fold 1, after a target of fold 1 was changed", after[same],
               got[same], tolerance=1e-6,
               hint="a row's own fold must play no part in its code")  # fmt: skip


def _by_sums(words: list[str], targets: Tensor, folds: Tensor) -> Tensor:
    codes = []
    for word, fold in zip(words, folds.tolist()):
        rows = list(zip(words, targets.tolist(), folds.tolist()))
        others = [t for _, t, f in rows if f != fold]
        found = [t for w, t, f in rows if f != fold and w == word] or others
        codes.append(sum(found) / len(found))
    return torch.tensor(codes)
