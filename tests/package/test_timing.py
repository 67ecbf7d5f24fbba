"""The clock against known amounts of work, the roofline against its definition."""

import doctest
import time

import pytest
import torch

from labnotes import timing
from labnotes.timing import Peaks, measure_peaks, seconds


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


def test_the_examples_run():
    assert doctest.testmod(timing).failed == 0
