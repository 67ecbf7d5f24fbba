"""Training with auxiliary classifiers: a loss over all of them, and the accuracy of the last."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from labnotes.metrics.classification import accuracy


def auxiliary_cross_entropy(weight: float = 0.3) -> Callable:
    """A loss for :func:`labnotes.train.fit`: cross-entropy at all classifiers of a network.

    It gives ``main + weight * (aux1 + aux2)`` for :class:`~labnotes.convnets.GoogLeNetOutputs`,
    torchvision's included, and plain cross-entropy for the logits that a network gives in
    evaluation.

    Parameters
    ----------
    weight
        Of each auxiliary loss, at least 0.

    Returns
    -------
    callable
        ``loss(outputs, targets)``.

    Raises
    ------
    ValueError
        If the weight is negative.

    References
    ----------
    Szegedy et al. (2015), section 5: a weight of 0.3.

    Examples
    --------
    >>> from labnotes.convnets import GoogLeNetOutputs
    >>> logits = torch.zeros(2, 10)
    >>> outputs = GoogLeNetOutputs(logits, logits, logits)
    >>> auxiliary_cross_entropy(0.5)(outputs, torch.tensor([1, 2])) / torch.tensor(10.0).log()
    tensor(2.)
    """
    _check_weight(weight)

    def loss(outputs, targets: torch.Tensor) -> torch.Tensor:
        if isinstance(outputs, torch.Tensor):
            return F.cross_entropy(outputs, targets)
        logits, *auxiliary = outputs
        total = F.cross_entropy(logits, targets)
        for aux_logits in auxiliary:
            if aux_logits is not None:
                total = total + weight * F.cross_entropy(aux_logits, targets)
        return total

    # A checkpoint knows the loss by its name: another weight is another run.
    loss.__name__ = f"auxiliary_cross_entropy({weight})"
    return loss


def main_accuracy(outputs, targets: torch.Tensor) -> torch.Tensor:
    """The accuracy of the main logits, for ``fit(..., metrics={"accuracy": main_accuracy})``.

    Parameters
    ----------
    outputs
        Logits ``(batch, classes)``, or :class:`~labnotes.convnets.GoogLeNetOutputs`.
    targets
        Classes, ``(batch,)``.
    """
    logits = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    return accuracy(logits, targets)


def _check_weight(weight) -> None:
    if not weight >= 0:
        raise ValueError(f"weight is {weight}: give 0 or more")
