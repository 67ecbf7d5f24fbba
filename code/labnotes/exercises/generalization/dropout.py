"""Checkers for the exercises of the chapter generalization/dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("dropout.channel_dropout")
def channel_dropout(answer: Callable) -> Iterator[Case]:
    """``answer(maps, p)`` -> maps with whole channels at zero.

    Expected: what any mask of examples and channels gives; and the right share of them.
    """
    torch.manual_seed(0)
    maps = torch.rand(3, 5, 2, 4) + 1
    yield Case(
        "channel_dropout(maps, 0.0), maps of shape (3, 5, 2, 4)",
        answer(maps.clone(), 0.0),
        maps,
        hint="with p = 0 nothing is dropped and nothing scaled",
    )
    for p in (0.5, 0.25):
        maps = torch.rand(40, 50, 2, 3) + 1
        got = answer(maps.clone(), p)
        call = f"channel_dropout(maps, {p}), maps of shape (40, 50, 2, 3), all above 1"
        yield Case(
            call,
            got,
            _by_first_pixel(got, maps, p),
            hint="a channel is dropped as a whole or kept as a whole, and what is kept is divided "
            "by 1 - p",
        )
        share = (got == 0).double().mean(dim=(2, 3))  # (examples, channels)
        yield Case(
            f"the share of zeros in {call}, to one decimal place",
            round(share.mean().item() + 1e-9, 1)
            if p == 0.5
            else abs(share.mean().item() - p) < 0.05,
            0.5 if p == 0.5 else True,
            hint="a channel is zero with probability p, not 1 - p",
        )
        for what, count in (
            ("examples", len(share.unique(dim=0))),
            ("channels", len(share.T.unique(dim=0))),
        ):
            yield Case(
                f"do the {what} in {call} have masks of their own?",
                count > 10,
                True,
                hint="draw once for each example and each channel: the shape (batch, channels, 1, 1)",
            )


def _by_first_pixel(got, maps: Tensor, p: float) -> Tensor:
    """The maps with those channels at zero whose first pixel is zero in the answer."""
    if not isinstance(got, Tensor) or got.shape != maps.shape:
        return maps / (1 - p)
    return torch.where(got[:, :, :1, :1] == 0, 0.0, maps / (1 - p))


@checker("dropout.dropout_penalty")
def dropout_penalty(answer: Callable) -> Iterator[Case]:
    """``answer(x, w, p)`` -> one number.

    Expected: the difference of the mean squared errors over all masks, counted out.
    """
    one = torch.tensor([[2.0], [1.0]], dtype=torch.float64)
    yield Case(
        "dropout_penalty([[2.], [1.]], w=[3.], p=0.5)",
        answer(one, torch.tensor([3.0], dtype=torch.float64), 0.5),
        torch.tensor(45.0, dtype=torch.float64),
        hint="p / (1 - p) is 1 here: 3 squared, times 2 squared + 1 squared",
    )
    draw = torch.Generator().manual_seed(0)
    for rows, columns, p in ((3, 2, 0.5), (4, 3, 0.2), (2, 4, 0.8)):
        x = torch.randn(rows, columns, generator=draw, dtype=torch.float64)
        w = torch.randn(columns, generator=draw, dtype=torch.float64)
        yield Case(
            f"dropout_penalty(x, w, {p}), x of shape {(rows, columns)}",
            answer(x.clone(), w.clone(), p),
            _counted_out(x, w, p),
            tolerance=1e-9,
            hint="p / (1 - p) times the sum over the columns of w_j squared times the sum of the "
            "squares in column j",
        )


def _counted_out(x: Tensor, w: Tensor, p: float) -> Tensor:
    """The variance of the prediction over all masks, each with its probability."""
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=x.dtype)] * len(w))
    masks = masks.reshape(-1, len(w))
    probability = (masks * (1 - p) + (1 - masks) * p).prod(1)  # (masks,)
    predictions = (masks[:, None] * x / (1 - p)) @ w  # (masks, rows)
    return (probability[:, None] * (predictions - x @ w) ** 2).sum()
