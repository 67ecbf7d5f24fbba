"""The houses that stand in for those of Ames have their columns' kinds, and a price that is known."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from labnotes.data import DatasetUnavailable, house_prices
from labnotes.data.made import houses


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", "")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    with pytest.raises(DatasetUnavailable):
        house_prices()
    return house_prices(fallback=True)


def test_they_are_as_many_as_the_real_ones_and_say_that_they_stand_in(made):
    assert (made.train.rows, made.test.rows) == (1460, 1459)
    assert set(made.train) - set(made.test) == {"SalePrice"}
    assert made.train["Id"][-1] + 1 == made.test["Id"][0]
    assert made.provenance.stand_in and "no model can have a log-RMSE below" in made.provenance.note
    assert made.train.path is None


def test_every_column_is_one_of_ames_and_of_the_same_kind(made, monkeypatch, real_data):
    monkeypatch.undo()
    real_data("house_prices")
    real = house_prices()
    for part, theirs in ((made.train, real.train), (made.test, real.test)):
        assert set(part) <= set(theirs)
        for name in part:
            assert part[name].dtype == theirs[name].dtype, name
    words = [n for n in made.train if made.train[n].dtype == object]
    assert len(words) >= 18 and len(made.train) - len(words) >= 20
    for name in words:
        assert set(made.train[name]) <= set(real.train[name]) | {None}, name
    for name in ("LotFrontage", "MasVnrArea", "GarageYrBlt"):  # holes among numbers, in both
        assert np.isnan(made.train[name]).any() and np.isnan(real.train[name]).any()
    for name in ("Alley", "PoolQC", "Fence", "FireplaceQu", "BsmtQual", "GarageType", "MasVnrType"):
        assert None in made.train[name] and None in real.train[name]
    assert "None" in made.train["MasVnrType"], "a word, and no missing value"


def test_the_same_seed_makes_the_same_houses_and_another_seed_makes_others():
    one, again, other = (houses.make(50, seed) for seed in (3, 3, 4))
    for name in one:
        numbers = one[name].dtype != object
        assert np.array_equal(one[name], again[name], equal_nan=numbers), name
    assert not np.array_equal(one["SalePrice"], other["SalePrice"])


def test_the_price_is_the_rule_times_a_random_factor_of_the_spread_that_is_told():
    """Least squares on the very terms of the rule leave nothing but the factor."""
    of = houses.make(20_000, seed=5)
    town = np.array(houses.TOWN)
    terms = np.column_stack([
        np.log(of["GrLivArea"]), of["OverallQual"], of["Neighborhood"][:, None] == town[1:],
        of["ExterQual"][:, None] == np.array(["TA", "Gd", "Ex"]), of["GarageCars"],
        of["Fireplaces"], of["OverallCond"] * (of["YearBuilt"] < 1960), of["YearRemodAdd"] > 1985,
        of["CentralAir"] == "N", of["SaleCondition"] == "Abnorml",
        (of["BsmtQual"] == "Ex") & (of["TotalBsmtSF"] > 1000),
    ]).astype(float)  # fmt: skip
    logs = np.log(of["SalePrice"])
    left = logs - LinearRegression().fit(terms, logs).predict(terms)
    assert abs(left.std() / houses.NOISE - 1) < 0.02
    assert 100_000 < np.median(of["SalePrice"]) < 300_000
