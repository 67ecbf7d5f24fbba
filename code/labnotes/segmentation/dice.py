"""The Dice loss: a loss that weighs classes alike, however few pixels they have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def dice_loss(
    scores: Tensor, pixels: Tensor, ignore_index: int = 255, smooth: float = 1.0
) -> Tensor:
    """One minus the mean over the classes of a Dice coefficient with probabilities in it.

    For class c, with the probability p of c at a pixel and the truth t, 0 or 1, summed over all
    pixels of the batch that count::

        dice_c = (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)

    Parameters
    ----------
    scores
        ``(batch, classes, height, width)``, before the softmax.
    pixels
        ``(batch, height, width)``, int64: the classes.
    ignore_index
        Pixels whose label is this are left out.
    smooth
        Positive. It keeps the fraction finite for a class that no pixel has.

    Returns
    -------
    Tensor
        A scalar between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is no class, or `smooth` is not positive.

    References
    ----------
    Milletari, Navab and Ahmadi, "V-Net", 2016, section 3, where the denominator has squares.
    Without them, as here, it is the form of Drozdzal et al., 2016.
    """
    _check(scores, pixels, ignore_index, smooth)
    counted = pixels != ignore_index
    truth = F.one_hot(pixels[counted], scores.shape[1])  # (counted, classes)
    p = scores.softmax(1).movedim(1, -1)[counted]  # (counted, classes)
    both, either = (p * truth).sum(0), p.sum(0) + truth.sum(0)  # (classes,)
    return 1 - ((2 * both + smooth) / (either + smooth)).mean()


def _check(scores: Tensor, pixels: Tensor, ignore_index: int, smooth: float) -> None:
    if scores.dim() != 4 or pixels.shape != (len(scores), *scores.shape[2:]):
        raise ValueError(
            f"scores are {tuple(scores.shape)}, pixels {tuple(pixels.shape)}: give (batch, classes, "
            "height, width) and (batch, height, width)"
        )
    if pixels.dtype != torch.int64:
        raise ValueError(f"pixels are {pixels.dtype}: give torch.int64, the classes")
    counted = pixels[pixels != ignore_index]
    if len(counted) and not 0 <= int(counted.min()) <= int(counted.max()) < scores.shape[1]:
        raise ValueError(
            f"pixels hold {int(counted.min())} to {int(counted.max())}: give classes from 0 to "
            f"{scores.shape[1] - 1}, and {ignore_index} where nothing counts"
        )
    if not smooth > 0:
        raise ValueError(f"smooth is {smooth}: give a positive number, such as 1")
