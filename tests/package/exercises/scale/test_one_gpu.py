"""The checkers of the chapter scale/one-gpu take right answers and no wrong ones."""

import pytest
import torch

from labnotes.exercises import check


def intensity(batch, in_channels, out_channels, kernel, side, bytes_each):
    places = batch * side * side
    operations = 2 * places * in_channels * out_channels * kernel**2
    numbers = places * (in_channels + out_channels) + in_channels * out_channels * kernel**2
    return operations / (bytes_each * numbers)


def to_bfloat16(x):
    bits = x.contiguous().view(torch.int32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & -0x10000).view(torch.float32)


def cut_off(x):
    return (x.contiguous().view(torch.int32) & -0x10000).view(torch.float32)


def ties_away(x):
    return ((x.contiguous().view(torch.int32) + 0x8000) & -0x10000).view(torch.float32)


def test_right_answers_pass(capsys):
    assert check("one_gpu.intensity", intensity)
    assert check("one_gpu.to_bfloat16", to_bfloat16)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("count")

    assert not check("one_gpu.intensity", stub)
    assert not check("one_gpu.to_bfloat16", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


def moving(n, i, o, k, s, b, read=1, out=1):
    """The intensity if input and output moved so many times."""
    numbers = n * s * s * (read * i + out * o) + i * o * k**2
    return 2 * n * s * s * i * o * k**2 / (b * numbers)


def keeping(x, low_bits):
    """To nearest, ties to even, with `low_bits` bits cut off: 16 would be right."""
    bits, half = x.contiguous().view(torch.int32), 1 << (low_bits - 1)
    rounded = bits + half - 1 + ((bits >> low_bits) & 1)
    return (rounded & -(1 << low_bits)).view(torch.float32)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda *a: 0.0,
        lambda *a: float("nan"),
        lambda *a: intensity(*a) / 2,  # multiply-adds
        lambda *a: 1 / intensity(*a),
        lambda n, i, o, k, s, b: intensity(n, i, o, k, s, 4),
        lambda n, i, o, k, s, b: 2 * i * o * k**2 / (b * (i + o)),  # no kernels
        lambda *a: torch.zeros(2),
        lambda *a: torch.tensor(intensity(*a)),
        lambda *a: str(intensity(*a)),
        lambda *a: intensity(*a) + 1,
        lambda *a: intensity(*a) / 8,  # bits
        lambda *a: intensity(*a) // 1,
        lambda n, i, o, k, s, b: intensity(1, i, o, k, s, b),
        lambda n, i, o, k, s, b: intensity(n, i, o, k, s, b) / k,  # a kernel has two sides
        lambda n, i, o, k, s, b: moving(n, i, o, k, s, b, out=0),
        lambda n, i, o, k, s, b: moving(n, i, o, k, s, b, read=0),
        lambda n, i, o, k, s, b: moving(n, i, o, k, s, b, read=k**2),  # each window anew
    ],
)
def test_wrong_intensities_are_found(wrong):
    assert not check("one_gpu.intensity", wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        cut_off,
        ties_away,
        lambda x: x,
        lambda x: torch.zeros_like(x),
        lambda x: x * float("nan"),
        lambda x: x.half().float(),
        lambda x: to_bfloat16(x).flatten()[:1],
        lambda x: to_bfloat16(x).abs(),
        lambda x: keeping(x, 15),
        lambda x: keeping(x, 17),
        lambda x: x.bfloat16(),
        lambda x: to_bfloat16(x).double(),
        lambda x: (x.contiguous().view(torch.int32) + 0xFFFF & -0x10000).view(torch.float32),  # up
        lambda x: (x * 128).round() / 128,  # a fixed point
        lambda x: None,
    ],
)
def test_wrong_roundings_are_found(wrong):
    assert not check("one_gpu.to_bfloat16", wrong)
