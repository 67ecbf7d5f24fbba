"""Anchors, their targets, non-maximum suppression and detections: d2l's functions and ours.

Both sides get the same numbers: the 5,444 anchors of d2l's small SSD and made-up answers of a
network to them. They take turns in one process, since a call lasts milliseconds; a turn calls a
function several times, and the medians over the turns are compared. What the sides give is
compared, too, outside the clock: it must be the same boxes.

"ours" looks at the 400 best boxes in NMS and detection, as our detectors do; "ours, all" at every
box. A box is suppressed by better ones alone, so that among the best 400 both choose the same.

    python benchmarks/detection_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from against_d2l import Clock, in_turns, quiet_d2l, write

from labnotes.detection import anchor_targets, anchors, detections, nms

BEST = 400
MAPS = {32: 0.2, 16: 0.37, 8: 0.54, 4: 0.71, 1: 0.88}  # positions a side, and size of the anchors
RATIOS = (1, 2, 0.5)
PICTURE = 256

Task = tuple[dict[str, Callable], int, Callable[[object, object], bool]]


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


TASKS: dict[str, Callable[[], Task]] = {
    "NMS, 1,000 boxes": lambda: suppression(scattered(1000)),
    "NMS, 5,444 boxes": lambda: suppression(scattered(5444)),
    "NMS, 5,444 crowded boxes": lambda: suppression(crowded()),
    "anchors, 561x728": every_pixel,
    "anchor targets, 1 object": lambda: targets(1),
    "anchor targets, 10 objects": lambda: targets(10),
    "multibox detection": objects_found,
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


def show(result: dict) -> None:
    slow = result["medians"]["d2l"]
    for side, same in result["same"].items():
        fast = result["medians"][side]
        print(
            f"{result['task']:26} {side:9}: d2l {1e3 * slow['cpu_seconds']:8.2f} ms, ours "
            f"{1e3 * fast['cpu_seconds']:7.2f} ms of CPU time: "
            f"{slow['cpu_seconds'] / fast['cpu_seconds']:6.1f} x "
            f"({slow['seconds'] / fast['seconds']:.1f} x by the clock); "
            f"{'the same' if same else 'NOT the same'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    results = [compare(name, chosen.repeats) for name in chosen.tasks]
    for result in results:
        show(result)
    if chosen.save:
        write("detection_against_d2l", results)


if __name__ == "__main__":
    main()
