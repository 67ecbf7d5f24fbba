"""Checkers for the exercises of the chapter start/training-loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import torch
from torch import Tensor, nn

from labnotes.exercises import Case, checker


@checker("training_loop.train_epoch")
def train_epoch(answer: Callable) -> Iterator[Case]:
    """``answer(model, batches, optimizer)`` -> the loss of each batch; the model is trained.

    Expected: losses and weights of a linear network without bias, whose gradient of the
    cross-entropy is written down by its formula, with momentum added by hand.
    """
    draw = torch.Generator().manual_seed(0)
    one = [_batch(draw, 4)]
    yield from _epoch_cases(answer, one, 0.0, "one batch: forward, backward, one step")
    three = [_batch(draw, n) for n in (4, 4, 2)]
    yield from _epoch_cases(answer, three, 0.0, "clear the gradient before each backward")
    yield from _epoch_cases(answer, three, 0.9, "use the optimizer that was given, as it is")
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3, bias=False)).eval()
    answer(model, copy.deepcopy(one), torch.optim.SGD(model.parameters(), lr=0.1))
    yield Case("model.training, after an epoch of a model that came in evaluation mode",
               model.training, True, hint="model.train() switches dropout on")  # fmt: skip


def _batch(draw: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 3, generator=draw), torch.randint(3, (n,), generator=draw)


def _epoch_cases(answer: Callable, batches: list, momentum: float, hint: str) -> Iterator[Case]:
    model = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.5, -1.0, 0.0], [1.0, 0.0, -0.5], [0.0, 0.5, 1.0]]))
    weights = model.weight.detach().double().tolist()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=momentum)
    losses = answer(model, copy.deepcopy(batches), optimizer)
    sizes = ", ".join(str(len(labels)) for _, labels in batches)
    call = f"train_epoch(linear network, batches of {sizes}, SGD(lr=0.5, momentum={momentum}))"
    expected = _by_formula(weights, batches, 0.5, momentum)  # changes the weights
    yield Case(call, losses, expected, tolerance=1e-5, hint=hint)
    yield Case(f"the weights after {call}", model.weight.detach(), torch.tensor(weights),
               tolerance=1e-5, hint=hint)  # fmt: skip


def _by_formula(weights: list[list[float]], batches: list, lr: float, momentum: float) -> list:
    """Train `weights` in place, number by number: d loss / d w_cj = mean of (p_c - [c = y]) x_j."""
    classes, features = len(weights), len(weights[0])
    velocity = [[0.0] * features for _ in range(classes)]
    losses = []
    for inputs, labels in batches:
        gradient = [[0.0] * features for _ in range(classes)]
        loss = 0.0
        for x, y in zip(inputs.double().tolist(), labels.tolist(), strict=True):
            exps = [math.exp(sum(w * v for w, v in zip(row, x))) for row in weights]
            for c in range(classes):
                error = exps[c] / sum(exps) - (c == y)
                for j in range(features):
                    gradient[c][j] += error * x[j] / len(labels)
            loss -= math.log(exps[y] / sum(exps)) / len(labels)
        for c in range(classes):
            for j in range(features):
                velocity[c][j] = momentum * velocity[c][j] + gradient[c][j]
                weights[c][j] -= lr * velocity[c][j]
        losses.append(loss)
    return losses


@checker("training_loop.warmup_then_linear")
def warmup_then_linear(answer: Callable) -> Iterator[Case]:
    """``answer(step, total, warmup)`` -> the factor of the learning rate.

    Expected: (step + 1) / (warmup + 1) below `warmup`, then the line from 1 at `warmup` to 0 at
    `total`, in fractions.
    """
    for total, warmup, hint in [
        (4, 0, "without a warmup the first step has the factor 1"),
        (6, 2, "the warmup has factors 1/3 and 2/3: (step + 1) / (warmup + 1)"),
        (10, 4, "the line reaches 0 at step `total`, not at the last step"),
        (3, 2, "a run that is nearly all warmup"),
    ]:
        for step in range(total):
            if step < warmup:
                expected = Fraction(step + 1, warmup + 1)
            else:
                expected = 1 - Fraction(step - warmup, total - warmup)
            got = answer(step, total, warmup)
            yield Case(
                call=f"warmup_then_linear({step}, total={total}, warmup={warmup})",
                got=float(got) if type(got) is int else got,  # 1 is as good as 1.0
                expected=float(expected),
                hint=hint,
            )


@checker("training_loop.measure_all")
def measure_all(answer: Callable) -> Iterator[Case]:
    """``answer(model, batches)`` -> (loss, accuracy) over all examples; the model is as before.

    Expected: both, example by example, of a linear network with dropout switched off.
    """
    draw = torch.Generator().manual_seed(1)
    even, uneven = [_batch(draw, n) for n in (3, 3)], [_batch(draw, n) for n in (5, 1, 2)]
    cases = [
        (nn.Linear(3, 3), even, "add up the losses, and divide by the number of examples"),
        (nn.Linear(3, 3), uneven, "a batch of one example counts as one example"),
        (nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3)), uneven, "dropout has to be off"),
    ]
    for model, batches, hint in cases:
        linear = model[-1] if isinstance(model, nn.Sequential) else model
        with torch.no_grad():
            linear.weight.copy_(torch.tensor([[2.0, -1.0, 0.0], [1.0, 0.0, -2.0], [0.0, 1.0, 1.0]]))
            linear.bias.copy_(torch.tensor([0.5, 0.0, -0.5]))
        for training in (True, False):
            model.train(training)
            got = answer(model, copy.deepcopy(batches))
            sizes = ", ".join(str(len(labels)) for _, labels in batches)
            mode = "training" if training else "evaluation"
            call = f"measure_all(network in {mode} mode, batches of {sizes})"
            yield Case(call, got, _example_by_example(linear, batches), tolerance=1e-5, hint=hint)
            yield Case(f"model.training after {call}", model.training, training,
                       hint="put the mode back as it was")  # fmt: skip
    held = [p.grad is not None for p in model.parameters()]
    yield Case("whether a parameter holds a gradient", any(held), False, hint="torch.no_grad()")


def _example_by_example(linear: nn.Linear, batches: list) -> tuple[float, float]:
    weights, biases = linear.weight.double().tolist(), linear.bias.double().tolist()
    losses, right = [], []
    for inputs, labels in batches:
        for x, y in zip(inputs.double().tolist(), labels.tolist(), strict=True):
            outputs = [b + sum(w * v for w, v in zip(row, x)) for row, b in zip(weights, biases)]
            losses.append(math.log(sum(map(math.exp, outputs))) - outputs[y])
            right.append(outputs.index(max(outputs)) == y)
    return math.fsum(losses) / len(losses), sum(right) / len(right)
