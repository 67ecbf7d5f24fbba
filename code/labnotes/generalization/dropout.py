"""Dropout: one network that is trained as many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from labnotes.generalization.checks import check_table


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Set each number to 0 with probability `p`, and divide the others by ``1 - p``.

    Parameters
    ----------
    x
        Of any shape; every element has a draw of its own, so every example of a batch another mask.
    p
        The probability of 0, at least 0 and below 1.
    training
        If false, `x` is given back as it is.

    Returns
    -------
    Tensor
        Of the shape of `x`. Its expectation over the draws is `x`.

    Raises
    ------
    ValueError
        If `p` is out of its range, or `x` no tensor of floating point numbers.

    References
    ----------
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014,
    section 4; the division during training stands in section 10.
    """
    _check_probability(p)
    _check_floats(x)
    if not training:
        return x
    mask = torch.rand_like(x) >= p  # 1 with probability 1 - p
    return x * mask / (1 - p)


class Dropout(nn.Module):
    """:func:`dropout` as a layer: at work in ``train()`` mode, idle in ``eval()`` mode.

    Parameters
    ----------
    p
        The probability of 0, at least 0 and below 1.

    Raises
    ------
    ValueError
        If `p` is out of its range.
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        _check_probability(p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)


@contextmanager
def dropping(model: nn.Module) -> Iterator[None]:
    """For a while, dropout is at work and everything else, such as a normalization, is not.

    Parameters
    ----------
    model
        Its modules are afterwards in the modes that they were in.

    Raises
    ------
    ValueError
        If the model has no dropout layer.
    """
    kinds = (Dropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
    modes = [(module, module.training) for module in model.modules()]
    if not any(isinstance(module, kinds) for module, _ in modes):
        raise ValueError("the model has no dropout layer: every pass would give the same")
    try:
        for module, _ in modes:
            module.training = isinstance(module, kinds)
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@torch.no_grad()
def monte_carlo(model: nn.Module, inputs: Tensor, passes: int) -> Tensor:
    """The class probabilities of many passes, each with other masks.

    Parameters
    ----------
    model
        Gives logits ``(batch, classes)``; it has a dropout layer.
    inputs
        A batch.
    passes
        How many, at least 1.

    Returns
    -------
    Tensor
        ``(passes, batch, classes)``; its mean over the first axis is the average of the networks.

    Raises
    ------
    ValueError
        If the model has no dropout, or there is no pass.

    References
    ----------
    Srivastava et al. 2014, section 7.5; Gal and Ghahramani, "Dropout as a Bayesian Approximation",
    2016, section 4.
    """
    _check_passes(passes)
    with dropping(model):
        return torch.stack([model(inputs).softmax(1) for _ in range(passes)])


def expected_dropout_fit(inputs: Tensor, targets: Tensor, p: float) -> Tensor:
    """The weights with the least mean squared error, on average over all dropout masks.

    It minimizes ``((targets - dropout(inputs, p) @ w) ** 2).sum()`` in expectation, which is
    ``((targets - inputs @ w) ** 2).sum() + p / (1 - p) * (w ** 2 * (inputs ** 2).sum(0)).sum()``.

    Parameters
    ----------
    inputs
        ``(rows, columns)``, floating point, no column only zeros.
    targets
        ``(rows,)``.
    p
        The probability of 0, at least 0 and below 1; with 0 the columns must be independent.

    Returns
    -------
    Tensor
        ``(columns,)``.

    Raises
    ------
    ValueError
        If shapes do not match or `p` is out of its range.

    References
    ----------
    Srivastava et al. 2014, section 9.1.
    """
    _check_probability(p)
    check_table(inputs, targets)
    gram = inputs.T @ inputs  # (columns, columns)
    penalty = p / (1 - p) * torch.diag(gram.diagonal())
    return torch.linalg.solve(gram + penalty, inputs.T @ targets)


def _check_probability(p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"p is {p}: give a probability of at least 0 and below 1")


def _check_floats(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x is {kind}: give a tensor of floating point numbers")


def _check_passes(passes: int) -> None:
    if not isinstance(passes, int) or isinstance(passes, bool) or passes < 1:
        raise ValueError(f"passes is {passes!r}: give a whole number of at least 1")
