"""Faster R-CNN and Mask R-CNN in small: first where something might be, then what it is.

A picture goes through the body once. A region proposal network says at each position of the feature
map which anchors hold an object. From the best of these regions RoIAlign cuts features of one fixed
shape, and small heads name the class, correct the box and draw the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.detection.anchors import (
    anchor_targets,
    anchors,
    assign_anchors,
    decode_boxes,
    detections,
    encode_boxes,
)
from labnotes.detection.boxes import box_iou
from labnotes.detection.inputs import check_finite, check_images, check_targets
from labnotes.detection.regions import roi_align
from labnotes.detection.suppression import nms

SIZES = (0.16, 0.27, 0.45)  # sides of anchors, as parts of the picture's shorter side
RATIOS = (1.0, 2.0, 0.5)  # width / height
PLAIN = (1.0, 1.0, 1.0, 1.0)  # weights of the proposals' offsets: Ren et al. (2015), equation 2
BETA = 1 / 9  # where the smooth L1 loss turns into a line, as in the authors' code and torchvision

Target = dict[str, Tensor]


# --- the parts ---------------------------------------------------------------------------------


class PyramidBody(nn.Module):
    """A body for small pictures: one feature map at stride 4 that knows the whole picture.

    The map is halved twice more, and what the coarse maps say is added to the fine one, as in a
    feature pyramid of which only the finest level is used.

    Parameters
    ----------
    in_channels
        Of the pictures.
    width
        Channels of the first convolution; the maps have 2, 3 and 4 times as many.
    channels
        Of the feature map.
    """

    stride = 4

    def __init__(self, in_channels: int = 3, width: int = 16, channels: int = 48):
        super().__init__()
        check_positive(in_channels=in_channels, width=width, channels=channels)
        self.channels = channels
        self.fine = nn.Sequential(
            _conv(in_channels, width, 2), _conv(width, 2 * width, 2), _conv(2 * width, 2 * width)
        )
        self.middle = nn.Sequential(_conv(2 * width, 3 * width, 2), _conv(3 * width, 3 * width))
        self.coarse = nn.Sequential(_conv(3 * width, 4 * width, 2), _conv(4 * width, 4 * width))
        self.across = nn.ModuleList(nn.Conv2d(k * width, channels, 1) for k in (2, 3, 4))
        self.mix = _conv(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)  # (batch, 2 width, height / 4, width / 4)
        middle = self.middle(fine)  # (batch, 3 width, height / 8, width / 8)
        coarse = self.coarse(middle)  # (batch, 4 width, height / 16, width / 16)
        maps = [layer(x) for layer, x in zip(self.across, (fine, middle, coarse))]
        upper = maps[1] + F.interpolate(maps[2], size=maps[1].shape[2:])
        return self.mix(maps[0] + F.interpolate(upper, size=maps[0].shape[2:]))


class ProposalHead(nn.Module):
    """The region proposal network (区域提议网络): is an anchor on an object, and how must it move?

    Parameters
    ----------
    channels
        Of the feature map.
    anchors
        k, the anchors of a position. There are k logits (Ren et al. have 2k, a softmax of two) and
        4k offsets at each position.
    """

    def __init__(self, channels: int, anchors: int):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())
        self.score = nn.Conv2d(channels, anchors, 1)
        self.move = nn.Conv2d(channels, 4 * anchors, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.look(features)  # (batch, channels, h, w)
        logits = self.score(x).permute(0, 2, 3, 1).flatten(1)  # (batch, h w k)
        offsets = self.move(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4)  # (batch, h w k, 4)
        return logits, offsets


class BoxHead(nn.Module):
    """Class and offsets of a region: two fully connected layers, and two outputs side by side."""

    def __init__(self, channels: int, pooled: int, num_classes: int, hidden: int = 96):
        super().__init__()
        self.num_classes = num_classes
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * pooled**2, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
        )  # fmt: skip
        self.classify = nn.Linear(hidden, num_classes + 1)  # column 0 is background
        self.move = nn.Linear(hidden, 4 * num_classes)  # each class has offsets of its own

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(regions)  # (n, hidden)
        return self.classify(x), self.move(x).view(-1, self.num_classes, 4)


class MaskHead(nn.Sequential):
    """A mask for each class: convolutions on the region's features, doubled in size at the end."""

    def __init__(self, channels: int, num_classes: int, hidden: int = 32):
        super().__init__(
            nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, hidden, 2, stride=2), nn.ReLU(),
            nn.Conv2d(hidden, num_classes, 1),
        )  # fmt: skip


