"""What a loss is a mean of: a cross-entropy with ignored or weighted targets counts those alone."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.train import distributed

_FUNCTIONS = (F.cross_entropy, F.nll_loss)
_MODULES = (nn.CrossEntropyLoss, nn.NLLLoss)


def options(loss: Callable) -> dict | None:
    """How a cross-entropy or negative log-likelihood of torch counts; None for another loss."""
    for module in _MODULES:
        if isinstance(loss, module) and type(loss).forward is module.forward:
            return {
                "weight": loss.weight, "ignore_index": loss.ignore_index,
                "classifies": module is nn.CrossEntropyLoss,
            }  # fmt: skip
    function, given = loss, {}
    if isinstance(loss, functools.partial) and not loss.args:
        function, given = loss.func, loss.keywords
    if function not in _FUNCTIONS:
        return None
    return {
        "weight": given.get("weight"), "ignore_index": given.get("ignore_index", -100),
        "classifies": function is F.cross_entropy,
    }  # fmt: skip


def counted(loss: Callable) -> Callable[[Tensor, Tensor], tuple]:
    """The loss as a function of outputs and targets that also tells what it has counted.

    It gives ``(loss, targets, known)``. For torch's cross-entropies the loss is a pair (sum, count)
    with the count that ``reduction="mean"`` divides by: the targets that are not ignored, each by
    its class weight. `targets` is the number of those that are not ignored. For another loss they
    are the loss as it is and None. With ``reduction="sum"`` the sum itself is what is minimized;
    its mean is `known`, for the record.
    """
    kind, how = _reduction(loss), options(loss)
    if how is None or kind == "none":
        if kind != "sum":
            return lambda outputs, targets: (loss(outputs, targets), None, {})

        def whole(outputs, targets):
            value = loss(outputs, targets)
            return (value, 1 / distributed.processes()), None, {"loss": (value, len(targets))}

        return whole
    total = _summing(loss)

    def per_target(outputs: Tensor, targets: Tensor) -> tuple:
        value = total(outputs, targets)
        count, valid = _counts(outputs, targets, how["weight"], how["ignore_index"])
        if kind == "sum":
            return (value, 1 / distributed.processes()), valid, {"loss": (value, count)}
        return (value, count), valid, {}

    return per_target


def _counts(outputs: Tensor, targets: Tensor, weight: Tensor | None, ignore_index: int) -> tuple:
    """What torch's mean divides by, and the number of targets that are not ignored."""
    if targets.is_floating_point():  # probabilities of all classes: none is ignored
        classes = outputs.shape[min(1, outputs.dim() - 1)]
        return outputs.numel() // classes, outputs.numel() // classes
    valid = targets != ignore_index
    number = valid.sum()
    if weight is None:
        return number, number
    return (weight[targets.where(valid, 0)] * valid).sum(), number


def _reduction(loss: Callable) -> str:
    if isinstance(loss, functools.partial):
        return loss.keywords.get("reduction", "mean")
    return getattr(loss, "reduction", "mean")


def _summing(loss: Callable) -> Callable:
    """The same loss with ``reduction="sum"``."""
    if not isinstance(loss, nn.Module):
        return functools.partial(loss, reduction="sum")
    twin = copy.copy(loss)  # with the same weights
    twin.reduction = "sum"
    return twin
