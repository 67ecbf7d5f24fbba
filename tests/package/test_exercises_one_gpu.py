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
    ],
)
def test_wrong_roundings_are_found(wrong):
    assert not check("one_gpu.to_bfloat16", wrong)
