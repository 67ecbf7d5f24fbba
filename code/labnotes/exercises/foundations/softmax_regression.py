"""Checkers for the exercises of the chapter foundations/softmax-regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


def _loss(logits: list[float], label: int) -> float:
    """Minus the logarithm of the label's probability, one number at a time."""
    top = max(logits)
    return math.log(sum(math.exp(z - top) for z in logits)) + top - logits[label]


def _mean_loss(logits: list[list[float]], labels: list[int]) -> float:
    return sum(map(_loss, logits, labels)) / len(labels)


@checker("softmax_regression.cross_entropy")
def cross_entropy(answer: Callable) -> Iterator[Case]:
    """``answer(logits, labels)``: (batch, classes), (batch,) -> ().

    Expected: the mean over the batch of minus the logarithm of the label's probability, computed
    with Python's floats.
    """
    draw = torch.Generator().manual_seed(0)
    yield _loss_case(answer, torch.zeros(1, 4), [2], "four equal logits: each class gets 1/4, ln 4")
    yield _loss_case(answer, torch.tensor([[3.0, 1.0, -3.0]]), [1],
                     "minus the logarithm of the label's probability")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[3.0, 1.0], [0.0, 2.0]]), [1, 1],
                     "a mean over the batch, and a softmax within each row")  # fmt: skip
    yield _loss_case(answer, torch.randn(5, 3, generator=draw), [0, 2, 1, 1, 0],
                     "row i has its own label: logits[torch.arange(batch), labels]")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[1000.0, 998.0]]), [0],
                     "exp(1000) is infinite: subtract the largest logit first")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[-1000.0, -1001.0]]), [1],
                     "exp(-1000) is 0: subtract the largest logit, not 0 or 1000")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[1000.0, 0.0, 500.0]]), [1],
                     "the probability rounds to 0: never form it, log p = z - log-sum-exp")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]), [0, 1],
                     "each row has a largest logit of its own")  # fmt: skip
    yield _loss_case(answer, torch.tensor([[90.0, 0.0], [-1000.0, -1002.0]]), [0, 1],
                     "the largest logit of the whole batch is too large for the other rows")  # fmt: skip


def _loss_case(answer: Callable, logits: Tensor, labels: list[int], hint: str) -> Case:
    return Case(
        call=f"cross_entropy_of_mine({_show(logits)}, torch.tensor({labels}))",
        got=answer(logits.clone(), torch.tensor(labels)),
        expected=torch.tensor(_mean_loss(logits.tolist(), labels), dtype=logits.dtype),
        # single precision rounds a logit of 1000 to 6e-5: a right formula may differ by that
        tolerance=1e-5 + 2e-7 * logits.abs().max().item(),
        hint=hint,
    )


@checker("softmax_regression.gradients")
def gradients(answer: Callable) -> Iterator[Case]:
    """``answer(weight, bias, x, labels)``: (classes, d), (classes,), (batch, d), (batch,) -> two.

    Expected: the gradients of the mean cross-entropy by weight and bias, from differences of that
    loss when one parameter is moved by a little.
    """
    draw = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    zero = torch.zeros(2, 1, dtype=torch.float64)
    yield _gradient_case(answer, zero, zero[:, 0], torch.ones_like(zero[:1]), [1],
                         "p = (1/2, 1/2), y = (0, 1): the gradient is p - y, not y - p")  # fmt: skip
    for (n, d, k), hint in [
        ((1, 3, 2), "the gradient by the weight has the weight's shape, (classes, d)"),
        ((4, 2, 3), "a mean over the batch: divide by the number of examples"),
        ((2, 4, 4), "row j of the gradient belongs to class j"),
        ((6, 5, 3), "p comes from the logits x @ weight.T + bias, bias included"),
    ]:
        labels = torch.randint(k, (n,), generator=draw).tolist()
        yield _gradient_case(answer, random(k, d), 2 * random(k), random(n, d), labels, hint)


def _gradient_case(answer, weight: Tensor, bias: Tensor, x: Tensor, labels, hint: str) -> Case:
    def loss(moved_weight: list[list[float]], moved_bias: list[float]) -> float:
        logits = [
            [_dot(w, row) + b for w, b in zip(moved_weight, moved_bias, strict=True)]
            for row in x.tolist()
        ]
        return _mean_loss(logits, labels)

    def slope(parameter: Tensor, at: tuple[int, ...]) -> float:
        ends = []
        for step in (1e-5, -1e-5):
            w, b = weight.clone(), bias.clone()
            (w if parameter is weight else b)[at] += step
            ends.append(loss(w.tolist(), b.tolist()))
        return (ends[0] - ends[1]) / 2e-5

    expected = tuple(
        torch.tensor([slope(p, tuple(at)) for at in torch.cartesian_prod(
            *map(torch.arange, p.shape)).view(-1, p.dim()).tolist()], dtype=p.dtype).view(p.shape)
        for p in (weight, bias)
    )  # fmt: skip
    return Case(
        call=f"gradients({_show(weight)}, {_show(bias)}, {_show(x)}, torch.tensor({labels}))",
        got=answer(weight.clone(), bias.clone(), x.clone(), torch.tensor(labels)),
        expected=expected,
        tolerance=1e-6,
        hint=hint,
    )


@checker("softmax_regression.fit_temperature")
def fit_temperature(answer: Callable) -> Iterator[Case]:
    """``answer(logits, labels)``: (examples, classes), (examples,) -> a float.

    Expected: the temperature with the lowest mean cross-entropy, from a golden-section search over
    its logarithm with Python's floats.
    """
    half = torch.tensor([[1.0, 0.0]] * 4)
    yield _temperature_case(answer, half, [0, 0, 0, 1],
                            "three of four right: the best T gives the guess 3/4, "
                            "so 1 / T = ln 3")  # fmt: skip
    yield _temperature_case(answer, 8 * half, [0, 0, 0, 1],
                            "eight times the logits, eight times the temperature: T divides")  # fmt: skip
    draw = torch.Generator().manual_seed(0)
    for n, k, scale, hint in [
        (300, 3, 1.0, "minimise the cross-entropy, not the mistakes: T changes no guess"),
        (200, 5, 4.0, "the logits are about four times too large: T is well above 1"),
        (300, 4, 0.2, "the logits are too small: T is below 1"),
    ]:
        logits = 2 * torch.randn(n, k, generator=draw)
        labels = torch.multinomial(logits.softmax(1), 1, generator=draw)[:, 0].tolist()
        yield _temperature_case(answer, scale * logits, labels, hint)


def _temperature_case(answer: Callable, logits: Tensor, labels: list[int], hint: str) -> Case:
    rows = logits.tolist()

    def loss(log_t: float) -> float:
        return _mean_loss([[z / math.exp(log_t) for z in row] for row in rows], labels)

    low, high, golden = math.log(0.05), math.log(20.0), (math.sqrt(5) - 1) / 2
    for _ in range(30):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    shown = f"{_show(logits)}, torch.tensor({labels})" if len(rows) < 6 else (
        f"logits {tuple(logits.shape)}, labels ({len(labels)},)")  # fmt: skip
    return Case(
        call=f"fit_temperature({shown})",
        got=answer(logits.clone(), torch.tensor(labels)),
        expected=math.exp((low + high) / 2),
        tolerance=5e-4,
        hint=hint,
    )


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _show(tensor: Tensor) -> str:
    text = str(tensor.tolist())
    return f"torch.tensor({text if len(text) <= 120 else text[:117] + '...'})"
