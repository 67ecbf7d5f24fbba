"""Anchors, their targets, non-maximum suppression and detections: d2l's functions and ours.

Both sides get the same numbers: the 5,444 anchors of d2l's small SSD and made-up answers of a
network to them. They take turns in one process, since a call lasts milliseconds; a turn calls a
function several times, and the medians over the turns are compared. What the sides give is
compared, too, outside the clock: it must be the same boxes.

"ours" looks at the 400 best boxes in NMS and detection, as our detectors do; "ours, all" at every
box. A box is suppressed by better ones alone, so that among the best 400 both choose the same.

The training steps are on d2l's recipe: plain SGD, cross-entropy of all anchors plus L1 of the matched
ones' offsets. In one both sides train one network; in the other d2l has the network of its chapter,
which computes its maps at full size and then pools them, and ours strides instead: as many channels
and anchors.

    python benchmarks/detection_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from against_d2l import Clock, in_turns, options, quiet_d2l, write
from torch import nn

from labnotes.detection import TinySSD, anchor_targets, anchors, detections, nms
from labnotes.detection.ssd import small_stages

BEST = 400
MAPS = {32: 0.2, 16: 0.37, 8: 0.54, 4: 0.71, 1: 0.88}  # positions a side, and size of the anchors
RATIOS = (1, 2, 0.5)
PICTURE = 256

#: The sides, how often a turn calls each, and whether what they give is the same (None: no question).
Task = tuple[dict[str, Callable], int, Callable[[object, object], bool | None]]


def ssd_anchors() -> torch.Tensor:
    """(5444, 4), in pixels."""
    sizes = list(MAPS.values()) + [1.05]
    found = [
        anchors(m, m, (s, (s * larger) ** 0.5), RATIOS, (PICTURE, PICTURE))
        for (m, s), larger in zip(MAPS.items(), sizes[1:])
    ]
    return torch.cat(found)


def scattered(count: int) -> torch.Tensor:
    """Boxes of 5 to 55 pixels anywhere in the picture: most of them survive NMS."""
    centres, sides = torch.rand(count, 2) * PICTURE, 5 + torch.rand(count, 2) * 50
    return torch.cat([centres - sides / 2, centres + sides / 2], 1)


def crowded() -> torch.Tensor:
    """All anchors, each moved a little: one in ten survives NMS."""
    found = ssd_anchors()
    return found + torch.randn(len(found), 1)


def suppression(boxes: torch.Tensor) -> Task:
    """NMS of boxes whose scores all differ."""
    d2l, count = quiet_d2l(), len(boxes)
    scores = torch.randperm(count) / count
    sides = {
        "d2l": lambda: d2l.nms(boxes, scores, 0.5),
        "ours": lambda: nms(boxes, scores, 0.5, top_k=BEST),
        "ours, all": lambda: nms(boxes, scores, 0.5),
    }
    best = set(scores.argsort(descending=True)[:BEST].tolist())

    def agree(theirs, ours) -> bool:
        theirs = [i for i in theirs.tolist() if len(ours) == len(theirs) or i in best]
        return theirs == ours.tolist()

    return sides, 1, agree


def every_pixel() -> Task:
    """Five anchors for each pixel of 561x728."""
    d2l, picture = quiet_d2l(), torch.empty(1, 3, 561, 728)
    sides = {
        "d2l": lambda: d2l.multibox_prior(picture, (0.75, 0.5, 0.25), RATIOS)[0],
        "ours": lambda: anchors(561, 728, (0.75, 0.5, 0.25), RATIOS),
    }
    scale = torch.tensor([728, 561, 728, 561])  # theirs are shares of the picture
    return sides, 1, lambda theirs, ours: torch.allclose(theirs * scale, ours, atol=1e-2)


def targets(objects: int) -> Task:
    """Class and offsets of 5,444 anchors for 8 pictures with `objects` objects each."""
    d2l, fixed = quiet_d2l(), ssd_anchors()
    sides = 20 + torch.rand(8, objects, 2) * 80
    corners = torch.rand(8, objects, 2) * (PICTURE - sides)
    boxes, labels = torch.cat([corners, corners + sides], 2), torch.randint(3, (8, objects))
    rows = torch.cat([labels[..., None], boxes / PICTURE], 2)
    shares = fixed[None] / PICTURE

    def ours():
        found = [anchor_targets(fixed, b, k) for b, k in zip(boxes, labels)]
        return torch.stack([f.offsets for f in found]), torch.stack([f.classes for f in found])

    def agree(theirs, ours) -> bool:
        offsets, _, classes = theirs
        # d2l adds 1e-6 within its logarithms
        near = torch.allclose(offsets.view_as(ours[0]), ours[0], atol=1e-3, rtol=1e-3)
        return near and torch.equal(classes, ours[1])

    return {"d2l": lambda: d2l.multibox_target(shares, rows), "ours": ours}, 3, agree


def objects_found() -> Task:
    """From the answers of a network with one class to 5,444 anchors to its finds, 2 pictures."""
    d2l, fixed = quiet_d2l(), ssd_anchors()
    one = torch.randperm(2 * len(fixed)).view(2, -1) / (2 * len(fixed))  # all scores differ
    probabilities = torch.stack([1 - one, one], 2)  # (2, 5444, 2)
    offsets = torch.randn(2, len(fixed), 4)
    turned, flat, shares = probabilities.mT, offsets.flatten(1), fixed[None] / PICTURE

    def ours(best: int):
        return [detections(p, o, fixed, top_k=best) for p, o in zip(probabilities, offsets)]

    def agree(theirs, ours) -> bool:
        """Of d2l's rows (class, score, box) those that count, the best first; ours may be fewer."""
        same = []
        for rows, found in zip(theirs, ours):
            rows = rows[rows[:, 0] >= 0]
            rows = rows[rows[:, 1].argsort(descending=True)][: len(found["scores"])]
            same.append(torch.equal(rows[:, 1], found["scores"]))
            same.append(torch.allclose(rows[:, 2:] * PICTURE, found["boxes"], atol=1e-2))
        return all(same)

    sides = {
        "d2l": lambda: d2l.multibox_detection(turned, flat, shares),
        "ours": lambda: ours(BEST),
        "ours, all": lambda: ours(len(fixed)),
    }
    return sides, 1, agree


