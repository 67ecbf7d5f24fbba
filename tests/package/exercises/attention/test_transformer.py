"""The checkers of attention/transformer accept right answers and refuse the usual wrong ones."""

import torch
import torch.nn.functional as F

from ..planted import answers


def in_turn(x, attention, network, norm1, norm2):
    x = x + attention(norm1(x))
    return x + network(norm2(x))


def six_axes(images, size):
    batch, channels, height, width = images.shape
    x = images.reshape(batch, channels, height // size, size, width // size, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * size * size)


def one_by_one(images, size):
    rows = [
        images[:, :, i : i + size, j : j + size].flatten(1)
        for i in range(0, images.shape[2], size)
        for j in range(0, images.shape[3], size)
    ]
    return torch.stack(rows, 1)


def permuted(*order):
    def cut(images, size):
        batch, channels, height, width = images.shape
        x = images.reshape(batch, channels, height // size, size, width // size, size)
        return x.permute(order).reshape(batch, -1, channels * size * size)

    return cut


RIGHT = {
    "pre_norm_block": [in_turn],
    "patches": [six_axes, one_by_one, lambda x, size: F.unfold(x, size, stride=size).mT],
}
WRONG = {
    "pre_norm_block": {
        "zeros": lambda x, *parts: torch.zeros_like(x),
        "nan": lambda x, *parts: torch.full_like(x, torch.nan),
        "x itself": lambda x, *parts: x,
        "post-norm": lambda x, a, f, m, n: n(m(x + a(x)) + f(m(x + a(x)))),
        "no skip connections": lambda x, a, f, m, n: f(n(a(m(x)))),
        "no norms": lambda x, a, f, m, n: x + a(x) + f(x + a(x)),
        "the network first": lambda x, a, f, m, n: in_turn(x, f, a, n, m),
        "norms exchanged": lambda x, a, f, m, n: in_turn(x, a, f, n, m),
        "one norm twice": lambda x, a, f, m, n: in_turn(x, a, f, m, m),
        "normalized skip": lambda x, a, f, m, n: (
            n(m(x) + a(m(x))) + f(n(m(x) + a(m(x))))
        ),
        "side by side": lambda x, a, f, m, n: x + a(m(x)) + f(n(x)),
        "second skip from the input": lambda x, a, f, m, n: x + f(n(x + a(m(x)))),
        "a norm behind": lambda x, a, f, m, n: n(in_turn(x, a, f, m, n)),
        "a list": lambda *parts: in_turn(*parts).tolist(),
        "one sentence": lambda *parts: in_turn(*parts)[0],
    },
    "patches": {
        "zeros": lambda x, size: torch.zeros_like(six_axes(x, size)),
        "nan": lambda x, size: torch.full_like(six_axes(x, size), torch.nan),
        "a view of the picture": lambda x, size: x.reshape(len(x), -1, x.shape[1] * size * size),
        "column by column": permuted(0, 4, 2, 1, 3, 5),
        "transposed patches": permuted(0, 2, 4, 1, 5, 3),
        "channels last": permuted(0, 2, 4, 3, 5, 1),
        "not transposed": lambda x, size: F.unfold(x, size, stride=size),
        "overlapping": lambda x, size: F.unfold(x, size).mT,
        "first channel": lambda x, size: six_axes(x[:, :1], size),
        "square grid": lambda x, size: six_axes(x.mT, size),
        "float64": lambda x, size: six_axes(x, size).double(),
        "a list": lambda x, size: six_axes(x, size).tolist(),
    },
}  # fmt: skip


class TestAnswers(answers("transformer", RIGHT, WRONG)):
    pass
