"""Boxes, ``(x1, y1, x2, y2)`` in pixels: their formats, their areas and how much two overlap."""

from __future__ import annotations

import torch
from torch import Tensor

FORMATS = ("xyxy", "xywh", "cxcywh")


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """The same boxes in another format.

    Parameters
    ----------
    boxes
        ``(..., 4)``, in the format `in_fmt`.
    in_fmt, out_fmt
        "xyxy": two corners. "xywh": the left upper corner, width and height. "cxcywh": the centre,
        width and height. The names are torchvision's.

    Returns
    -------
    Tensor
        ``(..., 4)``, floating point where a centre asks for it.

    Examples
    --------
    >>> box_convert(torch.tensor([10.0, 20.0, 30.0, 60.0]), "xyxy", "cxcywh")
    tensor([20., 40., 20., 40.])
    """
    _check_formats(in_fmt, out_fmt)
    _check_shape(boxes, "boxes")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        x1, y1, x2, y2 = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        x1, y1, x2, y2 = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    else:
        x1, y1, x2, y2 = a, b, c, d
    if out_fmt == "xywh":
        found = x1, y1, x2 - x1, y2 - y1
    elif out_fmt == "cxcywh":
        found = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    else:
        found = x1, y1, x2, y2
    return torch.stack(found, -1)


def box_area(boxes: Tensor) -> Tensor:
    """Areas ``(n,)`` of boxes ``(n, 4)``, in square pixels.

    Examples
    --------
    >>> box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0]]))
    tensor([6.])
    """
    check_boxes(boxes, "boxes")
    return areas(floating(boxes))


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union (交并比) of every box of one set with every box of the other.

    Parameters
    ----------
    boxes1, boxes2
        ``(n, 4)`` and ``(m, 4)``.

    Returns
    -------
    Tensor
        ``(n, m)``, from 0 (nothing in common) to 1 (the same box); 0 for two boxes of no area.

    Raises
    ------
    ValueError
        If a box has ``x2 < x1`` or ``y2 < y1``, or a coordinate that is not finite.

    Examples
    --------
    >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    check_boxes(boxes1, "boxes1")
    check_boxes(boxes2, "boxes2")
    return iou(floating(boxes1), floating(boxes2))


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU less the part of the smallest box round both that neither covers: from -1 to 1.

    Boxes that do not touch all have IoU 0; this number still tells how far apart they are, so that
    a loss made of it has a gradient there. Parameters and errors are those of :func:`box_iou`.

    References
    ----------
    Rezatofighi et al., "Generalized Intersection over Union", 2019, algorithm 1.

    Examples
    --------
    >>> generalized_box_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[3.0, 0, 4, 1]]))
    tensor([[-0.5000]])
    """
    check_boxes(boxes1, "boxes1")
    check_boxes(boxes2, "boxes2")
    boxes1, boxes2 = floating(boxes1), floating(boxes2)
    common, union = _common_and_union(boxes1, boxes2)  # (n, m) each
    low = torch.minimum(boxes1[:, None, :2], boxes2[:, :2])  # (n, m, 2)
    high = torch.maximum(boxes1[:, None, 2:], boxes2[:, 2:])
    hull = (high - low).prod(-1)  # (n, m)
    return _ratio(common, union) - _ratio(hull - union, hull)


# --- without checks, for those who have checked ------------------------------------------------


def areas(boxes: Tensor) -> Tensor:
    """:func:`box_area` of boxes that somebody has checked."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """:func:`box_iou` of boxes that somebody has checked."""
    return _ratio(*_common_and_union(boxes1, boxes2))


def _common_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    # Column by column: on the CPU this takes half the time of corners (n, m, 2).
    left, top, right, bottom = boxes2.T
    x1, y1, x2, y2 = boxes1.T[:, :, None]  # (n, 1) each
    width = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp(min=0)  # (n, m)
    height = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp(min=0)
    common = width * height
    return common, areas(boxes1)[:, None] + areas(boxes2) - common


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """`part` over `whole`, and 0 where both are 0: two boxes of no area."""
    return part / whole.clamp(min=torch.finfo(whole.dtype).tiny)


def floating(boxes: Tensor) -> Tensor:
    """Coordinates in at least single precision: in half precision areas overflow at 65,504."""
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


# --- checks ------------------------------------------------------------------------------------


def _check_formats(*formats: str) -> None:
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"the format is {name!r}: give one of {', '.join(FORMATS)}")


def _check_shape(boxes: Tensor, name: str) -> None:
    if not isinstance(boxes, Tensor):
        raise TypeError(f"{name} are of type {type(boxes).__name__}: give a tensor (n, 4)")
    if boxes.dim() == 0 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{name} have the shape {tuple(boxes.shape)}: give (n, 4), for no box (0, 4)"
        )


def check_boxes(boxes: Tensor, name: str) -> None:
    """Refuse what is no set of boxes ``(n, 4)`` with ``x1 <= x2`` and ``y1 <= y2``.

    Raises
    ------
    TypeError, ValueError
        With the place of the first box that is wrong.
    """
    _check_shape(boxes, name)
    if boxes.dim() != 2:
        raise ValueError(f"{name} have the shape {tuple(boxes.shape)}: give (n, 4)")
    if boxes.isfinite().all() and (boxes[:, :2] <= boxes[:, 2:]).all():
        return
    finite = boxes.isfinite().all(-1)
    right = finite & (boxes[:, :2] <= boxes[:, 2:]).all(-1)
    place = int((~right).nonzero()[0])
    problem = "x2 < x1 or y2 < y1" if finite[place] else "a coordinate that is not finite"
    raise ValueError(
        f"{name}[{place}] is {boxes[place].tolist()}, with {problem}: give (x1, y1, x2, y2) in "
        'pixels (box_convert(boxes, "xywh", "xyxy") makes it from a corner and a size)'
    )
