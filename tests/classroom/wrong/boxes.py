"""Wrong answers to the assignment boxes, and the most they may get."""

CORNERS = """
def corners(boxes, width, height):
    size = torch.tensor([width, height], dtype=boxes.dtype)
    {first}
    middle, half = boxes[:, :2] * {scale}, boxes[:, 2:] * {scale} / {divisor}
    found = torch.cat([middle - half, middle + half], dim=1)
    return {result}
"""
CLIPPED = "found.clamp(min=0).minimum(size.repeat(2))"

OVERLAP = """
def overlap(boxes1, boxes2, of="union"):
    low = torch.maximum(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.minimum(boxes1[:, None, 2:], boxes2[:, 2:])
    common = {common}
    area1, area2 = ((b[:, 2:] - b[:, :2]).prod(dim=1) for b in (boxes1, boxes2))
    union, first = {union}, {first}
    whole = union if of == "union" else first
    return {result}
"""
RIGHT = {
    "common": "(high - low).clamp(min=0).prod(dim=2)",
    "union": "area1[:, None] + area2 - common",
    "first": "area1[:, None].expand_as(common)",
    "result": "torch.where(whole > 0, common / whole, 0.0)",
}

SUPPRESS = """
def suppress(boxes, scores, labels, threshold):
    shares = overlap(boxes, boxes)
    kept, by, order = [], [-1] * len(boxes), {order}
    for place in order:
        {before}
        for better in {among}:
            if {same} and shares[better, place] {above} threshold:
                by[place] = better
                break
        else:
            kept.append(place)
    return {result}
"""
GREEDY = {
    "order": "scores.argsort(descending=True, stable=True).tolist()",
    "before": "pass",
    "among": "kept",
    "same": "labels[better] == labels[place]",
    "above": ">",
    "result": "kept, by",
}

MATCH = """
def match(shares, threshold):
    shares, taken = {copy}, []
    for find in range(shares.shape[0]):
        {choose}
        if best >= 0 and shares[find, best] {enough} threshold:
            {take}
            taken.append(best)
        else:
            taken.append(-1)
    return taken
"""
TAKING = {
    "copy": "shares.clone()",
    "choose": "best = int(shares[find].argmax()) if shares.shape[1] else -1",
    "enough": ">=",
    "take": "shares[:, best] = -1",
}

AVERAGE = """
def average_precision(scores, right, objects):
    order = sorted(range(len(scores)), key=lambda i: {key})
    hits, precisions = 0, []
    for rank, i in enumerate(order, 1):
        hits += bool(right[i])
        {keep}
    {best}
    return {result}
"""
AREA = {
    "key": "-scores[i]",
    "keep": "precisions.append((hits, hits / rank))",
    "best": "best = [max((p for h, p in precisions if h >= k), default=0.0) "
    "for k in range(1, objects + 1)]",
    "result": "sum(best) / objects",
}

EVALUATE = """
def evaluate(finds, truths, threshold=0.5):
    found = []
    for label in sorted({{int(k) for _, labels in truths for k in labels}}):
        scores, right, objects, each = [], [], 0, []
        for (boxes, sure, kinds), (real, wanted) in zip(finds, truths):
            mine, theirs = {mine}, real[wanted == label]
            order = {order}
            taken = match(overlap(boxes[mine][order], theirs), {threshold})
            scores += sure[mine][order].tolist()
            right += [place >= 0 for place in taken]
            objects += len(theirs)
            {after}
        found.append({average})
    return {result}
"""
POOLED = {
    "mine": "kinds == label",
    "order": "sure[mine].argsort(descending=True, stable=True)",
    "threshold": "threshold",
    "after": "pass",
    "average": "average_precision(scores, right, objects)",
    "result": "sum(found) / len(found)",
}

COMPARE = """
def compare(systems, truths):
    rows, objects = [], sum(len(real) for real, _ in truths)
    for name, finds in systems.items():
        right, handed = 0, sum(len(boxes) for boxes, _, _ in finds)
        for (boxes, scores, kinds), (real, wanted) in zip(finds, truths):
            for label in {labels}:
                mine = (kinds == label).nonzero()[:, 0]
                mine = mine[scores[mine].argsort(descending=True, stable=True)]
                taken = match(overlap(boxes[mine], real[wanted == label]), 0.5)
                right += {count}
        rows.append({{
            "system": name, "finds": handed / len(finds),
            "precision": right / {found}, "recall": right / {there},
            "AP 0.5": evaluate(finds, truths), "AP 0.75": evaluate(finds, truths, {strict}),
        }})
    return rows
"""
TABLE = {
    "labels": "wanted.unique()",
    "count": "sum(place >= 0 for place in taken)",
    "found": "handed",
    "there": "objects",
    "strict": "0.75",
}
ALL_ZERO = {
    "overlap-graded": 0,
    "suppress-graded": 0,
    "match-graded": 0,
    "average-graded": 0,
    "results-graded": 0,
}