def pooling_stages() -> list[tuple[nn.Module, int]]:
    """The layers of d2l's TinySSD, from its chapter's words: two convolutions, then a maximum."""

    def block(entering: int, channels: int) -> list[nn.Module]:
        layers = []
        for c in (entering, channels):
            layers += [nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        return [*layers, nn.MaxPool2d(2)]

    first = nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64))
    rest = [nn.Sequential(*block(c, 128)) for c in (64, 128, 128)]
    return [(first, 64), *((stage, 128) for stage in rest), (nn.AdaptiveMaxPool2d(1), 128)]


def striding_stages() -> list[tuple[nn.Module, int]]:
    """As many channels at each scale, by our strided convolutions."""
    (first, _), *_ = small_stages(3, 32, halvings=3)
    rest = [stage for stage, _ in small_stages(64, 64, halvings=1)]
    return [(first, 64), *((stage, 128) for stage in rest[:3]), (nn.AdaptiveMaxPool2d(1), 128)]


def training_step(ours_strides: bool) -> Task:
    """One step of SGD on 8 pictures of 256x256 with one object each."""
    d2l, sizes = quiet_d2l(), [(s, (s * t) ** 0.5) for s, t in
                               zip(MAPS.values(), [*list(MAPS.values())[1:], 1.05])]  # fmt: skip
    sides = 40 + torch.rand(8, 1, 2) * 80
    corners = torch.rand(8, 1, 2) * (PICTURE - sides)
    boxes, labels = torch.cat([corners, corners + sides], 2), torch.zeros(8, 1, dtype=torch.int64)
    rows = torch.cat([labels[..., None], boxes / PICTURE], 2)
    images = torch.rand(8, 3, PICTURE, PICTURE)
    theirs = TinySSD(1, stages=pooling_stages(), sizes=sizes)
    ours = TinySSD(1, stages=striding_stages(), sizes=sizes) if ours_strides else (
        copy.deepcopy(theirs))  # fmt: skip
    optimizers = [torch.optim.SGD(m.parameters(), 1e-3, weight_decay=5e-4) for m in (theirs, ours)]

    def heads(model: TinySSD) -> tuple[list, list, list]:
        x, maps, logits, offsets = images, [], [], []
        for stage, classify, move in zip(model.stages, model.classify, model.move):
            x = stage(x)
            maps.append(x)
            logits.append(classify(x).permute(0, 2, 3, 1).flatten(1))
            offsets.append(move(x).permute(0, 2, 3, 1).flatten(1))
        return maps, logits, offsets

    def step(optimizer, loss) -> float:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def d2ls() -> float:
        maps, logits, offsets = heads(theirs)
        places = torch.cat([d2l.multibox_prior(m, s, RATIOS) for m, s in zip(maps, sizes)], 1)
        wanted, mask, classes = d2l.multibox_target(places, rows)
        logits = torch.cat(logits, 1).view(8, -1, 2)
        of_classes = F.cross_entropy(logits.flatten(0, 1), classes.flatten())
        return step(optimizers[0], of_classes + F.l1_loss(torch.cat(offsets, 1) * mask, wanted))

    def our() -> float:
        found = ours(images)
        truth = [anchor_targets(found.anchors, b, k) for b, k in zip(boxes, labels)]
        classes = torch.stack([t.classes for t in truth])
        wanted = torch.stack([t.offsets for t in truth])
        matched = (classes > 0)[..., None]
        of_classes = F.cross_entropy(found.logits.flatten(0, 1), classes.flatten())
        return step(optimizers[1], of_classes + F.l1_loss(found.offsets * matched, wanted))

    def agree(theirs: float, ours: float) -> bool | None:
        return None if ours_strides else abs(theirs - ours) < 1e-4  # two networks, two losses

    return {"d2l": d2ls, "ours": our}, 1, agree


