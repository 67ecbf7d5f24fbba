"""Checkers for the exercises of the chapter start/tensors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

import torch

from labnotes.exercises import Case, checker


@checker("tensors.pairwise_distances")
def pairwise_distances(answer: Callable) -> Iterator[Case]:
    """``answer(points, centres)``: (points, features), (centres, features) -> (points, centres).

    Expected: the Euclidean distance of every point to every centre, by a double loop over
    :func:`math.dist`, in the dtype of the points.
    """
    draw = torch.Generator().manual_seed(0)
    hint = "subtract (points, 1, features) and (1, centres, features), square, sum over the last"
    corner = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    yield _distance_case(answer, corner, torch.tensor([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0]]), hint)
    yield _distance_case(
        answer,
        torch.tensor([[2.0, -1.0]]),
        torch.tensor([[2.0, -1.0]]),
        "one point and one centre still give a matrix: do not squeeze",
    )
    square = torch.randn(4, 3, generator=draw)
    yield _distance_case(
        answer,
        square,
        torch.randn(4, 3, generator=draw),
        "rows are points and columns are centres, not the other way round",
    )
    yield _distance_case(
        answer, torch.randn(5, 1, generator=draw), torch.randn(2, 1, generator=draw), hint
    )
    double = torch.randn(3, 6, generator=draw, dtype=torch.float64)
    yield _distance_case(answer, double, double - 2, "keep the dtype of the input")


def _distance_case(
    answer: Callable, points: torch.Tensor, centres: torch.Tensor, hint: str
) -> Case:
    expected = torch.tensor(
        [[math.dist(p, c) for c in centres.tolist()] for p in points.tolist()], dtype=points.dtype
    )
    return Case(
        call=f"pairwise_distances({_show(points)}, {_show(centres)})",
        got=answer(points.clone(), centres.clone()),
        expected=expected,
        tolerance=1e-5,
        hint=hint,
    )


@checker("tensors.weighted_means")
def weighted_means(answer: Callable) -> Iterator[Case]:
    """``answer(weights, values)``: (batch, rows, items), (batch, items, features) -> (batch, rows, features).

    Expected: for each batch and row the mean of the items' features, weighted by that row and
    divided by the row's sum, by plain loops.
    """
    draw = torch.Generator().manual_seed(0)
    first = torch.tensor([[[1.0, 1.0], [3.0, 1.0]]]), torch.tensor([[[0.0, 10.0], [4.0, 20.0]]])
    yield _mean_case(
        answer,
        *first,
        "the weights of a row need not sum to 1: divide each row by its own sum, whose shape "
        "(batch, rows, 1) keepdim=True keeps",
    )
    yield _mean_case(
        answer,
        torch.rand(2, 3, 4, generator=draw) + 0.1,
        torch.randn(2, 4, 5, generator=draw),
        "(batch, rows, items) times (batch, items, features): bmm sums over items",
    )
    yield _mean_case(
        answer,
        torch.rand(3, 2, 2, generator=draw) + 0.1,
        torch.randn(3, 2, 2, generator=draw),
        "sum the weights over the items (the last dimension), and transpose nothing",
    )
    yield _mean_case(
        answer,
        torch.rand(1, 1, 3, generator=draw) + 0.1,
        torch.randn(1, 3, 1, generator=draw),
        "a batch of one is still a batch: keep all three dimensions",
    )


def _mean_case(answer: Callable, weights: torch.Tensor, values: torch.Tensor, hint: str) -> Case:
    batch, rows, items = weights.shape
    features = values.shape[2]
    w, v = weights.tolist(), values.tolist()
    expected = torch.tensor(
        [
            [
                [
                    sum(w[b][r][i] * v[b][i][f] for i in range(items)) / sum(w[b][r])
                    for f in range(features)
                ]
                for r in range(rows)
            ]
            for b in range(batch)
        ]
    )
    return Case(
        call=f"weighted_means({_show(weights)}, {_show(values)})",
        got=answer(weights.clone(), values.clone()),
        expected=expected,
        tolerance=1e-5,
        hint=hint,
    )


@checker("tensors.majority_vote")
def majority_vote(answer: Callable) -> Iterator[Case]:
    """``answer(distances, labels, k)``: (queries, examples), (examples,) -> classes (queries,), int64.

    Expected: the commonest label among the `k` nearest examples, of several the smallest label,
    by sorting and counting in plain Python.
    """
    draw = torch.Generator().manual_seed(0)
    distances = torch.tensor([[0.1, 0.2, 0.3, 0.9], [0.8, 0.7, 0.2, 0.1]])
    labels = torch.tensor([2, 0, 0, 1])
    yield _vote_case(
        answer, distances, labels, 1, "the nearest example is the one of smallest distance"
    )
    yield _vote_case(
        answer, distances, labels, 3, "count the labels of the k nearest, not their distances"
    )
    yield _vote_case(answer, distances, labels, 2, "in a tie the smallest label wins")
    yield _vote_case(
        answer,
        torch.rand(6, 20, generator=draw),
        torch.randint(5, (20,), generator=draw),
        7,
        "topk gives positions of examples: look their labels up",
    )
    yield _vote_case(
        answer, distances[:1], labels, 4, "one query still gives a tensor of one class"
    )


def _vote_case(
    answer: Callable, distances: torch.Tensor, labels: torch.Tensor, k: int, hint: str
) -> Case:
    expected = []
    for row in distances.tolist():
        nearest = sorted(range(len(row)), key=row.__getitem__)[:k]
        votes = Counter(labels[i].item() for i in nearest)
        expected.append(min(c for c, n in votes.items() if n == max(votes.values())))
    return Case(
        call=f"majority_vote({_show(distances)}, {_show(labels)}, k={k})",
        got=answer(distances.clone(), labels.clone(), k),
        expected=torch.tensor(expected),
        hint=hint,
    )


def _show(tensor: torch.Tensor) -> str:
    """Small tensors in full, larger ones by shape."""
    if tensor.numel() <= 8:
        return f"tensor({tensor.tolist()})"
    return f"<tensor {tuple(tensor.shape)}>"
