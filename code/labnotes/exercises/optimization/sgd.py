"""Checkers for the exercises of the chapter optimization/sgd."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("sgd.epoch_batches")
def epoch_batches(answer: Callable) -> Iterator[Case]:
    """``answer(n, batch_size, generator)`` -> list of index tensors.

    Expected: sizes by arithmetic, and every index of the epoch once.
    """
    for n, batch_size in ((4, 2), (10, 4), (3, 8), (97, 10)):
        call = f"epoch_batches({n}, {batch_size}, generator)"
        got = answer(n, batch_size, torch.Generator().manual_seed(n))
        sizes = [batch_size] * (n // batch_size) + [n % batch_size] * (n % batch_size > 0)
        yield Case(
            f"the length of each batch of {call}",
            [len(b) for b in got] if isinstance(got, (list, tuple)) else got,
            sizes,
            hint="full batches, then one with what is left, if anything is; a list of tensors",
        )
        yield Case(
            f"the indices of {call}, joined and sorted",
            torch.cat(list(got)).sort().values,
            torch.arange(n),
            hint="without replacement each of 0 ... n - 1 comes once: shuffle, then cut",
        )
    draw = torch.Generator().manual_seed(0)
    first, second = (torch.cat(list(answer(50, 5, draw))).tolist() for _ in range(2))
    yield Case(
        "whether two epochs of epoch_batches(50, 5, generator) have one order",
        first == second,
        False,
        hint="draw a new order at each call, with torch.randperm(..., generator=generator)",
    )
    orders = {
        tuple(torch.cat(list(answer(4, 2, draw))).tolist())
        for _ in range(600)  # a fair shuffle misses one of the 24 once in billions of such trials
    }
    yield Case(
        "how many orders 600 epochs of epoch_batches(4, 2, generator) show",
        len(orders),
        24,
        hint="shuffle all the numbers, then cut: batches of neighbours, in whatever order, are not it",
    )
    again = torch.cat(list(answer(50, 5, torch.Generator().manual_seed(0)))).tolist()
    yield Case(
        "whether a generator with the same seed gives the same first epoch again",
        again == first,
        True,
        hint="take all that is random from the generator, and do not seed it yourself",
    )


@checker("sgd.whole_gradient")
def whole_gradient(answer: Callable) -> Iterator[Case]:
    """``answer(model, batches)`` -> list of tensors, one a parameter.

    Expected: what autograd gives for the mean loss of all examples at once, without more of them
    in one call of the model than a batch has.
    """
    draw = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for sizes, hint in (
        ((4,), "one batch: backward on the mean cross-entropy, then the parameters' .grad"),
        ((3, 3), "the mean over both batches, not their sum"),
        ((5, 5, 2), "a batch of 2 counts for 2 of the 12 examples, not for a third"),
        ((1, 9), "weigh each batch's mean gradient by its number of examples"),
    ):
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        inputs = torch.randn(sum(sizes), 3, generator=draw)
        labels = torch.randint(2, (sum(sizes),), generator=draw)
        batches = list(zip(inputs.split(sizes), labels.split(sizes)))
        parameters = list(model.parameters())
        expected = list(torch.autograd.grad(F.cross_entropy(model(inputs), labels), parameters))
        before = [p.detach().clone() for p in parameters]
        rows = []
        model.register_forward_pre_hook(lambda _, given, rows=rows: rows.append(len(given[0])))
        for old in (False, True):
            for p in parameters:
                p.grad = torch.ones_like(p) if old else None
            call = f"whole_gradient(model, batches of {sizes} examples)"
            got = answer(model, batches)
            yield Case(
                call + (", where the parameters hold an old gradient" if old else ""),
                [g.detach().clone() if isinstance(g, torch.Tensor) else g for g in got]
                if isinstance(got, (list, tuple))
                else got,
                expected,
                hint="clear the old gradients first" if old else hint,
            )
        yield Case(
            f"whether {call} hands more examples to the model at once than the largest batch has",
            max(rows, default=0) > max(sizes),
            False,
            hint="the examples do not fit into memory together: one call of the model for each batch",
        )
        yield Case(
            f"the parameters after {call}",
            [p.detach() for p in parameters],
            before,
            hint="compute the gradient, and take no step",
        )