def predicted(areas=None, kept=None, ap=None) -> dict:
    """The cell of the predictions, with one of them wrong."""
    return {
        "predicted": f"predicted = {{'areas': {areas or [[6, 26], [4, 16], [0, 32]]}, "
        f"'kept': {kept or ['RPQ', 'RSQ']}, 'AP': {ap or [5 / 8, 5 / 8, 3 / 8]}}}"
    }


#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "every prediction is zero",
        "cells": predicted([[0, 0]] * 3, ["", ""], [0.0, 0.0, 0.0]),
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted that two negative lengths make an area",
        "cells": predicted(areas=[[6, 26], [4, 16], [2, 30]]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted the union as the sum of both areas",
        "cells": predicted(areas=[[6, 32], [4, 20], [0, 32]]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted that a dropped box drops others",
        "cells": predicted(kept=["RQ", "RQ"]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted average precision without filling up the dips",
        "cells": predicted(ap=[(1 + 2 / 3 + 3 / 4) / 4, (1 + 2 / 3 + 3 / 4) / 4, 37 / 120]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted the mean over the objects that were found",
        "cells": predicted(ap=[2.5 / 3, 2.5 / 3, 0.5]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "all zeros",
        "cells": {
            "corners": "def corners(boxes, width, height):\n    return boxes * 0",
            "overlap": "def overlap(boxes1, boxes2, of='union'):\n"
            "    return torch.zeros(len(boxes1), len(boxes2))",
            "suppress": "def suppress(boxes, scores, labels, threshold):\n"
            "    return [0] * len(boxes), [0] * len(boxes)",
            "match": "def match(shares, threshold):\n    return [0] * len(shares)",
            "average": "def average_precision(scores, right, objects):\n    return 0.0",
            "evaluate": "def evaluate(finds, truths, threshold=0.5):\n    return 0.0",
            "compare": "def compare(systems, truths):\n"
            "    keys = ('finds', 'precision', 'recall', 'AP 0.5', 'AP 0.75')\n"
            "    return [{'system': name} | dict.fromkeys(keys, 0.0) for name in systems]",
        },
        "at_most": ALL_ZERO,
    },
    {
        "name": "functions return their input",
        "cells": {
            "corners": "def corners(boxes, width, height):\n    return boxes",
            "overlap": "def overlap(boxes1, boxes2, of='union'):\n    return boxes1",
            "suppress": "def suppress(boxes, scores, labels, threshold):\n    return scores, labels",
            "match": "def match(shares, threshold):\n    return shares",
            "average": "def average_precision(scores, right, objects):\n    return objects",
            "evaluate": "def evaluate(finds, truths, threshold=0.5):\n    return threshold",
            "compare": "def compare(systems, truths):\n    return truths",
        },
        "at_most": ALL_ZERO,
    },
    {
        "name": "corners are not cut off at the edges",
        "cells": {"corners": CORNERS.format(first="pass", scale="size", divisor=2, result="found")},
        "at_most": {"overlap-graded": 2},
    },
    {
        "name": "width and height change places",
        "cells": {
            "corners": CORNERS.format(
                first="size = size.flip(0)", scale="size", divisor=2, result=CLIPPED
            )
        },
        "at_most": {"overlap-graded": 2},
    },
    {
        "name": "the whole width on either side of the centre",
        "cells": {"corners": CORNERS.format(first="pass", scale="size", divisor=1, result=CLIPPED)},
        "at_most": {"overlap-graded": 2},
    },
    {
        "name": "corners overwrites the boxes that it was given",
        "cells": {
            "corners": CORNERS.format(
                first="boxes *= size.repeat(2)", scale="1", divisor=2, result=CLIPPED
            )
        },
        "at_most": {"overlap-graded": 2},
    },
    {
        "name": "boxes that do not touch have a negative area in common, or a positive one",
        "cells": {
            "overlap": OVERLAP.format(**RIGHT | {"common": "(high - low).prod(dim=2)"}),
        },
        "at_most": {"overlap-graded": 1},
    },
    {
        "name": "the union counts the common area twice",
        "cells": {"overlap": OVERLAP.format(**RIGHT | {"union": "area1[:, None] + area2"})},
        "at_most": {"overlap-graded": 2, "suppress-graded": 1},
    },
    {
        "name": "the share of the second box instead of the first",
        "cells": {"overlap": OVERLAP.format(**RIGHT | {"first": "area2[None].expand_as(common)"})},
        "at_most": {"overlap-graded": 2},
    },
    {
        "name": "0 / 0 is NaN where boxes have no area",
        "cells": {"overlap": OVERLAP.format(**RIGHT | {"result": "common / whole"})},
        "at_most": {"overlap-graded": 1},
    },
    {
        "name": "pixels are counted up to and with the last one",
        "cells": {
            "overlap": OVERLAP.format(
                **RIGHT | {"common": "(high - low + 1).clamp(min=0).prod(dim=2)"}
            )
        },
        "at_most": {"overlap-graded": 1},
    },
    {
        "name": "rows and columns of the table change places",
        "cells": {
            "overlap": OVERLAP.format(
                **RIGHT | {"result": "torch.where(whole > 0, common / whole, 0.0).T"}
            )
        },
        "at_most": {"overlap-graded": 1},
    },
    {
        "name": "a dropped box drops others",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"among": "order[:order.index(place)]"})},
        "at_most": {"suppress-graded": 1},
    },
    {
        "name": "exactly the threshold is dropped too",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"above": ">="})},
        "at_most": {"suppress-graded": 3},
    },
    {
        "name": "the lowest score comes first",
        "cells": {
            "suppress": SUPPRESS.format(
                **GREEDY | {"order": "scores.argsort(stable=True).tolist()"}
            )
        },
        "at_most": {"suppress-graded": 0},
    },
    {
        "name": "boxes are taken as they come, whatever their scores",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"order": "list(range(len(boxes)))"})},
        "at_most": {"suppress-graded": 0},
    },
    {
        "name": "classes are ignored",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"same": "True"})},
        "at_most": {"suppress-graded": 1},
    },
    {
        "name": "of equal scores the last is better",
        "cells": {
            "suppress": SUPPRESS.format(
                **GREEDY
                | {"order": "sorted(range(len(boxes)), key=lambda i: (-float(scores[i]), -i))"}
            )
        },
        "at_most": {"suppress-graded": 3},
    },
    {
        "name": "who dropped a box is the worst of those that do",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"among": "kept[::-1]"})},
        "at_most": {"suppress-graded": 1},
    },
    {
        "name": "kept in the order of the boxes, not of the scores",
        "cells": {"suppress": SUPPRESS.format(**GREEDY | {"result": "sorted(kept), by"})},
        "at_most": {"suppress-graded": 0},
    },
    {
        "name": "the scores that were given are overwritten",
        "cells": {
            "suppress": SUPPRESS.format(**GREEDY | {"before": "scores[place] = -1.0"}),
        },
        "at_most": {"suppress-graded": 3},
    },
    {
        "name": "an object is taken twice",
        "cells": {"match": MATCH.format(**TAKING | {"take": "pass"})},
        "at_most": {"match-graded": 0},
    },
    {
        "name": "more than the threshold is asked for",
        "cells": {"match": MATCH.format(**TAKING | {"enough": ">"})},
        "at_most": {"match-graded": 2},
    },
    {
        "name": "whose best is taken gets nothing",
        "cells": {
            "match": MATCH.format(
                **TAKING
                | {
                    "copy": "shares",
                    "choose": "best = int(shares[find].argmax()) if shares.shape[1] else -1\n"
                    "        best = -1 if best in taken else best",
                    "take": "pass",
                }
            )
        },
        "at_most": {"match-graded": 0},
    },
    {
        "name": "the first object that fits, not the best",
        "cells": {
            "match": MATCH.format(
                **TAKING
                | {
                    "choose": "good = [j for j, s in enumerate(shares[find]) if s >= threshold]\n"
                    "        best = good[0] if good else -1"
                }
            )
        },
        "at_most": {"match-graded": 0},
    },
    {
        "name": "of equal overlaps the last object",
        "cells": {
            "match": MATCH.format(
                **TAKING
                | {
                    "choose": "last = shares.shape[1] - 1\n"
                    "        best = last - int(shares[find].flip(0).argmax()) if last >= 0 else -1"
                }
            )
        },
        "at_most": {"match-graded": 2},
    },
    {
        "name": "objects choose their finds, the other axis",
        "cells": {
            "match": "def match(shares, threshold):\n"
            "    taken = [-1] * shares.shape[0]\n"
            "    for j in range(shares.shape[1]):\n"
            "        if shares.shape[0] and shares[:, j].max() >= threshold:\n"
            "            taken[int(shares[:, j].argmax())] = j\n"
            "    return taken"
        },
        "at_most": {"match-graded": 0},
    },
    {
        "name": "no object at all is an error",
        "cells": {
            "match": MATCH.format(**TAKING | {"choose": "best = int(shares[find].argmax())"})
        },
        "at_most": {"match-graded": 2},
    },
    {
        "name": "dips are not filled up",
        "cells": {
            "average": AVERAGE.format(
                **AREA
                | {
                    "keep": "precisions.append(hits / rank if right[i] else 0.0)",
                    "best": "best = precisions",
                }
            )
        },
        "at_most": {"average-graded": 1, "results-graded": 0.5},
    },
    {
        "name": "the mean over the objects found, not over all",
        "cells": {"average": AVERAGE.format(**AREA | {"result": "sum(best) / max(hits, 1)"})},
        "at_most": {"average-graded": 1},
    },
    {
        "name": "the mean of the precision after every find",
        "cells": {
            "average": AVERAGE.format(
                **AREA | {"result": "sum(p for _, p in precisions) / max(len(precisions), 1)"}
            )
        },
        "at_most": {"average-graded": 0},
    },
    {
        "name": "the ranking begins with the lowest score",
        "cells": {"average": AVERAGE.format(**AREA | {"key": "scores[i]"})},
        "at_most": {"average-graded": 0},
    },
    {
        "name": "of equal scores the right find is ranked first",
        "cells": {"average": AVERAGE.format(**AREA | {"key": "(-scores[i], not right[i])"})},
        "at_most": {"average-graded": 2},
    },
    {
        "name": "an average for each picture, then their mean",
        "cells": {
            "evaluate": EVALUATE.format(
                **POOLED
                | {
                    "after": "each += [average_precision(sure[mine][order].tolist(), "
                    "[p >= 0 for p in taken], len(theirs))] if len(theirs) else []",
                    "average": "sum(each) / len(each)",
                }
            )
        },
        "at_most": {"average-graded": 1},
    },
    {
        "name": "classes are not told apart when finds take objects",
        "cells": {"evaluate": EVALUATE.format(**POOLED | {"mine": "kinds >= 0"})},
        "at_most": {"average-graded": 1},
    },
    {
        "name": "finds take objects in the order in which they are handed in",
        "cells": {
            "evaluate": EVALUATE.format(
                **POOLED | {"order": "torch.arange(int(mine.sum()))"},
            )
        },
        "at_most": {"average-graded": 2},
    },
    {
        "name": "the threshold is always one half",
        "cells": {"evaluate": EVALUATE.format(**POOLED | {"threshold": "0.5"})},
        "at_most": {"average-graded": 1, "results-graded": 0.5},
    },
    {
        "name": "the best class instead of the mean over the classes",
        "cells": {"evaluate": EVALUATE.format(**POOLED | {"result": "max(found)"})},
        "at_most": {"average-graded": 2, "results-graded": 0.5},
    },
    {
        "name": "table: every find that touches an object is right",
        "cells": {
            "compare": COMPARE.format(
                **TABLE
                | {
                    "count": "int((overlap(boxes[mine], real[wanted == label]) >= 0.5).sum())",
                }
            )
        },
        "at_most": {"results-graded": 0.5},
    },
    {
        "name": "table: precision and recall change places",
        "cells": {"compare": COMPARE.format(**TABLE | {"found": "objects", "there": "handed"})},
        "at_most": {"results-graded": 0.5},
    },
    {
        "name": "table: both thresholds are one half",
        "cells": {"compare": COMPARE.format(**TABLE | {"strict": "0.5"})},
        "at_most": {"results-graded": 0.5},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "corners": "from labnotes.detection import box_convert as corners",
            "overlap": "from torchvision.ops import box_iou as overlap",
            "suppress": "from torchvision.ops import batched_nms as suppress",
            "match": "from labnotes.metrics.detection import _match_coco as match",
            "average": "from labnotes.metrics import average_precision",
            "evaluate": "from labnotes.metrics import mean_average_precision as evaluate",
        },
        "at_most": {
            "overlap-graded": 0,
            "suppress-graded": 0,
            "match-graded": 0,
            "average-graded": 0,
        },
    },
]
