"""Wrong answers to the assignment selection, and the most they may get."""

FOLDS = """
def group_folds(groups, k):
    names, sizes = groups.unique(return_counts=True)
    order = sorted(range(len(names)), key=lambda i: {order})
    filled, fold_of = [0] * k, {{}}
    for n, i in enumerate(order):
        fold = {fold}
        fold_of[names[i].item()] = fold
        filled[fold] += {more}
    fold = torch.tensor([fold_of[name] for name in groups.tolist()])
    return [({rest}.nonzero()[:, 0], (fold == f).nonzero()[:, 0]) for f in range(k)]
"""
RIGHT_FOLDS = {
    "order": "(-sizes[i].item(), names[i].item())",
    "fold": "filled.index(min(filled))",
    "more": "sizes[i].item()",
    "rest": "(fold != f)",
}

LEVERAGES = """
def leverages(features, penalty):
    gram = features.T @ features + {penalty} * torch.eye(features.shape[1])
    return (features * torch.linalg.solve(gram, features.T).T).sum(dim={axis})
"""

LEFT_OUT = """
def left_out_errors(features, targets, penalty):
    h = leverages(features, penalty)
    gram = features.T @ features + {penalty} * torch.eye(features.shape[1])
    told = features @ torch.linalg.solve(gram, features.T @ targets)
    return {error}
"""
RIGHT_ERROR = "(told - targets) / (1 - h)"

CROSS = """
def cross_validated(learn, setting, x, y, folds):
    off = [learn(x[{seen}], y[{seen}], setting)(x[{judged}]) - y[{judged}] for rest, part in folds]
    return {mean}
"""
RIGHT_CROSS = {
    "seen": "rest",
    "judged": "part",
    "mean": "torch.cat(off).square().mean().sqrt().item()",
}

NESTED = """
def nested(learn, settings, x, y, outer, inner):
    chosen, off = [], []
    for rest, part in outer:
        {choose}
        chosen.append(best)
        {judge}
    return {{"chosen": chosen, "error": {mean}}}
"""
ERROR = "cross_validated(learn, s, x[rest], y[rest], inner(rest))"
RIGHT_NESTED = {
    "choose": f"best = min(settings, key=lambda s: {ERROR})",
    "judge": "off.append(learn(x[rest], y[rest], best)(x[part]) - y[part])",
    "mean": "torch.cat(off).square().mean().sqrt().item()",
}

STRONGEST = """
def strongest(x, y, count):
    a, b = x - x.mean(dim=0), {target}
    strength = {strength}
    return strength.topk(count, largest={largest}).indices.sort().values
"""
RIGHT_STRONGEST = {
    "target": "y - y.mean()",
    "strength": "(a.T @ b).abs() / (a.norm(dim=0) * b.norm())",
    "largest": "True",
}

