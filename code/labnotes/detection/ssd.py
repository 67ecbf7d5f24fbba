"""The single shot detector (Liu et al., 2016) in small: on maps of several sizes, each position
classifies a few anchors and moves them onto the object beside it.

A picture goes through the network once. All anchors of all maps are classified side by side; what
is no background, moved by its offsets, is what the detector has found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.detection.anchors import anchor_targets, anchors, detections
from labnotes.detection.inputs import check_finite, check_images, check_targets

#: Side of the anchors at each scale, as parts of the picture's shorter side.
SIZES = ((0.12, 0.17), (0.24, 0.31), (0.39, 0.47), (0.55, 0.64), (0.74, 0.85))
RATIOS = (1.0, 2.0, 0.5)  # width / height
NEGATIVES = ("hard", "all", "focal")


@dataclass(frozen=True)
class SSDOutputs:
    """What :class:`TinySSD` says of each of the n anchors, those of the finest map first.

    Attributes
    ----------
    logits
        ``(batch, n, classes + 1)``, column 0 for background; with focal loss ``(batch, n, classes)``.
    offsets
        ``(batch, n, 4)``, from the anchors to the boxes, as ``encode_boxes`` has them.
    anchors
        ``(n, 4)``, in pixels; the same for every picture.
    maps
        Height and width of each map.
    """

    logits: Tensor
    offsets: Tensor
    anchors: Tensor
    maps: list[tuple[int, int]]


class TinySSD(nn.Module):
    """A single shot detector (单发多框检测) for pictures of any size.

    Parameters
    ----------
    num_classes
        Classes without the background; labels go from 0 to ``num_classes - 1``.
    in_channels
        Channels of the pictures, for the stages that are built where none are given.
    stages
        Pairs (module, its output channels), each module reading the map of the one before:
        :func:`small_stages` or :func:`squeezenet_stages`. Each stage's map carries anchors.
    sizes
        For each stage the sides of its anchors, as parts of the picture's shorter side.
    ratios
        Width / height. A position has ``len(sizes[k]) + len(ratios) - 1`` anchors.
    negatives
        How background counts in the loss, see :func:`multibox_loss`.

    References
    ----------
    Liu et al., "SSD: Single Shot MultiBox Detector", 2016.

    Examples
    --------
    >>> net = TinySSD(num_classes=3)
    >>> images = torch.rand(2, 3, 64, 64)
    >>> truth = {"boxes": torch.tensor([[8.0, 8, 24, 24]]), "labels": torch.tensor([2])}
    >>> loss = net.loss(images, [truth, truth])
    >>> sorted(net.detect(images)[0])
    ['boxes', 'labels', 'scores']
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        stages: Sequence[tuple[nn.Module, int]] | None = None,
        sizes: Sequence[Sequence[float]] = SIZES,
        ratios: Sequence[float] = RATIOS,
        negatives: str = "hard",
    ):
        super().__init__()
        stages = small_stages(in_channels) if stages is None else list(stages)
        _check_network(num_classes, stages, sizes, ratios, negatives)
        self.num_classes, self.negatives = num_classes, negatives
        self.sizes, self.ratios = [tuple(s) for s in sizes], tuple(ratios)
        self.columns = num_classes + (negatives != "focal")  # focal loss has no background class
        self.stages = nn.ModuleList(stage for stage, _ in stages)
        each = [len(s) + len(ratios) - 1 for s in sizes]  # anchors of a position, at each scale
        self.classify = nn.ModuleList(
            nn.Conv2d(channels, k * self.columns, 3, padding=1)
            for (_, channels), k in zip(stages, each)
        )
        self.move = nn.ModuleList(
            nn.Conv2d(channels, k * 4, 3, padding=1) for (_, channels), k in zip(stages, each)
        )
        _initialise(self)

    def forward(self, images: Tensor) -> SSDOutputs:
        check_images(images)
        x, logits, offsets, boxes, maps = images, [], [], [], []
        for stage, classify, move, sizes in zip(self.stages, self.classify, self.move, self.sizes):
            x = stage(x)  # (batch, channels, h, w)
            logits.append(_by_anchor(classify(x), self.columns))  # (batch, h w k, columns)
            offsets.append(_by_anchor(move(x), 4))  # (batch, h w k, 4)
            maps.append(tuple(x.shape[2:]))
            size = tuple(images.shape[2:])
            boxes.append(anchors(*maps[-1], sizes, self.ratios, size, images.device))
        return SSDOutputs(torch.cat(logits, 1), torch.cat(offsets, 1), torch.cat(boxes), maps)

    def loss(self, images: Tensor, targets: Sequence[dict[str, Tensor]]) -> Tensor:
        """The loss of a batch: classes and offsets, over the number of matched anchors.

        Parameters
        ----------
        images
            ``(batch, channels, height, width)``, floating point.
        targets
            For each picture ``"boxes"`` ``(m, 4)`` and ``"labels"`` ``(m,)``; m may be 0.
        """
        check_targets(images, targets, self.num_classes)
        found = self(images)
        truth = [anchor_targets(found.anchors, t["boxes"], t["labels"]) for t in targets]
        classes = torch.stack([t.classes for t in truth])  # (batch, n)
        offsets = torch.stack([t.offsets for t in truth])  # (batch, n, 4)
        return multibox_loss(found.logits, found.offsets, classes, offsets, self.negatives)

    @torch.no_grad()
    def detect(
        self, images: Tensor, score_threshold: float = 0.01, iou_threshold: float = 0.45
    ) -> list[dict[str, Tensor]]:
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
            ``"boxes"`` ``(k, 4)`` in pixels within the picture, ``"scores"`` ``(k,)``,
            ``"labels"`` ``(k,)``: torchvision's form, with labels from 0.

        Notes
        -----
        Batch normalization must use its running statistics: the network is put into evaluation
        mode for the call.
        """
        was_training = self.training
        self.eval()
        try:
            found = self(images)
        finally:
            self.train(was_training)
        check_finite(found.logits, found.offsets)
        height, width = images.shape[2:]
        results = []
        for shares, offsets in zip(self.probabilities(found.logits), found.offsets):
            here = detections(shares, offsets, found.anchors, score_threshold, iou_threshold)
            limits = torch.tensor([width, height, width, height], device=images.device)
            here["boxes"] = here["boxes"].clamp(min=0).minimum(limits)
            results.append(here)
        return results

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities ``(batch, n, classes + 1)`` of logits; column 0 is background."""
        if self.negatives != "focal":
            return logits.softmax(-1)
        each = logits.sigmoid()  # independent of each other: they need not sum to 1
        return torch.cat([1 - each.amax(-1, keepdim=True), each], -1)


