"""YOLO: one look at the picture, a grid of cells, and a few boxes straight from each cell.

:class:`TinyYOLO` is the first version's idea (Redmon et al., 2016) on a small convolutional body.
Its options are what later versions changed, one each: `priors`, `box_loss`, `grids`, `assignment`.
:class:`FreeYOLO` has no anchors, and decodes its boxes as the versions of this kind do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labnotes.checks import check_positive
from labnotes.detection.boxes import box_convert, iou
from labnotes.detection.suppression import batched_nms

COORD, NO_OBJECT = 5.0, 0.5  # lambda_coord and lambda_noobj of the paper's equation 3
BOX = 2.0  # lambda_0 of Li et al. (2020), section 3, "Training dense detectors with GFL"
ALPHA, BETA, TOP = 1.0, 6.0, 13  # of task-aligned assignment: Feng et al. (2021), section 4.1
BOX_LOSSES, ASSIGNMENTS = ("squared", "giou"), ("centre", "aligned")

Target = dict[str, Tensor]


@dataclass(frozen=True)
class Guesses:
    """What the outputs of a grid mean. n is rows x columns x boxes, cell by cell.

    Attributes
    ----------
    boxes : Tensor
        ``(..., n, 4)``, ``(x1, y1, x2, y2)`` in pixels.
    codes : Tensor
        ``(..., n, 4)``, the four outputs that the boxes were made of.
    confidence : Tensor
        ``(..., n)``.
    classes : Tensor
        ``(..., n, num_classes)``; boxes of one cell share them where there are no priors.
    cells : Tensor
        ``(n, 4)``, the cell of each box, in pixels.
    """

    boxes: Tensor
    codes: Tensor
    confidence: Tensor
    classes: Tensor
    cells: Tensor


def decode_grid(
    outputs: Tensor,
    num_classes: int,
    image_size: tuple[int, int],
    priors: Sequence[tuple[float, float]] | None = None,
) -> Guesses:
    """The boxes that the outputs of a grid stand for.

    Without priors a cell has B times ``(tx, ty, tw, th, confidence)`` and then its classes, and a
    box in column j and row i has its centre at ``((j + tx) * stride, (i + ty) * stride)`` and
    sides ``tw**2 * width`` and ``th**2 * height`` of the picture. With priors each box has classes
    of its own, its centre is ``sigmoid(tx)`` and ``sigmoid(ty)`` into the cell, and its sides are
    those of its prior times ``exp(tw)`` and ``exp(th)``.

    Parameters
    ----------
    outputs : Tensor
        ``(..., rows, columns, B * 5 + num_classes)``; with priors the last is
        ``B * (5 + num_classes)``.
    num_classes : int
        The number of classes.
    image_size : tuple of int
        Height and width of the picture in pixels.
    priors : sequence of (width, height), optional
        One a box, in pixels.

    Returns
    -------
    Guesses

    Raises
    ------
    ValueError
        If the last axis cannot be divided so.

    References
    ----------
    Redmon et al. (2016), section 2, and the authors' code for the squares; Redmon & Farhadi
    (2017), section 2, for priors.

    Examples
    --------
    >>> decode_grid(torch.zeros(7, 7, 30), 20, (448, 448)).boxes.shape
    torch.Size([98, 4])
    """
    count = _check_outputs(outputs, num_classes, image_size, priors)
    *batch, rows, columns, _ = outputs.shape
    height, width = image_size
    if priors is None:
        numbers, classes = outputs.split([5 * count, num_classes], -1)
        numbers = numbers.reshape(*batch, rows, columns, count, 5)
        classes = classes[..., None, :].expand(*numbers.shape[:-1], num_classes)
    else:
        both = outputs.reshape(*batch, rows, columns, count, 5 + num_classes)
        numbers, classes = both.split([5, num_classes], -1)
    codes, confidence = numbers[..., :4], numbers[..., 4]  # (..., rows, columns, B, 4) and (…, B)

    stride = outputs.new_tensor([width / columns, height / rows])
    y, x = torch.meshgrid(
        torch.arange(rows, device=outputs.device), torch.arange(columns, device=outputs.device),
        indexing="ij",
    )  # fmt: skip
    corner = torch.stack([x, y], -1)[:, :, None] * stride  # (rows, columns, 1, 2)
    if priors is None:
        centre = corner + codes[..., :2] * stride
        sides = codes[..., 2:].square() * outputs.new_tensor([width, height])
    else:
        centre = corner + codes[..., :2].sigmoid() * stride
        sides = outputs.new_tensor(priors) * codes[..., 2:].clamp(max=4).exp()
    boxes = torch.cat([centre - sides / 2, centre + sides / 2], -1)
    cells = torch.cat([corner, corner + stride], -1).expand(rows, columns, count, 4)
    last = len(batch)
    return Guesses(
        boxes.flatten(last, last + 2), codes.flatten(last, last + 2),
        confidence.flatten(last, last + 2), classes.flatten(last, last + 2), cells.flatten(0, 2),
    )  # fmt: skip


def decode_free(
    outputs: Tensor, num_classes: int, image_size: tuple[int, int], start: int = 32
) -> Guesses:
    """The boxes of a grid without anchors: a shift from the cell's middle, and a factor for a size.

    A box has its centre ``(tx, ty)`` cells away from the middle of its cell, as far as it likes,
    and the sides ``start * exp(tw)`` and ``start * exp(th)``. Outputs of 0 mean a square of `start`
    pixels in the middle of the cell, wherever the cell is and however large the picture.

    Parameters
    ----------
    outputs : Tensor
        ``(..., rows, columns, 5 + num_classes)``, one box a cell; ``(tx, ty, tw, th)`` come first.
    num_classes : int
        The number of classes.
    image_size : tuple of int
        Height and width of the picture in pixels.
    start : int
        The side in pixels that a factor of 1 means; factors end at ``exp(4)``.

    Returns
    -------
    Guesses

    Raises
    ------
    ValueError
        If the last axis is not ``5 + num_classes``, or `start` is no positive integer.

    References
    ----------
    Ge et al., "YOLOX", 2021, section 2.1, "Anchor-free", and the authors' code: there the shift is
    from the cell's corner, and `start` is its side. Tian et al., "FCOS", 2019, section 3.1, has the
    exponential too, of four distances.

    Examples
    --------
    >>> outputs = torch.zeros(2, 2, 6)  # 2x2 cells of 16 pixels, one class
    >>> outputs[0, 1, :4] = torch.tensor([0.5, 0.0, math.log(2), 0.0])
    >>> decode_free(outputs, 1, (32, 32), start=8).boxes[1]  # the centre was at (24, 8)
    tensor([24.,  4., 40., 12.])
    """
    _check_free(outputs, num_classes, start)
    grid = decode_grid(outputs, num_classes, image_size)
    low, high = grid.cells[:, :2], grid.cells[:, 2:]  # (n, 2) each
    centre = (low + high) / 2 + grid.codes[..., :2] * (high - low)  # (..., n, 2)
    sides = start * grid.codes[..., 2:].clamp(max=4).exp()
    return replace(grid, boxes=torch.cat([centre - sides / 2, centre + sides / 2], -1))


def encode_box(
    boxes: Tensor, cells: Tensor, image_size: tuple[int, int], priors: Tensor | None = None
) -> Tensor:
    """The codes ``(m, 4)`` from which :func:`decode_grid` makes `boxes`, in these cells.

    Parameters
    ----------
    boxes, cells : Tensor
        ``(m, 4)``, in pixels.
    image_size : tuple of int
        Height and width of the picture.
    priors : Tensor, optional
        ``(m, 2)``, width and height. With priors the centre is given as the place in the cell,
        from 0 to 1, which the sigmoid of the code has to be.
    """
    middle = box_convert(boxes, "xyxy", "cxcywh")
    place = (middle[:, :2] - cells[:, :2]) / (cells[:, 2:] - cells[:, :2])
    if priors is None:
        size = (middle[:, 2:] / middle.new_tensor(image_size[::-1])).sqrt()
    else:
        size = (middle[:, 2:] / priors).log()
    return torch.cat([place, size], -1)


# --- which box answers for which object --------------------------------------------------------


def responsible(boxes: Tensor, cells: Tensor, truth: Tensor, shared: bool = True) -> Tensor:
    """The box that answers for each object: of those of its cell, the one that fits best.

    An object belongs to the cell in which its centre lies. Of the boxes of that cell (of several
    grids, of the cells of all) the one with the largest IoU is responsible.

    Parameters
    ----------
    boxes : Tensor
        ``(n, 4)``, the guesses as they are now.
    cells : Tensor
        ``(n, 4)``, the cell of each.
    truth : Tensor
        ``(m, 4)``, the objects.
    shared : bool
        Boxes of a cell share its classes: a cell answers for one object, the first.

    Returns
    -------
    Tensor
        ``(m,)``, the number of the box, or -1 where an earlier object has taken the place.

    Raises
    ------
    ValueError
        If boxes and cells are not as many, or the centre of an object lies in no cell.

    Examples
    --------
    >>> guesses = decode_grid(torch.full((2, 2, 6), 0.5), 1, (10, 10))  # 2x2 cells, one box each
    >>> truth = torch.tensor([[1.0, 6, 4, 9], [0, 5, 4, 10]])  # both with the centre at the left
    >>> responsible(guesses.boxes, guesses.cells, truth)
    tensor([ 2, -1])
    """
    _check_cells(boxes, cells)
    x, y = box_convert(truth, "xyxy", "cxcywh")[:, :2].T[:, :, None]  # (m, 1) each
    left, top, right, bottom = cells.T
    inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)  # (m, n)
    _check_inside(inside, truth)
    best = torch.where(inside, iou(truth, boxes.detach()), -1.0).argmax(1)  # (m,)
    its = cells[best]  # (m, 4)
    same = (its[:, None] == its).all(-1) if shared else best[:, None] == best  # (m, m)
    earlier = same.tril(-1).any(1)
    return torch.where(earlier, -1, best)


def task_aligned(
    boxes: Tensor, scores: Tensor, cells: Tensor, truth: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Which object each box answers for, by what it predicts: the best 13 boxes of each object.

    A box whose cell's middle lies in an object is measured by ``score * IoU**6``, the score that
    of the object's class. The best 13 answer for the object; who is among the best of several
    objects, for the one that it overlaps most.

    Parameters
    ----------
    boxes, cells : Tensor
        ``(n, 4)``.
    scores : Tensor
        ``(n, num_classes)``, from 0 to 1.
    truth, labels : Tensor
        ``(m, 4)`` and ``(m,)``.

    Returns
    -------
    assigned : Tensor
        ``(n,)``, the number of the object, or -1.
    quality : Tensor
        ``(n,)``, the score that each box should have: the measure, scaled for each object so that
        its best box has the largest IoU that the object has; 0 without object.

    Raises
    ------
    ValueError
        If boxes, scores and cells, or truth and labels, are not as many, or a label has no score.

    References
    ----------
    Feng et al., "TOOD: Task-aligned One-stage Object Detection", 2021, section 3.2.
    """
    _check_assignment(boxes, scores, cells, truth, labels)
    n, m = len(boxes), len(truth)
    if m == 0:
        return torch.full((n,), -1, device=boxes.device), scores.new_zeros(n)
    boxes, scores = boxes.detach(), scores.detach()
    overlap = iou(truth, boxes)  # (m, n)
    measure = scores[:, labels].T ** ALPHA * overlap**BETA
    x, y = ((cells[:, :2] + cells[:, 2:]) / 2).T  # (n,) each
    left, top, right, bottom = truth.T[:, :, None]  # (m, 1) each
    inside = (left < x) & (x < right) & (top < y) & (y < bottom)
    # An object so small that no middle lies in it takes the box of its own cell.
    centre = (truth[:, None, :2] + truth[:, None, 2:]) / 2  # (m, 1, 2)
    own = ((cells[:, :2] <= centre) & (centre < cells[:, 2:])).all(-1)
    inside |= own & ~inside.any(1, keepdim=True)
    # 1 + measure orders the boxes inside before all others, those without any overlap too.
    rank = torch.where(inside, 1 + measure, 0.0)
    chosen = torch.zeros_like(inside).scatter_(1, rank.topk(min(TOP, n)).indices, True) & inside
    assigned = torch.where(chosen, overlap, -1.0).max(0).indices  # (n,)
    assigned = torch.where(chosen.any(0), assigned, -1)
    mine = chosen & (assigned == torch.arange(m, device=boxes.device)[:, None])  # (m, n)
    measure, overlap = measure * mine, overlap * mine
    scale = overlap.amax(1) / measure.amax(1).clamp(min=torch.finfo(measure.dtype).tiny)
    return assigned, (measure * scale[:, None]).sum(0)


