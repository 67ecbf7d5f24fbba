"""The checkers of the chapter optimization/momentum-to-adam take right answers and no wrong ones."""

import torch

from ..planted import answers


def step(w, g, m, v, t, lr, b1, b2, eps, c1=None, c2=None):
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    c1, c2 = c1 or 1 - b1**t, c2 or 1 - b2**t
    return w - lr * m / c1 / ((v / c2).sqrt() + eps), m, v


def in_place(w, g, m, v, t, lr, b1, b2, eps):
    m.mul_(b1).add_((1 - b1) * g)
    v.mul_(b2).add_((1 - b2) * g**2)
    return w - lr * m / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + eps), m, v


def eps_inside(w, g, m, v, t, lr, b1, b2, eps):
    _, m, v = step(w, g, m, v, t, lr, b1, b2, eps)
    return w - lr * m / (1 - b1**t) / (v / (1 - b2**t) + eps).sqrt(), m, v


def corrected_averages(w, g, m, v, t, lr, b1, b2, eps):
    w, m, v = step(w, g, m, v, t, lr, b1, b2, eps)
    return w, m / (1 - b1**t), v / (1 - b2**t)


def groups(model, decay, keep=lambda p: p.requires_grad, decays=lambda p: p.dim() >= 2):
    kept = [p for p in model.parameters() if keep(p)]
    return [
        {"params": [p for p in kept if decays(p)], "weight_decay": decay},
        {"params": [p for p in kept if not decays(p)], "weight_decay": 0.0},
    ]


TestMomentumToAdam = answers(
    "momentum_to_adam",
    right={
        "adam_step": [
            step,
            lambda w, g, m, v, t, lr, b1, b2, eps: (
                torch.addcdiv(
                    w,
                    torch.lerp(m, g, 1 - b1),
                    ((b2 * v + (1 - b2) * g**2) / (1 - b2**t)).sqrt() + eps,
                    value=-lr / (1 - b1**t),
                ),
                torch.lerp(m, g, 1 - b1),
                b2 * v + (1 - b2) * g**2,
            ),
        ],
        "decay_groups": [
            groups,
            lambda model, decay: [dict(g) for g in groups(model, decay)],
        ],
    },
    wrong={
        "adam_step": {
            "no correction": lambda *a: step(*a, c1=1, c2=1),
            "only the first corrected": lambda *a: step(*a, c2=1),
            "correction of the step before": lambda w, g, m, v, t, *a: step(w, g, m, v, t + 1, *a),
            "eps under the root": eps_inside,
            "no root": lambda w, g, m, v, t, lr, b1, b2, eps: (
                w - lr * step(w, g, m, v, t, lr, b1, b2, eps)[1] / (1 - b1**t)
                / (step(w, g, m, v, t, lr, b1, b2, eps)[2] / (1 - b2**t) + eps),
                *step(w, g, m, v, t, lr, b1, b2, eps)[1:],
            ),
            "uphill": lambda w, g, m, v, t, lr, *a: step(w, g, m, v, t, -lr, *a),
            "betas exchanged": lambda w, g, m, v, t, lr, b1, b2, eps: step(
                w, g, m, v, t, lr, b2, b1, eps
            ),
            "corrected averages given back": corrected_averages,
            "in place": in_place,
            "the parameter alone": lambda *a: step(*a)[0],
            "zeros": lambda w, g, m, v, *a: (0 * w, 0 * w, 0 * w),
            "not a number": lambda *a: tuple(x * float("nan") for x in step(*a)),
        },
        "decay_groups": {
            "everything decays": lambda m, d: groups(m, d, decays=lambda p: True),
            "nothing decays": lambda m, d: groups(m, d, decays=lambda p: False),
            "frozen ones too": lambda m, d: groups(m, d, keep=lambda p: True),
            "matrices alone": lambda m, d: groups(m, d, decays=lambda p: p.dim() == 2),
            "everything but vectors": lambda m, d: groups(m, d, decays=lambda p: p.dim() != 1),
            "matrices and kernels": lambda m, d: groups(m, d, decays=lambda p: p.dim() in (2, 4)),
            "the other way round": lambda m, d: groups(m, d, decays=lambda p: p.dim() < 2),
            "groups exchanged": lambda m, d: groups(m, d)[::-1],
            "no decay of the second": lambda m, d: [groups(m, d)[0], {"params": groups(m, d)[1]["params"]}],
            "copies": lambda m, d: [
                {**g, "params": [p.detach().clone() for p in g["params"]]} for g in groups(m, d)
            ],
            "one group": lambda m, d: groups(m, d)[:1],
            "a tuple": lambda m, d: tuple(groups(m, d)),
        },
    },
)  # fmt: skip
