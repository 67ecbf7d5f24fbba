"""Encoder, folds and error of prices against pandas, scikit-learn and numbers by hand."""

import math
from collections import Counter

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import root_mean_squared_error, root_mean_squared_log_error
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from labnotes.data import house_prices
from labnotes.generalization import TableEncoder, k_fold, log_rmse

NAN = float("nan")


@pytest.fixture
def table():
    return {
        "area": np.array([100.0, 180.0, NAN, 180.0, 100.0]),
        "rooms": np.array([1, 2, 3, 4, 5]),
        "flat": np.array([2.0] * 5),
        "garden": np.array([True, False, False, True, True]),
        "wall": np.array(["Brick", "None", "Brick", "Stone", "None"], dtype=object),
        "fence": np.array(["Wood", None, NAN, "Wire", None], dtype=object),
    }


# ---- the encoder ----


def test_numbers_are_those_of_scikit_learns_scaler_and_a_hole_is_zero(table):
    encoder = TableEncoder().fit(table)
    numbers = np.column_stack([table[n] for n in ("area", "rooms", "flat", "garden")]).astype(float)
    expected = np.nan_to_num(StandardScaler().fit_transform(numbers))
    assert np.allclose(encoder.transform(table)[:, :4], expected, atol=1e-6)
    assert encoder.transform(table)[:, 0].tolist() == [-1, 1, 0, 1, -1]


def test_a_column_of_equal_numbers_is_moved_and_not_scaled_as_scikit_learn_does():
    encoder = TableEncoder().fit({"flat": np.array([5.0, 5.0])})
    scaler = StandardScaler().fit([[5.0], [5.0]])
    found = encoder.transform({"flat": np.array([8.0, 5.0])})
    assert found.tolist() == scaler.transform([[8.0], [5.0]]).tolist() == [[3.0], [0.0]]


def test_words_are_those_of_pandas_get_dummies_with_a_column_for_the_missing(table):
    encoder = TableEncoder().fit(table)
    frame = pandas.DataFrame({n: table[n] for n in ("wall", "fence")})
    expected = pandas.get_dummies(frame[["fence"]], dummy_na=True).to_numpy(float)
    found = encoder.transform(table)
    assert np.array_equal(found[:, 7:], expected)
    expected = pandas.get_dummies(frame[["wall"]]).to_numpy(float)
    assert np.array_equal(found[:, 4:7], expected)
    assert encoder.names == [
        "area", "rooms", "flat", "garden", "wall=Brick", "wall=None", "wall=Stone", "fence=Wire",
        "fence=Wood", "fence=missing",
    ]  # fmt: skip
    assert found.dtype == torch.float32


def test_other_rows_are_told_by_what_the_first_rows_taught(table):
    first = {name: column[:3] for name, column in table.items()}
    rest = {name: column[3:] for name, column in table.items()}
    encoder = TableEncoder().fit(first)
    scaler = StandardScaler().fit(np.c_[first["area"], first["rooms"]])
    expected = scaler.transform(np.c_[rest["area"], rest["rooms"]])
    found = encoder.transform(rest)
    assert np.allclose(found[:, :2], expected, atol=1e-6)
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(first["wall"][:, None])
    assert np.array_equal(found[:, 4:6], hot.transform(rest["wall"][:, None]))
    assert found[:, 4:6].tolist() == [[0, 0], [0, 1]], "Stone was not among the first"


def test_a_frame_of_pandas_and_a_dict_give_the_same(table):
    frame = pandas.DataFrame(table)
    by_dict, by_frame = TableEncoder().fit(table), TableEncoder().fit(frame)
    assert by_dict.names == by_frame.names
    assert torch.equal(by_dict.transform(table), by_frame.transform(frame))
    assert torch.equal(by_dict.transform(frame.assign(more="x")), by_dict.transform(table))


def test_a_column_wholly_missing_later_is_the_mean_or_the_missing_word(table):
    encoder = TableEncoder().fit(table)
    empty = {**table, "area": np.array([None] * 5), "fence": np.array([NAN] * 5)}
    found = encoder.transform(empty)
    assert found[:, 0].tolist() == [0.0] * 5
    assert found[:, 7:].tolist() == [[0, 0, 1]] * 5


