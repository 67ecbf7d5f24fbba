"""How long an operation takes, and how long it would have to take at the least."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from labnotes import runtime


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The time of one call: the least of `repeats`, after one that does not count.

    On a graphics card, wall time until its work is done. On a processor, CPU time of this process
    (all its threads): other programs disturb it little.

    Raises
    ------
    ValueError
        If `repeats` is below 1.

    Notes
    -----
    A call on a graphics card returns before the work is done, so the clock has to wait for it
    (``torch.cuda.synchronize``). The least and not the mean, because whatever else the machine does
    can only add to it.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}: give at least 1")
    function()
    return min(_once(function) for _ in range(repeats))


def _once(function: Callable[[], object]) -> float:
    if runtime.device().type == "cpu":
        start = time.process_time()
        function()
        return time.process_time() - start
    _wait()
    start = time.perf_counter()
    function()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if runtime.device().type == "cuda":
        torch.cuda.synchronize()
    elif runtime.device().type == "mps":
        torch.mps.synchronize()


@dataclass(frozen=True)
class Peaks:
    """What a machine can do at most.

    Attributes
    ----------
    flops
        Floating-point operations a second, a multiply-add counting as two.
    bytes
        Bytes read or written a second.

    References
    ----------
    S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model
    for multicore architectures", Communications of the ACM 52(4), 2009.
    """

    flops: float
    bytes: float

    @property
    def balance(self) -> float:
        """Operations for each byte from which on computing, not memory, is the limit."""
        return self.flops / self.bytes

    def least_seconds(self, flops: float, bytes: float) -> float:
        """The roofline: no operation can be faster than its computing or its memory traffic.

        Examples
        --------
        >>> Peaks(flops=100.0, bytes=10.0).least_seconds(flops=50.0, bytes=20.0)
        2.0
        """
        return max(flops / self.flops, bytes / self.bytes)


def measure_peaks(dtype: torch.dtype = torch.float32) -> Peaks:
    """Measure the device: a large matrix product, and a copy of a large tensor.

    Parameters
    ----------
    dtype
        The numbers of the matrix product.
    """
    device = runtime.device()
    n = runtime.by_device(cpu=768, gpu=8192)
    a = torch.randn(n, n, device=device).to(dtype)
    numbers = runtime.by_device(cpu=2**23, gpu=2**28)  # far more than any cache holds
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    product, copy = seconds(lambda: a @ a), seconds(lambda: target.copy_(source))
    return Peaks(flops=2 * n**3 / product, bytes=2 * source.nbytes / copy)
