"""Weight decay: the step that shrinks, and the model that it ends at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from labnotes.generalization.checks import check_inputs, check_table


@torch.no_grad()
def decayed_step(parameters: Iterable[Tensor], lr: float, weight_decay: float) -> None:
    """One step of gradient descent with weight decay, in place.

    Every parameter ``w`` with the gradient ``g`` becomes ``(1 - lr * weight_decay) * w - lr * g``:
    that is the gradient step for the loss plus ``weight_decay / 2`` times the sum of the squares.

    Parameters
    ----------
    parameters
        Tensors of any shape. Those whose ``grad`` is None are left as they are.
    lr
        The learning rate, above 0.
    weight_decay
        How much is taken off, 0 or more.

    Raises
    ------
    ValueError
        If a number is out of its range, or `parameters` is a single tensor.

    References
    ----------
    Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", 1991, equations 2 and 3.
    """
    _check_step(parameters, lr, weight_decay)
    for w in parameters:
        if w.grad is not None:
            w.mul_(1 - lr * weight_decay)
            w.sub_(lr * w.grad)


@dataclass(frozen=True)
class LinearModel:
    """``inputs @ weights + bias``.

    Attributes
    ----------
    weights : Tensor
        ``(columns,)``.
    bias : float
    """

    weights: Tensor
    bias: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """``(rows, columns)`` -> ``(rows,)``."""
        return inputs @ self.weights + self.bias


def ridge(inputs: Tensor, targets: Tensor, penalty: float) -> LinearModel:
    """The linear model with the least half mean squared error plus half the penalty.

    It minimizes ``((inputs @ w + b - targets) ** 2).mean() / 2 + penalty / 2 * (w ** 2).sum()``.
    The bias is not penalized. With penalty 0, where many models fit equally well, it is the one
    with the shortest weight vector.

    Parameters
    ----------
    inputs
        ``(rows, columns)``, floating point.
    targets
        ``(rows,)``.
    penalty
        0 or more. Scikit-learn's ``Ridge(alpha)`` has the same solution for alpha = rows * penalty.

    Returns
    -------
    LinearModel

    Raises
    ------
    ValueError
        If shapes do not match, a value is NaN or infinite, or the penalty is negative.

    References
    ----------
    Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970,
    equation 2.1; Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2nd
    edition, equation 3.47.
    """
    check_table(inputs, targets)
    _check_finite(inputs, targets)
    _check_penalty(penalty)
    middle, mean = inputs.mean(0), targets.mean()
    u, s, vt = torch.linalg.svd(inputs - middle, full_matrices=False)  # s: (k,), k <= rows, columns
    kept = s > s.max() * max(inputs.shape) * torch.finfo(s.dtype).eps  # the others are 0, rounded
    gain = torch.where(kept, s / (s**2 + len(inputs) * penalty), 0.0)
    weights = vt.T @ (gain * (u.T @ (targets - mean)))  # (columns,)
    return LinearModel(weights, float(mean - middle @ weights))


def effective_parameters(inputs: Tensor, penalty: float) -> float:
    """How many weights of a :func:`ridge` model are free, as a number between 0 and the rank.

    Every direction of the data counts ``s^2 / (s^2 + rows * penalty)``, with ``s`` the singular
    values of the centred inputs. (The bias, which is not penalized, would count 1 more.)

    Parameters
    ----------
    inputs
        ``(rows, columns)``, floating point.
    penalty
        0 or more.

    Raises
    ------
    ValueError
        If `inputs` is not a table, a value is NaN or infinite, or the penalty is negative.

    References
    ----------
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2nd edition,
    equation 3.50, "effective degrees of freedom".
    """
    check_inputs(inputs)
    _check_finite(inputs)
    _check_penalty(penalty)
    s = torch.linalg.svdvals(inputs - inputs.mean(0))
    s = s[s > s.max() * max(inputs.shape) * torch.finfo(s.dtype).eps]
    return float((s**2 / (s**2 + len(inputs) * penalty)).sum())


def _check_step(parameters: Iterable[Tensor], lr: float, weight_decay: float) -> None:
    if isinstance(parameters, Tensor):  # its rows have no gradients: nothing would move
        raise ValueError("parameters is a tensor: give a list of them, [w]")
    if not lr > 0:
        raise ValueError(f"lr is {lr}: give a learning rate above 0")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay is {weight_decay}: give 0 or more")


def _check_finite(*tables: Tensor) -> None:
    if not all(table.isfinite().all() for table in tables):
        raise ValueError("there are NaN or infinite values: remove or replace those rows")


def _check_penalty(penalty: float) -> None:
    if not penalty >= 0:
        raise ValueError(f"penalty is {penalty}: give 0 or more")
