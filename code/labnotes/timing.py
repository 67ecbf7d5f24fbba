"""How long an operation takes, and how long it would have to take at the least."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

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
    _check_repeats(repeats)
    function()
    return min(_once(function) for _ in range(repeats))


def _check_repeats(repeats: int) -> None:
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}: give at least 1")


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
    """Measure the device: the fastest of some large kernels, for computing and for memory.

    No single kernel shows what a device can do. A library's convolution may be better tuned than
    its matrix product, and on graphics cards torch lets convolutions of float32 round their
    factors to 10 bits (TF32), and matrix products not.

    Parameters
    ----------
    dtype
        The numbers of all tensors.

    Returns
    -------
    Peaks
        Lower bounds: a kernel that is faster still may exist.
    """
    computing, memory = computing_kernels(dtype), memory_kernels(dtype)
    return Peaks(
        flops=max(flops / seconds(call, 8) for call, flops in computing.values()),
        bytes=max(moved / seconds(call, 8) for call, moved in memory.values()),
    )


def computing_kernels(dtype: torch.dtype = torch.float32) -> dict[str, tuple[Callable, int]]:
    """Calls that compute much for each byte, with their floating-point operations.

    Examples
    --------
    >>> list(computing_kernels())
    ['matrix product', '3x3 convolution']
    """
    n, batch, channels, side = runtime.by_device(cpu=(512, 64, 128, 14), gpu=(8192, 256, 256, 56))
    made = {"device": runtime.device(), "dtype": dtype}
    matrix, out = torch.randn(n, n, **made), torch.empty(n, n, **made)
    maps = torch.randn(batch, channels, side, side, **made).to(memory_format=torch.channels_last)
    kernels = torch.randn(channels, channels, 3, 3, **made).to(memory_format=torch.channels_last)
    return {
        "matrix product": (lambda: torch.mm(matrix, matrix, out=out), 2 * n**3),
        "3x3 convolution": (
            lambda: F.conv2d(maps, kernels, padding=1),
            2 * 9 * channels * maps.numel(),
        ),
    }


def memory_kernels(dtype: torch.dtype = torch.float32) -> dict[str, tuple[Callable, int]]:
    """Calls that compute next to nothing, with the bytes that they read and write.

    Examples
    --------
    >>> list(memory_kernels())
    ['copy', 'add', 'sum']
    """
    numbers = runtime.by_device(cpu=2**24, gpu=2**28)  # far more than a cache holds
    one, other, out = (torch.ones(numbers, device=runtime.device(), dtype=dtype) for _ in range(3))
    return {
        "copy": (lambda: out.copy_(one), 2 * one.nbytes),
        "add": (lambda: torch.add(one, other, out=out), 3 * one.nbytes),
        "sum": (lambda: one.sum(), one.nbytes),
    }
