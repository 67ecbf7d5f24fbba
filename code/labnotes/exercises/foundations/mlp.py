"""Checkers for the exercises of the chapter foundations/mlp."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("mlp.hat")
def hat(answer: Callable) -> Iterator[Case]:
    """``answer(x, left, top, right)`` -> the triangle, of the shape of x.

    Expected: numpy's interpolation between its three corners.
    """
    for corners in ((0.0, 1.0, 2.0), (-1.0, 0.0, 3.0), (2.0, 2.5, 4.5)):
        for shape in ((7,), (2, 3)):
            count = torch.Size(shape).numel()
            x = torch.linspace(corners[0] - 1, corners[2] + 1, count).view(shape)
            expected = np.interp(x.numpy(), corners, (0, 1, 0))
            yield Case(
                call=f"hat(x, {', '.join(map(str, corners))}), x from {x.min():g} to {x.max():g} "
                f"of shape {shape}",
                got=answer(x.clone(), *corners),
                expected=torch.tensor(expected, dtype=x.dtype),
                tolerance=1e-5,
                hint="the slopes of the pieces are 0, 1 / (top - left), -1 / (right - top) and 0; "
                "each ReLU gives the change from one to the next",
            )


@checker("mlp.count_dead")
def count_dead(answer: Callable) -> Iterator[Case]:
    """``answer(pre)`` with pre-activations (examples, units) -> int.

    Expected: a loop over the units.
    """
    small = torch.tensor([[-1.0, 2.0, 0.0], [-3.0, -1.0, -2.0]])
    tables = [("torch.tensor([[-1., 2., 0.], [-3., -1., -2.]])", small)]
    draw = torch.Generator().manual_seed(0)
    for examples, units in ((1, 4), (50, 6), (3, 20)):
        pre = torch.randn(examples, units, generator=draw)
        pre[:, ::2] = -pre[:, ::2].abs()
        pre[-1, 0] = 0.5  # a unit that a single example switches on
        tables.append((f"pre), pre of shape {(examples, units)}", pre))
    for text, pre in tables:
        dead = sum(not any(value > 0 for value in unit) for unit in pre.T.tolist())
        yield Case(
            call=f"count_dead({text}" + (")" if text.startswith("torch") else ""),
            got=answer(pre.clone()),
            expected=dead,
            hint="a unit is a column, and dead if no example has a value above 0 there; give "
            "int(...) of the count",
        )


@checker("mlp.backward")
def backward(answer: Callable) -> Iterator[Case]:
    """``answer(x, labels, w2, hidden, logits)`` -> dict of seven gradients.

    Expected: autograd, one case for each gradient.
    """
    hints = {
        "logits": "softmax minus one-hot, divided by the number of examples",
        "w2": "logits = hidden @ w2.T + b2: its gradient is (classes, hidden units), a product of "
        "the gradient of logits and hidden",
        "b2": "b2 is added to every example: sum over them",
        "hidden": "what w2.T carried forward, w2 carries back",
        "pre": "times the derivative of tanh, 1 - hidden**2",
        "w1": "as for w2, with the inputs in place of hidden",
        "b1": "sum over the examples",
    }
    draw = torch.Generator().manual_seed(0)
    for batch, inputs, units, classes in ((1, 2, 2, 2), (5, 4, 3, 6), (8, 3, 7, 2)):
        shapes = {"x": (batch, inputs), "w1": (units, inputs), "b1": (units,)}
        shapes |= {"w2": (classes, units), "b2": (classes,)}
        t = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
        labels = torch.randint(classes, (batch,), generator=draw)
        for name in ("w1", "b1", "w2", "b2"):
            t[name].requires_grad_()
        t["pre"] = t["x"] @ t["w1"].T + t["b1"]
        t["hidden"] = torch.tanh(t["pre"])
        t["logits"] = t["hidden"] @ t["w2"].T + t["b2"]
        wanted = [t[name] for name in hints]
        expected = torch.autograd.grad(F.cross_entropy(t["logits"], labels), wanted)
        given = (t["x"], labels, t["w2"], t["hidden"], t["logits"])
        got = answer(*(tensor.detach().clone() for tensor in given))
        call = f"backward(...), {batch} examples, {inputs} inputs, {units} units, {classes} classes"
        yield Case(
            call=f"type({call}).__name__",
            got=type(got).__name__,
            expected="dict",
            hint=f"give a dict with the keys {', '.join(hints)}",
        )
        for (name, hint), gradient in zip(hints.items(), expected, strict=True):
            yield Case(
                call=f'{call}["{name}"]',
                got=got.get(name),
                expected=gradient,
                tolerance=1e-5,
                hint=hint,
            )
