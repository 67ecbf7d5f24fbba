"""Distribution shift: weights that make old data stand for new data, and a fit that uses them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labnotes.generalization.checks import check_inputs


def importance_weights(logits: Tensor, source_rows: int, target_rows: int) -> Tensor:
    """The density of the target over that of the source, from a classifier of the two domains.

    Parameters
    ----------
    logits
        ``(rows,)``, floating point: the classifier's log odds that a row is from the target.
    source_rows, target_rows
        How many rows of each domain the classifier was trained on.

    Returns
    -------
    Tensor
        ``(rows,)``. For a perfect classifier their mean over the source tends to 1.

    Raises
    ------
    ValueError
        If the logits are not finite, or so large that a weight overflows; if a count is below 1.

    References
    ----------
    Bickel, Brückner and Scheffer, "Discriminative Learning for Differing Training and Test
    Distributions", 2007.

    Examples
    --------
    >>> importance_weights(torch.tensor([0.0, 1.0]).log1p(), 30, 10)
    tensor([3., 6.])
    """
    _check_domains(logits, source_rows, target_rows)
    weights = logits.exp() * (source_rows / target_rows)
    _check_weights(weights, f"logits of the shape {tuple(logits.shape)} give weights")
    return weights


def effective_sample_size(weights: Tensor) -> float:
    """How many rows of equal weight would give a mean of the same variance.

    ``sum(weights) ** 2 / sum(weights ** 2)``: the number of rows if all weights are equal, 1 if
    one row has all the weight.

    Parameters
    ----------
    weights
        ``(rows,)``, floating point, at least 0 and not all 0.

    Raises
    ------
    ValueError
        If the weights are not of this kind.

    References
    ----------
    Kish, "Survey Sampling", 1965.
    """
    _check_weights(weights, "weights")
    weights = weights.double() / weights.max()  # so that no square overflows
    return float(weights.sum() ** 2 / (weights**2).sum())


def joint_confusion(labels: Tensor, guesses: Tensor, classes: int) -> Tensor:
    """The share of the rows with each label (row of the matrix) and each guess (column).

    Parameters
    ----------
    labels, guesses
        ``(rows,)``, whole numbers from 0 to classes - 1. The rows must be others than those that
        the guesser was trained on.
    classes
        How many there are.

    Returns
    -------
    Tensor
        ``(classes, classes)``, float64; its sum is 1.

    Raises
    ------
    ValueError
        If shapes differ, there is no row, or a number is no class.
    """
    _check_pairs(labels, guesses, classes)
    counts = torch.bincount(labels * classes + guesses, minlength=classes**2)
    return counts.view(classes, classes).double() / len(labels)


def label_shift_weights(confusion: Tensor, guessed: Tensor) -> Tensor:
    """For each class its share in the target over its share in the source (BBSE).

    It solves ``weights @ confusion == guessed``, which holds if the classes look the same in both
    domains and every class of the target is one of the source.

    Parameters
    ----------
    confusion
        ``(classes, classes)`` of the source, see :func:`joint_confusion`.
    guessed
        ``(classes,)``: the share of each guess among the rows of the target.

    Returns
    -------
    Tensor
        ``(classes,)``, float64. Times the shares of the source they sum to 1, whether the
        assumption holds or not. A weight below 0 is an error of estimation, or a sign that it
        does not hold.

    Raises
    ------
    ValueError
        If a shape is wrong, shares do not sum to 1, or the matrix has no inverse.

    References
    ----------
    Lipton, Wang and Smola, "Detecting and Correcting for Label Shift with Black Box Predictors",
    2018. The paper's matrix is the transpose of this one.
    """
    _check_confusion(confusion, guessed)
    return torch.linalg.solve(confusion.double().T, guessed.double())


def softmax_regression(
    inputs: Tensor,
    labels: Tensor,
    classes: int,
    *,
    weights: Tensor | None = None,
    penalty: float = 1e-3,
    steps: int = 200,
) -> nn.Linear:
    """The linear classifier with the least weighted cross-entropy.

    It minimizes ``sum(r * cross_entropy) / sum(r) + penalty / 2 * (w ** 2).sum()`` over matrices
    ``w``, with one number ``r`` for each row; the biases are not penalized.

    Parameters
    ----------
    inputs
        ``(rows, columns)``, floating point.
    labels
        ``(rows,)``, whole numbers from 0 to classes - 1.
    classes
        How many there are.
    weights
        ``(rows,)``, at least 0 and not all 0; by default every row counts the same.
    penalty
        0 or more. Scikit-learn's ``LogisticRegression(C)`` has the same solution for
        ``C = 1 / (penalty * weights.sum())``.
    steps
        At most so many steps of L-BFGS, an optimizer for losses without noise.

    Returns
    -------
    nn.Linear
        Its outputs are logits ``(rows, classes)``; it takes no gradients.

    Raises
    ------
    ValueError
        If shapes do not match or a number is out of its range.

    References
    ----------
    Shimodaira, "Improving predictive inference under covariate shift by weighting the
    log-likelihood function", 2000.
    """
    _check_fit(inputs, labels, classes, weights, penalty, steps)
    weights = inputs.new_ones(len(inputs)) if weights is None else weights.to(inputs.dtype)
    model = nn.Linear(inputs.shape[1], classes, device=inputs.device, dtype=inputs.dtype)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    share = weights / weights.sum()  # (rows,)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=steps, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        each = F.cross_entropy(model(inputs), labels, reduction="none")  # (rows,)
        value = share @ each + penalty / 2 * model.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return model.requires_grad_(False)


def _check_tensor(name: str, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} are of the type {type(value).__name__}: give a tensor")


def _check_count(count: int, of: str) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"got {count!r} {of}: give a whole number of at least 1")


def _check_domains(logits: Tensor, source_rows: int, target_rows: int) -> None:
    _check_tensor("logits", logits)
    for count in (source_rows, target_rows):
        _check_count(count, "rows")


def _check_weights(weights: Tensor, what: str) -> None:
    _check_tensor(what, weights)
    if weights.dim() != 1 or not weights.is_floating_point() or not weights.numel():
        raise ValueError(
            f"{what} of the shape {tuple(weights.shape)} and type {weights.dtype}: give floating "
            "point numbers, one for each row, (rows,)"
        )
    if not weights.isfinite().all():
        raise ValueError(
            f"{what} that are not finite: a row that only the target can have has no weight. Use "
            "fewer features, or a classifier of the domains with a larger penalty"
        )
    if weights.min() < 0 or not weights.max() > 0:
        raise ValueError(
            f"{what} from {weights.min():g} to {weights.max():g}: give numbers of at least 0, not "
            "all 0"
        )


def _check_classes(name: str, value: Tensor, classes: int) -> None:
    _check_tensor(name, value)
    _check_count(classes, "classes")
    if value.dim() != 1 or value.dtype != torch.int64 or not value.numel():
        raise ValueError(
            f"{name} have shape {tuple(value.shape)} and type {value.dtype}: give int64 numbers, "
            "one for each row, (rows,)"
        )
    if value.min() < 0 or value.max() >= classes:
        raise ValueError(
            f"{name} from {value.min()} to {value.max()}: give numbers from 0 to {classes - 1}"
        )


def _check_pairs(labels: Tensor, guesses: Tensor, classes: int) -> None:
    for name, value in (("labels", labels), ("guesses", guesses)):
        _check_classes(name, value, classes)
    if labels.shape != guesses.shape:
        raise ValueError(f"{len(labels)} labels, {len(guesses)} guesses: give one of each a row")


def _check_confusion(confusion: Tensor, guessed: Tensor) -> None:
    for name, value in (("confusion", confusion), ("guessed", guessed)):
        _check_tensor(name, value)
    if guessed.dim() != 1 or not len(guessed) or confusion.shape != (len(guessed),) * 2:
        raise ValueError(
            f"confusion has shape {tuple(confusion.shape)}, guessed {tuple(guessed.shape)}: give "
            "(classes, classes) and (classes,)"
        )
    for name, value in (("confusion", confusion), ("guessed", guessed)):
        # turned this way round, NaN is refused too
        if not (value.min() >= 0 and abs(value.sum() - 1) <= 1e-4):
            raise ValueError(
                f"{name} sums to {value.sum():g}, its least number is {value.min():g}: give "
                "shares, which are at least 0 and sum to 1"
            )
    if torch.linalg.cond(confusion.double()) > 1e10:
        raise ValueError(
            "the confusion matrix has no inverse: a class is missing, is never guessed, or is "
            "guessed like a mixture of others. Join classes, or use a better classifier"
        )


def _check_fit(
    inputs: Tensor,
    labels: Tensor,
    classes: int,
    weights: Tensor | None,
    penalty: float,
    steps: int,
) -> None:
    _check_tensor("inputs", inputs)
    check_inputs(inputs)
    if not inputs.isfinite().all():
        raise ValueError("inputs have numbers that are not finite: leave such rows out")
    _check_classes("labels", labels, classes)
    if weights is not None:
        _check_tensor("weights", weights)
        _check_weights(weights.to(inputs.dtype), "weights")
    rows = len(labels) if weights is None else len(weights)
    if not len(inputs) == len(labels) == rows:
        raise ValueError(
            f"{len(inputs)} rows of inputs, {len(labels)} labels, {rows} weights: give one label "
            "and one weight for each row"
        )
    if not 0 <= penalty < float("inf"):
        raise ValueError(f"penalty is {penalty}: give a finite number, 0 or more")
    _check_count(steps, "steps")
