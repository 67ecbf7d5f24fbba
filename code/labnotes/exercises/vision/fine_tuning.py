"""Checkers for the exercises of the chapter vision/fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.exercises import Case, checker


def _network(*widths: int) -> nn.Sequential:
    """Blocks of a linear layer and a batch norm; each child of the network is one block."""
    return nn.Sequential(
        *(nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b)) for a, b in zip(widths, widths[1:]))
    )


@checker("fine_tuning.unfreeze_from")
def unfreeze_from(answer: Callable) -> Iterator[Case]:
    """``answer(model, first)`` -> number of trained parameters; `model` is changed in place.

    Expected: torch's own count of parameters of the children from `first` on.
    """
    for widths, first in (((2, 3, 4), 1), ((2, 3, 4), 0), ((2, 3, 4), 2), ((3, 5, 4, 6, 2), 2)):
        model = _network(*widths)
        model.register_parameter("scale", nn.Parameter(torch.ones(2)))  # in none of the children
        model[0].requires_grad_(False)  # what was frozen before may be trained now, and v.v.
        got = answer(model, first)
        call = f"unfreeze_from(model, {first}), a model of {len(model)} children"
        yield Case(
            call=f"{call}; then requires_grad of each parameter",
            got=[p.requires_grad for p in model.parameters()],
            expected=[False]  # the model's own parameter comes first
            + [n >= first for n, child in enumerate(model) for _ in child.parameters()],
            hint="freeze the whole model first; then let each child from number `first` on train",
        )
        yield Case(
            call=call,
            got=got,
            expected=sum(p.numel() for child in list(model)[first:] for p in child.parameters()),
            hint="count numbers with p.numel(), not tensors, and only those that are trained",
        )


@checker("fine_tuning.layerwise_rates")
def layerwise_rates(answer: Callable) -> Iterator[Case]:
    """``answer(blocks, lr, decay)`` -> parameter groups, the last block with the rate `lr`.

    Expected: the rates written out by multiplying again for each block, from the last one back.
    """
    for widths, lr, decay, frozen in (
        ((2, 3), 0.5, 0.1, ()),
        ((2, 3, 4, 5), 0.1, 0.5, ()),
        ((2, 3, 4, 5), 0.1, 1.0, ()),
        ((2, 3, 4, 5, 6), 0.2, 0.3, (0, 2)),
        ((2, 3, 4, 5, 6), 0.2, 0.3, (3,)),
    ):
        blocks = list(_network(*widths))
        for number in frozen:
            blocks[number].requires_grad_(False)
        expected, rate = [], lr
        for number, block in reversed(list(enumerate(blocks))):
            if number not in frozen:
                expected.insert(0, (rate, [id(p) for p in block.parameters()]))
            rate *= decay
        names = {id(p): i for i, p in enumerate(p for b in blocks for p in b.parameters())}
        call = f"layerwise_rates(blocks, {lr}, {decay}), {len(blocks)} blocks"
        call += f", frozen: {list(frozen)}" if frozen else ""
        groups = list(answer(blocks, lr, decay))
        yield Case(
            call=f"{call}; then the learning rate of each group",
            got=[group["lr"] for group in groups],
            expected=[each for each, _ in expected],
            hint="the last block has lr, the one before it lr * decay; a frozen block has no group "
            "but still counts as a step",
        )
        yield Case(
            call=f"{call}; then the numbers of the parameters in each group",
            got=[[names.get(id(p), -1) for p in group["params"]] for group in groups],
            expected=[[names[i] for i in ids] for _, ids in expected],
            hint="one group a block, in the order of the blocks, with the parameters that train",
        )