# --- the network -------------------------------------------------------------------------------


class Proposed(NamedTuple):
    """What the first stage says of a batch: the map, and of each anchor a logit and offsets.

    Attributes
    ----------
    features
        ``(batch, channels, h, w)``.
    logits
        ``(batch, n)``: how sure it is of an object.
    offsets
        ``(batch, n, 4)``.
    anchors
        ``(n, 4)``, in pixels; the same for every picture.
    """

    features: Tensor
    logits: Tensor
    offsets: Tensor
    anchors: Tensor


class TinyFasterRCNN(nn.Module):
    """A small Faster R-CNN, with the mask head of Mask R-CNN.

    Parameters
    ----------
    num_classes
        Classes without the background; labels go from 0 to ``num_classes - 1``.
    in_channels
        Channels of the pictures, for the body that is built where none is given.
    body
        Gives one feature map, and says its ``channels`` and ``stride``: :class:`PyramidBody`.
    sizes, ratios
        Sides of anchors as parts of the picture's shorter side, and width / height. Each position
        has ``len(sizes) * len(ratios)`` anchors.
    proposals
        Regions of a picture that the heads look at.
    anchors_drawn, regions_drawn
        How many anchors and how many regions of a picture the two losses are computed on;
        :func:`sample` draws them. More objects in a picture ask for more.
    pooled
        RoIAlign gives ``pooled`` x ``pooled`` cells of a region; a mask has twice as many a side.
    masks
        Whether there is a mask head. It learns from targets with "masks".

    Notes
    -----
    Both stages learn at the same time, from the sum of their losses ("approximate joint training"
    of Ren et al.): the corners of a proposal are taken as given, and no gradient goes through them.

    References
    ----------
    Ren et al., "Faster R-CNN", 2015; He et al., "Mask R-CNN", 2017.

    Examples
    --------
    >>> net = TinyFasterRCNN(num_classes=3)
    >>> images = torch.rand(2, 3, 64, 64)
    >>> truth = {"boxes": torch.tensor([[8.0, 8, 24, 24]]), "labels": torch.tensor([2])}
    >>> loss = net.loss(images, [truth, truth])
    >>> sorted(net.detect(images)[0])
    ['boxes', 'labels', 'masks', 'scores']
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        body: nn.Module | None = None,
        sizes: Sequence[float] = SIZES,
        ratios: Sequence[float] = RATIOS,
        proposals: int = 40,
        anchors_drawn: int = 64,
        regions_drawn: int = 24,
        pooled: int = 7,
        masks: bool = True,
    ):
        super().__init__()
        check_positive(num_classes=num_classes, proposals=proposals, pooled=pooled)
        check_positive(anchors_drawn=anchors_drawn, regions_drawn=regions_drawn)
        self.num_classes, self.proposals, self.pooled = num_classes, proposals, pooled
        self.anchors_drawn, self.regions_drawn = anchors_drawn, regions_drawn
        self.sizes, self.ratios = tuple(sizes), tuple(ratios)
        _check_anchors(self.sizes, self.ratios)
        self.body = PyramidBody(in_channels) if body is None else body
        channels = self.body.channels
        self.propose_head = ProposalHead(channels, len(self.sizes) * len(self.ratios))
        self.box_head = BoxHead(channels, pooled, num_classes)
        self.mask_head = MaskHead(channels, num_classes) if masks else None
        _initialise(self)

    def forward(self, images: Tensor) -> Proposed:
        """The first stage: one pass of the body, and an answer for each anchor."""
        check_images(images)
        features = self.body(images)
        places = tuple(features.shape[2:])
        shapes = [
            anchors(*places, [size], self.ratios, tuple(images.shape[2:]), images.device)
            for size in self.sizes
        ]
        k = len(self.ratios)
        boxes = torch.cat([each.view(-1, k, 4) for each in shapes], 1)  # (h w, sizes k, 4)
        return Proposed(features, *self.propose_head(features), boxes.view(-1, 4))

    @torch.no_grad()
    def regions(self, found: Proposed, size: tuple[int, int], count: int) -> list[Target]:
        """The best regions of each picture: moved anchors, clipped, without near doubles."""
        regions = []
        scores, order = found.logits.sigmoid().sort(1, descending=True)
        for score, best, offsets in zip(scores, order[:, : 4 * count], found.offsets):
            boxes = decode_boxes(offsets[best], found.anchors[best], PLAIN)
            boxes = _clip(boxes, size)
            large = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)
            boxes, score = boxes[large], score[: len(large)][large]
            kept = nms(boxes, score, 0.7)[:count]
            regions.append({"boxes": boxes[kept], "scores": score[kept]})
        return regions

    @torch.no_grad()
    def propose(self, images: Tensor, count: int | None = None) -> list[Target]:
        """The regions that might hold an object, the surest first.

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``, floating point.
        count
            At most so many for each picture; None: ``proposals``.

        Returns
        -------
        list of dict
            ``"boxes"`` ``(k, 4)`` and ``"scores"`` ``(k,)``.
        """
        count = self.proposals if count is None else count
        check_positive(count=count)
        with _Evaluating(self):
            found = self(images)
        return self.regions(found, tuple(images.shape[2:]), count)

    def pool(self, features: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Features of the regions of each picture: ``(all regions, channels, pooled, pooled)``."""
        rois = torch.cat(
            [torch.cat([box.new_full((len(box), 1), i), box], 1) for i, box in enumerate(boxes)]
        )  # fmt: skip  (n, 5)
        # Numbers around 300 are 2 apart in bfloat16: too far for corners.
        with torch.autocast(rois.device.type, enabled=False):
            return roi_align(
                features.float(), rois.float(), self.pooled, 1 / self.body.stride, 2, aligned=True
            )

    def loss(self, images: Tensor, targets: Sequence[Target]) -> Tensor:
        """The sum of :meth:`terms`: what training makes small."""
        return sum(self.terms(images, targets).values())

    def terms(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The parts of the loss: "object" and "region" of the proposals, "class", "box", "mask".

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``, floating point.
        targets
            For each picture "boxes" ``(m, 4)``, "labels" ``(m,)``, m may be 0, and for the mask
            head "masks" ``(m, height, width)``, bool.

        Raises
        ------
        ValueError
            If images and targets do not belong together, a label is out of range, or some targets
            have masks and others none.
        """
        check_targets(images, targets, self.num_classes)
        _check_masks(images, targets)
        found = self(images)
        terms = self.proposal_terms(found, targets)
        regions = self.regions(found, tuple(images.shape[2:]), self.proposals)
        chosen = [
            choose_regions(
                torch.cat([r["boxes"], t["boxes"].to(r["boxes"])]), t, self.regions_drawn
            )
            for r, t in zip(regions, targets)
        ]
        pooled = self.pool(found.features, [c.boxes for c in chosen])
        classes, wanted = (
            torch.cat([getattr(c, key) for c in chosen]) for key in ("classes", "offsets")
        )
        terms["class"], terms["box"] = head_loss(*self.box_head(pooled), classes, wanted)
        if self.mask_head is not None and "masks" in targets[0]:
            positive = classes > 0
            terms["mask"] = mask_loss(
                self.mask_head(pooled[positive]), classes[positive] - 1,
                torch.cat([
                    cut_masks(t["masks"], c.boxes[c.classes > 0], c.assigned[c.classes > 0],
                              2 * self.pooled)
                    for c, t in zip(chosen, targets)
                ]),
            )  # fmt: skip
        return terms

    def proposal_terms(self, found: Proposed, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The loss of the first stage alone."""
        truth = [proposal_targets(found.anchors, t["boxes"]) for t in targets]
        classes, offsets = (torch.stack(each) for each in zip(*truth))  # (batch, n), (batch, n, 4)
        drawn = torch.stack(  # (batch, n), bool
            [sample(each, self.anchors_drawn, 0.5) for each in classes]
        )
        of_objects, of_boxes = proposal_loss(found.logits, found.offsets, classes, offsets, drawn)
        return {"object": of_objects, "region": of_boxes}

    @torch.no_grad()
    def detect(
        self, images: Tensor, score_threshold: float = 0.05, iou_threshold: float = 0.5
    ) -> list[Target]:
        """What is found in each picture, the highest score first.

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``, floating point.
        score_threshold
            Finds of a lower score are left out.
        iou_threshold
            Of two finds of a class that overlap by more, non-maximum suppression keeps one.

        Returns
        -------
        list of dict
            "boxes" ``(k, 4)`` in pixels within the picture, "scores" ``(k,)``, "labels" ``(k,)``;
            with a mask head also "masks" ``(k, height, width)``, bool.
        """
        size = tuple(images.shape[2:])
        with _Evaluating(self):
            found = self(images)
            check_finite(found.logits, found.offsets)
            regions = [r["boxes"] for r in self.regions(found, size, self.proposals)]
            logits, offsets = self.box_head(self.pool(found.features, regions))
            shares = logits.softmax(1)  # (all regions, classes + 1)
            moves = offsets[torch.arange(len(offsets)), shares[:, 1:].argmax(1)]
            counts, results = [len(r) for r in regions], []
            for box, share, move in zip(regions, shares.split(counts), moves.split(counts)):
                here = detections(share, move, box, score_threshold, iou_threshold)
                here["boxes"] = _clip(here["boxes"], size)
                results.append(_solid(here))
            if self.mask_head is not None:
                self._add_masks(found.features, results, size)
        return results

    def _add_masks(self, features: Tensor, results: list[Target], size: tuple[int, int]) -> None:
        """The mask of each find, of its class, pasted into the picture."""
        logits = self.mask_head(self.pool(features, [r["boxes"] for r in results]))
        labels = torch.cat([r["labels"] for r in results])
        masks = logits[torch.arange(len(logits)), labels].sigmoid()  # (all finds, side, side)
        for result, mask in zip(results, masks.split([len(r["boxes"]) for r in results])):
            result["masks"] = paste_masks(mask, result["boxes"], size) >= 0.5


# --- what each stage should say ----------------------------------------------------------------


def proposal_targets(
    anchors: Tensor, boxes: Tensor, high: float = 0.6, low: float = 0.3
) -> tuple[Tensor, Tensor]:
    """What the proposal network should say at each anchor of a picture.

    Parameters
    ----------
    anchors, boxes
        ``(n, 4)`` and the truth ``(m, 4)``, m may be 0.
    high, low
        An anchor with an IoU of at least `high` with a true box, or the best of a true box, holds an
        object; one that overlaps none by `low` is background; the others are left out.

    Returns
    -------
    tuple of Tensor
        Classes ``(n,)``, int64: 1 object, 0 background, -1 left out. Offsets ``(n, 4)``.

    References
    ----------
    Ren et al. (2015), section 3.1.2, with 0.7 in the place of 0.6: small objects overlap less.
    """
    assigned = assign_anchors(anchors, boxes, high)
    overlap = box_iou(anchors, boxes).amax(1) if len(boxes) else anchors.new_zeros(len(anchors))
    classes = torch.where(overlap < low, 0, -1)
    positive = assigned >= 0
    classes[positive] = 1
    offsets = torch.zeros_like(anchors)
    if positive.any():
        offsets[positive] = encode_boxes(
            boxes[assigned[positive]].to(anchors), anchors[positive], PLAIN
        )
    return classes, offsets


def sample(classes: Tensor, count: int, share: float) -> Tensor:
    """Draw examples by chance: at most a `share` of them positive, the rest background.

    Parameters
    ----------
    classes
        ``(n,)``: above 0 positive, 0 background, below 0 never drawn.
    count
        How many are drawn, if there are so many.
    share
        From 0 to 1.

    Returns
    -------
    Tensor
        ``(n,)``, bool.
    """
    check_positive(count=count)
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: give the part of positive examples, 0 to 1")
    drawn = torch.zeros_like(classes, dtype=torch.bool)
    positive, ground = ((classes > 0).nonzero()[:, 0], (classes == 0).nonzero()[:, 0])
    some = torch.randperm(len(positive), device=classes.device)[: int(count * share)]
    rest = torch.randperm(len(ground), device=classes.device)[: count - len(some)]
    drawn[positive[some]] = drawn[ground[rest]] = True
    return drawn


class Chosen(NamedTuple):
    """The regions of a picture that the heads learn from.

    Attributes
    ----------
    boxes
        ``(k, 4)``.
    classes
        ``(k,)``: 0 for background, else label + 1.
    offsets
        ``(k, 4)``, to the true box; 0 at the background.
    assigned
        ``(k,)``: the number of the true box, -1 at the background.
    """

    boxes: Tensor
    classes: Tensor
    offsets: Tensor
    assigned: Tensor


def choose_regions(boxes: Tensor, target: Target, count: int = 24, share: float = 0.33) -> Chosen:
    """Of the proposals of a picture those that the heads learn from, with their truth.

    Parameters
    ----------
    boxes
        ``(n, 4)``.
    target
        "boxes" and "labels" of the picture.
    count, share
        How many regions, and which part of them may hold an object: an IoU of 0.5 or more.
    """
    truth = anchor_targets(boxes, target["boxes"], target["labels"])
    if len(target["boxes"]):  # unlike an anchor, a region has an object only if it overlaps by half
        lost = box_iou(boxes, target["boxes"].to(boxes)).amax(1) < 0.5
        truth.classes[lost], truth.offsets[lost], truth.assigned[lost] = 0, 0.0, -1
    drawn = sample(truth.classes, count, share)
    return Chosen(boxes[drawn], truth.classes[drawn], truth.offsets[drawn], truth.assigned[drawn])


# --- losses ------------------------------------------------------------------------------------


def proposal_loss(
    logits: Tensor, offsets: Tensor, classes: Tensor, wanted: Tensor, drawn: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss of the first stage: of objects or not, and of the offsets where there is one.

    Parameters
    ----------
    logits, classes, drawn
        ``(batch, n)``: the answers, the truth (1 or 0), and which anchors count.
    offsets, wanted
        ``(batch, n, 4)``.

    Returns
    -------
    tuple of Tensor
        Mean binary cross-entropy of the drawn anchors; smooth L1 of their offsets over their number.

    References
    ----------
    Ren et al. (2015), equation 1; constants as in ``torchvision.models.detection``.
    """
    of_objects = F.binary_cross_entropy_with_logits(logits[drawn], classes[drawn].to(logits))
    positive = drawn & (classes > 0)
    of_boxes = F.smooth_l1_loss(offsets[positive], wanted[positive], beta=BETA, reduction="sum")
    return of_objects, of_boxes / drawn.sum()


def head_loss(
    logits: Tensor, offsets: Tensor, classes: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss of the second stage: the class of each region, and the offsets of those with an object.

    Parameters
    ----------
    logits
        ``(n, classes + 1)``, column 0 background.
    offsets
        ``(n, classes, 4)``: only those of the true class count.
    classes
        ``(n,)``: 0 for background, else label + 1.
    wanted
        ``(n, 4)``.

    References
    ----------
    Girshick, "Fast R-CNN", 2015, equations 1 to 3.
    """
    positive = (classes > 0).nonzero()[:, 0]
    mine = offsets[positive, classes[positive] - 1]  # (positive, 4)
    of_boxes = F.smooth_l1_loss(mine, wanted[positive], beta=BETA, reduction="sum")
    return F.cross_entropy(logits, classes), of_boxes / max(len(classes), 1)


def mask_loss(logits: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
    """Mean binary cross-entropy of the true class's mask; the masks of other classes do not count.

    Parameters
    ----------
    logits
        ``(n, classes, side, side)``.
    labels
        ``(n,)``, from 0.
    wanted
        ``(n, side, side)``, 0 to 1.

    References
    ----------
    He et al. (2017), section 3.
    """
    if not len(labels):
        return logits.sum() * 0
    mine = logits[torch.arange(len(labels), device=labels.device), labels]
    return F.binary_cross_entropy_with_logits(mine, wanted)


# --- masks -------------------------------------------------------------------------------------


def cut_masks(masks: Tensor, boxes: Tensor, assigned: Tensor, side: int) -> Tensor:
    """The part of a mask that lies in a region, at the mask head's size: RoIAlign of the truth.

    Parameters
    ----------
    masks
        ``(m, height, width)``, of the objects of one picture.
    boxes
        Regions ``(n, 4)``.
    assigned
        ``(n,)``: whose mask.
    side
        Cells of the result.

    Returns
    -------
    Tensor
        ``(n, side, side)``, 0 to 1.
    """
    rois = torch.cat([assigned[:, None].to(boxes), boxes], 1)
    if not len(rois):
        return boxes.new_zeros(0, side, side)
    return roi_align(masks[:, None].to(boxes), rois, side, aligned=True)[:, 0]


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks of regions, stretched over their boxes in a picture.

    Parameters
    ----------
    masks
        ``(n, side, side)``.
    boxes
        ``(n, 4)``, in pixels.
    size
        Height and width of the picture.

    Returns
    -------
    Tensor
        ``(n, height, width)``: at each pixel's centre the mask there, read between its cells; 0
        outside of the box.
    """
    height, width = size
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    x1, y1, x2, y2 = boxes.unbind(1)
    across = (x - x1[:, None]) / (x2 - x1)[:, None] * 2 - 1  # (n, width): -1 to 1 in the box
    down = (y - y1[:, None]) / (y2 - y1)[:, None] * 2 - 1  # (n, height)
    grid = torch.stack(
        [across[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], -1
    )  # fmt: skip  (n, height, width, 2)
    read = F.grid_sample(masks[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    return read * (grid.abs() <= 1).all(-1)


# --- helpers -----------------------------------------------------------------------------------


class _Evaluating:
    """Within it a network uses the running statistics of batch normalization."""

    def __init__(self, net: nn.Module):
        self.net, self.was = net, net.training

    def __enter__(self):
        self.net.eval()

    def __exit__(self, *_):
        self.net.train(self.was)


def _clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))


def _solid(found: Target) -> Target:
    """Finds without those of which clipping has left nothing."""
    area = (found["boxes"][:, 2:] > found["boxes"][:, :2]).all(1)
    return {key: value[area] for key, value in found.items()}


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip


def _initialise(net: TinyFasterRCNN) -> None:
    """Outputs begin near zero, as in the papers."""
    for layer, std in ((net.propose_head.score, 0.01), (net.propose_head.move, 0.01),
                       (net.box_head.classify, 0.01), (net.box_head.move, 0.001)):  # fmt: skip
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)


# --- checks ------------------------------------------------------------------------------------


def _check_anchors(sizes: tuple, ratios: tuple) -> None:
    if not sizes or not ratios:
        raise ValueError(f"sizes are {sizes} and ratios {ratios}: give at least one of each")


def _check_masks(images: Tensor, targets: Sequence[Target]) -> None:
    for i, target in enumerate(targets):
        _check_mask(target, tuple(images.shape[2:]), i, "masks" in targets[0])


def _check_mask(target: Target, size: tuple[int, int], i: int, asked: bool) -> None:
    if ("masks" in target) != asked:
        raise ValueError(f"targets[0] and targets[{i}] differ: give all of them masks, or none")
    wanted = (len(target["boxes"]), *size)
    if asked and tuple(target["masks"].shape) != wanted:
        raise ValueError(
            f"targets[{i}]['masks'] have the shape {tuple(target['masks'].shape)}: give a mask of "
            f"the picture's size for each box, {wanted}"
        )
    if asked and target["masks"].dtype != torch.bool:
        raise ValueError(
            f"targets[{i}]['masks'] are {target['masks'].dtype}: give bool, True on the object"
        )