def test_the_real_houses_encode_as_scikit_learn_does(real_data):
    real_data("house_prices")
    frame = pandas.DataFrame(dict(house_prices().train))
    early, late = frame.iloc[:900], frame.iloc[900:]
    encoder = TableEncoder().fit(early)
    scaler = StandardScaler().fit(early[list(encoder.numbers)].to_numpy())
    hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    hot.fit(early[list(encoder.words)])
    expected = np.hstack([
        np.nan_to_num(scaler.transform(late[list(encoder.numbers)].to_numpy())),
        hot.transform(late[list(encoder.words)]),
    ])  # fmt: skip
    assert np.allclose(encoder.transform(late).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"area": np.array([NAN] * 5)}, "column 'area' has no number in these rows"),
        ({"area": np.array([1.0, np.inf, 2, 3, 4])}, "column 'area' has an infinite number"),
        ({"area": np.array([1.0, 2.0])}, "the columns differ in length"),
        ({"area": np.ones((5, 2))}, r"column 'area' has the shape \(5, 2\)"),
        ({"wall": np.array(["a", 3.0, "b", None, "c"], dtype=object)}, "has words and 3.0"),
    ],
)
def test_rows_that_teach_nothing_sensible_are_refused(table, change, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder().fit(table | change)


def test_an_empty_table_an_unfitted_encoder_and_other_columns_are_refused(table):
    with pytest.raises(ValueError, match="no row or no column"):
        TableEncoder().fit({})
    with pytest.raises(ValueError, match="no row or no column"):
        TableEncoder().fit({"area": np.array([])})
    with pytest.raises(ValueError, match=r"call fit\(training_rows\) first"):
        TableEncoder().transform(table)
    with pytest.raises(ValueError, match=r"call fit\(training_rows\) first"):
        _ = TableEncoder().names
    encoder = TableEncoder().fit(table)
    with pytest.raises(ValueError, match="no column 'fence', which fit saw"):
        encoder.transform({n: c for n, c in table.items() if n != "fence"})
    with pytest.raises(ValueError, match="'rooms' holds words, but held numbers"):
        encoder.transform(table | {"rooms": table["wall"]})
    with pytest.raises(ValueError, match="'wall' holds numbers, but held words"):
        encoder.transform(table | {"wall": table["rooms"]})


# ---- folds ----


@given(st.integers(2, 60), st.integers(2, 60), st.one_of(st.none(), st.integers(0, 9)))
def test_the_folds_are_those_of_scikit_learn(rows, k, seed):
    k = min(rows, k)
    theirs = KFold(k, shuffle=seed is not None, random_state=seed).split(np.zeros((rows, 1)))
    ours = list(k_fold(rows, k, seed))
    for (train, valid), (train_too, valid_too) in zip(ours, theirs, strict=True):
        assert np.array_equal(train, train_too) and np.array_equal(valid, valid_too)
    assert Counter(i for _, valid in ours for i in valid.tolist()) == dict.fromkeys(range(rows), 1)


@pytest.mark.parametrize("rows, k", [(5, 1), (5, 6), (1, 2), (0, 2), (5, 2.0), (True, 2)])
def test_folds_that_cannot_be_are_refused_before_the_first(rows, k):
    with pytest.raises(ValueError, match="give a"):
        k_fold(rows, k)


@pytest.mark.parametrize("seed", ["0", 0.5, -1, 2**32])
def test_a_seed_that_shuffles_nothing_is_refused(seed):
    with pytest.raises(ValueError, match="seed is"):
        k_fold(4, 2, seed)


# ---- the error ----


def test_the_error_is_that_of_scikit_learn():
    draw = np.random.RandomState(0)
    targets, told = np.exp(draw.randn(2, 40) + 11)
    expected = root_mean_squared_log_error(targets - 1, told - 1)
    assert math.isclose(log_rmse(told, targets), expected, rel_tol=1e-9)
    assert math.isclose(log_rmse(torch.tensor(told), torch.tensor(targets)), expected, rel_tol=1e-9)


def test_predictions_below_the_floor_count_as_the_floor():
    targets, told = [100.0, 200.0, 300.0], [-3.0, 0.5, 300.0]
    expected = root_mean_squared_error(np.log(targets), np.log([1.0, 1.0, 300.0]))
    assert math.isclose(log_rmse(told, targets), expected, rel_tol=1e-12)
    expected = root_mean_squared_error(np.log(targets), np.log([50.0, 50.0, 300.0]))
    assert math.isclose(log_rmse(told, targets, floor=50.0), expected, rel_tol=1e-12)


@pytest.mark.parametrize(
    "told, targets, floor, message",
    [
        ([1.0], [1.0, 2.0], 1.0, r"predictions have the shape \(1,\), targets \(2,\)"),
        ([[1.0]], [[1.0]], 1.0, "one of each for every row"),
        ([], [], 1.0, "one of each for every row"),
        ([1.0], [0.0], 1.0, "a target is not above zero"),
        ([1.0], [NAN], 1.0, "a target is not above zero"),
        ([NAN], [1.0], 1.0, "a prediction is not a number"),
        ([1.0], [1.0], 0.0, "floor is 0.0"),
        ([1.0], [1.0], NAN, "floor is nan"),
    ],
)
def test_prices_without_a_logarithm_are_refused(told, targets, floor, message):
    with pytest.raises(ValueError, match=message):
        log_rmse(told, targets, floor)