SCREENED = """
def screened(learn, x, y, count, folds):
    wrong = {{"before": [], "inside": []}}
    at_once = strongest(x, y, count)
    for rest, part in folds:
        for arm, columns in (("before", {before}), ("inside", {inside})):
            told = learn(x[{seen}][:, columns], y[{seen}])(x[part][:, columns])
            wrong[arm].append((told.sign() != y[part]).to(x.dtype))
    return {{arm: {mean} for arm, found in wrong.items()}}
"""
RIGHT_SCREENED = {
    "before": "at_once",
    "inside": "strongest(x[rest], y[rest], count)",
    "seen": "rest",
    "mean": "torch.cat(found).mean().item()",
}

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "all zeros",
        "cells": {
            "predicted": "predicted = {'folds': [0] * 5, 'trainings': 0, 'left out': [0] * 3, "
            "'reported': 0}",
            "group-folds": "def group_folds(groups, k):\n"
            "    return [(torch.tensor([0]), torch.tensor([0]))] * k",
            "leverages": "def leverages(features, penalty):\n    return torch.zeros(len(features))",
            "left-out": "def left_out_errors(features, targets, penalty):\n"
            "    return torch.zeros(len(features))",
            "cross-validated": "def cross_validated(learn, setting, x, y, folds):\n    return 0.0",
            "nested": "def nested(learn, settings, x, y, outer, inner):\n"
            "    return {'chosen': [0.0 for _ in outer], 'error': 0.0}",
            "strongest": "def strongest(x, y, count):\n    return torch.zeros(count).long()",
            "screened": "def screened(learn, x, y, count, folds):\n"
            "    return {'before': 0.0, 'inside': 0.0}",
            "results": "results = []",
        },
        "at_most": {
            "predicted-graded": 0,
            "group-folds-graded": 0,
            "left-out-graded": 0,
            "nested-graded": 0,
            "screened-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "functions return their input",
        "cells": {
            "group-folds": "def group_folds(groups, k):\n    return [groups] * k",
            "leverages": "def leverages(features, penalty):\n    return features",
            "left-out": "def left_out_errors(features, targets, penalty):\n    return targets",
            "cross-validated": "def cross_validated(learn, setting, x, y, folds):\n    return setting",
            "nested": "def nested(learn, settings, x, y, outer, inner):\n"
            "    return {'chosen': settings, 'error': y}",
            "strongest": "def strongest(x, y, count):\n    return list(range(count))",
            "screened": "def screened(learn, x, y, count, folds):\n    return count",
        },
        "at_most": {
            "group-folds-graded": 0,
            "left-out-graded": 0,
            "nested-graded": 0,
            "screened-graded": 0,
        },
    },
    {
        "name": "predicted without the last training; the model that the test likes best",
        "cells": {
            "predicted": "predicted = {'folds': [5, 5, 5, 4, 4], 'trainings': 120, "
            "'left out': [4.5, 1.5, -6], 'reported': 2.6}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted the ordinary errors of the mean, with their signs turned",
        "cells": {
            "predicted": "predicted = {'folds': [5, 5, 5, 4, 4], 'trainings': 125, "
            "'left out': [-4.5, -1.5, 6], 'reported': 3.4}"
        },
        "at_most": {"predicted-graded": 1},
    },
    {
        "name": "folds: rows are dealt out, groups are torn apart",
        "cells": {
            "group-folds": "def group_folds(groups, k):\n"
            "    fold = torch.arange(len(groups)) % k\n"
            "    return [((fold != f).nonzero()[:, 0], (fold == f).nonzero()[:, 0]) "
            "for f in range(k)]"
        },
        "at_most": {"group-folds-graded": 0},
    },
    {
        "name": "folds: groups in the order of their names, whatever their size",
        "cells": {"group-folds": FOLDS.format(**RIGHT_FOLDS | {"order": "names[i].item()"})},
        "at_most": {"group-folds-graded": 1},
    },
    {
        "name": "folds: the smallest group first",
        "cells": {
            "group-folds": FOLDS.format(
                **RIGHT_FOLDS | {"order": "(sizes[i].item(), names[i].item())"}
            )
        },
        "at_most": {"group-folds-graded": 1},
    },
    {
        "name": "folds: of groups of one size the larger name first",
        "cells": {
            "group-folds": FOLDS.format(
                **RIGHT_FOLDS | {"order": "(-sizes[i].item(), -names[i].item())"}
            )
        },
        "at_most": {"group-folds-graded": 1},
    },
    {
        "name": "folds: the fold with the fewest groups, not rows",
        "cells": {"group-folds": FOLDS.format(**RIGHT_FOLDS | {"more": "1"})},
        "at_most": {"group-folds-graded": 1},
    },
    {
        "name": "folds: the rest has all rows",
        "cells": {"group-folds": FOLDS.format(**RIGHT_FOLDS | {"rest": "(fold >= 0)"})},
        "at_most": {"group-folds-graded": 2},
    },
    {
        "name": "leverages: the penalty is forgotten",
        "cells": {"leverages": LEVERAGES.format(penalty="0", axis="1")},
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "leverages: summed over the rows",
        "cells": {"leverages": LEVERAGES.format(penalty="penalty", axis="0")},
        "at_most": {"left-out-graded": 0},
    },
    {
        "name": "leverages: the penalty times the number of rows",
        "cells": {"leverages": LEVERAGES.format(penalty="len(features) * penalty", axis="1")},
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "left out: the ordinary errors",
        "cells": {"left-out": LEFT_OUT.format(penalty="penalty", error="told - targets")},
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "left out: target minus prediction",
        "cells": {
            "left-out": LEFT_OUT.format(penalty="penalty", error="(targets - told) / (1 - h)")
        },
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "left out: divided by 1 plus the leverage",
        "cells": {
            "left-out": LEFT_OUT.format(penalty="penalty", error="(told - targets) / (1 + h)")
        },
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "left out: the weights of no penalty",
        "cells": {"left-out": LEFT_OUT.format(penalty="1e-9", error=RIGHT_ERROR)},
        "at_most": {"left-out-graded": 2},
    },
    {
        "name": "left out: the mean leverage for every row",
        "cells": {
            "left-out": LEFT_OUT.format(
                penalty="penalty", error="(told - targets) / (1 - h.mean())"
            )
        },
        "at_most": {"left-out-graded": 1},
    },
    {
        "name": "cross-validated: trained on the part, judged on the rest",
        "cells": {
            "cross-validated": CROSS.format(**RIGHT_CROSS | {"seen": "part", "judged": "rest"})
        },
        "at_most": {"nested-graded": 1},
    },
    {
        "name": "cross-validated: judged on the rows of the training",
        "cells": {"cross-validated": CROSS.format(**RIGHT_CROSS | {"judged": "rest"})},
        "at_most": {"nested-graded": 0},
    },
    {
        "name": "cross-validated: the mean of the folds' roots",
        "cells": {
            "cross-validated": CROSS.format(
                **RIGHT_CROSS
                | {"mean": "torch.stack([e.square().mean().sqrt() for e in off]).mean().item()"}
            )
        },
        "at_most": {"nested-graded": 2},
    },
    {
        "name": "cross-validated: the root is forgotten",
        "cells": {
            "cross-validated": CROSS.format(
                **RIGHT_CROSS | {"mean": "torch.cat(off).square().mean().item()"}
            )
        },
        "at_most": {"nested-graded": 2},  # the best setting stays the best
    },
    {
        "name": "nested: the setting is chosen once, by all rows",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED
                | {
                    "choose": "best = min(settings, key=lambda s: "
                    "cross_validated(learn, s, x, y, outer))"
                }
            )
        },
        "at_most": {"nested-graded": 1},
    },
    {
        "name": "nested: the outer part chooses",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED
                | {
                    "choose": "best = min(settings, key=lambda s: "
                    "cross_validated(learn, s, x, y, [(rest, part)]))"
                }
            )
        },
        "at_most": {"nested-graded": 1},
    },
    {
        "name": "nested: the inner folds number all rows",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED
                | {
                    "choose": "best = min(settings, key=lambda s: "
                    "cross_validated(learn, s, x, y, inner(rest)))"
                }
            )
        },
        "at_most": {"nested-graded": 1},
    },
    {
        "name": "nested: the largest error wins",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED | {"choose": f"best = max(settings, key=lambda s: {ERROR})"}
            )
        },
        "at_most": {"nested-graded": 1},
    },
    {
        "name": "nested: no training on the whole rest",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED
                | {
                    "judge": "few = rest[inner(rest)[0][0]]\n"
                    "        off.append(learn(x[few], y[few], best)(x[part]) - y[part])"
                }
            )
        },
        "at_most": {"nested-graded": 2},
    },
    {
        "name": "nested: the mean of the outer folds' errors",
        "cells": {
            "nested": NESTED.format(
                **RIGHT_NESTED
                | {"mean": "torch.stack([e.square().mean().sqrt() for e in off]).mean().item()"}
            )
        },
        "at_most": {"nested-graded": 2},
    },
    {
        "name": "strongest: the sign of the correlation counts",
        "cells": {
            "strongest": STRONGEST.format(
                **RIGHT_STRONGEST | {"strength": "(a.T @ b) / (a.norm(dim=0) * b.norm())"}
            )
        },
        "at_most": {"screened-graded": 0},
    },
    {
        "name": "strongest: covariance in place of correlation",
        "cells": {
            "strongest": STRONGEST.format(**RIGHT_STRONGEST | {"strength": "(a.T @ b).abs()"})
        },
        "at_most": {"screened-graded": 1},
    },
    {
        "name": "strongest: nothing is centred",
        "cells": {
            "strongest": STRONGEST.format(**RIGHT_STRONGEST | {"target": "y"}).replace(
                "x - x.mean(dim=0)", "x"
            )
        },
        "at_most": {"screened-graded": 0},
    },
    {
        "name": "strongest: the weakest",
        "cells": {"strongest": STRONGEST.format(**RIGHT_STRONGEST | {"largest": "False"})},
        "at_most": {"screened-graded": 0},
    },
    {
        "name": "screened: inside, all rows choose",
        "cells": {"screened": SCREENED.format(**RIGHT_SCREENED | {"inside": "at_once"})},
        "at_most": {"screened-graded": 2},
    },
    {
        "name": "screened: inside, the rows of the part choose",
        "cells": {
            "screened": SCREENED.format(
                **RIGHT_SCREENED | {"inside": "strongest(x[part], y[part] + 1e-9 * part, count)"}
            )
        },
        "at_most": {"screened-graded": 2},
    },
    {
        "name": "screened: trained on all rows",
        "cells": {"screened": SCREENED.format(**RIGHT_SCREENED | {"seen": ":"})},
        "at_most": {"screened-graded": 1},
    },
    {
        "name": "screened: the mean of the folds' shares",
        "cells": {
            "screened": SCREENED.format(
                **RIGHT_SCREENED | {"mean": "torch.stack([w.mean() for w in found]).mean().item()"}
            )
        },
        "at_most": {"screened-graded": 1},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "group-folds": "from sklearn.model_selection import GroupKFold\n\n"
            "def group_folds(groups, k):\n"
            "    pairs = GroupKFold(k).split(groups, groups=groups)\n"
            "    return [tuple(map(torch.tensor, pair)) for pair in pairs]",
            "left-out": "from labnotes.generalization import ridge as left_out_errors",
            "cross-validated": "from sklearn.model_selection import cross_val_score\n"
            "from labnotes.generalization import k_fold\n\ncross_validated = cross_val_score",
        },
        "at_most": {"group-folds-graded": 0, "left-out-graded": 1, "nested-graded": 0},
    },
    {
        "name": "a table whose second column is the first again",
        "cells": {
            "results": "results = [{'model': s} | dict.fromkeys(('random folds', 'by patient', "
            "'new patients'), cross_validated(learn, s, x, y, random_folds)) for s in settings]"
        },
        "at_most": {"results-graded": 1},
    },
]
