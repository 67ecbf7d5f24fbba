"""The checkers of the chapter optimization/landscape take right answers and no wrong ones."""

import torch

from ..planted import answers


def escape(g, h):
    way = torch.linalg.eigh(h).eigenvectors[:, 0]
    return -way if g @ way > 0 else way


def by_iteration(g, h):
    """Powers of a shifted matrix: another road to the same direction."""
    way = torch.linspace(0.9, 1.1, len(h), dtype=h.dtype)
    shifted = 10 * torch.eye(len(h), dtype=h.dtype) - h
    for _ in range(2000):
        way = shifted @ way
        way = way / way.norm()
    return -way if g @ way > 0 else way


def in_place(g, h):
    way = escape(g, h)
    h.zero_()
    return way


def violation(f, v, w, s):
    return f((1 - s) * v + s * w) - ((1 - s) * f(v) + s * f(w))


TestLandscape = answers(
    "landscape",
    right={
        "escape_direction": [
            escape,
            by_iteration,
            lambda g, h: -escape(g, h) if not g.any() else escape(g, h),
        ],
        "chord_violation": [
            violation,
            lambda f, v, w, s: f(v + s * (w - v)) - f(v) - s * (f(w) - f(v)),
        ],
    },
    wrong={
        "escape_direction": {
            "the highest curvature": lambda g, h: (
                lambda u: -u if g @ u > 0 else u)(torch.linalg.eigh(h).eigenvectors[:, -1]),
            "the flattest": lambda g, h: (
                lambda u: -u if g @ u > 0 else u)(
                    torch.linalg.eigh(h).eigenvectors[:, torch.linalg.eigvalsh(h).abs().argmin()]),
            "uphill": lambda g, h: -escape(g, h),
            "any sign": lambda g, h: torch.linalg.eigh(h).eigenvectors[:, 0],
            "the other any sign": lambda g, h: -torch.linalg.eigh(h).eigenvectors[:, 0],
            "a row": lambda g, h: torch.linalg.eigh(h).eigenvectors[0],
            "against the gradient": lambda g, h: -g / g.norm().clamp(min=1e-9),
            "not of length 1": lambda g, h: 2 * escape(g, h),
            "times its curvature": lambda g, h: torch.linalg.eigvalsh(h)[0] * escape(g, h),
            "a column": lambda g, h: escape(g, h)[:, None],
            "single precision": lambda g, h: escape(g, h).float(),
            "in place": in_place,
            "zeros": lambda g, h: 0 * g,
            "not a number": lambda g, h: g * float("nan"),
        },
        "chord_violation": {
            "chord less loss": lambda f, v, w, s: -violation(f, v, w, s),
            "the other way round": lambda f, v, w, s: violation(f, w, v, s) * (1 if s == 0.5 else 2),
            "share swapped on the chord": lambda f, v, w, s: (
                f((1 - s) * v + s * w) - (s * f(v) + (1 - s) * f(w))),
            "share swapped on the way": lambda f, v, w, s: (
                f(s * v + (1 - s) * w) - ((1 - s) * f(v) + s * f(w))),
            "a shortcut for squares": lambda f, v, w, s: -s * (1 - s) * f(v - w),
            "the middle": lambda f, v, w, s: violation(f, v, w, 0.5),
            "no chord": lambda f, v, w, s: f((1 - s) * v + s * w),
            "a plain number": lambda f, v, w, s: violation(f, v, w, s).item(),
            "only what is above": lambda f, v, w, s: violation(f, v, w, s).clamp(min=0),
            "zeros": lambda f, v, w, s: 0 * f(v),
            "not a number": lambda f, v, w, s: f(v) * float("nan"),
        },
    },
)  # fmt: skip
