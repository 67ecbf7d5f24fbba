"""Tables of numbers and words: house prices, and the noise of an airfoil."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.made import houses
from labnotes.data.provenance import Provenance

MISSING = ("NA", "")
AIRFOIL = (
    "frequency (Hz)", "angle of attack (degrees)", "chord length (m)", "free-stream velocity (m/s)",
    "displacement thickness (m)",
)  # fmt: skip


class Table(Mapping[str, np.ndarray]):
    """Columns by name, in the file's order; ``len`` is their number, `rows` that of the rows.

    A column of numbers is float64 with NaN where one is missing; any other is an array of str
    with None there. ``pandas.DataFrame(dict(table))`` makes a data frame of it.

    Attributes
    ----------
    rows : int
        The number of rows.
    path : Path or None
        The file; None for a table that was made up.
    """

    def __init__(self, path: Path | None, columns: dict[str, np.ndarray]):
        self.path, self._columns = path, columns
        self.rows = len(next(iter(columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self._columns)}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"{self.rows:,} rows of {len(self)} columns"


@dataclass(frozen=True)
class HousePrices:
    """Houses whose price is known, houses whose price is to be told, where they came from."""

    train: Table
    test: Table
    provenance: Provenance

    def __repr__(self) -> str:
        return f"{self.provenance.title}: train {self.train}, test {self.test}"


def house_prices(fallback: bool = False) -> HousePrices:
    """Houses sold in Ames, Iowa, as in the Kaggle competition, with 79 features each.

    `train` has 1,460 rows with the price in dollars (``SalePrice``), `test` 1,459 without. ``NA``
    in the files is a missing value; where it means "has none" (no alley, no pool) it is missing
    too. The word ``None`` is a value.

    Parameters
    ----------
    fallback
        If the tables are not to be had, give as many made-up houses instead, with half of the
        columns. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the tables are not to be had and `fallback` is false.
    """
    try:
        found = catalog.fetch("house_prices")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _made_up()
    train, test = (
        read_table(found.paths[f"kaggle_house_pred_{part}.csv"]) for part in ("train", "test")
    )
    return HousePrices(train, test, provenance.of(catalog.entry("house_prices"), found.source))


def _made_up() -> HousePrices:
    train = houses.make(1460, seed=0)
    test = houses.make(1459, seed=1, first=1461)
    del test["SalePrice"]
    origin = Provenance(
        "generated", "Made-up houses", "bundled", "MIT, as the code", "The labnotes authors, 2026.",
        stand_in=True,
        note=provenance.missing(
            catalog.entry("house_prices"),
            "The houses are drawn at random, and their prices follow a rule that the code tells, "
            f"times a random factor: no model can have a log-RMSE below about {houses.NOISE}.",
        ),
    )  # fmt: skip
    return HousePrices(Table(None, train), Table(None, test), origin)


@dataclass(frozen=True)
class NumberSet:
    """Rows of numbers with a number to predict for each.

    Attributes
    ----------
    inputs : Tensor
        ``(rows, columns)``, float32.
    targets : Tensor
        ``(rows,)``, float32.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"{len(self):,} rows of {self.inputs.shape[1]} numbers"


@dataclass(frozen=True)
class Airfoil:
    """A training and a test set of measurements, the names of the inputs, where they came from."""

    train: NumberSet
    test: NumberSet
    names: tuple[str, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        return f"{self.provenance.title}: train {self.train}, test {self.test}"


def airfoil(fallback: bool = False) -> Airfoil:
    """The noise of an airfoil in a wind tunnel: five settings and the sound pressure in decibels.

    1,503 measurements; a random fifth, always the same, is for testing.

    Parameters
    ----------
    fallback
        If they are not to be had, draw as many rows from a made-up rule (:func:`drawn_airfoil`)
        instead. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the measurements are not to be had and `fallback` is false.
    ValueError
        If the file is not made of six numbers a line.
    """
    try:
        found = catalog.fetch("airfoil")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _parts(drawn_airfoil(), _drawn_provenance())
    (path,) = found.paths.values()
    rows = np.loadtxt(path, dtype=np.float32)  # (measurements, 6)
    if rows.ndim != 2 or rows.shape[1] != len(AIRFOIL) + 1:
        raise ValueError(f"{path} has the shape {rows.shape}: expected 6 numbers a line")
    return _parts(rows, provenance.of(catalog.entry("airfoil"), found.source))


def drawn_airfoil(rows: int = 1503) -> np.ndarray:
    """Rows ``(rows, 6)`` of a made-up rule that stand in for the measurements; always the same.

    The settings are drawn evenly over the real ones' ranges. With each scaled to -1 ... 1, the
    level is ``125 - 5 frequency - 3 angle - 3 chord + 2 velocity - 3 thickness - 5 frequency *
    thickness`` decibels, plus normal noise with a standard deviation of 3.
    """
    random = np.random.RandomState(0)  # its stream is frozen
    low = np.array([200, 0, 0.025, 31.7, 0.0004])
    high = np.array([20_000, 22.2, 0.305, 71.3, 0.0584])
    scaled = random.uniform(-1, 1, (rows, 5))
    level = 125 + scaled @ [-5, -3, -3, 2, -3] - 5 * scaled[:, 0] * scaled[:, 4]
    level += random.normal(0, 3, rows)
    settings = low + (high - low) * (scaled + 1) / 2
    return np.column_stack([settings, level]).astype(np.float32)


def _drawn_provenance() -> Provenance:
    return Provenance(
        name="generated",
        title="Numbers drawn from a made-up rule",
        source="bundled",
        licence="MIT, as the code that draws them",
        citation="Drawn by labnotes",
        stand_in=True,
        note=provenance.missing(
            catalog.entry("airfoil"), "The measurements are replaced by a rule with noise."
        ),
    )


def _parts(rows: np.ndarray, origin: Provenance) -> Airfoil:
    order = np.random.RandomState(0).permutation(len(rows))  # its stream is frozen
    held_out = order < len(rows) // 5
    train, test = (
        NumberSet(torch.from_numpy(rows[part, :-1]), torch.from_numpy(rows[part, -1]))
        for part in (~held_out, held_out)
    )
    return Airfoil(train, test, AIRFOIL, origin)


def read_table(path: Path) -> Table:
    """A CSV file whose first line names the columns.

    Raises
    ------
    ValueError
        If a line has another number of columns than the first, or the file has no row.
    """
    with open(path, encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    if not lines:
        raise ValueError(f"{path} has no row: get it again")
    for number, line in enumerate(lines, 2):
        if len(line) != len(head):
            raise ValueError(f"line {number} of {path} has {len(line)} columns, not {len(head)}")
    columns = {name: _column(values) for name, values in zip(head, zip(*lines))}
    return Table(path, columns)


def _column(values: tuple[str, ...]) -> np.ndarray:
    try:
        return np.array([float("nan" if v in MISSING else v) for v in values])
    except ValueError:  # a word
        return np.array([None if v in MISSING else v for v in values], dtype=object)
