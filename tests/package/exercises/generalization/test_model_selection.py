"""The checkers of the chapter generalization/model-selection take right answers and no wrong ones."""

import numpy as np

from ..planted import answers


def stop(losses, patience):
    kept, ran = 0, 0
    for ran, loss in enumerate(losses, 1):
        if loss < losses[kept]:
            kept = ran - 1
        if ran - 1 - kept >= patience:
            break
    return kept, ran


def since_last_rise(losses, patience):
    worse = 0
    for n in range(1, len(losses)):
        worse = worse + 1 if losses[n] >= losses[n - 1] else 0
        if worse >= patience:
            return losses.index(min(losses[: n + 1])), n + 1
    return losses.index(min(losses)), len(losses)


def never_starts_again(losses, patience):
    kept, worse = 0, 0
    for n, loss in enumerate(losses[1:], 1):
        kept, worse = (n, worse) if loss < losses[kept] else (kept, worse + 1)
        if worse >= patience:
            return kept, n + 1
    return kept, len(losses)


def equal_is_new(losses, patience):
    kept = 0
    for n, loss in enumerate(losses):
        kept = n if loss <= losses[kept] else kept
        if n - kept >= patience:
            return kept, n + 1
    return kept, len(losses)


def rule(errors, ddof=1, root=True, of="best", times=1.0):
    e = errors.numpy()
    means, best = e.mean(1), e.mean(1).argmin()
    spread = e.std(1, ddof=ddof)
    size = {"best": spread[best], "own": spread, "all": e.std(ddof=1)}[of]
    size = size / np.sqrt(e.shape[1]) if root else size
    return int(np.flatnonzero(means <= means[best] + times * size)[0])


TestModelSelection = answers(
    "model_selection",
    right={
        "stop_early": [stop],
        "simplest_good_enough": [rule, lambda e: rule(e.double())],
    },
    wrong={
        "stop_early": {
            "lowest of all": lambda v, p: (v.index(min(v)), len(v)),
            "last before the stop": lambda v, p: (stop(v, p)[1] - 1, stop(v, p)[1]),
            "one epoch too many": lambda v, p: stop(v, p + 1),
            "counts from one": lambda v, p: (stop(v, p)[0] + 1, stop(v, p)[1]),
            "since the last rise": since_last_rise,
            "never starts again": never_starts_again,
            "equal is new": equal_is_new,
            "only one number": lambda v, p: stop(v, p)[0],
            "the loss": lambda v, p: (min(v), len(v)),
            "zeros": lambda v, p: (0, 0),
        },
        "simplest_good_enough": {
            "the best": lambda e: int(e.mean(1).argmin()),
            "no root": lambda e: rule(e, root=False),
            "other deviation": lambda e: rule(e, ddof=0),
            "folds - 1 twice": lambda e: rule(e, times=(e.shape[1] / (e.shape[1] - 1)) ** 0.5),
            "own deviation": lambda e: rule(e, of="own"),
            "deviation of all": lambda e: rule(e, of="all"),
            "zero": lambda e: 0,
            "the mean": lambda e: float(e.mean(1).min()),
            "the worst": lambda e: int(e.mean(1).argmax()),
        },
    },
)  # fmt: skip
