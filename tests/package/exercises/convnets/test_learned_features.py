"""The checkers of the chapter convnets/learned-features take right answers and no wrong ones."""

import math

import numpy as np
import torch

from ..planted import answers


def cell_histogram(down, right, bins=9):
    angle = torch.rad2deg(torch.atan2(down, right)) % 180
    chosen = (angle * bins / 180).long().clamp(max=bins - 1)
    votes = torch.zeros(bins, dtype=down.dtype)
    return votes.index_add(0, chosen.flatten(), torch.hypot(down, right).flatten()) / down.numel()


def by_numpy(down, right, bins=9):
    angle = np.degrees(np.arctan2(down.numpy(), right.numpy())) % 180
    weights = np.hypot(down.numpy(), right.numpy())
    votes, _ = np.histogram(angle, bins=bins, range=(0, 180), weights=weights)
    return torch.from_numpy(votes).float() / down.numel()


def changed(angle=lambda d, r: torch.atan2(d, r), length=torch.hypot, turn=math.pi, share=True):
    def wrong(down, right, bins=9):
        chosen = ((angle(down, right) % turn) * bins / turn).long().clamp(0, bins - 1)
        votes = torch.zeros(bins).index_add(0, chosen.flatten(), length(down, right).flatten())
        return votes / down.numel() if share else votes

    return wrong


def overtakes(sizes, first, second):
    found = None
    for size, below, above in reversed(list(zip(sizes, first, second))):
        if min(above) <= max(below):
            break
        found = size
    return found


def at_first(ahead):
    """The first size where the second is ahead, whatever comes later."""

    def wrong(sizes, first, second):
        return next((n for n, a, b in zip(sizes, first, second) if ahead(a, b)), None)

    return wrong


def from_the_end(ahead):
    def wrong(sizes, first, second):
        found = None
        for size, a, b in reversed(list(zip(sizes, first, second))):
            if not ahead(a, b):
                break
            found = size
        return found

    return wrong


def last_crossing(sizes, first, second):
    """Where the second last passed the first, even if its lead is lost again."""
    ahead = [min(b) > max(a) for a, b in zip(first, second)]
    passed = [n for n, was, now in zip(sizes[1:], ahead, ahead[1:]) if now and not was]
    return sizes[0] if all(ahead) else passed[-1] if passed else None


TestAnswers = answers(
    "learned_features",
    right={"cell_histogram": [cell_histogram, by_numpy], "overtakes": [overtakes]},
    wrong={
        "cell_histogram": {
            "zeros": lambda d, r, bins=9: torch.zeros(bins),
            "nan": lambda d, r, bins=9: torch.full((bins,), torch.nan),
            "a list": lambda d, r, bins=9: cell_histogram(d, r, bins).tolist(),
            "doubles": lambda d, r, bins=9: cell_histogram(d, r, bins).double(),
            "one bin more": lambda d, r, bins=9: cell_histogram(d, r, bins + 1),
            "axes exchanged": lambda d, r, bins=9: cell_histogram(r, d, bins),
            "a sign": lambda d, r, bins=9: cell_histogram(-d, r, bins),
            "the full circle": changed(turn=2 * math.pi),
            "sums": changed(share=False),
            "counts": changed(length=lambda d, r: (torch.hypot(d, r) > 0).float()),
            "squares": changed(length=lambda d, r: d**2 + r**2),
            "sum of sides": changed(length=lambda d, r: d.abs() + r.abs()),
            "next bin": lambda d, r, bins=9: cell_histogram(d, r, bins).roll(1),
            "unit length": lambda d, r, bins=9: torch.nn.functional.normalize(
                cell_histogram(d, r, bins), dim=0
            ),
            "always nine": lambda d, r, bins=9: cell_histogram(d, r),
        },
        "overtakes": {
            "nothing": lambda *_: None,
            "the first size": lambda sizes, *_: sizes[0],
            "the last size": lambda sizes, *_: sizes[-1],
            "exchanged": lambda s, a, b: overtakes(s, b, a),
            "means": from_the_end(lambda a, b: sum(b) > sum(a)),
            "ties count": from_the_end(lambda a, b: min(b) >= max(a)),
            "best against best": from_the_end(lambda a, b: max(b) > max(a)),
            "worst against worst": from_the_end(lambda a, b: min(b) > min(a)),
            "seed by seed": from_the_end(lambda a, b: all(y > x for x, y in zip(a, b))),
            "the last crossing": last_crossing,
            "the first lead": at_first(lambda a, b: min(b) > max(a)),
            "a float": lambda *x: None if overtakes(*x) is None else float(overtakes(*x)),
            "its place": lambda s, a, b: None if (n := overtakes(s, a, b)) is None else s.index(n),
        },
    },
)