# --- the network -------------------------------------------------------------------------------


class SmallBody(nn.Module):
    """A convolutional body for small pictures: features at strides 8 and 16.

    The coarse features, which see most of a small picture, are added to the fine ones.
    """

    strides = (8, 16)

    def __init__(self, width: int = 32):
        super().__init__()
        self.channels = (2 * width, 3 * width)
        self.fine = nn.Sequential(
            _layer(3, width // 2, 2),
            _layer(width // 2, width, 2), _layer(width, width),
            _layer(width, 2 * width, 2), _layer(2 * width, 2 * width),
        )  # fmt: skip
        self.coarse = nn.Sequential(_layer(2 * width, 3 * width, 2), _layer(3 * width, 3 * width))
        self.down = nn.Conv2d(3 * width, 2 * width, 1)
        self.mix = _layer(2 * width, 2 * width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(images)  # (batch, 2 width, height / 8, width / 8)
        coarse = self.coarse(fine)  # (batch, 3 width, height / 16, width / 16)
        fine = fine + F.interpolate(self.down(coarse), scale_factor=2.0)
        return self.mix(fine), coarse


class SqueezeBody(nn.Module):
    """The features of a SqueezeNet 1.1 (pretrained, say) at strides 8 and 16, mixed alike.

    Parameters
    ----------
    network
        ``torchvision.models.squeezenet1_1()``. Its first convolution gets a padding, so that the
        sides are divided exactly.
    width
        Channels of the mixed features.
    """

    strides = (8, 16)

    def __init__(self, network: nn.Module, width: int = 96):
        super().__init__()
        self.channels = (width, width)
        network.features[0].padding = (1, 1)
        self.fine, self.coarse = network.features[:8], network.features[8:]
        self.across = nn.Conv2d(256, width, 1)
        self.down = nn.Conv2d(512, width, 1)
        self.mix = nn.Sequential(_layer(width, width), _layer(width, width))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(images)  # (batch, 256, height / 8, width / 8)
        coarse = self.down(self.coarse(fine))  # (batch, width, height / 16, width / 16)
        return self.mix(self.across(fine) + F.interpolate(coarse, scale_factor=2.0)), coarse


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class TinyYOLO(nn.Module):
    """A small YOLO: the first version as it stands, and four options that later ones brought.

    Parameters
    ----------
    num_classes : int
        The number of classes; labels are 0 to ``num_classes - 1``.
    body : Module, optional
        Gives features at strides 8 and 16, as :class:`SmallBody` (the default) does.
    boxes : int
        B, the boxes of a cell. Without effect where there are priors, one box each.
    grids : int
        1: cells of 8x8 pixels. 2: cells of 16x16 pixels as well (YOLOv3).
    priors : sequence of (width, height), optional
        In pixels: the boxes of a cell begin with these shapes, and each has its own classes
        (YOLOv2). Both grids have all of them.
    box_loss : str
        "squared": of the codes, as in version 1. "giou": 1 - GIoU of the boxes (YOLOv4 and later
        have losses of this kind).
    assignment : str
        "centre": an object belongs to the cell of its centre. "aligned": the boxes that predict it
        best answer for it (:func:`task_aligned`; YOLOv6, YOLOv8), with the quality focal loss of
        a score for each class, whose weight is taken as a constant, and no confidence. It asks for ``boxes=1`` and no priors.

    Raises
    ------
    ValueError
        If an option is not one of these, or options do not go together.

    References
    ----------
    Redmon et al., "You Only Look Once", 2016; Redmon & Farhadi, "YOLO9000", 2017, and "YOLOv3",
    2018; Rezatofighi et al., "Generalized Intersection over Union", 2019; Li et al., "Generalized
    Focal Loss", 2020; Feng et al., "TOOD", 2021.
    """

    def __init__(
        self,
        num_classes: int,
        body: nn.Module | None = None,
        *,
        boxes: int = 2,
        grids: int = 1,
        priors: Sequence[tuple[float, float]] | None = None,
        box_loss: str = "squared",
        assignment: str = "centre",
    ):
        super().__init__()
        _check_options(num_classes, boxes, grids, priors, box_loss, assignment)
        self.num_classes, self.box_loss, self.assignment = num_classes, box_loss, assignment
        self.priors = None if priors is None else [tuple(map(float, each)) for each in priors]
        self.boxes = boxes if priors is None else len(priors)
        self.body = SmallBody() if body is None else body
        shared = priors is None
        channels = self.boxes * 5 + num_classes if shared else self.boxes * (5 + num_classes)
        self.heads = nn.ModuleList(
            nn.Conv2d(inputs, channels, 1) for inputs in self.body.channels[:grids]
        )
        for head in self.heads:
            _begin(head, self.boxes, shared, assignment == "aligned")

    def forward(self, images: Tensor) -> list[Tensor]:
        """The outputs of each grid: ``(batch, rows, columns, outputs of a cell)``."""
        _check_images(images, self.body.strides[-1])
        return [
            head(features).permute(0, 2, 3, 1)
            for head, features in zip(self.heads, self.body(images))
        ]

    def guesses(self, images: Tensor) -> Guesses:
        """All boxes of all grids, decoded: n of them a picture."""
        size = tuple(images.shape[-2:])
        found = [
            decode_grid(each.float(), self.num_classes, size, self.priors) for each in self(images)
        ]
        return Guesses(
            *(torch.cat([getattr(each, name) for each in found], 1)
              for name in ("boxes", "codes", "confidence", "classes")),
            torch.cat([each.cells for each in found]),
        )  # fmt: skip

    def loss(self, images: Tensor, targets: Sequence[Target]) -> Tensor:
        """The sum of :meth:`terms`: what training makes small."""
        return sum(self.terms(images, targets).values())

    def terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The parts of the loss by name, weighted, of a mean picture of the batch.

        Parameters
        ----------
        images : Tensor
            ``(batch, 3, height, width)``, sides that can be divided by 16.
        targets : sequence of dict
            One a picture: "boxes" ``(k, 4)`` in pixels, ``(0, 4)`` without objects; "labels"
            ``(k,)``.

        Raises
        ------
        ValueError
            If images and targets do not belong together, or a box or a label is out of range.
        """
        _check_targets(images, targets, self.num_classes)
        guesses = self.guesses(images)
        if self.assignment == "aligned":
            return self._aligned_terms(guesses, targets, tuple(images.shape[-2:]))
        return self._terms(guesses, targets, tuple(images.shape[-2:]))

    def _terms(self, guesses: Guesses, targets, size) -> dict[str, Tensor]:
        """Version 1's loss, equation 3 of the paper, with the options for boxes."""
        chosen, truth, labels = self._responsible(guesses, targets)  # (k, 2), (k, 4), (k,)
        picture, box = chosen.T
        boxes, confidence = guesses.boxes[picture, box], guesses.confidence
        fit = _paired_iou(boxes, truth).detach()  # (k,)
        wanted = torch.zeros_like(confidence)  # (batch, n)
        wanted[picture, box] = fit
        weight = torch.full_like(confidence, NO_OBJECT)
        weight[picture, box] = 1.0
        wrong = weight * (confidence - wanted).square()
        hit = torch.zeros_like(wrong, dtype=torch.bool)
        hit[picture, box] = True
        classes = F.one_hot(labels, self.num_classes)
        terms = {
            "object": wrong[hit].sum(),
            "no object": wrong[~hit].sum(),
            "class": (guesses.classes[picture, box] - classes).square().sum(),
        }
        if self.box_loss == "giou":
            terms["box"] = COORD * (1 - _paired_giou(boxes, truth)).sum()
        else:
            codes = guesses.codes[picture, box]
            priors = self._priors(box)
            if priors is not None:
                codes = torch.cat([codes[:, :2].sigmoid(), codes[:, 2:]], -1)
            error = (codes - encode_box(truth, guesses.cells[box], size, priors)).square()
            terms["centre"] = COORD * error[:, :2].sum()
            terms["size"] = COORD * error[:, 2:].sum()
        return {name: value / len(targets) for name, value in terms.items()}

    def _responsible(self, guesses: Guesses, targets) -> tuple[Tensor, Tensor, Tensor]:
        """(picture, box) for each object that has a box, ``(k, 2)``; its truth and its label."""
        found = []
        for i, target in enumerate(targets):
            boxes, cells = guesses.boxes[i], guesses.cells
            if self.priors is not None:  # the shape decides, not what is predicted now
                middle = (cells[:, :2] + cells[:, 2:]) / 2
                half = self._priors(torch.arange(len(cells), device=cells.device)) / 2
                boxes = torch.cat([middle - half, middle + half], -1)
            box = responsible(boxes, cells, target["boxes"].to(boxes), self.priors is None)
            kept = box >= 0
            place = torch.stack([torch.full_like(box, i), box], -1)
            found.append((place[kept], target["boxes"].to(boxes)[kept], target["labels"][kept]))
        return tuple(torch.cat(part) for part in zip(*found))

    def _priors(self, box: Tensor) -> Tensor | None:
        """The prior ``(k, 2)`` of each box: they stand in turn, cell by cell."""
        if self.priors is None:
            return None
        table = torch.tensor(self.priors, device=box.device)
        return table[box % len(table)]

    def _aligned_terms(self, guesses: Guesses, targets, size) -> dict[str, Tensor]:
        """Quality focal loss of the scores, and the loss of the boxes weighted by their quality."""
        scores = guesses.classes.sigmoid()  # (batch, n, num_classes)
        wanted = torch.zeros_like(scores)
        total, box_loss = 0.0, guesses.boxes.sum() * 0
        for i, target in enumerate(targets):
            truth, labels = target["boxes"].to(scores), target["labels"]
            assigned, quality = task_aligned(
                guesses.boxes[i], scores[i], guesses.cells, truth, labels
            )
            mine = (assigned >= 0).nonzero()[:, 0]
            if len(mine) == 0:
                continue
            its, quality = assigned[mine], quality[mine]
            wanted[i, mine, labels[its]] = quality
            if self.box_loss == "giou":
                wrong = 1 - _paired_giou(guesses.boxes[i, mine], truth[its])
            else:
                codes = encode_box(truth[its], guesses.cells[mine], size)
                wrong = (guesses.codes[i, mine] - codes).square().sum(-1)
            box_loss = box_loss + (quality * wrong).sum()
            total = total + quality.sum()
        focus = (scores.detach() - wanted).abs().square()
        entropy = F.binary_cross_entropy_with_logits(guesses.classes, wanted, reduction="none")
        share = torch.as_tensor(total, device=scores.device).clamp(min=1.0)
        return {"class": (focus * entropy).sum() / share, "box": COORD * box_loss / share}

    @torch.no_grad()
    def detect(
        self, images: Tensor, score_threshold: float = 0.05, iou_threshold: float = 0.5
    ) -> list[Target]:
        """The objects that the network finds.

        Parameters
        ----------
        images : Tensor
            ``(batch, 3, height, width)``.
        score_threshold : float
            Boxes with a lower score are left out. Of the first version the score is confidence
            times class.
        iou_threshold : float
            Of non-maximum suppression, class by class.

        Returns
        -------
        list of dict
            One a picture, as torchvision's detectors give them: "boxes" ``(k, 4)`` inside the
            picture, "scores" ``(k,)`` and "labels" ``(k,)``, the highest score first, at most 100.
        """
        training = self.training
        self.eval()
        guesses = self.guesses(images)
        self.train(training)
        if self.assignment == "aligned":
            scores = guesses.classes.sigmoid()
        else:
            scores = guesses.confidence[..., None].clamp(0, 1) * guesses.classes.clamp(0, 1)
        height, width = images.shape[-2:]
        limit = guesses.boxes.new_tensor([width, height, width, height])
        boxes = guesses.boxes.clamp(min=0).minimum(limit)
        return [
            _best(each, score, score_threshold, iou_threshold) for each, score in zip(boxes, scores)
        ]


class FreeYOLO(TinyYOLO):
    """A YOLO without anchors: one box a cell (:func:`decode_free`), aligned assignment, GIoU.

    Parameters
    ----------
    num_classes : int
        The number of classes; labels are 0 to ``num_classes - 1``.
    body : Module, optional
        As for :class:`TinyYOLO`.
    start : int
        The side in pixels that all boxes begin with: about the size of an object.

    Raises
    ------
    ValueError
        If `num_classes` or `start` is no positive integer.

    References
    ----------
    Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021, section 2.1; Feng et al., "TOOD", 2021,
    for the assignment; Li et al., "Generalized Focal Loss", 2020, for the losses and their weights.
    """

    def __init__(self, num_classes: int, body: nn.Module | None = None, start: int = 32):
        super().__init__(num_classes, body, boxes=1, box_loss="giou", assignment="aligned")
        check_positive(start=start)
        self.start = start
        with torch.no_grad():
            self.heads[0].bias[:4] = 0  # a square in the middle of each cell

    def guesses(self, images: Tensor) -> Guesses:
        """All boxes, decoded: one a cell."""
        (outputs,) = self(images)
        return decode_free(outputs.float(), self.num_classes, tuple(images.shape[-2:]), self.start)

    def _aligned_terms(self, guesses: Guesses, targets, size) -> dict[str, Tensor]:
        """With the weight of the box loss that belongs to the quality focal loss."""
        terms = super()._aligned_terms(guesses, targets, size)
        return terms | {"box": BOX / COORD * terms["box"]}


def _best(boxes: Tensor, scores: Tensor, score_threshold: float, iou_threshold: float) -> Target:
    """Of one picture: boxes with a score, without those that a better one of the class covers."""
    with_area = (boxes[:, 2:] > boxes[:, :2]).all(-1)
    box, label = ((scores > score_threshold) & with_area[:, None]).nonzero().T
    score = scores[box, label]
    keep = batched_nms(boxes[box], score, label, iou_threshold)[:100]
    return {"boxes": boxes[box][keep], "scores": score[keep], "labels": label[keep]}


def _begin(head: nn.Conv2d, boxes: int, shared: bool, aligned: bool) -> None:
    """Start all boxes in the middle of their cells, a quarter of the picture wide or high, or more."""
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    with torch.no_grad():
        if shared:
            numbers = head.bias[: 5 * boxes].view(boxes, 5)
            numbers[:, :2] = 0.5
            # Boxes of a cell begin with different shapes, so that they part.
            numbers[:, 2] = torch.linspace(0.5, 0.65, boxes)
            numbers[:, 3] = torch.linspace(0.65, 0.5, boxes) if boxes > 1 else 0.5
        if aligned:  # a score of 0.01 everywhere: Lin et al. (2017), section 3.3
            head.bias[5 * boxes :] = -math.log(99)


def _paired_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU of each box ``(k, 4)`` with the one in the same row."""
    common, union, _ = _overlap(boxes1, boxes2)
    return common / union.clamp(min=1e-9)


def _paired_giou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """GIoU of each box ``(k, 4)`` with the one in the same row."""
    common, union, hull = _overlap(boxes1, boxes2)
    return common / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def _overlap(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas ``(k,)`` of what two boxes share, of both together, and of the box round both."""
    low, high = boxes1[:, :2].maximum(boxes2[:, :2]), boxes1[:, 2:].minimum(boxes2[:, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = sum((b[:, 2:] - b[:, :2]).prod(-1) for b in (boxes1, boxes2)) - common
    hull = boxes1[:, 2:].maximum(boxes2[:, 2:]) - boxes1[:, :2].minimum(boxes2[:, :2])
    return common, union, hull.prod(-1)


# --- checks ------------------------------------------------------------------------------------


def _check_outputs(outputs: Tensor, num_classes: int, image_size, priors) -> int:
    """The number of boxes of a cell."""
    check_positive(num_classes=num_classes, height=image_size[0], width=image_size[1])
    channels = outputs.shape[-1] if outputs.dim() >= 3 else 0
    count = (channels - num_classes) // 5 if priors is None else len(priors)
    expected = count * 5 + num_classes if priors is None else count * (5 + num_classes)
    if count < 1 or channels != expected:
        form = "B * 5 + num_classes" if priors is None else f"{len(priors)} * (5 + num_classes)"
        raise ValueError(
            f"outputs are {tuple(outputs.shape)}: with {num_classes} classes give (..., rows, "
            f"columns, {form})"
        )
    return count


def _check_free(outputs: Tensor, num_classes: int, start: float) -> None:
    check_positive(num_classes=num_classes, start=start)
    if outputs.dim() < 3 or outputs.shape[-1] != 5 + num_classes:
        raise ValueError(
            f"outputs are {tuple(outputs.shape)}: without anchors a cell has one box, so with "
            f"{num_classes} classes give (..., rows, columns, {5 + num_classes})"
        )


def _check_cells(boxes: Tensor, cells: Tensor) -> None:
    if boxes.shape != cells.shape or boxes.shape[-1:] != (4,) or boxes.dim() != 2:
        raise ValueError(
            f"boxes are {tuple(boxes.shape)} and cells {tuple(cells.shape)}: give (n, 4) and the "
            "cell of each, (n, 4)"
        )


def _check_inside(inside: Tensor, truth: Tensor) -> None:
    outside = ~inside.any(1)
    if outside.any():
        i = int(outside.nonzero()[0])
        raise ValueError(
            f"truth[{i}] is {truth[i].tolist()}, and its centre lies in no cell: give boxes inside "
            "the picture, in pixels"
        )


def _check_assignment(boxes, scores, cells, truth, labels) -> None:
    _check_cells(boxes, cells)
    if scores.dim() != 2 or len(scores) != len(boxes) or truth.shape != (len(labels), 4):
        raise ValueError(
            f"there are {len(boxes)} boxes, and scores are {tuple(scores.shape)}, truth is "
            f"{tuple(truth.shape)}, labels are {tuple(labels.shape)}: give (n, num_classes), "
            "(m, 4) and (m,)"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < scores.shape[1]:
        raise ValueError(
            f"labels are from {int(labels.min())} to {int(labels.max())}: with "
            f"{scores.shape[1]} scores a box give 0 to {scores.shape[1] - 1}"
        )


def _check_options(num_classes, boxes, grids, priors, box_loss, assignment) -> None:
    check_positive(num_classes=num_classes, boxes=boxes)
    if grids not in (1, 2):
        raise ValueError(f"grids is {grids!r}: give 1 (stride 8) or 2 (strides 8 and 16)")
    if box_loss not in BOX_LOSSES:
        raise ValueError(f"box_loss is {box_loss!r}: give one of {', '.join(BOX_LOSSES)}")
    if assignment not in ASSIGNMENTS:
        raise ValueError(f"assignment is {assignment!r}: give one of {', '.join(ASSIGNMENTS)}")
    if priors is not None and not (
        len(priors) and all(len(each) == 2 and min(each) > 0 for each in priors)
    ):
        raise ValueError(f"priors are {priors!r}: give (width, height) in pixels, at least one")
    if assignment == "aligned" and (boxes != 1 or priors is not None):
        raise ValueError('assignment="aligned" goes with boxes=1 and no priors')


def _check_images(images: Tensor, stride: int) -> None:
    if images.dim() != 4 or not images.is_floating_point():
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give (batch, 3, height, width) in "
            "floating point"
        )
    if images.shape[-1] % stride or images.shape[-2] % stride:
        raise ValueError(
            f"images are {images.shape[-2]}x{images.shape[-1]}: give sides that can be divided by "
            f"{stride}, for then all cells are of one size"
        )


def _check_targets(images: Tensor, targets: Sequence[Target], num_classes: int) -> None:
    from labnotes.data.boxed.batches import check_targets

    check_targets(targets, images)
    for i, target in enumerate(targets):
        if len(target["labels"]) and target["labels"].max() >= num_classes:
            raise ValueError(
                f"targets[{i}]['labels'] has {int(target['labels'].max())}: with {num_classes} "
                f"classes labels are 0 to {num_classes - 1}"
            )
