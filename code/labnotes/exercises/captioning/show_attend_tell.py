"""Checkers for the exercises of the chapter captioning/show-attend-tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from labnotes.exercises import Case, checker


@checker("show_attend_tell.share_inside")
def share_inside(answer: Callable) -> Iterator[Case]:
    """``answer(weights, mask)`` with (cells,) and (side, side), bool -> the share inside, a float.

    Expected: every pixel gets its cell's weight over the cell's pixels; those of the mask are summed.
    """
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, :3] = True  # two pixels of the first cell, one of the second
    yield Case(
        call="share_inside(tensor([0.5, 0.3, 0.2, 0.0]), mask), mask[0, :3] = True of 4x4 pixels",
        got=answer(torch.tensor([0.5, 0.3, 0.2, 0.0]), mask.clone()),
        expected=0.5 * 2 / 4 + 0.3 * 1 / 4,
        hint="a cell of 2x2 pixels that the mask covers by half gives half of its weight",
    )
    draw = torch.Generator().manual_seed(0)
    for cells, side in ((2, 2), (3, 12), (8, 64)):
        weights = torch.rand(cells * cells, generator=draw)
        weights = weights / weights.sum()
        mask = torch.rand(side, side, generator=draw) < 0.3
        wide = side // cells
        pixels = weights.view(cells, cells).repeat_interleave(wide, 0).repeat_interleave(wide, 1)
        yield Case(
            call=f"share_inside(weights, mask) with {cells}x{cells} cells, {side}x{side} pixels",
            got=answer(weights.clone(), mask.clone()),
            expected=float((pixels * mask).sum()) / wide**2,
            tolerance=1e-5,
            hint="cells are in the order of reading, row by row; give a float with .item()",
        )


@checker("show_attend_tell.hard_gradient")
def hard_gradient(answer: Callable) -> Iterator[Case]:
    """``answer(scores, place, reward, baseline)`` -> the REINFORCE gradient of each row's scores.

    Expected: autograd's of (reward - baseline) times the log-probability of the drawn place.
    """
    yield Case(
        call="hard_gradient(zeros(1, 2), tensor([0]), tensor([3.0]), 1.0)",
        got=answer(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([3.0]), 1.0),
        expected=torch.tensor([[1.0, -1.0]]),
        hint="the log of a softmax changes by 1 - alpha at the drawn place, by -alpha elsewhere",
    )
    draw = torch.Generator().manual_seed(0)
    for batch, cells, baseline in ((3, 4, 0.0), (5, 9, -1.5)):
        scores = 2 * torch.randn(batch, cells, generator=draw)
        place = torch.randint(cells, (batch,), generator=draw)
        reward = torch.randn(batch, generator=draw)
        leaf = scores.clone().requires_grad_(True)
        chosen = F.log_softmax(leaf, -1).gather(1, place[:, None])[:, 0]
        (expected,) = torch.autograd.grad(((reward - baseline) * chosen).sum(), leaf)
        yield Case(
            call=f"hard_gradient(scores {(batch, cells)}, place, reward, {baseline})",
            got=answer(scores.clone(), place.clone(), reward.clone(), baseline),
            expected=expected,
            tolerance=1e-5,
            hint="each row has its own reward; it is an ascent direction, and no mean is taken",
        )