# --- the loss ----------------------------------------------------------------------------------


def multibox_loss(
    logits: Tensor, offsets: Tensor, classes: Tensor, wanted: Tensor, negatives: str = "hard"
) -> Tensor:
    """Loss of the classes of anchors plus loss of the offsets of those that have an object.

    Both are sums over the batch, divided by the number of matched anchors (at least 1).

    Parameters
    ----------
    logits
        ``(batch, n, classes + 1)``, column 0 background; for "focal" ``(batch, n, classes)``.
    offsets, wanted
        ``(batch, n, 4)``: predicted, and those of the targets.
    classes
        ``(batch, n)``, integers: 0 for background, else label + 1.
    negatives
        "hard": cross-entropy of the matched anchors and, for each of them, of the three background
        anchors with the highest loss in its picture. "all": cross-entropy of all anchors.
        "focal": :func:`focal_loss` of all anchors.

    References
    ----------
    Liu et al. (2016), equations 1 to 3 and "Hard negative mining"; the constants are those of
    ``torchvision.models.detection.SSD``.
    """
    _check_loss(logits, offsets, classes, wanted, negatives)
    positive = classes > 0  # (batch, n)
    if negatives == "focal":
        of_classes = focal_loss(logits, classes)  # (batch, n)
    else:
        of_classes = F.cross_entropy(logits.transpose(1, 2), classes, reduction="none")
        if negatives == "hard":
            of_classes = of_classes * (positive | hard_negatives(of_classes, positive))
    of_offsets = F.smooth_l1_loss(offsets[positive], wanted[positive], reduction="sum")
    return (of_classes.sum() + of_offsets) / positive.sum().clamp(min=1)


def hard_negatives(loss: Tensor, positive: Tensor, ratio: int = 3) -> Tensor:
    """In each picture, the background anchors with the highest loss: `ratio` for each positive one.

    Parameters
    ----------
    loss
        ``(batch, n)``, of each anchor.
    positive
        ``(batch, n)`` bool, the anchors that have an object.
    ratio
        Negative anchors for a positive one. A picture without objects gives none.

    Returns
    -------
    Tensor
        ``(batch, n)`` bool.

    Examples
    --------
    >>> loss = torch.tensor([[0.1, 2.0, 0.3, 0.9, 0.2, 0.7]])
    >>> positive = torch.tensor([[False, True, False, False, False, False]])
    >>> hard_negatives(loss, positive, ratio=2)
    tensor([[False, False, False,  True, False,  True]])
    """
    _check_hard(loss, positive, ratio)
    order = loss.detach().masked_fill(positive, -torch.inf).argsort(1, descending=True)
    place = order.argsort(1)  # of each anchor in the order of falling loss
    return (place < ratio * positive.sum(1, keepdim=True)) & ~positive


