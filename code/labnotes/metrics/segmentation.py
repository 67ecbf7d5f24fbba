"""Metrics of segmentation: all from one confusion matrix of pixels, summed over the whole set."""

from __future__ import annotations

import torch
from torch import Tensor

from labnotes.checks import check_positive


def confusion_matrix(
    predicted: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """How many pixels of each class were given to each class (混淆矩阵).

    Over several batches, sum the matrices before anything is divided: a mean of the batches' IoUs
    weighs a class more the rarer its pixels are in a batch.

    Parameters
    ----------
    predicted, target
        Classes from 0, integers of one shape, such as ``(batch, height, width)``.
    num_classes
        Their number.
    ignore_index
        Pixels whose target is this are left out: borders, and what nobody has labelled.

    Returns
    -------
    Tensor
        ``(num_classes, num_classes)``, int64; a row is the true class, a column the predicted one.

    Raises
    ------
    ValueError
        If the shapes differ, or a class is outside, void pixels aside.

    Examples
    --------
    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255]), num_classes=2)
    tensor([[1, 1],
            [0, 0]])
    """
    check_positive(num_classes=num_classes)
    _check_classes(predicted, target)
    counted = target != ignore_index
    predicted, target = predicted[counted].long(), target[counted].long()
    for name, classes in (("predicted", predicted), ("target", target)):
        if len(classes) and not (classes.min() >= 0 and classes.max() < num_classes):
            raise ValueError(
                f"{name} holds classes {int(classes.min())} to {int(classes.max())}: "
                f"give 0 to {num_classes - 1} (and targets {ignore_index} where nothing counts)"
            )
    pairs = torch.bincount(num_classes * target + predicted, minlength=num_classes**2)
    return pairs.view(num_classes, num_classes)


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """The part of the pixels that are right: NaN if there is none.

    Parameters
    ----------
    confusion
        From :func:`confusion_matrix`, summed over the set.

    Examples
    --------
    >>> pixel_accuracy(torch.tensor([[90, 0], [10, 0]]))
    tensor(0.9000, dtype=torch.float64)
    """
    _check_square(confusion)
    return confusion.diagonal().sum().double() / confusion.sum()


def class_iou(confusion: Tensor) -> Tensor:
    """IoU of each class: pixels right, over pixels that are of the class or were given to it.

    Parameters are those of :func:`pixel_accuracy`. NaN for a class that is nowhere, neither in the
    targets nor in the predictions.

    Examples
    --------
    >>> class_iou(torch.tensor([[90, 0], [10, 0]]))
    tensor([0.9000, 0.0000], dtype=torch.float64)
    """
    _check_square(confusion)
    right = confusion.diagonal().double()
    return right / (confusion.sum(0) + confusion.sum(1) - right)


def mean_iou(confusion: Tensor) -> Tensor:
    """The mean of :func:`class_iou` over the classes that occur (平均交并比).

    References
    ----------
    Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015,
    section 5.

    Examples
    --------
    >>> mean_iou(torch.tensor([[90, 0], [10, 0]]))  # all is ground: 90 % right, and half as good
    tensor(0.4500, dtype=torch.float64)
    """
    return class_iou(confusion).nanmean()


def dice(confusion: Tensor) -> Tensor:
    """Dice's coefficient of each class, the F1 score of its pixels: ``2 IoU / (1 + IoU)``.

    Parameters are those of :func:`pixel_accuracy`. NaN for a class that is nowhere.

    References
    ----------
    Dice, "Measures of the Amount of Ecologic Association Between Species", 1945.

    Examples
    --------
    >>> dice(torch.tensor([[90, 0], [10, 0]]))
    tensor([0.9474, 0.0000], dtype=torch.float64)
    """
    _check_square(confusion)
    return 2 * confusion.diagonal().double() / (confusion.sum(0) + confusion.sum(1))


def _check_classes(predicted: Tensor, target: Tensor) -> None:
    if predicted.shape != target.shape:
        raise ValueError(
            f"predicted has the shape {tuple(predicted.shape)}, target {tuple(target.shape)}: "
            "give one class a pixel in both (the argmax of scores, not the scores)"
        )
    for name, classes in (("predicted", predicted), ("target", target)):
        if classes.is_floating_point() or classes.dtype == torch.bool:
            raise ValueError(f"{name} is {classes.dtype}: give integers, the classes")


def _check_square(confusion: Tensor) -> None:
    if confusion.dim() != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(
            f"the confusion matrix has the shape {tuple(confusion.shape)}: "
            "give (classes, classes), from confusion_matrix"
        )
