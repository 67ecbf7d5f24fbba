"""From a table to a tensor, folds, and the error of prices: what a project on a table needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from labnotes.checks import check_positive

MISSING = "missing"  # the category of a cell that has no word


class TableEncoder:
    """Turn the columns of a table into one matrix of floats.

    A column of numbers is standardized, with the mean and the standard deviation of the rows that
    `fit` was given; a missing number becomes the mean, which is 0. Any other column becomes one
    indicator column for each word that `fit` saw, and one more for missing cells if it saw any. A
    word that `fit` did not see gives 0 in all of them.

    A table is a mapping from names to columns of equal length: a `labnotes.data.Table`, a dict of
    arrays or a pandas data frame.

    Attributes
    ----------
    numbers : dict of str to (float, float)
        Mean and standard deviation (divided by n) of each column of numbers.
    words : dict of str to list of str
        The words of each other column, sorted; ``"missing"`` comes last.

    Examples
    --------
    >>> encoder = TableEncoder().fit({"area": [50.0, 150.0], "street": ["Gravel", None]})
    >>> encoder.names
    ['area', 'street=Gravel', 'street=missing']
    >>> encoder.transform({"area": [float("nan"), 200.0], "street": ["Paved", "Gravel"]})
    tensor([[0., 0., 0.],
            [2., 1., 0.]])
    """

    def fit(self, table: Mapping) -> TableEncoder:
        """Learn means, standard deviations and words from `table`, and return the encoder.

        Raises
        ------
        ValueError
            If the table has no row, its columns differ in length, a column of numbers has none,
            or one of them is infinite.
        """
        self.numbers, self.words = {}, {}
        for name, column in _columns(table).items():
            if column.dtype.kind == "f":
                _check_numbers(name, column)
                mean, std = np.nanmean(column), np.nanstd(column)
                self.numbers[name] = (float(mean), float(std) or 1.0)  # all equal: nothing to scale
            else:
                found = set(column) - {None}
                self.words[name] = sorted(found) + [MISSING] * (None in column)
        return self

    def transform(self, table: Mapping) -> Tensor:
        """The columns that `fit` saw, as ``(rows, features)``, float32; other columns are left out.

        Raises
        ------
        ValueError
            If `fit` has not been called, a column is not there, or it holds words in place of
            numbers (or numbers in place of words).
        """
        columns = _check_columns(_columns(table), self)
        parts = []
        for name, (mean, std) in self.numbers.items():
            scaled = (columns[name] - mean) / std
            parts.append(np.where(np.isnan(scaled), 0.0, scaled))  # missing: the mean
        for name, words in self.words.items():
            for word in words:
                parts.append(columns[name] == (None if word == MISSING else word))
        return torch.tensor(np.column_stack(parts), dtype=torch.float32)

    @property
    def names(self) -> list[str]:
        """A name for each feature, ``"area"`` or ``"street=Gravel"``, in their order."""
        _check_fitted(self)
        return [
            *self.numbers,
            *(f"{name}={w}" for name, found in self.words.items() for w in found),
        ]


def k_fold(rows: int, k: int, seed: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the rows into k folds; give, for each fold, the other rows and its own.

    The folds are those of scikit-learn's ``KFold``: as equal as can be, the first ones one larger.

    Parameters
    ----------
    rows : int
        How many rows there are.
    k : int
        How many folds, from 2 to `rows`.
    seed : int, optional
        Shuffle the rows first; without it each fold is a run of neighbours.

    Yields
    ------
    train, valid : ndarray
        Indices of rows, int64, ascending. Each row is in `valid` of one fold exactly.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> [valid.tolist() for _, valid in k_fold(7, 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    """
    _check_folds(rows, k, seed)
    order = np.arange(rows)
    if seed is not None:
        np.random.RandomState(seed).shuffle(order)
    # A generator of its own, so that a wrong number is refused at once and not at the first fold.
    return _folds(order, k)


