"""Anchor boxes: where a detector looks, what it should say there, and the boxes that it means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from labnotes.detection.boxes import box_convert, check_boxes, floating, iou
from labnotes.detection.suppression import batched_nms

BACKGROUND = -1  # the truth's number of an anchor that has none
WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # 1 / (0.1, 0.1, 0.2, 0.2), what SSD and torchvision divide by
LARGEST = math.log(1000 / 16)  # a decoded side is at most so often its anchor's: exp overflows


def anchors(
    height: int,
    width: int,
    sizes: Sequence[float],
    ratios: Sequence[float],
    image_size: tuple[int, int] | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Anchor boxes (锚框) of several shapes round the centre of each position of a feature map.

    Parameters
    ----------
    height, width
        Of the feature map.
    sizes
        The root of an anchor's area, as a share of the picture's shorter side.
    ratios
        Width over height of an anchor, in pixels, whatever the shape of map and picture.
    image_size
        Height and width of the picture in pixels; None: the map has a position for each pixel.
    device
        Where the result is made.

    Returns
    -------
    Tensor
        ``(height * width * k, 4)`` in pixels, float32, position by position along the rows. Each
        has ``k = len(sizes) + len(ratios) - 1`` anchors: all sizes with the first ratio, then the
        first size with the other ratios. Some stick out of the picture.

    Raises
    ------
    ValueError
        If a size or ratio is not a finite number above 0, or none is given, or a length is no
        positive integer.

    References
    ----------
    Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2.

    Examples
    --------
    >>> anchors(1, 2, sizes=[0.5], ratios=[1, 4], image_size=(80, 160))
    tensor([[ 20.,  20.,  60.,  60.],
            [  0.,  30.,  80.,  50.],
            [100.,  20., 140.,  60.],
            [ 80.,  30., 160.,  50.]])
    """
    image_height, image_width = _check_anchors(height, width, sizes, ratios, image_size)
    side = torch.tensor([*sizes] + [sizes[0]] * (len(ratios) - 1)) * min(image_height, image_width)
    root = torch.tensor([ratios[0]] * len(sizes) + [*ratios[1:]]).sqrt()
    half = torch.stack([side * root, side / root], 1) / 2  # (k, 2): width and height, halved
    shape = torch.cat([-half, half], 1).to(device)  # (k, 4) round (0, 0)
    x = (torch.arange(width, device=device) + 0.5) * (image_width / width)
    y = (torch.arange(height, device=device) + 0.5) * (image_height / height)
    found = torch.empty(height, width, len(shape), 4, device=device)
    found[..., 0::2] = x[:, None, None] + shape[:, 0::2]  # (width, 1, 1) + (k, 2)
    found[..., 1::2] = y[:, None, None, None] + shape[:, 1::2]  # (height, 1, 1, 1) + (k, 2)
    return found.view(-1, 4)


def assign_anchors(anchors: Tensor, boxes: Tensor, iou_threshold: float = 0.5) -> Tensor:
    """For each anchor the true box that it shall find, or -1: the background.

    First each anchor takes the box that it overlaps most, if by `iou_threshold` or more. Then every
    box gets its best anchor, however small the overlap: the largest IoU of all is taken first, and
    its box and anchor are out of the choice.

    Parameters
    ----------
    anchors
        ``(n, 4)``.
    boxes
        The true boxes of a picture, ``(m, 4)``; ``(0, 4)`` where there is no object.
    iou_threshold
        From 0 (not included) to 1.

    Returns
    -------
    Tensor
        ``(n,)``, int64: the number of a box, or -1. If there are more boxes than anchors, those
        that overlap least get none.

    Raises
    ------
    ValueError
        If a box is upside down, not finite or without area, or the threshold is outside.

    References
    ----------
    Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2, "matching strategy".

    Examples
    --------
    >>> anchors = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [50, 50, 60, 60]])
    >>> assign_anchors(anchors, torch.tensor([[1.0, 0, 11, 10], [40, 40, 90, 90]]))
    tensor([ 0, -1,  1])
    """
    _check_solid(anchors, "anchors")
    _check_solid(boxes, "boxes")
    _check_threshold(iou_threshold)
    if not len(boxes) or not len(anchors):
        return torch.full((len(anchors),), BACKGROUND, device=anchors.device)
    table = iou(floating(boxes), floating(anchors))  # (m, n)
    overlap, nearest = table.max(0)  # (n,) each
    assigned = torch.where(overlap >= iou_threshold, nearest, BACKGROUND)
    best, place = table.max(1)  # (m,) each: the best anchor of each box
    for _ in range(min(table.shape)):
        box = int(best.argmax())
        anchor = int(place[box])
        assigned[anchor] = box
        table[box] = table[:, anchor] = -1.0  # out of the choice
        again = place == anchor  # boxes that have just lost their best anchor
        best[again], place[again] = table[again].max(1)
    return assigned


