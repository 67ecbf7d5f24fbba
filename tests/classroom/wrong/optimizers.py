"""Wrong answers to the assignment optimizers, and the most they may get."""

CLIP = """
def clip(gradients, largest):
    length = {length}
    factor = {factor}
    return {clipped}, {said}
"""
RIGHT_CLIP = {
    "length": "math.sqrt(sum(float(g.square().sum()) for g in gradients))",
    "factor": "min(1.0, largest / length) if length else 1.0",
    "clipped": "[factor * g for g in gradients]",
    "said": "length",
}

MOMENTUM = """
def momentum(memory, g, rate, keep=0.9, nesterov=False):
    velocity = {velocity}
    move = -rate * ({ahead} if nesterov else velocity)
    return {memory}, move
"""
RIGHT_MOMENTUM = {
    "velocity": "g + keep * memory.get('velocity', 0 * g)",
    "ahead": "g + keep * velocity",
    "memory": "{'velocity': velocity}",
}

CENTRED = """
def centred(memory, g, rate, keep=0.9, eps=1e-8):
    square, mean = memory.get("square", 0 * g), memory.get("mean", 0 * g)
    square = keep * square + {new} * g**2
    mean = keep * mean + {new} * g
    spread = {spread}
    return {{"square": square, "mean": mean}}, -rate * {up} / (spread + eps)
"""
RIGHT_CENTRED = {
    "new": "(1 - keep)",
    "spread": "(square - mean**2).clamp(min=0).sqrt()",
    "up": "g",
}

ADAMAX = """
def adamax(memory, g, rate, keeps=(0.9, 0.999), eps=1e-8):
    t = {t}
    mean = keeps[0] * memory.get("mean", 0 * g) + (1 - keeps[0]) * g
    size = {size}
    move = -rate {correction} * mean / (size + eps)
    return {{"t": t, "mean": mean, "size": size}}, move
"""
RIGHT_ADAMAX = {
    "t": "memory.get('t', 0) + 1",
    "size": "torch.maximum(keeps[1] * memory.get('size', 0 * g), g.abs())",
    "correction": "/ (1 - keeps[0] ** t)",
}

RESTARTS = """
def restarts(step, first, grow=1):
    length = first
    while step {over} length:
        step -= length
        length {grows}
    return {factor}
"""
RIGHT_RESTARTS = {
    "over": ">=",
    "grows": "*= grow",
    "factor": "(1 + math.cos(math.pi * step / length)) / 2",
}

