"""Wrong answers to the assignment softmax, and the most they may get."""

DIFFERENCE = """
def difference_gradient(loss, w, h=1e-5):
    found = torch.zeros_like(w)
    for place in range(w.numel()):
        step = torch.zeros_like(w)
        step.view(-1)[place] = h
        found.view(-1)[place] = {quotient}
    return found
"""
IN_PLACE = """
def difference_gradient(loss, w, h=1e-5):
    found, flat = torch.zeros_like(w), w.view(-1)
    for place in range(w.numel()):
        flat[place] += h
        up = float(loss(w))
        flat[place] -= 2 * h
        found.view(-1)[place] = (up - float(loss(w))) / (2 * h)
        {back}
    return found
"""

LOSS = """
def soft_cross_entropy(logits, targets, weights):
    rows = -(targets * {logarithm}).sum(dim={axis})
    return {mean}
"""
RIGHT_LOSS = {
    "logarithm": "logits.log_softmax(dim=1)",
    "axis": "1",
    "mean": "(weights * rows).sum() / weights.sum()",
}

GRADIENT = """
def objective_gradient(W, x, targets, weights, penalty):
    p = (x @ W[:, :-1].T + W[:, -1]).softmax(dim={axis})
    error = {share}[:, None] * ({error})
    by_weight = error.T @ x + {penalty} * W[:, :-1]
    return torch.cat([by_weight, {bias}[:, None]], dim=1)
"""
RIGHT_GRADIENT = {
    "axis": "1",
    "share": "(weights / weights.sum())",
    "error": "p - targets",
    "penalty": "penalty",
    "bias": "error.sum(dim=0)",
}

RATE = """
def accepted_rate(loss, w, gradient, rate):
    here, squared = float(loss(w)), float(gradient.square().sum())
    while {refused}:
        rate = rate / 2
    return rate
"""
STEP = "float(loss(w - rate * gradient))"

DESCEND = """
def descend(loss, gradient, w, steps, rate=1.0):
    losses = [float(loss(w))]
    for _ in range(steps):
        g = gradient(w)
        rate = {rate}
        {step}
        losses.append(float(loss({after})))
        rate = {next}
    return w, losses
"""
RIGHT_DESCEND = {
    "rate": "accepted_rate(loss, w, g, rate)",
    "step": "w = w - rate * g",
    "after": "w",
    "next": "2 * rate",
}

