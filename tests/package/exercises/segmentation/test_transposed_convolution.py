"""The checkers of the chapter segmentation/transposed-convolution take right answers alone."""

import torch
from torch.nn import functional as F

from ..planted import answers


def write(x, kernel, stride, padding):
    (h, w), (a, b) = x.shape, kernel.shape
    y = torch.zeros((h - 1) * stride + a, (w - 1) * stride + b)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + a, j * stride : j * stride + b] += x[i, j] * kernel
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


def joint(kernel, stride):
    box = torch.ones(1, 1, stride, stride)
    return F.conv_transpose2d(box, kernel.flip(0, 1)[None, None])[0, 0]


def torchs(x, kernel, stride, padding):
    return F.conv_transpose2d(x[None, None], kernel[None, None], None, stride, padding)[0, 0]


def overwrite(x, kernel, stride, padding):
    (h, w), (a, b) = x.shape, kernel.shape
    y = torch.zeros((h - 1) * stride + a, (w - 1) * stride + b)
    for i in range(h):
        for j in range(w):
            y[i * stride : i * stride + a, j * stride : j * stride + b] = x[i, j] * kernel
    return y[padding : y.shape[0] - padding, padding : y.shape[1] - padding]


TestCheckers = answers(
    "transposed_convolution",
    right={
        "write_out": [write, torchs],
        "joint_kernel": [joint],
    },
    wrong={
        "write_out": {
            "zeros": lambda *a: 0 * write(*a),
            "NaN": lambda *a: write(*a) * float("nan"),
            "double": lambda *a: write(*a).double(),
            "a list": lambda *a: write(*a).tolist(),
            "nothing": lambda *a: None,
            "overlaps overwritten": overwrite,
            "stride left out": lambda x, k, s, p: write(x, k, 1, p),
            "padding left out": lambda x, k, s, p: write(x, k, s, 0),
            "padding added": lambda x, k, s, p: F.pad(write(x, k, s, 0), [p] * 4),
            "the kernel turned": lambda x, k, s, p: write(x, k.flip(0, 1), s, p),
            "the kernel transposed": lambda x, k, s, p: write(x, k.T, s, p),
            "the convolution": lambda x, k, s, p: F.conv2d(x[None, None], k[None, None])[0, 0],
            "one padding too many": lambda x, k, s, p: write(x, k, s, p + (p > 0)),
        },
        "joint_kernel": {
            "zeros": lambda *a: 0 * joint(*a),
            "NaN": lambda *a: joint(*a) * float("nan"),
            "not turned": lambda k, s: joint(k.flip(0, 1), s),
            "repeated": lambda k, s: k.repeat_interleave(s, 0).repeat_interleave(s, 1),
            "a mean": lambda k, s: joint(k, s) / s**2,
            "the kernel itself": lambda k, s: k,
            "stride 2 always": lambda k, s: joint(k, 2),
            "four axes": lambda k, s: joint(k, s)[None, None],
            "nothing": lambda *a: None,
        },
    },
)