def _folds(order: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    parts = np.array_split(order, k)
    for held_out in range(k):
        others = np.concatenate(parts[:held_out] + parts[held_out + 1 :])
        yield np.sort(others), np.sort(parts[held_out])


def log_rmse(predictions, targets, floor: float = 1.0) -> float:
    """Root mean squared error of the logarithms, after raising predictions below `floor` to it.

    Parameters
    ----------
    predictions : Tensor or array
        ``(rows,)``, prices. A model may predict one below zero, which has no logarithm.
    targets : Tensor or array
        ``(rows,)``, prices above zero.
    floor : float
        The least price that counts, above zero.

    Raises
    ------
    ValueError
        If the shapes differ, there is no row, a target is not above zero, a prediction is not a
        number, or `floor` is not above zero.

    Examples
    --------
    >>> round(log_rmse([110.0, 55.0], [100.0, 50.0]), 4)  # 10 % too much for each house
    0.0953
    """
    predictions, targets = (np.asarray(v, dtype=float) for v in (predictions, targets))
    _check_prices(predictions, targets, floor)
    errors = np.log(np.maximum(predictions, floor)) - np.log(targets)
    return float(np.sqrt(np.mean(errors**2)))


# --- what comes in ---


def _columns(table: Mapping) -> dict[str, np.ndarray]:
    """Each column as float64 (NaN: missing) or as an array of str (None: missing)."""
    columns = {name: _column(name, table[name]) for name in table}
    lengths = {name: len(column) for name, column in columns.items()}
    if not lengths or 0 in lengths.values():
        raise ValueError("the table has no row or no column: give at least one of each")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns differ in length, {lengths}: give one value for each row")
    return columns


def _column(name: str, values) -> np.ndarray:
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"column {name!r} has the shape {column.shape}: give one value a row")
    if column.dtype.kind in "fiub":
        return column.astype(float)
    words = [None if v is None or v != v else v for v in column.tolist()]  # NaN is not itself
    if odd := next((v for v in words if not isinstance(v, str | None)), None):
        raise ValueError(f"column {name!r} has words and {odd!r}: give numbers or words, not both")
    return np.array(words, dtype=object)


def _check_numbers(name: str, column: np.ndarray) -> None:
    if np.isnan(column).all():
        raise ValueError(f"column {name!r} has no number in these rows: leave it out")
    if np.isinf(column).any():
        raise ValueError(f"column {name!r} has an infinite number: make it a missing one (NaN)")


def _check_fitted(encoder: TableEncoder) -> None:
    if not hasattr(encoder, "numbers"):
        raise ValueError("this encoder knows no means and words yet: call fit(training_rows) first")


def _check_columns(columns: dict[str, np.ndarray], encoder: TableEncoder) -> dict:
    """The columns that `encoder` wants; one that is wholly missing fits numbers and words alike."""
    _check_fitted(encoder)
    wanted = dict.fromkeys(encoder.numbers, "numbers") | dict.fromkeys(encoder.words, "words")
    for name, kind in wanted.items():
        if name not in columns:
            raise ValueError(f"the table has no column {name!r}, which fit saw")
        column = columns[name]
        found = "numbers" if column.dtype.kind == "f" else "words"
        if found != kind:
            if any(v is not None and v == v for v in column):
                raise ValueError(f"column {name!r} holds {found}, but held {kind} when fit saw it")
            fill, dtype = (np.nan, float) if kind == "numbers" else (None, object)
            columns[name] = np.full(len(column), fill, dtype=dtype)
    return columns


def _check_folds(rows: int, k: int, seed: int | None) -> None:
    check_positive(rows=rows, k=k)
    if seed is not None and not (isinstance(seed, int | np.integer) and 0 <= seed < 2**32):
        raise ValueError(f"seed is {seed!r}: give a whole number from 0 to 2**32 - 1, or None")
    if not 2 <= k <= rows:
        raise ValueError(f"k is {k} with {rows} rows: give a number from 2 to the number of rows")


def _check_prices(predictions: np.ndarray, targets: np.ndarray, floor: float) -> None:
    if predictions.shape != targets.shape or predictions.ndim != 1 or not len(targets):
        raise ValueError(
            f"predictions have the shape {predictions.shape}, targets {targets.shape}: "
            "give one of each for every row, (rows,)"
        )
    if not (targets > 0).all():
        raise ValueError("a target is not above zero: it has no logarithm")
    if np.isnan(predictions).any():
        raise ValueError("a prediction is not a number (NaN): look at the features and the loss")
    if not floor > 0:
        raise ValueError(f"floor is {floor!r}: give a price above zero")
