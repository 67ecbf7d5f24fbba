"""RoI pooling and RoIAlign: from any region of a feature map a block of one fixed size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labnotes.detection.boxes import check_boxes


def roi_pool(
    features: Tensor, boxes: Tensor, output_size: int | tuple[int, int], spatial_scale: float = 1.0
) -> Tensor:
    """The maximum of each cell of a grid laid over each region (区域).

    Corners are rounded to whole cells of the feature map, and so are the borders of the grid: what
    is lost by that, :func:`roi_align` keeps.

    Parameters
    ----------
    features
        ``(batch, channels, height, width)``.
    boxes
        Regions ``(n, 5)``: the picture's number in the batch, then x1, y1, x2, y2 in its pixels.
    output_size
        Height and width of the grid, or one number for both.
    spatial_scale
        Cells of the feature map per pixel of the picture, such as 1/16.

    Returns
    -------
    Tensor
        ``(n, channels, *output_size)``; 0 where a cell lies outside the feature map.

    References
    ----------
    Girshick, "Fast R-CNN", 2015, section 2.1. The rounding is that of ``torchvision.ops.roi_pool``.

    Examples
    --------
    >>> features = torch.arange(16.0).view(1, 1, 4, 4)
    >>> roi_pool(features, torch.tensor([[0.0, 0, 0, 3, 3]]), 2)[0, 0]
    tensor([[ 5.,  7.],
            [13., 15.]])
    """
    rows, columns = _check(features, boxes, output_size, spatial_scale)
    height, width = features.shape[-2:]
    found = []
    for image, *corners in boxes.tolist():
        x1, y1, x2, y2 = (_half_away(c * spatial_scale) for c in corners)
        picture = features[int(image)]  # (channels, height, width)
        # First the largest of each band of rows, then of each band of columns: the same maximum.
        bands = _bands(y1, y2, rows, height)
        tall = torch.stack([_largest(picture[:, a:b], 1) for a, b in bands], 1)
        bands = _bands(x1, x2, columns, width)
        found.append(torch.stack([_largest(tall[:, :, a:b], 2) for a, b in bands], 2))
    if not found:
        return features.new_zeros(0, features.shape[1], rows, columns)
    return torch.stack(found)


def _half_away(x: float) -> int:
    """`x` rounded, halves away from 0 as in C++ (Python rounds them to even numbers)."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def _bands(first: int, last: int, parts: int, size: int) -> list[tuple[int, int]]:
    """Where each part of the cells `first` to `last` begins and ends, within 0 to `size`."""
    long = max(last - first + 1, 1) / parts
    edges = (
        (first + math.floor(i * long), first + math.ceil((i + 1) * long)) for i in range(parts)
    )
    return [(min(max(a, 0), size), min(max(b, 0), size)) for a, b in edges]


def _largest(block: Tensor, dim: int) -> Tensor:
    """The maximum along `dim`; 0 where nothing stands there."""
    return block.max(dim).values if block.shape[dim] else block.sum(dim)


