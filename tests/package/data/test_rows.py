"""Minibatches of rows are those of torch's own loader, gathered at once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from labnotes.data import minibatches
from labnotes.train import CheckpointError, fit


def tables(rows=7):
    return torch.arange(rows * 3.0).reshape(rows, 3), torch.arange(rows)


def same(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert len(one) == len(other)
        assert all(torch.equal(a, b) for a, b in zip(one, other))


@given(rows=st.integers(1, 20), size=st.integers(1, 22), drop=st.booleans(), seed=st.integers(0, 9))
def test_they_are_those_of_a_loader_that_takes_row_by_row(rows, size, drop, seed):
    given_rows = TensorDataset(*tables(rows))
    theirs = DataLoader(given_rows, size, drop_last=drop)
    ours = minibatches(*tables(rows), batch_size=size, shuffle=False, drop_last=drop)
    assert len(ours) == len(theirs)
    same(ours, theirs)
    torch.manual_seed(seed)
    shuffled = list(DataLoader(given_rows, size, shuffle=True, drop_last=drop))
    torch.manual_seed(seed)
    same(minibatches(*tables(rows), batch_size=size, drop_last=drop), shuffled)


def test_each_epoch_has_every_row_once_in_another_order():
    batches = minibatches(*tables(64), batch_size=10)
    first, second = (torch.cat([y for _, y in batches]) for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(64))
    assert not torch.equal(first, second)


def test_a_run_over_them_is_the_same_for_a_seed_and_is_taken_up_for_the_same_rows_alone(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    monkeypatch.setenv("LABNOTES_RUNS", str(tmp_path))

    def losses(x, y, epochs, **options):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        data = minibatches(x, y[:, None], batch_size=4)
        history = fit(model, data, epochs=epochs, loss=torch.nn.functional.mse_loss, progress=False,
                      optimizer=lambda p: torch.optim.SGD(p, lr=1e-4), **options)  # fmt: skip
        return history.steps

    x, y = torch.randn(30, 3), torch.randn(30)
    whole = losses(x, y, 4)
    assert losses(x, y, 4) == whole
    losses(x, y, 2, checkpoint="rows")
    assert losses(x, y, 4, checkpoint="rows") == whole
    with pytest.raises(CheckpointError, match="data"):
        losses(x + 1, y, 5, checkpoint="rows")


@pytest.mark.parametrize(
    ("tensors", "size", "says"),
    [
        ((), 2, "give tensors"),
        (([1, 2],), 2, "list"),
        ((torch.zeros(3), torch.zeros(4)), 2, r"\[3, 4\] rows"),
        ((torch.zeros(0, 2),), 2, "at least one"),
        ((torch.tensor(1.0),), 2, "at least one"),
        ((torch.zeros(3),), 0, "batch_size is 0"),
        ((torch.zeros(3),), 2.0, "batch_size is 2.0"),
    ],
)
def test_bad_input_is_refused_by_name(tensors, size, says):
    with pytest.raises(ValueError, match=says):
        minibatches(*tensors, batch_size=size)
