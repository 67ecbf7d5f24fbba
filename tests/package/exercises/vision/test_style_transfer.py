"""The checkers of the chapter vision/style-transfer take right answers and no wrong ones."""

import torch
from torch.nn import functional as F

from ..planted import answers


def gram(x):
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def adain(content, style, correction=0, eps=(1e-5, 1e-5), after=0.0, axes=(2, 3)):
    def moments(x, eps):
        variance = x.var(axes, keepdim=True, correction=correction)
        return x.mean(axes, keepdim=True), (variance + eps).sqrt() + after

    (a, b), (c, d) = moments(content, eps[0]), moments(style, eps[1])
    return (content - a) / b * d + c


TestStyleTransfer = answers(
    "style_transfer",
    right={
        "gram_matrix": [
            gram,
            lambda x: torch.einsum("bihw,bjhw->bij", x, x) / (x.shape[2] * x.shape[3]),
            lambda x: (x[:, :, None] * x[:, None]).mean((3, 4)),
        ],
        "adaptive_instance_norm": [adain],
    },
    wrong={
        "gram_matrix": {
            "a sum over the places": lambda x: gram(x) * x.shape[2] * x.shape[3],
            "divided by the channels too": lambda x: gram(x) / x.shape[1],
            "divided by the height squared": lambda x: gram(x) * x.shape[3] / x.shape[2],
            "places by places": lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2),
            "covariances": lambda x: gram(x - x.mean((2, 3), keepdim=True)),
            "one for the batch": lambda x: gram(x).mean(0, keepdim=True).expand(len(x), -1, -1),
            "products of means": lambda x: x.mean((2, 3))[:, :, None] * x.mean((2, 3))[:, None],
            "zeros": lambda x: gram(x) * 0,
            "nan": lambda x: gram(x) * float("nan"),
            "another dtype": lambda x: gram(x).double(),
            "nothing": lambda x: None,
        },
        "adaptive_instance_norm": {
            "the other way round": lambda c, s: adain(c, c) if c.shape == s.shape else adain(s, c),
            "content as it is": lambda c, s: c,
            "normalized alone": lambda c, s: F.instance_norm(c),
            "unbiased variance": lambda c, s: adain(c, s, correction=1),
            "nothing added to the variance": lambda c, s: adain(c, s, eps=(0, 0)),
            "added for the content alone": lambda c, s: adain(c, s, eps=(1e-5, 0)),
            "added for the style alone": lambda c, s: adain(c, s, eps=(0, 1e-5)),
            "added after the root": lambda c, s: adain(c, s, eps=(0, 0), after=1e-5),
            "no root": lambda c, s: (
                F.instance_norm(c) * s.var((2, 3), keepdim=True, correction=0)
                + s.mean((2, 3), keepdim=True)
            ),
            "mean alone": lambda c, s: (
                c - c.mean((2, 3), keepdim=True) + s.mean((2, 3), keepdim=True)
            ),
            "spread of the batch": lambda c, s: adain(c, s, axes=(0, 2, 3)),
            "spread of all channels": lambda c, s: adain(c, s, axes=(1, 2, 3)),
            "zeros": lambda c, s: c * 0,
            "nan": lambda c, s: c * float("nan"),
            "nothing": lambda c, s: None,
        },
    },
)