TASKS: dict[str, Callable[[], Task]] = {
    "NMS, 1,000 boxes": lambda: suppression(scattered(1000)),
    "NMS, 5,444 boxes": lambda: suppression(scattered(5444)),
    "NMS, 5,444 crowded boxes": lambda: suppression(crowded()),
    "anchors, 561x728": every_pixel,
    "anchor targets, 1 object": lambda: targets(1),
    "anchor targets, 10 objects": lambda: targets(10),
    "multibox detection": objects_found,
    "SSD step, one network": lambda: training_step(ours_strides=False),
    "SSD step, each its own": lambda: training_step(ours_strides=True),
}


def compare(name: str, repeats: int) -> dict:
    torch.manual_seed(0)
    sides, calls, agree = TASKS[name]()
    given = {side: run() for side, run in sides.items()}  # outside the clock, warms up as well

    def run(side: str, seed: int) -> dict:
        clock = Clock()
        for _ in range(calls):
            sides[side]()
        return {key: value / calls for key, value in clock.read().items()}

    same = {side: agree(given["d2l"], found) for side, found in given.items() if side != "d2l"}
    return {"task": name, "same": same} | in_turns(name, tuple(sides), repeats, run)


ANSWERS = {True: "the same", False: "NOT the same", None: "two networks"}


def show(result: dict) -> None:
    slow = result["medians"]["d2l"]
    for side, same in result["same"].items():
        fast = result["medians"][side]
        print(
            f"{result['task']:26} {side:9}: d2l {1e3 * slow['cpu_seconds']:8.2f} ms, ours "
            f"{1e3 * fast['cpu_seconds']:7.2f} ms of CPU time: "
            f"{slow['cpu_seconds'] / fast['cpu_seconds']:6.1f} x "
            f"({slow['seconds'] / fast['seconds']:.1f} x by the clock); "
            f"{ANSWERS[same]}"
        )


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    results = [compare(name, chosen.repeats) for name in chosen.tasks]
    for result in results:
        show(result)
    if chosen.save:
        write("detection_against_d2l", results)


if __name__ == "__main__":
    main()