TUNE = """
def tune(score, rate, factor=10**0.5, most=20):
    scores, k = {{}}, 0
    while True:
        found = float(score(rate * factor**k))
        scores[k] = {kept}
        best = {best}
        if len(scores) {full} most or {inside}:
            return {{"rate": rate * factor**best, "score": scores[best], "tried": {tried}}}
        k = {next}
"""
RIGHT_TUNE = {
    "kept": "found if math.isfinite(found) else math.inf",
    "best": "min(sorted(scores), key=scores.get)",
    "full": "==",
    "inside": "min(scores) < best < max(scores)",
    "tried": "list(scores)",
    "next": "best + 1 if best == max(scores) else best - 1",
}

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "all zeros",
        "cells": {
            "predicted": "predicted = {n: [0] * 3 for n in ('momentum', 'nesterov', 'sizes', 'clipped')}\n"
            "predicted['restarts'] = [0] * 5",
            "clip": "def clip(gradients, largest):\n    return [0 * g for g in gradients], 0.0",
            "momentum": "def momentum(memory, g, rate, **options):\n    return {}, 0 * g",
            "centred": "def centred(memory, g, rate, **options):\n    return {}, 0 * g",
            "adamax": "def adamax(memory, g, rate, **options):\n    return {}, 0 * g",
            "restarts": "def restarts(step, first, grow=1):\n    return 0.0",
            "tune": "def tune(score, rate, factor=10**0.5, most=20):\n"
            "    return {'rate': 0.0, 'score': 0.0, 'tried': []}",
            "results": "results = []",
        },
        "at_most": {
            "predicted-graded": 0,
            "clip-graded": 0,
            "momentum-graded": 0,
            "scaled-graded": 0,
            "restarts-graded": 0,
            "tune-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "functions return their input",
        "cells": {
            "clip": "def clip(gradients, largest):\n    return gradients, largest",
            "momentum": "def momentum(memory, g, rate, **options):\n    return memory, g",
            "centred": "def centred(memory, g, rate, **options):\n    return memory, g",
            "adamax": "def adamax(memory, g, rate, **options):\n    return memory, g",
            "restarts": "def restarts(step, first, grow=1):\n    return step",
            "tune": "def tune(score, rate, factor=10**0.5, most=20):\n"
            "    return {'rate': rate, 'score': score(rate), 'tried': [0]}",
            "results": "results = [{'optimizer': n, 'version': v, 'rate': 1.0, 'loss': 1.0, "
            '"yesterday\'s rate": 1.0} for n in rules for v in versions]',
        },
        "at_most": {
            "clip-graded": 0,
            "momentum-graded": 0,
            "scaled-graded": 0,
            "restarts-graded": 0,
            "tune-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "predicted averages for velocities, tensors clipped one by one, no restart at once",
        "cells": {
            "predicted": "predicted = {'momentum': [-4, 0, -1], 'nesterov': [-6, 2, -1.5], "
            "'sizes': [8, 4, 3], 'clipped': [3, 4, 6.5], 'restarts': [1, 0.5, 0, 0.5, 0]}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted moves uphill; the rest is right",
        "cells": {
            "predicted": "predicted = {'momentum': [8, 0, 2], 'nesterov': [12, -4, 3], "
            "'sizes': [8, 4, 3], 'clipped': [1.5, 2, 6], 'restarts': [1, 0.5, 1, 0.5, 1]}"
        },
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "clip: each tensor by itself",
        "cells": {
            "clip": CLIP.format(
                **RIGHT_CLIP
                | {"clipped": "[g * min(1.0, largest / float(g.norm())) for g in gradients]"}
            )
        },
        "at_most": {"clip-graded": 1},
    },
    {
        "name": "clip: short gradients are made longer",
        "cells": {"clip": CLIP.format(**RIGHT_CLIP | {"factor": "largest / length"})},
        "at_most": {"clip-graded": 1},
    },
    {
        "name": "clip: the numbers are cut off, the direction turns",
        "cells": {
            "clip": CLIP.format(
                **RIGHT_CLIP | {"clipped": "[g.clamp(-largest, largest) for g in gradients]"}
            )
        },
        "at_most": {"clip-graded": 1},
    },
    {
        "name": "clip: the length is the sum of the tensors' lengths",
        "cells": {
            "clip": CLIP.format(
                **RIGHT_CLIP | {"length": "sum(float(g.norm()) for g in gradients)"}
            )
        },
        "at_most": {"clip-graded": 0},
    },
    {
        "name": "clip: the length afterwards",
        "cells": {"clip": CLIP.format(**RIGHT_CLIP | {"said": "factor * length"})},
        "at_most": {"clip-graded": 1},
    },
    {
        "name": "clip: in place",
        "cells": {
            "clip": CLIP.format(**RIGHT_CLIP | {"clipped": "[g.mul_(factor) for g in gradients]"})
        },
        "at_most": {"clip-graded": 1},
    },
    {
        "name": "momentum: an average of gradients for the velocity",
        "cells": {
            "momentum": MOMENTUM.format(
                **RIGHT_MOMENTUM
                | {"velocity": "(1 - keep) * g + keep * memory.get('velocity', 0 * g)"}
            )
        },
        "at_most": {"momentum-graded": 0},
    },
    {
        "name": "momentum: the rate is part of the velocity twice",
        "cells": {
            "momentum": MOMENTUM.format(
                **RIGHT_MOMENTUM | {"velocity": "rate * g + keep * memory.get('velocity', 0 * g)"}
            )
        },
        "at_most": {"momentum-graded": 0},
    },
    {
        "name": "momentum: Nesterov looks back, not ahead",
        "cells": {
            "momentum": MOMENTUM.format(
                **RIGHT_MOMENTUM | {"ahead": "g + keep * memory.get('velocity', 0 * g)"}
            )
        },
        "at_most": {"momentum-graded": 2},
    },
    {
        "name": "momentum: Nesterov takes the velocity and the gradient",
        "cells": {"momentum": MOMENTUM.format(**RIGHT_MOMENTUM | {"ahead": "g + velocity"})},
        "at_most": {"momentum-graded": 2},
    },
    {
        "name": "momentum: the old memory is written over",
        "cells": {
            "momentum": MOMENTUM.format(
                **RIGHT_MOMENTUM
                | {
                    "velocity": "memory.setdefault('velocity', 0 * g).mul_(keep).add_(g)",
                    "memory": "memory",
                }
            )
        },
        "at_most": {"momentum-graded": 2},
    },
    {
        "name": "momentum: the gradient given is the velocity, and grows",
        "cells": {
            "momentum": MOMENTUM.format(
                **RIGHT_MOMENTUM | {"velocity": "g.add_(keep * memory.get('velocity', 0 * g))"}
            )
        },
        "at_most": {"momentum-graded": 1},  # Nesterov's sum takes the changed gradient, too
    },
    {
        "name": "centred: the mean is not taken away",
        "cells": {"centred": CENTRED.format(**RIGHT_CENTRED | {"spread": "square.sqrt()"})},
        "at_most": {"scaled-graded": 2},
    },
    {
        "name": "centred: sums in place of averages",
        "cells": {"centred": CENTRED.format(**RIGHT_CENTRED | {"new": "1"})},
        "at_most": {"scaled-graded": 2},
    },
    {
        "name": "centred: no root",
        "cells": {
            "centred": CENTRED.format(
                **RIGHT_CENTRED | {"spread": "(square - mean**2).clamp(min=0)"}
            )
        },
        "at_most": {"scaled-graded": 2},
    },
    {
        "name": "centred: the average of gradients is divided",
        "cells": {"centred": CENTRED.format(**RIGHT_CENTRED | {"up": "mean"})},
        "at_most": {"scaled-graded": 2},
    },
    {
        "name": "adamax: no correction of the start",
        "cells": {"adamax": ADAMAX.format(**RIGHT_ADAMAX | {"correction": ""})},
        "at_most": {"scaled-graded": 1},
    },
    {
        "name": "adamax: steps are counted from 0",
        "cells": {"adamax": ADAMAX.format(**RIGHT_ADAMAX | {"t": "memory.get('t', -1) + 1"})},
        "at_most": {"scaled-graded": 1},
    },
    {
        "name": "adamax: the sign of the gradient is kept in the size",
        "cells": {
            "adamax": ADAMAX.format(
                **RIGHT_ADAMAX
                | {"size": "torch.maximum(keeps[1] * memory.get('size', 0 * g), g).abs()"}
            )
        },
        "at_most": {"scaled-graded": 2},
    },
    {
        "name": "adamax: the size never shrinks",
        "cells": {
            "adamax": ADAMAX.format(
                **RIGHT_ADAMAX | {"size": "torch.maximum(memory.get('size', 0 * g), g.abs())"}
            )
        },
        "at_most": {"scaled-graded": 1},
    },
    {
        "name": "adamax: the largest entry of the whole tensor",
        "cells": {
            "adamax": ADAMAX.format(
                **RIGHT_ADAMAX
                | {
                    "size": "torch.maximum(keeps[1] * memory.get('size', 0 * g), "
                    "g.abs().max() * torch.ones_like(g))"
                }
            )
        },
        "at_most": {"scaled-graded": 2},  # a single number is its own largest
    },
    {
        "name": "restarts: the factor of a period's last step stands at its end",
        "cells": {
            "restarts": RESTARTS.format(
                **RIGHT_RESTARTS
                | {"factor": "(1 + math.cos(math.pi * step / max(length - 1, 1))) / 2"}
            )
        },
        "at_most": {"restarts-graded": 0},
    },
    {
        "name": "restarts: one step late",
        "cells": {"restarts": RESTARTS.format(**RIGHT_RESTARTS | {"over": ">"})},
        "at_most": {"restarts-graded": 0},
    },
    {
        "name": "restarts: a whole wave for a half",
        "cells": {
            "restarts": RESTARTS.format(
                **RIGHT_RESTARTS | {"factor": "(1 + math.cos(2 * math.pi * step / length)) / 2"}
            )
        },
        "at_most": {"restarts-graded": 0},
    },
    {
        "name": "restarts: periods grow by a sum, not by a factor",
        "cells": {
            "restarts": RESTARTS.format(**RIGHT_RESTARTS | {"grows": "+= (grow - 1) * first"})
        },
        "at_most": {"restarts-graded": 1},
    },
    {
        "name": "restarts: upwards",
        "cells": {
            "restarts": RESTARTS.format(
                **RIGHT_RESTARTS | {"factor": "(1 - math.cos(math.pi * step / length)) / 2"}
            )
        },
        "at_most": {"restarts-graded": 0},
    },
    {
        "name": "tune: the highest score",
        "cells": {
            "tune": TUNE.format(**RIGHT_TUNE | {"best": "max(sorted(scores), key=scores.get)"})
        },
        "at_most": {"tune-graded": 0},
    },
    {
        "name": "tune: nan counts as the best",
        "cells": {
            "tune": TUNE.format(
                **RIGHT_TUNE | {"kept": "found if math.isfinite(found) else -math.inf"}
            )
        },
        "at_most": {"tune-graded": 1},
    },
    {
        "name": "tune: the search ends at an edge",
        "cells": {"tune": TUNE.format(**RIGHT_TUNE | {"inside": "len(scores) == 3"})},
        "at_most": {"tune-graded": 0},
    },
    {
        "name": "tune: one rate too many",
        "cells": {"tune": TUNE.format(**RIGHT_TUNE | {"full": ">"})},
        "at_most": {"tune-graded": 1},
    },
    {
        "name": "tune: of equal scores the largest rate",
        "cells": {
            "tune": TUNE.format(
                **RIGHT_TUNE | {"best": "min(sorted(scores, reverse=True), key=scores.get)"}
            )
        },
        "at_most": {"tune-graded": 0},
    },
    {
        "name": "tune: the rates in rising order, not as tried",
        "cells": {"tune": TUNE.format(**RIGHT_TUNE | {"tried": "sorted(scores)"})},
        "at_most": {"tune-graded": 0},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "momentum": "from labnotes.optim import SGD as momentum",
            "adamax": "from labnotes.optimization.quadratic import descend_quadratic as adamax",
            "tune": "from labnotes.exercises.optimization.schedules import best_rates as tune",
        },
        "at_most": {"momentum-graded": 0, "scaled-graded": 1, "tune-graded": 0},
    },
    {
        "name": "a table at the rate 1 for everyone",
        "cells": {
            "results": "results = [{'optimizer': n, 'version': v, 'rate': 1.0} | dict.fromkeys("
            "('loss', \"yesterday's rate\"), final_loss(rule, 1.0, *versions[v]))\n"
            "           for n, rule in rules.items() for v in versions]"
        },
        "at_most": {"results-graded": 0},
    },
]
