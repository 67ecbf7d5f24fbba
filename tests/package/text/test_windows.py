"""Windows: each token once and its successor beside it; padding as torch pads."""

import doctest
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_sequence

from labnotes.text import pad, random_windows, sequential_windows, windows

SIZES = {"steps": st.integers(1, 7), "batch_size": st.integers(1, 5)}


def text(n: int) -> torch.Tensor:
    """Numbers that tell their places: a window is right if it goes up by one."""
    return torch.arange(n)


@given(n=st.integers(2, 80), seed=st.integers(0, 9), **SIZES)
def test_random_windows_lie_side_by_side_and_each_has_its_successors(n, seed, steps, batch_size):
    n = max(n, steps + 1)
    found = random_windows(text(n), steps, batch_size, torch.Generator().manual_seed(seed))
    batches = list(found)
    assert len(batches) == len(found)
    assert all(x.shape == y.shape == (batch_size, steps) for x, y in batches[:-1])
    inputs, targets = (torch.cat(part) for part in zip(*batches))  # (windows, steps)
    assert torch.equal(targets, inputs + 1) and targets.max() < n
    # In order they are one stretch of the text, and it has all but its ends.
    stretch = inputs[inputs[:, 0].argsort()].flatten()
    assert torch.equal(stretch, torch.arange(len(stretch)) + stretch[0])
    assert stretch[0] < steps and n - len(stretch) <= 2 * steps


def test_random_windows_begin_elsewhere_and_in_another_order_at_each_pass():
    found = random_windows(text(1000), 5, 10, torch.Generator().manual_seed(0))
    passes = [torch.cat([x for x, _ in found])[:, 0] for _ in range(40)]
    assert {int(p.min()) for p in passes} == {0, 1, 2, 3, 4}
    assert all((p != p.sort().values).any() for p in passes)
    again = random_windows(text(1000), 5, 10, torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([x for x, _ in again])[:, 0], passes[0])


@given(n=st.integers(2, 80), **SIZES)
def test_sequential_windows_go_on_where_the_last_batch_stopped(n, steps, batch_size):
    n = max(n, batch_size + 1)
    found = sequential_windows(text(n), steps, batch_size)
    batches = list(found)
    assert len(batches) == len(found)
    assert all(x.shape == y.shape == (batch_size, steps) for x, y in batches[:-1])
    for (before, _), (after, _) in zip(batches, batches[1:]):
        assert torch.equal(after[:, 0], before[:, -1] + 1)
    inputs, targets = (torch.cat(part, 1) for part in zip(*batches))  # (batch_size, length)
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs.flatten(), text(inputs.numel()))
    assert n - 1 - inputs.numel() < batch_size, "fewer tokens than rows are left out"


def test_nothing_is_copied_but_the_random_batches():
    ids = text(10_000)
    for batch in sequential_windows(ids, 7, 3):
        assert all(
            part.untyped_storage().data_ptr() == ids.untyped_storage().data_ptr() for part in batch
        )
    before = ids[5000].item()
    random = random_windows(ids, 5, 4, torch.Generator().manual_seed(0))
    ids[5000] = -1  # seen by the windows, which are a view
    assert any((x == -1).any() for x, _ in random)
    assert not any((x == before).any() for x, _ in random)


def test_a_pass_can_be_repeated_so_that_it_trains_for_many_epochs():
    for found in (random_windows(text(30), 3, 2), sequential_windows(text(30), 3, 2)):
        assert len(list(found)) == len(list(found)) == len(found) > 1


@given(rows=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1), v=st.just(7))
def test_padding_is_torchs(rows, v):
    padded, lengths = pad(rows, v)
    expected = pad_sequence([torch.tensor(r) for r in rows], batch_first=True, padding_value=v)
    assert torch.equal(padded, expected) and padded.dtype == lengths.dtype == torch.int64
    assert lengths.tolist() == [len(row) for row in rows]
    assert torch.equal(pad(list(map(torch.tensor, rows)))[1], lengths)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random_windows(text(5), 5, 1), "5 tokens: with steps=5 and batch_size=1 give at least 6"),
        (lambda: sequential_windows(text(3), 5, 3), "give at least 4"),
        (lambda: random_windows([], 5, 1), "ids has 0 tokens"),
        (lambda: random_windows(text(9), 0, 1), "steps is 0"),
        (lambda: sequential_windows(text(9), 2, 1.5), "batch_size is 1.5"),
        (lambda: random_windows(text(9).float(), 2, 1), "ids has the shape (9,) and torch.float32"),
        (lambda: sequential_windows(text(9).view(3, 3), 2, 1), "ids has the shape (3, 3)"),
        (lambda: random_windows("letters of a text", 2, 1), "ids holds other things than whole"),
        (lambda: sequential_windows(["a", "b"], 2, 1), "ids holds other things than whole"),
        (lambda: pad([]), "no sequence to pad"),
        (lambda: pad([[1], []]), "sequence 1 is empty"),
        (lambda: pad([[1], [0.5]]), "sequence 1 has the shape (1,) and torch.float64"),
        (lambda: pad([[True, False]]), "sequence 0 has the shape (2,) and torch.bool"),
        (lambda: pad([[1]], value=0.5), "value is 0.5"),
        (lambda: pad([[1]], value=float("nan")), "value is nan"),
        (lambda: pad([[1]], value=None), "value is None"),
        (lambda: pad([3]), "sequence 0 has the shape ()"),
    ],
)  # fmt: skip
def test_what_gives_no_windows_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(windows).failed == 0
