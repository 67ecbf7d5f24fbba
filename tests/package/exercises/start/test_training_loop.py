"""The checkers of start/training-loop accept right answers and refuse the usual wrong ones."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from labnotes.exercises import check
from labnotes.exercises.start.training_loop import _batch, _by_formula, _example_by_example

from ..planted import answers


def epoch(model, batches, optimizer, *, clear=True, mode=True, order=None, loss=F.cross_entropy):
    losses = []
    model.train(mode)
    for inputs, labels in batches if order is None else order(batches):
        if clear:
            optimizer.zero_grad()
        value = loss(model(inputs), labels)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def by_gradients(model, batches, optimizer):
    """Another way: the gradients are asked for and put in their place."""
    losses, parameters = [], list(model.train().parameters())
    for inputs, labels in batches:
        log_p = model(inputs).log_softmax(1)
        value = -log_p[torch.arange(len(labels)), labels].mean()
        for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters)):
            parameter.grad = gradient
        optimizer.step()
        losses.append(float(value.detach()))
    return losses


def cleared_once(model, batches, optimizer):
    optimizer.zero_grad()
    return epoch(model, batches, optimizer, clear=False)


def own_optimizer(model, batches, optimizer):
    return epoch(model, batches, torch.optim.SGD(model.parameters(), lr=0.5))


def stepped_before(model, batches, optimizer):
    losses = []
    model.train()
    for inputs, labels in batches:
        optimizer.step()
        optimizer.zero_grad()
        value = F.cross_entropy(model(inputs), labels)
        value.backward()
        losses.append(value.item())
    return losses


def measured_after(model, batches, optimizer):
    epoch(model, batches, optimizer)
    with torch.no_grad():
        return [F.cross_entropy(model(x), y).item() for x, y in batches]


def line(step, total, warmup):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (total - step) / (total - warmup)


def interpolated(step, total, warmup):
    places = [-1, warmup, total] if warmup else [0, total]
    return float(np.interp(step, places, [0, 1, 0] if warmup else [1, 0]))


def measured(model, batches, *, mode=False, restore=True, mean=False, grad=False):
    before = model.training
    if mode is not None:
        model.train(mode)
    losses, right, counts = [], [], []
    with torch.set_grad_enabled(grad):
        for inputs, labels in batches:
            outputs = model(inputs)
            value = F.cross_entropy(outputs, labels)
            if grad:
                value.backward()
            losses.append(value.item())
            right.append((outputs.argmax(1) == labels).float().mean().item())
            counts.append(1 if mean else len(labels))
    if restore:
        model.train(before)
    return float(np.average(losses, weights=counts)), float(np.average(right, weights=counts))


def all_at_once(model, batches):
    before = model.training
    model.eval()
    x, y = (torch.cat(part) for part in zip(*batches))
    with torch.no_grad():
        outputs = model(x)
    model.train(before)
    right = (outputs.argmax(1) == y).double().mean().item()
    return F.cross_entropy(outputs, y).item(), right


RIGHT = {
    "train_epoch": [epoch, by_gradients],
    "warmup_then_linear": [line, interpolated],
    "measure_all": [measured, all_at_once],
}
WRONG = {
    "train_epoch": {
        "zeros": lambda m, b, o: [0.0] * len(b),
        "nan": lambda m, b, o: [math.nan] * len(b),
        "never cleared": lambda m, b, o: epoch(m, b, o, clear=False),
        "cleared once": cleared_once,
        "no step": lambda m, b, o: epoch(m, b, torch.optim.SGD(m.parameters(), lr=0.0)),
        "an optimizer of its own": own_optimizer,
        "step before backward": stepped_before,
        "losses of the trained model": measured_after,
        "evaluation mode": lambda m, b, o: epoch(m, b, o, mode=False),
        "last batch first": lambda m, b, o: epoch(m, b, o, order=lambda b: b[::-1]),
        "without the last batch": lambda m, b, o: epoch(m, b, o, order=lambda b: b[: len(b) - 1]),
        "two epochs": lambda m, b, o: epoch(m, b, o) and epoch(m, b, o),
        "summed losses": lambda m, b, o: epoch(
            m, b, o, loss=lambda p, y: F.cross_entropy(p, y, reduction="sum")
        ),
        "softmax before": lambda m, b, o: epoch(
            m, b, o, loss=lambda p, y: F.cross_entropy(p.softmax(1), y)
        ),
        "uphill": lambda m, b, o: epoch(m, b, o, loss=lambda p, y: -F.cross_entropy(p, y)),
        "tensors": lambda m, b, o: [torch.tensor(v) for v in epoch(m, b, o)],
        "a tensor": lambda m, b, o: torch.tensor(epoch(m, b, o)),
        "the mean": lambda m, b, o: sum(epoch(m, b, o)) / len(b),
        "nothing": lambda m, b, o: epoch(m, b, o) and None,
    },
    "warmup_then_linear": {
        "zero": lambda s, t, w: 0.0,
        "nan": lambda s, t, w: math.nan,
        "constant": lambda s, t, w: min(1.0, (s + 1) / (w + 1)),
        "no warmup": lambda s, t, w: (t - s) / t,
        "starts at 0": lambda s, t, w: s / w if s < w else line(s, t, w),
        "warm a step early": lambda s, t, w: (s + 1) / w if s < w else line(s, t, w),
        "0 in the last step": lambda s, t, w: (
            line(s, t, w) if s < w else (t - 1 - s) / max(1, t - 1 - w)
        ),
        "divided by all steps": lambda s, t, w: line(s, t, w) if s < w else (t - s) / t,
        "a step late": lambda s, t, w: line(s, t, w) if s <= w else (t - s + 1) / (t - w),
        "cosine": lambda s, t, w: (
            line(s, t, w) if s < w else (1 + math.cos(math.pi * (s - w) / (t - w))) / 2
        ),
        "a tensor": lambda s, t, w: torch.tensor(line(s, t, w)),
        "whole numbers": lambda s, t, w: int(line(s, t, w)),
    },
    "measure_all": {
        "zeros": lambda m, b: (0.0, 0.0),
        "nan": lambda m, b: (math.nan, math.nan),
        "mean of batch means": lambda m, b: measured(m, b, mean=True),
        "mode as it came": lambda m, b: measured(m, b, mode=None),
        "training mode": lambda m, b: measured(m, b, mode=True),
        "mode not put back": lambda m, b: measured(m, b, restore=False),
        "always training afterwards": lambda m, b: (measured(m, b), m.train())[0],
        "leaves gradients": lambda m, b: measured(m, b, grad=True),
        "first batch alone": lambda m, b: measured(m, b[:1]),
        "sums": lambda m, b: tuple(v * sum(len(y) for _, y in b) for v in measured(m, b)),
        "the other way round": lambda m, b: measured(m, b)[::-1],
        "errors": lambda m, b: (measured(m, b)[0], 1 - measured(m, b)[1]),
        "a list": lambda m, b: list(measured(m, b)),
        "a dict": lambda m, b: dict(zip(("loss", "accuracy"), measured(m, b))),
        "tensors": lambda m, b: tuple(map(torch.tensor, measured(m, b))),
        "the loss alone": lambda m, b: measured(m, b)[0],
    },
}


TestAnswers = answers("training_loop", RIGHT, WRONG)


def test_a_wrong_answer_is_told_what_was_called_and_what_was_expected(capsys):
    check("training_loop.train_epoch", WRONG["train_epoch"]["never cleared"])
    out = capsys.readouterr().out
    assert "train_epoch(" in out and "expected" in out and "clear the gradient" in out


def test_an_answer_that_spoils_its_input_cannot_spoil_what_is_expected():
    def spoil(model, batches, optimizer):
        losses = epoch(model, batches, optimizer)
        for inputs, _ in batches:
            inputs.zero_()
        return losses

    assert check("training_loop.train_epoch", spoil) is True


def test_the_formula_of_the_gradient_trains_as_autograd_and_torch_do():
    draw = torch.Generator().manual_seed(3)
    batches = [_batch(draw, n) for n in (5, 3, 1)]
    model = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    weights = model.weight.detach().tolist()
    sgd = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.8)
    theirs = epoch(model, [(x.double(), y) for x, y in batches], sgd)
    assert _by_formula(weights, batches, 0.3, 0.8) == pytest.approx(theirs, abs=1e-12)
    torch.testing.assert_close(torch.tensor(weights, dtype=torch.float64), model.weight.detach())


def test_the_loop_over_examples_agrees_with_scikit_learn():
    draw = torch.Generator().manual_seed(4)
    batches = [_batch(draw, n) for n in (7, 2, 5)]
    linear = nn.Linear(3, 3)
    x, y = (torch.cat(part) for part in zip(*batches))
    with torch.no_grad():
        probabilities = linear.double()(x.double()).softmax(1).numpy()
    loss, right = _example_by_example(linear, batches)
    assert loss == pytest.approx(log_loss(y, probabilities, labels=[0, 1, 2]))
    assert right == accuracy_score(y, probabilities.argmax(1))