def focal_loss(logits: Tensor, classes: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    r"""Focal loss (焦点损失) of each anchor: what is already right counts little.

    Every class is a yes-or-no question. With ``p`` the probability of the right answer, the loss is
    :math:`-\alpha_t (1 - p)^\gamma \ln p`, summed over the classes.

    Parameters
    ----------
    logits
        ``(..., classes)``, without a column for background.
    classes
        ``(...)``, integers: 0 for background (every answer is no), else label + 1.
    alpha
        Weight of a yes; a no has ``1 - alpha``.
    gamma
        0: cross-entropy; the larger, the less the easy answers count.

    Returns
    -------
    Tensor
        ``(...)``.

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 5.

    Examples
    --------
    >>> focal_loss(torch.tensor([[4.0], [0.0]]), torch.tensor([1, 1]))  # sure and unsure of a yes
    tensor([1.4679e-06, 4.3322e-02])
    """
    _check_focal(logits, classes, alpha, gamma)
    yes = F.one_hot(classes, logits.shape[-1] + 1)[..., 1:].to(logits.dtype)  # (..., classes)
    entropy = F.binary_cross_entropy_with_logits(logits, yes, reduction="none")
    wrong = 1 - torch.exp(-entropy)  # 1 - p
    weight = alpha * yes + (1 - alpha) * (1 - yes)
    return (weight * wrong**gamma * entropy).sum(-1)


# --- bodies ------------------------------------------------------------------------------------


def small_stages(
    in_channels: int = 3, width: int = 32, halvings: int = 2
) -> list[tuple[nn.Module, int]]:
    """Five stages for generated pictures: each halves the map, the last takes its maximum.

    Parameters
    ----------
    in_channels
        Channels of the pictures.
    width
        Channels of the first stage's map is twice this; the first convolutions have less.
    halvings
        How often the first stage halves the picture: 2 for 64x64 (a map of 16x16), 3 for 256x256
        (maps of 32, 16, 8, 4 and 1: 5,444 anchors at four a position).
    """
    check_positive(in_channels=in_channels, width=width, halvings=halvings)
    first, channels = [], in_channels
    for i in range(halvings):
        wider = width if i < halvings - 1 else 2 * width
        first += [_conv(channels, wider, 2), _conv(wider, wider)]
        channels = wider
    stages = [nn.Sequential(*first)]
    for _ in range(3):
        stages.append(nn.Sequential(_conv(channels, channels, 2), _conv(channels, channels)))
    stages.append(nn.AdaptiveMaxPool2d(1))
    return [(stage, channels) for stage in stages]


def squeezenet_stages(features: nn.Sequential, width: int = 128) -> list[tuple[nn.Module, int]]:
    """Four stages on the ``features`` of torchvision's SqueezeNet 1.1, for pictures from 0 to 1.

    The first two are SqueezeNet's own, down 8 and 16 times, as far as its sixth fire module; two
    new ones halve the map again. The last two fire modules are left out: they are specific to
    ImageNet's classes and hold half of the weights.

    SqueezeNet's first convolution has no padding, so a picture of 320 columns becomes a map of 39,
    one for every 8 pixels, while :func:`~labnotes.detection.anchors.anchors` spreads 39 centres over
    the whole width, one for every 8.2. Padded by 1 the map has 40 columns, and both steps are 8.

    Parameters
    ----------
    features
        ``torchvision.models.squeezenet1_1().features``, pretrained or not. Its weights are used,
        not copied: training changes them. The module itself stays as it is, for the padding belongs
        to a new convolution that holds the same weights.
    width
        Channels of the new stages.
    """
    check_positive(width=width)
    _check_features(features)
    return [
        (nn.Sequential(Normalize(), _padded(features[0]), *features[1:8]), 256),  # 240x320: 30x40
        (features[8:11], 384),  # (batch, 384, 15, 20)
        (nn.Sequential(_conv(384, width, 1, 1), _conv(width, width, 2)), width),  # (..., 8, 10)
        (_conv(width, width, 2), width),  # (batch, width, 4, 5)
    ]


def _padded(layer: nn.Conv2d) -> nn.Conv2d:
    """A convolution with the weights of `layer` itself, and a padding of half its kernel."""
    size = layer.kernel_size
    same = nn.Conv2d(
        layer.in_channels, layer.out_channels, size, layer.stride, [k // 2 for k in size]
    )
    same.weight, same.bias = layer.weight, layer.bias  # shared: training changes both
    return same


class Normalize(nn.Module):
    """Pictures from 0 to 1 as ImageNet's networks had them in training."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def _conv(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _by_anchor(x: Tensor, columns: int) -> Tensor:
    """(batch, k columns, h, w) to (batch, h w k, columns), in the order of the anchors."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, columns)


def _initialise(net: TinySSD) -> None:
    """Heads begin near zero; with focal loss every class begins at a probability of 0.01."""
    for head in (*net.classify, *net.move):
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)
    if net.negatives == "focal":
        for head in net.classify:
            nn.init.constant_(head.bias, -4.595)  # ln(0.01 / 0.99): Lin et al., section 4.1


# --- checks ------------------------------------------------------------------------------------


def _check_network(num_classes, stages, sizes, ratios, negatives) -> None:
    check_positive(num_classes=num_classes)
    if not stages or not all(isinstance(s, tuple) and len(s) == 2 for s in stages):
        raise ValueError("stages must be pairs (module, its output channels): see small_stages()")
    if len(sizes) != len(stages):
        raise ValueError(
            f"there are {len(stages)} stages and sizes for {len(sizes)}: give each stage the sizes "
            "of its anchors"
        )
    numbers = [value for s in sizes for value in s]
    if not all(len(s) for s in sizes) or not all(value > 0 for value in numbers):
        raise ValueError(f"sizes are {sizes}: give each stage one part of the side above 0 or more")
    if not len(ratios) or not all(ratio > 0 for ratio in ratios):
        raise ValueError(f"ratios are {ratios}: give one width / height above 0 or more")
    _check_negatives(negatives)


def _check_negatives(negatives) -> None:
    if negatives not in NEGATIVES:
        raise ValueError(f"negatives is {negatives!r}: give one of {', '.join(NEGATIVES)}")


def _check_loss(logits, offsets, classes, wanted, negatives) -> None:
    _check_negatives(negatives)
    shape = tuple(classes.shape)
    if classes.is_floating_point() or len(shape) != 2:
        raise ValueError(f"classes are {classes.dtype} of the shape {shape}: give integers (b, n)")
    for name, value, tail in (("offsets", offsets, (4,)), ("wanted", wanted, (4,)),
                              ("logits", logits, tuple(logits.shape[2:3]))):  # fmt: skip
        if tuple(value.shape) != (*shape, *tail):
            raise ValueError(
                f"{name} have the shape {tuple(value.shape)}: for classes {shape} give "
                f"{(*shape, *(tail or ('columns',)))}"
            )
    columns = logits.shape[2] + (negatives == "focal")
    if classes.numel() and not (0 <= int(classes.min()) and int(classes.max()) < columns):
        raise ValueError(
            f"classes go from {int(classes.min())} to {int(classes.max())}: logits are for 0 "
            f"(background) to {columns - 1}"
        )


def _check_hard(loss, positive, ratio) -> None:
    check_positive(ratio=ratio)
    if loss.dim() != 2 or loss.shape != positive.shape or positive.dtype != torch.bool:
        raise ValueError(
            f"loss has the shape {tuple(loss.shape)}, positive is {positive.dtype} of "
            f"{tuple(positive.shape)}: give (batch, n), and bool of the same shape"
        )


def _check_focal(logits, classes, alpha: float, gamma: float) -> None:
    if classes.shape != logits.shape[:-1] or classes.is_floating_point():
        raise ValueError(
            f"classes are {classes.dtype} of the shape {tuple(classes.shape)}: for logits "
            f"{tuple(logits.shape)} give integers {tuple(logits.shape[:-1])}"
        )
    if not 0 <= alpha <= 1 or not gamma >= 0:
        raise ValueError(f"alpha is {alpha}, gamma {gamma}: give 0 to 1, and 0 or more")
    if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) <= logits.shape[-1]:
        raise ValueError(
            f"classes go from {int(classes.min())} to {int(classes.max())}: give 0 for background "
            f"to {logits.shape[-1]}"
        )


def _check_features(features) -> None:
    if not isinstance(features, nn.Sequential) or len(features) != 13:
        raise ValueError(
            f"features are {type(features).__name__}: give squeezenet1_1().features of torchvision,"
            " 13 layers in a row"
        )