def roi_align(
    features: Tensor,
    boxes: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of points in each cell of a grid over each region, read off between the cells.

    Nothing is rounded: a point between four cells of the feature map takes a share of each
    (bilinear interpolation, 双线性插值).

    Parameters
    ----------
    features, boxes, output_size, spatial_scale
        As for :func:`roi_pool`.
    sampling_ratio
        Points per cell of the grid, along each side. -1: as many as cells of the feature map lie
        under it, rounded up, for each region.
    aligned
        Whether the value of a cell stands in its middle: coordinates are shifted by half a cell.
        False is the paper's first code, which misses that half.

    Returns
    -------
    Tensor
        ``(n, channels, *output_size)``. Points more than one cell outside the map count as 0.

    Notes
    -----
    The share of cell ``(y, x)`` in a point is a share of its row times a share of its column. So a
    region is three matrices multiplied: row shares ``(rows, height)``, the feature map, column
    shares ``(width, columns)``. As in torchvision, boxes get no gradient.

    References
    ----------
    He et al., "Mask R-CNN", 2017, section 3.

    Examples
    --------
    >>> features = torch.arange(16.0).view(1, 1, 4, 4)
    >>> region = torch.tensor([[0.0, 0.5, 0.5, 2.5, 2.5]])
    >>> roi_align(features, region, 2, aligned=True)[0, 0]
    tensor([[2.5000, 3.5000],
            [6.5000, 7.5000]])
    """
    rows, columns = _check(features, boxes, output_size, spatial_scale)
    _check_ratio(sampling_ratio)
    height, width = features.shape[-2:]
    corners = boxes[:, 1:].detach().to(features.dtype) * spatial_scale - (0.5 if aligned else 0.0)
    x1, y1, x2, y2 = corners.unbind(1)  # (n,) each
    tall, wide = y2 - y1, x2 - x1
    if not aligned:
        tall, wide = tall.clamp(min=1), wide.clamp(min=1)
    down = _shares(y1, tall, rows, height, sampling_ratio)  # (n, rows, height)
    across = _shares(x1, wide, columns, width, sampling_ratio)  # (n, columns, width)
    out = features.new_zeros(len(boxes), features.shape[1], rows, columns)
    image = boxes[:, 0].long()
    for i in image.unique().tolist():  # picture by picture: no copy of a map for each region
        mine = image == i
        table = torch.einsum("chw,nqw->nchq", features[i], across[mine])
        out[mine] = torch.einsum("nph,nchq->ncpq", down[mine], table)
    return out


def _shares(start: Tensor, long: Tensor, parts: int, size: int, ratio: int) -> Tensor:
    """The share of each of `size` cells in the mean of each part of each region, (n, parts, size)."""
    points = torch.full_like(start, ratio) if ratio > 0 else (long / parts).ceil()
    most = int(points.max()) if len(points) else 0
    step = torch.arange(most, device=start.device)  # (most,)
    used = step < points[:, None]  # (n, most): regions of less points leave the last ones out
    inside = (step + 0.5) / points[:, None].clamp(min=1)  # (n, most), 0 to 1
    part = torch.arange(parts, device=start.device)[:, None]  # (parts, 1)
    at = start[:, None, None] + (part + inside[:, None]) * (long / parts)[:, None, None]
    used = used[:, None] & (at >= -1) & (at <= size)  # (n, parts, most)
    at = at.clamp(0, size - 1)
    cells = torch.arange(size, device=start.device)
    share = (1 - (at[..., None] - cells).abs()).clamp(min=0)  # (n, parts, most, size)
    share = (share * used[..., None]).sum(2)
    return share / points[:, None, None].clamp(min=1)


def _check(features, boxes, output_size, spatial_scale) -> tuple[int, int]:
    """Refuse bad arguments; the rows and columns of the grid."""
    if features.dim() != 4 or not features.is_floating_point():
        raise ValueError(
            f"features are {features.dtype} of the shape {tuple(features.shape)}: "
            "give floating point (batch, channels, height, width)"
        )
    if boxes.dim() != 2 or boxes.shape[1] != 5:
        raise ValueError(
            f"boxes have the shape {tuple(boxes.shape)}: give (n, 5), the picture's number in the "
            "batch before x1, y1, x2, y2"
        )
    check_boxes(boxes[:, 1:], "boxes")
    image = boxes[:, 0]
    if not ((image >= 0) & (image < len(features)) & (image == image.floor())).all():
        raise ValueError(
            f"boxes[:, 0] goes from {image.min().item():g} to {image.max().item():g}: "
            f"give the number of a picture of the batch, 0 to {len(features) - 1}"
        )
    if not spatial_scale > 0:
        raise ValueError(f"spatial_scale is {spatial_scale}: give cells per pixel, above 0")
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(size) != 2 or not all(isinstance(s, int) and s > 0 for s in size):
        raise ValueError(f"output_size is {output_size!r}: give a positive integer, or two")
    return size


def _check_ratio(sampling_ratio: int) -> None:
    if not isinstance(sampling_ratio, int) or sampling_ratio == 0 or sampling_ratio < -1:
        raise ValueError(f"sampling_ratio is {sampling_ratio!r}: give points per cell, or -1")