def encode_boxes(boxes: Tensor, anchors: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Offsets (偏移量) that lead from anchors to boxes: what the network has to learn.

    With centre, width and height of the box ``(x, y, w, h)`` and of its anchor: the move of the
    centre in widths and heights of the anchor, and the logarithms of the quotients of the sides,
    ``(x - x_a) / w_a, (y - y_a) / h_a, log(w / w_a), log(h / h_a)``, each times its weight.

    Parameters
    ----------
    boxes, anchors
        ``(n, 4)`` each, a box for each anchor.
    weights
        Four numbers that bring the offsets to a spread of about 1.

    Returns
    -------
    Tensor
        ``(n, 4)``.

    Raises
    ------
    ValueError
        If the shapes differ, or a box or an anchor has no area (its logarithm would be -inf), is
        upside down or not finite.

    References
    ----------
    Girshick et al., "Rich feature hierarchies for accurate object detection and semantic
    segmentation", 2014, appendix C; the weights are torchvision's and SSD's "variances".

    Examples
    --------
    >>> anchor = torch.tensor([[0.0, 0, 10, 10]])
    >>> encode_boxes(torch.tensor([[1.0, 0, 11, 10]]), anchor)
    tensor([[1., 0., 0., 0.]])
    """
    _check_solid(boxes, "boxes")
    _check_solid(anchors, "anchors")
    _check_pairs(boxes, anchors, "boxes")
    return _encode(floating(boxes), floating(anchors), _scale(weights, anchors))


def _encode(boxes: Tensor, anchors: Tensor, scale: Tensor) -> Tensor:
    box, anchor = (box_convert(b, "xyxy", "cxcywh") for b in (boxes, anchors))
    move = (box[:, :2] - anchor[:, :2]) / anchor[:, 2:]
    stretch = (box[:, 2:] / anchor[:, 2:]).log()
    return torch.cat([move, stretch], 1) * scale


def decode_boxes(offsets: Tensor, anchors: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """The boxes that offsets mean: the inverse of :func:`encode_boxes`.

    Parameters
    ----------
    offsets
        ``(..., n, 4)``, for one picture or several.
    anchors
        ``(n, 4)``.
    weights
        Those of the encoding.

    Returns
    -------
    Tensor
        ``(..., n, 4)``. No side becomes longer than 62.5 times its anchor's, as in torchvision: an
        untrained network would otherwise give boxes that are infinite.

    Raises
    ------
    ValueError
        If there is not one offset for each anchor, an offset is not finite, or an anchor has no
        area.

    Examples
    --------
    >>> anchor = torch.tensor([[0.0, 0, 10, 10]])
    >>> decode_boxes(torch.tensor([[1.0, 0, 0, 0]]), anchor)
    tensor([[ 1.,  0., 11., 10.]])
    """
    _check_solid(anchors, "anchors")
    _check_pairs(offsets, anchors, "offsets")
    scaled = floating(offsets) / _scale(weights, anchors)
    anchor = box_convert(floating(anchors), "xyxy", "cxcywh")
    centre = anchor[:, :2] + scaled[..., :2] * anchor[:, 2:]
    side = anchor[:, 2:] * scaled[..., 2:].clamp(max=LARGEST).exp()
    return torch.cat([centre - side / 2, centre + side / 2], -1)


@dataclass(frozen=True)
class AnchorTargets:
    """What a detector should say at each of n anchors of a picture.

    Attributes
    ----------
    classes
        ``(n,)``, int64: 0 for the background, else the label of the true box plus 1.
    offsets
        ``(n, 4)``: to the true box; 0 at the background, where no loss may look at them.
    assigned
        ``(n,)``, int64: the number of the true box, -1 for the background.
    """

    classes: Tensor
    offsets: Tensor
    assigned: Tensor

    @property
    def positive(self) -> Tensor:
        """``(n,)``, bool: which anchors have a true box."""
        return self.assigned >= 0


def anchor_targets(
    anchors: Tensor, boxes: Tensor, labels: Tensor, iou_threshold: float = 0.5
) -> AnchorTargets:
    """Class and offsets for each anchor, from the true boxes of a picture.

    Parameters
    ----------
    anchors, boxes, iou_threshold
        As for :func:`assign_anchors`.
    labels
        ``(m,)``, integers from 0.

    Returns
    -------
    AnchorTargets

    Raises
    ------
    ValueError
        As :func:`assign_anchors`, and if labels are not one integer from 0 for each box.

    Examples
    --------
    >>> anchors = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    >>> targets = anchor_targets(anchors, torch.tensor([[1.0, 0, 11, 10]]), torch.tensor([2]))
    >>> targets.classes, targets.offsets
    (tensor([3, 0]), tensor([[1., 0., 0., 0.],
            [0., 0., 0., 0.]]))
    """
    assigned = assign_anchors(anchors, boxes, iou_threshold)
    _check_labels(labels, len(boxes))
    positive = (assigned >= 0).nonzero()[:, 0]
    truth = assigned[positive]
    classes = torch.zeros_like(assigned)
    classes[positive] = labels[truth].long() + 1
    mine = floating(anchors)
    offsets = torch.zeros_like(mine)
    offsets[positive] = _encode(boxes[truth].to(mine), mine[positive], _scale(WEIGHTS, mine))
    return AnchorTargets(classes, offsets, assigned)


def detections(
    probabilities: Tensor,
    offsets: Tensor,
    anchors: Tensor,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.5,
    top_k: int = 400,
) -> dict[str, Tensor]:
    """The objects that a detector finds in a picture.

    Each anchor answers with its most probable class that is not the background. Answers of at least
    `score_threshold` are decoded, the `top_k` best are looked at, and of those of a class that
    overlap the best is kept.

    Parameters
    ----------
    probabilities
        ``(n, classes + 1)``, each 0 to 1; column 0 is the background.
    offsets, anchors
        ``(n, 4)`` each.
    score_threshold
        From 0 to 1.
    iou_threshold, top_k
        As for :func:`labnotes.detection.batched_nms`.

    Returns
    -------
    dict of Tensor
        As torchvision's detectors answer: "boxes" ``(k, 4)``, "scores" ``(k,)``, falling, and
        "labels" ``(k,)`` from 0 (without the background).

    Raises
    ------
    ValueError
        If shapes do not fit or a number is outside.

    Examples
    --------
    >>> anchors = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    >>> probabilities = torch.tensor([[0.1, 0.9, 0.0], [0.3, 0.7, 0.0], [0.4, 0.0, 0.6]])
    >>> found = detections(probabilities, torch.zeros(3, 4), anchors)
    >>> found["boxes"].tolist(), found["labels"].tolist()
    ([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]], [0, 1])
    """
    _check_probabilities(probabilities, len(anchors))
    _check_pairs(offsets, anchors, "offsets")
    _check_score(score_threshold)
    scores, labels = probabilities.detach()[:, 1:].max(1)  # (n,) each
    sure = (scores >= score_threshold).nonzero()[:, 0]
    boxes = decode_boxes(offsets.detach()[sure], anchors[sure])
    kept = batched_nms(boxes, scores[sure], labels[sure], iou_threshold, top_k)
    chosen = sure[kept]
    return {"boxes": boxes[kept], "scores": scores[chosen], "labels": labels[chosen]}


# --- checks ------------------------------------------------------------------------------------


def _scale(weights: Sequence[float], like: Tensor) -> Tensor:
    _check_weights(weights)
    scale = floating(like).new_tensor(weights)
    return scale


def _check_weights(weights) -> None:
    try:
        right = [0 < float(w) < math.inf for w in weights] == [True] * 4
    except (TypeError, ValueError):  # no sequence, or not of numbers
        right = False
    if not right:
        raise ValueError(f"weights are {weights}: give four numbers above 0")


def _check_anchors(height, width, sizes, ratios, image_size) -> tuple[int, int]:
    """Refuse bad arguments; height and width of the picture."""
    if not isinstance(image_size, Sequence | None):
        raise ValueError(f"image_size is {image_size}: give height and width in pixels")
    image_size = (height, width) if image_size is None else tuple(image_size)
    lengths = {"height": height, "width": width, "image_size": image_size}
    for name, value in lengths.items():
        both = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(v, int) and v > 0 for v in both) or len(image_size) != 2:
            raise ValueError(f"{name} is {value}: give positive integers, image_size two of them")
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        try:
            right = len(values) > 0 and all(0 < float(v) < math.inf for v in values)
        except (TypeError, ValueError):  # no sequence, or not of numbers
            right = False
        if not right:
            raise ValueError(f"{name} are {values}: give a list of numbers, all above 0")
    return image_size


def _check_solid(boxes: Tensor, name: str) -> None:
    """Refuse boxes that have no area, besides what :func:`check_boxes` refuses."""
    check_boxes(boxes, name)
    flat = boxes[:, :2] == boxes[:, 2:]
    if flat.any():
        place = int(flat.any(1).nonzero()[0])
        raise ValueError(
            f"{name}[{place}] is {boxes[place].tolist()}, with no area: leave it out "
            "(a picture without objects has boxes of the shape (0, 4))"
        )


def _check_tensor(given: Tensor, name: str) -> None:
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} are of type {type(given).__name__}: give a tensor")


def _check_pairs(given: Tensor, anchors: Tensor, name: str) -> None:
    _check_tensor(given, name)
    if given.shape[-2:] != anchors.shape:
        raise ValueError(
            f"{name} have the shape {tuple(given.shape)}, anchors {tuple(anchors.shape)}: "
            "give four numbers for each anchor"
        )
    if not given.isfinite().all():
        raise ValueError(f"{name} have a number that is not finite: has the training diverged?")


def _check_labels(labels: Tensor, count: int) -> None:
    _check_tensor(labels, "labels")
    whole = not labels.is_floating_point() and labels.dtype != torch.bool
    if labels.shape != (count,) or not whole or (labels < 0).any():
        raise ValueError(
            f"labels are {labels.dtype} of the shape {tuple(labels.shape)}: "
            f"give one integer from 0 for each box, ({count},)"
        )


def _check_probabilities(probabilities: Tensor, count: int) -> None:
    _check_tensor(probabilities, "probabilities")
    if probabilities.dim() != 2 or len(probabilities) != count or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities have the shape {tuple(probabilities.shape)}: "
            f"give ({count}, classes + 1), the background's first"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("a probability is not from 0 to 1: apply softmax to the logits first")


def _check_threshold(iou_threshold: float) -> None:
    if not isinstance(iou_threshold, Real) or not 0 < iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}: give a number above 0, up to 1")


def _check_score(score_threshold: float) -> None:
    if not isinstance(score_threshold, Real) or not 0 <= score_threshold <= 1:
        raise ValueError(f"score_threshold is {score_threshold}: give a number from 0 to 1")
