"""Checkers for the exercises of the chapter start/how-to-use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from labnotes.exercises import Case, checker


@checker("how_to_use.accuracy")
def accuracy(answer: Callable) -> Iterator[Case]:
    """``answer(scores, labels)``: (pictures, kinds), (pictures,) -> float.

    Expected: how often the label names the largest score of its row, counted in plain Python.
    """
    draw = torch.Generator().manual_seed(0)
    first = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    yield _accuracy_case(answer, first, torch.tensor([1, 0, 0, 0]), "three rows of four are right")
    yield _accuracy_case(
        answer,
        -first,
        torch.tensor([1, 0, 0, 1]),
        "scores may be negative: only their order counts",
    )
    scores = torch.randn(30, 5, generator=draw)
    labels = torch.randint(5, (30,), generator=draw)
    hint = "argmax over the columns (dimension 1) gives one guess for each row"
    yield _accuracy_case(answer, scores, labels, hint)
    yield _accuracy_case(answer, scores[:1], scores[:1].argmax(1), "one picture, and it is right")


def _accuracy_case(answer: Callable, scores: Tensor, labels: Tensor, hint: str) -> Case:
    pairs = zip(scores.tolist(), labels.tolist(), strict=True)
    hits = [row.index(max(row)) == label for row, label in pairs]
    return Case(
        call=f"accuracy({_show(scores)}, {_show(labels)})",
        got=answer(scores.clone(), labels.clone()),
        expected=sum(hits) / len(hits),
        hint=hint,
    )


@checker("how_to_use.constant_guess")
def constant_guess(answer: Callable) -> Iterator[Case]:
    """``answer(train_labels, test_labels)``: (pictures,), (pictures,) -> float.

    Expected: the share of the test's labels that are the commonest one of training, counted in
    plain Python.
    """
    draw = torch.Generator().manual_seed(0)
    hint = "count in the training labels, measure on the test labels"
    train, test = torch.tensor([2, 0, 2, 1]), torch.tensor([0, 2, 0, 0])
    yield _constant_case(answer, train, test, hint)
    yield _constant_case(answer, torch.tensor([1, 0, 0]), torch.tensor([0, 0, 1]), hint)
    train = torch.randint(4, (41,), generator=draw)
    yield _constant_case(answer, train, torch.randint(4, (30,), generator=draw), hint)


def _constant_case(answer: Callable, train: Tensor, test: Tensor, hint: str) -> Case:
    [(commonest, _)] = Counter(train.tolist()).most_common(1)
    return Case(
        call=f"constant_guess({_show(train)}, {_show(test)})",
        got=answer(train.clone(), test.clone()),
        expected=test.tolist().count(commonest) / len(test),
        hint=hint,
    )


def _show(tensor: Tensor) -> str:
    """Small tensors in full, larger ones by shape."""
    if tensor.numel() <= 8:
        return f"tensor({[_rounded(each) for each in tensor.tolist()]})"
    return f"<tensor {tuple(tensor.shape)}>"


def _rounded(value):
    return [_rounded(v) for v in value] if isinstance(value, list) else round(value, 4)
