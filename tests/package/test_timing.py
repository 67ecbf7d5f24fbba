"""The clock against known amounts of work, the roofline against its definition."""

import doctest
import time

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from labnotes import timing
from labnotes.timing import Peaks, computing_kernels, measure_peaks, memory_kernels, seconds


def burn(amount: float) -> None:
    start = time.process_time()
    while time.process_time() - start < amount:
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a card wall time is taken")
def test_the_clock_measures_the_work_of_this_process():
    assert seconds(lambda: burn(0.02), repeats=3) == pytest.approx(0.02, rel=0.25)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a card wall time is taken")
def test_waiting_is_no_work_on_a_processor():
    assert seconds(lambda: time.sleep(0.05), repeats=1) < 0.02


def test_the_first_call_does_not_count():
    calls = []
    seconds(lambda: calls.append(burn(0.05 if not calls else 0.001)), repeats=2)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="repeats is 0"):
        seconds(lambda: None, repeats=0)


def test_the_roofline_bends_at_the_balance():
    peaks = Peaks(flops=1e9, bytes=1e8)
    assert peaks.balance == 10
    below, above = peaks.least_seconds(9e8, 1e8), peaks.least_seconds(11e8, 1e8)
    assert below == 1.0 and above == pytest.approx(1.1)


def test_measured_peaks_are_those_of_a_computer():
    peaks = measure_peaks()
    assert 1e8 < peaks.flops < 1e16 and 1e8 < peaks.bytes < 1e14


def test_operations_of_the_kernels_are_those_that_torch_counts():
    for call, flops in computing_kernels().values():
        with FlopCounterMode(display=False) as counter:
            call()
        assert counter.get_total_flops() == flops


class Traffic(TorchDispatchMode):
    """Adds up the bytes of the tensors that operations are given and of those that they make."""

    moved = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        tensors = [*args, *(kwargs or {}).values(), made]
        distinct = {t.data_ptr(): t.nbytes for t in tensors if isinstance(t, torch.Tensor)}
        self.moved += sum(distinct.values())
        return made


def test_bytes_of_the_kernels_are_those_of_the_tensors_that_they_touch():
    for call, moved in memory_kernels().values():
        with Traffic() as traffic:
            call()
        assert moved == pytest.approx(traffic.moved, rel=1e-6)  # a sum writes one number more


@pytest.mark.parametrize("fastest", ["matrix product", "3x3 convolution"])
def test_the_peak_is_that_of_the_fastest_kernel(monkeypatch, fastest):
    """Whichever it is: no kernel of the list stands above the roof."""
    speed = {"matrix product": 1e9, "3x3 convolution": 1e9, "copy": 1e8, "add": 3e8, "sum": 2e8}
    speed[fastest] = 5e9
    kernels = {"computing_kernels": ("matrix product", "3x3 convolution"),
               "memory_kernels": ("copy", "add", "sum")}  # fmt: skip
    for function, names in kernels.items():
        listed = {name: (lambda name=name: name, 6e9) for name in names}
        monkeypatch.setattr(timing, function, lambda dtype, listed=listed: listed)
    monkeypatch.setattr(timing, "seconds", lambda call, repeats=5: 6e9 / speed[call()])
    assert measure_peaks() == Peaks(flops=pytest.approx(5e9), bytes=pytest.approx(3e8))


def test_the_examples_run():
    assert doctest.testmod(timing).failed == 0
