"""Non-maximum suppression: of boxes that overlap, keep the one with the highest score."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labnotes.detection.boxes import check_boxes, floating, iou

BLOCK = 128  # boxes compared with all that follow at a time: their table stays in the cache


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, top_k: int | None = None) -> Tensor:
    """Non-maximum suppression (非极大值抑制).

    Take the box with the highest score, drop every other whose IoU with it is above
    `iou_threshold`, and go on with the best of those that are left.

    Parameters
    ----------
    boxes
        ``(n, 4)``, of one class: see :func:`batched_nms` for several.
    scores
        ``(n,)``. Of equal scores the first box wins.
    iou_threshold
        From 0 to 1.
    top_k
        Look only at so many boxes, those with the highest scores; None: at all. A box is suppressed
        by better ones alone. So the choice among the `top_k` best is the same as without this
        argument, and only the rest is lost.

    Returns
    -------
    Tensor
        The places of the boxes that are kept, int64, the highest score first.

    Raises
    ------
    ValueError
        If boxes or scores have another shape or are not finite, a box is upside down, the
        threshold is outside, or `top_k` is no positive integer.

    Notes
    -----
    One box after the other would take a call per box kept. Instead the boxes are taken in blocks,
    the best first. What survives within its own block is compared with all that follow in one
    table, and what it suppresses is never looked at again. The boxes kept are the same.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.3]), 0.5)
    tensor([1, 2])
    """
    _check(boxes, scores, iou_threshold)
    _check_top_k(top_k)
    waiting = scores.detach().argsort(descending=True, stable=True)[:top_k]
    boxes, kept = floating(boxes.detach())[waiting], [waiting[:0]]  # from here in that order
    while len(waiting):
        over = iou(boxes[:BLOCK], boxes[:BLOCK]) > iou_threshold
        alive = _greedy(over.cpu().numpy()).to(boxes.device)
        kept.append(waiting[:BLOCK][alive])
        best, boxes, waiting = boxes[:BLOCK][alive], boxes[BLOCK:], waiting[BLOCK:]
        free = (iou(best, boxes) <= iou_threshold).all(0)
        boxes, waiting = boxes[free], waiting[free]
    return torch.cat(kept)


def _greedy(over: np.ndarray) -> Tensor:
    """Which boxes, the best first, survive where ``over[i, j]`` says that i suppresses j."""
    free = ~np.triu(over, 1)  # free[i, j]: box i, the better one, lets j live
    alive = np.ones(len(over), dtype=bool)
    for i in range(len(over)):
        if alive[i]:
            alive &= free[i]
    return torch.from_numpy(alive)


def batched_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    top_k: int | None = None,
) -> Tensor:
    """:func:`nms` within each class: a dog in front of a sofa does not suppress it.

    The boxes of each class are moved to a place of their own, far from the others, so that one
    call does all classes. The step of the move is the largest extent of a box or a picture's edge.

    Parameters
    ----------
    boxes, scores, iou_threshold
        As for :func:`nms`.
    labels
        Classes ``(n,)``, integers. With classes numbered over a batch, ``label + classes * image``,
        it does several pictures at once.
    top_k
        As for :func:`nms`: so many boxes of all classes together.

    Returns
    -------
    Tensor
        The places of the boxes that are kept, the highest score first.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10]])
    >>> batched_nms(boxes, torch.tensor([0.8, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    _check(boxes, scores, iou_threshold)
    _check_labels(labels, len(boxes))
    _check_top_k(top_k)
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    # Double precision: moved far away, a box must keep its fractions of a pixel.
    exact = boxes.detach().double()
    step = exact.max() - exact.min() + 1
    _, place = labels.unique(return_inverse=True)  # 0, 1, 2, ... whatever the labels are
    return nms(exact + step * place[:, None], scores, iou_threshold, top_k)


def soft_nms(
    boxes: Tensor, scores: Tensor, sigma: float = 0.5, score_threshold: float = 0.001
) -> tuple[Tensor, Tensor]:
    """Lower the score of a box that overlaps a better one, instead of dropping it.

    After each choice the scores of all others are multiplied by ``exp(-IoU^2 / sigma)``: two people
    who stand close together are both found, the second with less certainty.

    Parameters
    ----------
    boxes, scores
        As for :func:`nms`.
    sigma
        Above 0: the smaller, the harder.
    score_threshold
        What falls below it is dropped.

    Returns
    -------
    tuple of Tensor
        The places of the boxes that are kept, in the order of choice, and their lowered scores.

    References
    ----------
    Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", 2017, equation 4.

    Examples
    --------
    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    >>> soft_nms(boxes, torch.tensor([0.8, 0.9]))[1]
    tensor([0.9000, 0.1083])
    """
    _check(boxes, scores, 0.0)
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}: give a number above 0")
    boxes = floating(boxes.detach())
    table = iou(boxes, boxes)  # (n, n)
    left = scores.detach().to(boxes.dtype, copy=True)
    kept, found = [], []
    while len(left) and left.max() >= score_threshold:
        best = int(left.argmax())
        kept.append(best)
        found.append(left[best].item())
        left *= torch.exp(-(table[best] ** 2) / sigma)
        left[kept] = -torch.inf
    places = torch.tensor(kept, dtype=torch.int64, device=boxes.device)
    return places, torch.tensor(found, device=boxes.device)


def _check(boxes: Tensor, scores: Tensor, iou_threshold: float) -> None:
    check_boxes(boxes, "boxes")
    if scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"scores have the shape {tuple(scores.shape)}, boxes {tuple(boxes.shape)}: "
            f"give one score a box, {tuple(boxes.shape[:1])}"
        )
    if not scores.isfinite().all():
        raise ValueError("a score is not finite: nobody knows its place in the order")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}: give a number from 0 to 1")


def _check_top_k(top_k: int | None) -> None:
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise ValueError(f"top_k is {top_k!r}: give a positive integer, or None for all boxes")


def _check_labels(labels: Tensor, count: int) -> None:
    if labels.shape != (count,) or labels.is_floating_point():
        raise ValueError(
            f"labels are {labels.dtype} of the shape {tuple(labels.shape)}: "
            f"give one integer a box, ({count},)"
        )