REPORT = """
def report(p, labels, shares):
    sure, guess = p.max(dim=1)
    right = (guess == labels).to(p.dtype)
    recalls = [right[{rows} == c].mean().nan_to_num(0.0).item() for c in range(p.shape[1])]
    accuracy = {accuracy}
    return {{"recalls": recalls, "accuracy": accuracy, "confidence": {confidence}}}
"""
RIGHT_REPORT = {
    "rows": "labels",
    "accuracy": "sum(s * r for s, r in zip(shares.tolist(), recalls))",
    "confidence": "sure.mean().item()",
}

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "all zeros",
        "cells": {
            "predicted": "predicted = {'descents': [0] * 4, 'slope': [0] * 3, 'mean': 0}",
            "difference": "def difference_gradient(loss, w, h=1e-5):\n    return w.zero_()",
            "targets": "def soft_targets(labels, classes, smoothing):\n"
            "    return torch.zeros(len(labels), classes)",
            "loss": "def soft_cross_entropy(logits, targets, weights):\n    return torch.tensor(0.0)",
            "gradient": "def objective_gradient(W, *rest):\n    return torch.zeros_like(W)",
            "rate": "def accepted_rate(loss, w, gradient, rate):\n    return 0.0",
            "descend": "def descend(loss, gradient, w, steps, rate=1.0):\n"
            "    return w.zero_(), [0.0] * (steps + 1)",
            "class-weights": "def class_weights(labels, classes):\n"
            "    return torch.zeros(len(labels))",
            "report": "def report(p, labels, shares):\n"
            "    return {'recalls': [0.0] * p.shape[1], 'accuracy': 0.0, 'confidence': 0.0}",
            "results": "results = []",
        },
        "at_most": {
            "predicted-graded": 0,
            "difference-graded": 0,
            "loss-graded": 0,
            "gradient-graded": 0,
            "descend-graded": 0,
            "report-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "functions return their input",
        "cells": {
            "difference": "def difference_gradient(loss, w, h=1e-5):\n    return w",
            "targets": "def soft_targets(labels, classes, smoothing):\n    return labels",
            "loss": "def soft_cross_entropy(logits, targets, weights):\n    return logits",
            "gradient": "def objective_gradient(W, *rest):\n    return W",
            "rate": "def accepted_rate(loss, w, gradient, rate):\n    return w",
            "descend": "def descend(loss, gradient, w, steps, rate=1.0):\n    return w, [w]",
            "class-weights": "def class_weights(labels, classes):\n    return labels",
            "report": "def report(p, labels, shares):\n    return p",
            "results": "results = [x, y]",
        },
        "at_most": {
            "difference-graded": 1,  # what it was given is unchanged
            "loss-graded": 0,
            "gradient-graded": 0,
            "descend-graded": 0,
            "report-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "predicted with the slope w instead of 2 w; the sign of target minus probability",
        "cells": {
            "predicted": "predicted = {'descents': [1.6875, 0.5, 0, -0.0625], "
            "'slope': [0.3, 0.2, -0.5], 'mean': 3.25}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted a mean over the number of rows",
        "cells": {
            "predicted": "predicted = {'descents': [0.5, 0, -4, -13.5], "
            "'slope': [-0.3, -0.2, 0.5], 'mean': 13 / 3}"
        },
        "at_most": {"predicted-graded": 1},
    },
    {
        "name": "difference: to one side only",
        "cells": {"difference": DIFFERENCE.format(quotient="(loss(w + step) - loss(w)) / h")},
        "at_most": {"difference-graded": 1},
    },
    {
        "name": "difference: 2 h for a distance of h",
        "cells": {
            "difference": DIFFERENCE.format(
                quotient="(loss(w + step / 2) - loss(w - step / 2)) / h"
            )
        },
        "at_most": {"difference-graded": 2},
    },
    {
        "name": "difference: downhill instead of uphill",
        "cells": {
            "difference": DIFFERENCE.format(quotient="(loss(w - step) - loss(w + step)) / (2 * h)")
        },
        "at_most": {"difference-graded": 1},
    },
    {
        "name": "difference: the tensor given is moved and not moved back",
        "cells": {"difference": IN_PLACE.format(back="pass")},
        "at_most": {"difference-graded": 0},
    },
    {
        "name": "difference: the first row only",
        "cells": {
            "difference": DIFFERENCE.replace("w.numel()", "w.shape[-1]").format(
                quotient="(loss(w + step) - loss(w - step)) / (2 * h)"
            )
        },
        "at_most": {"difference-graded": 2},
    },
    {
        "name": "targets: the smoothing is spread over the other classes alone",
        "cells": {
            "targets": "def soft_targets(labels, classes, smoothing):\n"
            "    sure = F.one_hot(labels, classes).to(torch.get_default_dtype())\n"
            "    return (1 - smoothing) * sure + smoothing / (classes - 1) * (1 - sure)"
        },
        "at_most": {"loss-graded": 2},
    },
    {
        "name": "loss: the mean over the rows, the weights only in the sum",
        "cells": {"loss": LOSS.format(**RIGHT_LOSS | {"mean": "(weights * rows).mean()"})},
        "at_most": {"loss-graded": 1},
    },
    {
        "name": "loss: the weights are forgotten",
        "cells": {"loss": LOSS.format(**RIGHT_LOSS | {"mean": "rows.mean()"})},
        "at_most": {"loss-graded": 1},
    },
    {
        "name": "loss: softmax over the batch",
        "cells": {"loss": LOSS.format(**RIGHT_LOSS | {"logarithm": "logits.log_softmax(dim=0)"})},
        "at_most": {"loss-graded": 1},
    },
    {
        "name": "loss: the logarithm of a rounded softmax",
        "cells": {"loss": LOSS.format(**RIGHT_LOSS | {"logarithm": "logits.softmax(dim=1).log()"})},
        "at_most": {"loss-graded": 2},
    },
    {
        "name": "loss: only the largest target counts",
        "cells": {
            "loss": "def soft_cross_entropy(logits, targets, weights):\n"
            "    rows = F.cross_entropy(logits, targets.argmax(dim=1), reduction='none')\n"
            "    return (weights * rows).sum() / weights.sum()"
        },
        "at_most": {"loss-graded": 1},
    },
    {
        "name": "gradient: target minus probability",
        "cells": {"gradient": GRADIENT.format(**RIGHT_GRADIENT | {"error": "targets - p"})},
        "at_most": {"gradient-graded": 1},
    },
    {
        "name": "gradient: divided by the number of rows",
        "cells": {
            "gradient": GRADIENT.format(**RIGHT_GRADIENT | {"share": "(weights / len(weights))"})
        },
        "at_most": {"gradient-graded": 1},
    },
    {
        "name": "gradient: softmax over the batch",
        "cells": {"gradient": GRADIENT.format(**RIGHT_GRADIENT | {"axis": "0"})},
        "at_most": {"gradient-graded": 1},
    },
    {
        "name": "gradient: the penalty with a factor of 2",
        "cells": {"gradient": GRADIENT.format(**RIGHT_GRADIENT | {"penalty": "2 * penalty"})},
        "at_most": {"gradient-graded": 2},
    },
    {
        "name": "gradient: the bias pays a penalty",
        "cells": {
            "gradient": GRADIENT.format(
                **RIGHT_GRADIENT | {"bias": "(error.sum(dim=0) + penalty * W[:, -1])"}
            )
        },
        "at_most": {"gradient-graded": 2},
    },
    {
        "name": "gradient: the mean over the batch for the bias, the sum for the weights",
        "cells": {"gradient": GRADIENT.format(**RIGHT_GRADIENT | {"bias": "error.mean(dim=0)"})},
        "at_most": {"gradient-graded": 2},
    },
    {
        "name": "rate: any step that goes down is accepted",
        "cells": {"rate": RATE.format(refused=f"not {STEP} <= here")},
        "at_most": {"descend-graded": 1},  # a descent from small rates does not notice
    },
    {
        "name": "rate: the whole promise is asked for",
        "cells": {
            "rate": RATE.format(
                refused=f"not {STEP} <= here - rate * squared and rate * squared > 1e-9"
            )
        },
        "at_most": {"descend-graded": 0},
    },
    {
        "name": "rate: the length of the gradient is not squared",
        "cells": {"rate": RATE.format(refused=f"not {STEP} <= here - rate / 2 * squared**0.5")},
        "at_most": {"descend-graded": 0},
    },
    {
        "name": "rate: a loss that is not a number is accepted",
        "cells": {"rate": RATE.format(refused=f"{STEP} > here - rate / 2 * squared")},
        "at_most": {"descend-graded": 1},
    },
    {
        "name": "descend: the rate never grows again",
        "cells": {"descend": DESCEND.format(**RIGHT_DESCEND | {"next": "rate"})},
        "at_most": {"descend-graded": 1},
    },
    {
        "name": "descend: each step begins with the first rate",
        "cells": {
            "descend": DESCEND.format(
                **RIGHT_DESCEND | {"rate": "accepted_rate(loss, w, g, start)"}
            ).replace("    losses = [", "    start = rate\n    losses = [", 1)
        },
        "at_most": {"descend-graded": 1},
    },
    {
        "name": "descend: the start is changed in place",
        "cells": {"descend": DESCEND.format(**RIGHT_DESCEND | {"step": "w -= rate * g"})},
        "at_most": {"descend-graded": 2},
    },
    {
        "name": "descend: the loss after the last step is missing",
        "cells": {
            "descend": DESCEND.format(**RIGHT_DESCEND).replace(
                "return w, losses", "return w, losses[:-1]"
            )
        },
        "at_most": {"descend-graded": 2},
    },
    {
        "name": "class weights: the share itself, not its inverse",
        "cells": {
            "class-weights": "def class_weights(labels, classes):\n"
            "    counts = torch.bincount(labels, minlength=classes)\n"
            "    return counts[labels] * classes / len(labels)"
        },
        "at_most": {"report-graded": 1},
    },
    {
        "name": "class weights: one for each class",
        "cells": {
            "class-weights": "def class_weights(labels, classes):\n"
            "    return len(labels) / (classes * torch.bincount(labels, minlength=classes))"
        },
        "at_most": {"report-graded": 1},
    },
    {
        "name": "report: the share of right guesses among those for a class (precision)",
        "cells": {"report": REPORT.format(**RIGHT_REPORT | {"rows": "guess"})},
        "at_most": {"report-graded": 1},
    },
    {
        "name": "report: the accuracy of the rows, whatever the shares",
        "cells": {"report": REPORT.format(**RIGHT_REPORT | {"accuracy": "right.mean().item()"})},
        "at_most": {"report-graded": 1},
    },
    {
        "name": "report: the confidence in the label",
        "cells": {
            "report": REPORT.format(
                **RIGHT_REPORT | {"confidence": "p[range(len(p)), labels].mean().item()"}
            )
        },
        "at_most": {"report-graded": 1},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "loss": "from labnotes.foundations.softmax import cross_entropy as soft_cross_entropy",
            "gradient": "from labnotes.exercises.foundations.softmax_regression import gradients\n\n"
            "objective_gradient = gradients",
            "class-weights": "from sklearn.utils.class_weight import compute_sample_weight\n\n"
            "def class_weights(labels, classes):\n"
            "    return torch.tensor(compute_sample_weight('balanced', labels))",
        },
        "at_most": {"loss-graded": 1, "gradient-graded": 0, "report-graded": 1},
    },
    {
        "name": "a table in which weighted and plain are exchanged",
        "cells": {
            "results": "results = [{'model': m, 'at the office': 0.97, 'equal shares': e, "
            "'recall of 9': r, 'confidence': c} for m, e, r, c in (('plain', 0.947, 0.722, 0.84), "
            "('smoothed', 0.878, 0.0, 0.66), ('weighted', 0.875, 0.0, 0.84), ('both', 0.936, 0.67, 0.67))]"
        },
        "at_most": {"results-graded": 0},
    },
]
