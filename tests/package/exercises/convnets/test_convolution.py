"""The checkers of the chapter convnets/convolution take right answers and no wrong ones."""

import math

import pytest
import torch
from torch.nn import functional as F

from labnotes.exercises import check


def output_size(n, kernel, stride, padding, dilation):
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    return room // stride + 1 if room >= 0 else 0


def correlate_channels(x, weight):
    kernel_height, kernel_width = weight.shape[2:]
    windows = x.unfold(1, kernel_height, 1).unfold(2, kernel_width, 1)
    return torch.einsum("chwij,ocij->ohw", windows, weight)


def test_right_answers_pass(capsys):
    assert check("convolution.output_size", output_size)
    assert check("convolution.correlate_channels", correlate_channels)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("write it")

    assert not check("convolution.output_size", stub)
    assert not check("convolution.correlate_channels", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n, f, s, p, d: 0,
        lambda n, f, s, p, d: math.nan,
        lambda n, f, s, p, d: (n + 2 * p - d * (f - 1) - 1) / s + 1,  # no floor
        lambda n, f, s, p, d: max(0, math.ceil((n + 2 * p - d * (f - 1) - 1) / s) + 1),
        lambda n, f, s, p, d: max(0, round((n + 2 * p - d * (f - 1) - 1) / s) + 1),
        lambda n, f, s, p, d: max(0, (n + 2 * p - d * (f - 1) - 1) // s),  # off by one
        lambda n, f, s, p, d: output_size(n, f, s, p, 1),  # forgets dilation
        lambda n, f, s, p, d: output_size(n, d * f, s, p, 1),  # a gap too many
        lambda n, f, s, p, d: output_size(n + p, f, s, 0, d),  # padding at one end
        lambda n, f, s, p, d: output_size(n, f, 1, p, d) // s,
        lambda n, f, s, p, d: (n + 2 * p - d * (f - 1) - 1) // s + 1,  # negative where nothing fits
        lambda n, f, s, p, d: float(output_size(n, f, s, p, d)) + 0.5,
        lambda n, f, s, p, d: float(output_size(n, f, s, p, d)),
        lambda n, f, s, p, d: max(0, math.ceil(n / s)),  # "same"
        lambda n, f, s, p, d: (
            int((n + 2 * p - d * (f - 1) - 1) / s) + 1 if n + 2 * p > d * (f - 1) - s else 0
        ),  # cut off, not rounded down
        lambda n, f, s, p, d: torch.tensor(output_size(n, f, s, p, d)),
        lambda n, f, s, p, d: str(output_size(n, f, s, p, d)),
        lambda n, f, s, p, d: None,
    ],
)
def test_wrong_sizes_fail(wrong, capsys):
    assert not check("convolution.output_size", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, w: torch.zeros_like(correlate_channels(x, w)),
        lambda x, w: correlate_channels(x, w) * math.nan,
        lambda x, w: correlate_channels(x, w.flip(2, 3)),  # true convolution
        lambda x, w: correlate_channels(x, w.flip(2)),
        lambda x, w: correlate_channels(x, w.transpose(2, 3)),
        lambda x, w: correlate_channels(x, w) / len(x),  # a mean over channels
        lambda x, w: correlate_channels(x[:1], w[:, :1]),  # the first channel alone
        lambda x, w: correlate_channels(x, w[:1]).expand(len(w), -1, -1),  # one kernel for all
        lambda x, w: correlate_channels(x.sum(0, keepdim=True), w.sum(1, keepdim=True)),
        lambda x, w: torch.stack(
            [correlate_channels(x[i : i + 1], w[:, i : i + 1]) for i in range(len(x))]
        ).amax(0),
        lambda x, w: correlate_channels(x, w)[None],
        lambda x, w: correlate_channels(x, w).sum(0),
        lambda x, w: correlate_channels(x, w)[:1],
        lambda x, w: F.conv2d(x[None], w, padding=1)[0],
        lambda x, w: correlate_channels(x, w)[:, :-1],
        lambda x, w: correlate_channels(x, w) + 0.01,
        lambda x, w: correlate_channels(x, w).double(),
        lambda x, w: correlate_channels(x, w).tolist(),
        lambda x, w: None,
    ],
)
def test_wrong_layers_fail(wrong, capsys):
    assert not check("convolution.correlate_channels", wrong)
    assert "✗" in capsys.readouterr().out
