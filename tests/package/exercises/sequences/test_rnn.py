"""The checkers of the chapter sequences/rnn take right answers and no wrong ones."""

import torch

from ..planted import answers


def back(w, states, last, slope=lambda h: 1 - h**2, matrix=lambda w: w.T, shift=0):
    found = [last]
    for t in range(len(states) - 1, 0, -1):
        found.append(matrix(w) @ (slope(states[t - shift]) * found[-1]))
    return torch.stack(found[::-1])


def by_jacobians(w, states, last):
    return torch.stack([
        last @ torch.linalg.multi_dot([torch.eye(len(last)), torch.eye(len(last))]
                                      + [torch.diag(1 - h**2) @ w for h in states[t + 1 :].flip(0)])
        for t in range(len(states))
    ])  # fmt: skip


def scaled(w, radius):
    return w * radius / torch.linalg.eigvals(w).abs().max()


TestRnn = answers(
    "rnn",
    right={"gradients_back": [back, by_jacobians], "with_radius": [scaled]},
    wrong={
        "gradients_back": {
            "not transposed": lambda w, h, g: back(w, h, g, matrix=lambda w: w),
            "no slopes": lambda w, h, g: back(w, h, g, slope=torch.ones_like),
            "slope 1 - h": lambda w, h, g: back(w, h, g, slope=lambda h: 1 - h),
            "slopes of the earlier state": lambda w, h, g: back(w, h, g, shift=1),
            "slope after the matrix": lambda w, h, g: torch.stack(
                [*reversed([(1 - h[t] ** 2) * (w.T @ g) for t in range(len(h) - 1, 0, -1)]), g]
            ),
            "backwards": lambda w, h, g: back(w, h, g).flip(0),
            "one step short": lambda w, h, g: back(w, h, g)[1:],
            "a list": lambda w, h, g: list(back(w, h, g)),
            "double": lambda w, h, g: back(w, h, g).double(),
            "zeros": lambda w, h, g: 0 * back(w, h, g),
            "not a number": lambda w, h, g: float("nan") * back(w, h, g),
        },
        "with_radius": {
            "by the norm": lambda w, r: w * r / torch.linalg.matrix_norm(w, 2),
            "by the Frobenius norm": lambda w, r: w * r / w.norm(),
            "by the largest real part": lambda w, r: (
                w * r / torch.linalg.eigvals(w).real.max().clamp(min=1e-3)
            ),
            "by the larger of the two parts": lambda w, r: (
                w * r / torch.view_as_real(torch.linalg.eigvals(w)).abs().max()
            ),
            "by the first eigenvalue": lambda w, r: w * r / torch.linalg.eigvals(w)[0].abs(),
            "not divided by its own": lambda w, r: w * r,
            "complex": lambda w, r: scaled(w, r).to(torch.complex128),
            "only the radius": lambda w, r: torch.linalg.eigvals(w).abs().max() * r,
            "zeros": lambda w, r: 0 * w,
            "single": lambda w, r: scaled(w, r).float(),
            "not a number": lambda w, r: w * float("nan"),
        },
    },
)
