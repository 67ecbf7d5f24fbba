"""Windows of a text for a network that predicts the next token, and padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from labnotes.checks import check_positive

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Windows:
    """Batches ``(inputs, targets)`` of a text, made anew at each iteration; `len` counts them."""

    batches: Callable[[], Iterator[Batch]]
    count: int

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def __len__(self) -> int:
        return self.count


def random_windows(
    ids: Tensor | Sequence[int],
    steps: int,
    batch_size: int,
    generator: torch.Generator | None = None,
) -> Windows:
    """Windows of a text, one beside the other, in random order (随机采样).

    Each pass cuts the text into windows that do not overlap, beginning at a random one of its first
    `steps` places, and shuffles them. Two windows in a row do not belong together, so a state must
    not be carried from one batch to the next.

    Parameters
    ----------
    ids
        ``(n,)``, the numbers of the tokens, at least ``steps + 1``.
    steps
        Tokens of a window.
    batch_size
        Windows of a batch; the last batch has what is left.
    generator
        Random numbers for the beginning and the order; torch's own if none is given. For
        :func:`labnotes.train.fit` with a checkpoint give none: it seeds torch's own at the start of
        every epoch, but cannot know one of yours, so that a run taken up again would draw other
        windows than an undisturbed one.

    Returns
    -------
    Windows
        Batches of two int64 tensors ``(batch_size, steps)``; targets are the inputs one token on.
        All windows are a view of `ids`: only those of a batch are copied, when it is due. A pass
        leaves out fewer than ``2 * steps`` tokens, at the two ends.

    Raises
    ------
    ValueError
        If `ids` are not whole numbers in a row or too few, or a size is below 1.

    Examples
    --------
    >>> for inputs, targets in random_windows(range(9), 3, 2, torch.Generator().manual_seed(1)):
    ...     print(inputs.tolist(), targets.tolist())
    [[4, 5, 6], [1, 2, 3]] [[5, 6, 7], [2, 3, 4]]
    """
    ids = _checked(ids, steps, batch_size, steps + 1)
    places = min(steps, len(ids) - steps)  # where the first window may begin
    count = (len(ids) - places) // steps  # whichever of them it is
    windows = ids.unfold(0, steps + 1, 1)  # (n - steps, steps + 1), a view

    def batches() -> Iterator[Batch]:
        first = torch.randint(places, (), generator=generator).item()
        order = first + steps * torch.randperm(count, generator=generator)
        for rows in order.split(batch_size):
            batch = windows[rows.to(ids.device)]  # (batch, steps + 1)
            yield batch[:, :-1], batch[:, 1:]

    return Windows(batches, -(-count // batch_size))


def sequential_windows(ids: Tensor | Sequence[int], steps: int, batch_size: int) -> Windows:
    """Windows of a text in its order: each row goes on where it stopped (顺序分区).

    The text is cut into `batch_size` long rows, one below the other, and a batch is the next `steps`
    columns. So row 3 of a batch continues row 3 of the batch before it, and a state that is carried
    over belongs to it.

    Parameters
    ----------
    ids
        ``(n,)``, the numbers of the tokens, at least ``batch_size + 1``.
    steps
        Tokens of a window. The last windows have what is left of the rows.
    batch_size
        Rows.

    Returns
    -------
    Windows
        Batches of two int64 tensors ``(batch_size, steps)``, views of `ids`; targets are the inputs
        one token on. Fewer than `batch_size` tokens at the end of the text are left out.

    Raises
    ------
    ValueError
        If `ids` are not whole numbers in a row or too few, or a size is below 1.

    Examples
    --------
    >>> for inputs, targets in sequential_windows(range(11), 3, 2):
    ...     print(inputs.tolist(), targets.tolist())
    [[0, 1, 2], [5, 6, 7]] [[1, 2, 3], [6, 7, 8]]
    [[3, 4], [8, 9]] [[4, 5], [9, 10]]
    """
    ids = _checked(ids, steps, batch_size, batch_size + 1)
    length = (len(ids) - 1) // batch_size
    inputs = ids[: batch_size * length].reshape(batch_size, length)
    targets = ids[1 : batch_size * length + 1].reshape(batch_size, length)

    def batches() -> Iterator[Batch]:
        yield from zip(inputs.split(steps, 1), targets.split(steps, 1))

    return Windows(batches, -(-length // steps))


def pad(sequences: Sequence[Sequence[int] | Tensor], value: int = 0) -> tuple[Tensor, Tensor]:
    """Sequences of different lengths as one tensor, filled up at the end (填充).

    Parameters
    ----------
    sequences
        Numbers of tokens, at least one in each.
    value
        What fills up the shorter ones: the number of ``"<pad>"``.

    Returns
    -------
    padded, lengths : Tensor
        int64, ``(n, longest)`` and ``(n,)``.

    Raises
    ------
    ValueError
        If there is no sequence, one is empty or holds other things than whole numbers, or `value`
        is no whole number.

    Examples
    --------
    >>> pad([[5, 6, 7], [8]])
    (tensor([[5, 6, 7],
            [8, 0, 0]]), tensor([3, 1]))
    """
    _check_value(value)
    rows = [_whole_numbers(row, f"sequence {i}") for i, row in enumerate(sequences)]
    _check_filled(rows)
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), int(lengths.max())), value, dtype=torch.int64)
    for line, row in zip(padded, rows):
        line[: len(row)] = row
    return padded, lengths


def _checked(ids, steps: int, batch_size: int, least: int) -> Tensor:
    check_positive(steps=steps, batch_size=batch_size)
    ids = _whole_numbers(ids, "ids")
    if len(ids) < least:
        raise ValueError(
            f"ids has {len(ids)} tokens: with steps={steps} and batch_size={batch_size} give at "
            f"least {least}"
        )
    return ids


def _whole_numbers(values, name: str) -> Tensor:
    """The values as an int64 tensor of one dimension; a tensor of that kind is not copied."""
    try:
        if not isinstance(values, Tensor):
            values = torch.as_tensor(np.asarray(values))  # five times as fast as torch with lists
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} holds other things than whole numbers ({error})") from error
    if values.dim() != 1 or values.is_floating_point() or values.dtype == torch.bool:
        if values.numel():
            raise ValueError(
                f"{name} has the shape {tuple(values.shape)} and {values.dtype}: give whole numbers "
                "in one row"
            )
        values = values.flatten()
    return values.long()


def _check_value(value: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool):  # torch would cut 0.5 to 0
        raise ValueError(f"value is {value!r}: give the number of a token, such as that of '<pad>'")


def _check_filled(rows: list[Tensor]) -> None:
    if not rows:
        raise ValueError("there is no sequence to pad: give at least one")
    empty = [i for i, row in enumerate(rows) if not len(row)]
    if empty:
        raise ValueError(f"sequence {empty[0]} is empty: leave it out, or give it an end token")
