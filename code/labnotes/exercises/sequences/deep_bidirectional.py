"""Checkers for the exercises of the chapter sequences/deep-bidirectional."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from labnotes.exercises import Case, checker


@checker("deep_bidirectional.reverse_padded")
def reverse_padded(answer: Callable) -> Iterator[Case]:
    """``answer(inputs, lengths)`` turns each row round within its length.

    Expected: each row without its padding, turned round on its own.
    """
    yield Case(
        call="my_reverse_padded(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2]))",
        got=answer(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2])),
        expected=torch.tensor([[3, 2, 1], [5, 4, 0]]),
        hint="turn round the first `length` places of each row and leave the padding at the end",
    )
    draw = torch.Generator().manual_seed(0)
    for lengths, rest in (([1, 4, 2], ()), ([5, 5], (3,)), ([2, 6, 1, 3], (2,))):
        rows = [torch.randn(n, *rest, generator=draw) for n in lengths]
        padded = pad_sequence(rows, batch_first=True, padding_value=-1.0)
        yield Case(
            call=f"my_reverse_padded(inputs, torch.tensor({lengths})), inputs {tuple(padded.shape)}",
            got=answer(padded.clone(), torch.tensor(lengths)),
            expected=pad_sequence([r.flip(0) for r in rows], batch_first=True, padding_value=-1.0),
            hint="each row has its own length, only the time axis, 1, is turned round, and the "
            "padding stays as it is",
        )


@checker("deep_bidirectional.last_states")
def last_states(answer: Callable) -> Iterator[Case]:
    """``answer(outputs, lengths)`` -> each direction's state after its last step.

    Expected: ``h_n`` of torch's bidirectional GRU on the packed sequence.
    """
    for lengths, hidden in (([1], 1), ([4, 2], 3), ([2, 5, 3], 2), ([6, 6, 1, 4], 4)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(len(lengths))
            net = nn.GRU(2, hidden, bidirectional=True, batch_first=True)
            inputs = torch.randn(len(lengths), max(lengths), 2)
        packed = pack_padded_sequence(
            inputs, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
        with torch.no_grad():
            states, h_n = net(packed)
        outputs, _ = pad_packed_sequence(states, batch_first=True)
        yield Case(
            call=f"last_states(outputs, torch.tensor({lengths})), outputs {tuple(outputs.shape)}",
            got=answer(outputs.clone(), torch.tensor(lengths)),
            expected=torch.cat([h_n[0], h_n[1]], 1),
            hint="the forward half at each sentence's last word (length - 1), the backward half "
            "at its first",
        )
