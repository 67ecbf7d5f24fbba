"""The checkers of the chapter optimization/sgd take right answers and no wrong ones."""

import torch
from torch.nn import functional as F

from ..planted import answers


def batches(n, size, draw):
    return list(torch.randperm(n, generator=draw).split(size))


def by_slices(n, size, draw):
    order = torch.argsort(torch.rand(n, generator=draw))
    return tuple(order[i : i + size] for i in range(0, n, size))


def rotated(n, size, draw):
    return list(torch.arange(n).roll(int(torch.randint(n, (1,), generator=draw))).split(size))


def batches_in_random_order(n, size, draw):
    *full, last = torch.arange(n).split(size)
    return [full[i] for i in torch.randperm(len(full), generator=draw)] + [last]


def shuffled_inside_batches(n, size, draw):
    cut = torch.arange(n).split(size)
    return [b[torch.randperm(len(b), generator=draw)] for b in cut]


def whole(model, batches):
    parameters = list(model.parameters())
    total = [torch.zeros_like(p) for p in parameters]
    n = sum(len(y) for _, y in batches)
    for x, y in batches:
        loss = F.cross_entropy(model(x), y, reduction="sum") / n
        for t, g in zip(total, torch.autograd.grad(loss, parameters)):
            t += g
    return total


def accumulated(model, batches, clear=True, share=None):
    n = sum(len(y) for _, y in batches)
    if clear:
        model.zero_grad()
    for x, y in batches:
        (F.cross_entropy(model(x), y) * (share or len(y) / n)).backward()
    return [p.grad for p in model.parameters()]


def stepping(model, batches):
    gradients = whole(model, batches)
    with torch.no_grad():
        for p, g in zip(model.parameters(), gradients):
            p -= 0.1 * g
    return gradients


def joined(model, batches):
    return whole(model, [tuple(torch.cat(part) for part in zip(*batches))])


def per_batch_mean(model, batches):
    return accumulated(model, batches, share=1 / len(batches))


TestSgd = answers(
    "sgd",
    right={
        "epoch_batches": [batches, by_slices],
        "whole_gradient": [whole, accumulated],
    },
    wrong={
        "epoch_batches": {
            "with replacement": lambda n, b, g: list(torch.randint(n, (n,), generator=g).split(b)),
            "not shuffled": lambda n, b, g: list(torch.arange(n).split(b)),
            "last batch dropped": lambda n, b, g: [x for x in batches(n, b, g) if len(x) == b],
            "from 1": lambda n, b, g: [x + 1 for x in batches(n, b, g)],
            "batches of n / b": lambda n, b, g: list(torch.randperm(n, generator=g).chunk(b)),
            "the same order each time": lambda n, b, g: batches(
                n, b, torch.Generator().manual_seed(0)
            ),
            "rotated, not shuffled": rotated,
            "batches of neighbours, in a random order": batches_in_random_order,
            "shuffled inside the batches only": shuffled_inside_batches,
            "another generator": lambda n, b, g: list(torch.randperm(n).split(b)),
            "one tensor": lambda n, b, g: torch.randperm(n, generator=g),
            "floats": lambda n, b, g: [x.float() for x in batches(n, b, g)],
            "zeros": lambda n, b, g: [torch.zeros_like(x) for x in batches(n, b, g)],
        },
        "whole_gradient": {
            "mean of batch means": per_batch_mean,
            "sum of batch means": lambda m, b: accumulated(m, b, share=1.0),
            "not cleared": lambda m, b: accumulated(m, b, clear=False),
            "last batch only": lambda m, b: whole(m, b[-1:]),
            "a step taken": stepping,
            "upwards": lambda m, b: [-g for g in whole(m, b)],
            "all batches joined into one": joined,
            "one vector": lambda m, b: torch.cat([g.flatten() for g in whole(m, b)]),
            "double precision": lambda m, b: [g.double() for g in whole(m, b)],
            "zeros": lambda m, b: [0 * g for g in whole(m, b)],
            "not a number": lambda m, b: [g * float("nan") for g in whole(m, b)],
        },
    },
)
