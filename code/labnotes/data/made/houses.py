"""A town of made-up houses, with columns of the same names and kinds as those of Ames.

It stands in where the table of Ames is not to be had. Every price is a rule of some of the columns
times a random factor, so that no model can do better than the factor's spread, `NOISE`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NOISE = 0.11  # standard deviation of the logarithm of the random factor
TOWN = ("BrkSide", "CollgCr", "Edwards", "Gilbert", "NAmes", "NridgHt", "OldTown", "Sawyer",
        "Somerst", "StoneBr", "Timber", "Veenker")  # fmt: skip
GRADES = np.array(["Po", "Fa", "TA", "Gd", "Ex"])  # poor, fair, typical, good, excellent


def make(rows: int, seed: int, first: int = 1) -> dict[str, np.ndarray]:
    """Columns of `rows` houses, numbered from `first`; NaN and None where a cell is empty."""
    draw = np.random.RandomState(seed)  # its stream is frozen

    def pick(words, shares=None):
        return draw.choice(np.array(words, dtype=object), rows, p=shares)

    def amount(mean, spread, step=1.0, share=1.0):
        """Log-normal amounts; only `share` of the houses have any."""
        some = draw.rand(rows) < share
        return np.where(some, np.round(mean * np.exp(spread * draw.randn(rows)) / step) * step, 0.0)

    place = draw.choice(len(TOWN), rows)
    wealth = np.array([-1, 0.5, -0.9, 0.3, -0.5, 1.5, -1, -0.6, 0.6, 1.6, 0.8, 0.7])[place]
    quality = np.clip(np.round(6 + wealth + draw.randn(rows)), 1, 10)
    built = np.clip(np.round(1972 + 14 * wealth + 20 * draw.randn(rows)), 1880, 2010)
    first_floor = np.round(np.exp(7.0 + 0.07 * (quality - 6) + 0.25 * draw.randn(rows)))
    two = draw.rand(rows) < 0.45
    second_floor = np.where(two, np.round(first_floor * (0.6 + 0.3 * draw.rand(rows))), 0.0)
    living = first_floor + second_floor
    cars = draw.choice(4, rows, p=[0.06, 0.25, 0.56, 0.13]).astype(float)
    garage, cellar = cars > 0, draw.rand(rows) < 0.97
    grade = np.clip(np.round((quality - 2) / 2 + 0.5 * draw.randn(rows)), 0, 4).astype(int)
    made: dict[str, Any] = {
        "Id": np.arange(first, first + rows, dtype=float),
        "MSSubClass": np.where(two, 60.0, 20.0) + 10 * (built < 1946),
        "MSZoning": pick(["RL", "RM", "FV", "RH"], [0.79, 0.14, 0.05, 0.02]),
        "LotFrontage": _gaps(draw, amount(68, 0.3), 0.18),
        "LotArea": amount(9500, 0.4, 5),
        "Street": pick(["Pave", "Grvl"], [0.995, 0.005]),
        "Alley": pick(["Grvl", "Pave", None], [0.035, 0.03, 0.935]),
        "LotShape": pick(["Reg", "IR1", "IR2"], [0.64, 0.33, 0.03]),
        "Neighborhood": np.array(TOWN, dtype=object)[place],
        "BldgType": pick(["1Fam", "TwnhsE", "Duplex"], [0.85, 0.11, 0.04]),
        "HouseStyle": np.where(two, "2Story", "1Story").astype(object),
        "OverallQual": quality,
        "OverallCond": np.clip(np.round(5.6 + 1.1 * draw.randn(rows)), 1, 9),
        "YearBuilt": built,
        "YearRemodAdd": np.maximum(built, draw.randint(1950, 2011, rows)).astype(float),
        "Exterior1st": pick(["VinylSd", "HdBoard", "MetalSd", "Wd Sdng"]),
        "MasVnrType": pick(["None", "BrkFace", "Stone", None], [0.59, 0.31, 0.09, 0.01]),
        "MasVnrArea": _gaps(draw, amount(220, 0.6, share=0.4), 0.006),
        "ExterQual": GRADES[np.clip(grade, 1, 4)].astype(object),
        "Foundation": pick(["PConc", "CBlock", "BrkTil"], [0.45, 0.44, 0.11]),
        "BsmtQual": np.where(cellar, GRADES[np.clip(grade, 1, 4)], None),
        "TotalBsmtSF": np.where(cellar, np.round(first_floor * (0.7 + 0.3 * draw.rand(rows))), 0.0),
        "HeatingQC": GRADES[draw.choice(5, rows, p=[0.01, 0.03, 0.3, 0.16, 0.5])].astype(object),
        "CentralAir": np.where(draw.rand(rows) < 0.94, "Y", "N").astype(object),
        "1stFlrSF": first_floor,
        "2ndFlrSF": second_floor,
        "GrLivArea": living,
        "FullBath": np.clip(np.round(living / 950 + 0.3 * draw.randn(rows)), 0, 3),
        "BedroomAbvGr": np.clip(np.round(living / 520 + 0.7 * draw.randn(rows)), 0, 8),
        "KitchenQual": GRADES[np.clip(grade, 1, 4)].astype(object),
        "Fireplaces": draw.choice(3, rows, p=[0.47, 0.45, 0.08]).astype(float),
        "GarageType": np.where(garage, pick(["Attchd", "Detchd", "BuiltIn"]), None),
        "GarageYrBlt": np.where(garage, built, np.nan),
        "GarageCars": cars,
        "GarageArea": np.where(garage, np.round(cars * 260 * np.exp(0.15 * draw.randn(rows))), 0.0),
        "PoolQC": pick(["Ex", "Gd", None], [0.003, 0.003, 0.994]),
        "Fence": pick(["MnPrv", "GdWo", None], [0.12, 0.07, 0.81]),
        "MoSold": draw.randint(1, 13, rows).astype(float),
        "YrSold": draw.randint(2006, 2011, rows).astype(float),
        "SaleCondition": pick(["Normal", "Partial", "Abnorml"], [0.83, 0.1, 0.07]),
    }
    made["FireplaceQu"] = np.where(made["Fireplaces"] > 0, GRADES[np.clip(grade, 1, 4)], None)
    made["SalePrice"] = _price(made, wealth, grade, draw)
    return made


def _gaps(draw: np.random.RandomState, column: np.ndarray, share: float) -> np.ndarray:
    return np.where(draw.rand(len(column)) < share, np.nan, column)


def _price(of: dict[str, np.ndarray], wealth, grade, draw: np.random.RandomState) -> np.ndarray:
    """Mostly a sum of logarithms, as a linear model likes it, and some steps, as trees do."""
    log_price = (
        7.3
        + 0.55 * np.log(of["GrLivArea"])
        + 0.08 * of["OverallQual"]
        + 0.05 * wealth
        + 0.03 * grade
        + 0.05 * of["GarageCars"]
        + 0.04 * of["Fireplaces"]
        + 0.04 * of["OverallCond"] * (of["YearBuilt"] < 1960)  # only old houses show their care
        + 0.10 * (of["YearRemodAdd"] > 1985)
        - 0.12 * (of["CentralAir"] == "N")
        - 0.10 * (of["SaleCondition"] == "Abnorml")
        + 0.05 * (of["BsmtQual"] == "Ex") * (of["TotalBsmtSF"] > 1000)
    )
    return np.round(np.exp(log_price + NOISE * draw.randn(len(log_price))), -2)
