"""Where the code runs: the device, the size of the run, the seed, and what to report of them."""

from __future__ import annotations

import os
import platform
import random
from typing import TypeVar

import torch

T = TypeVar("T")


def device() -> torch.device:
    """The device a chapter computes on: the first CUDA card, Apple's GPU, or else the CPU.

    Of several processes started by ``torchrun`` each has a card of its own, number ``LOCAL_RANK``.
    Set the environment variable ``LABNOTES_DEVICE`` (for example to ``cpu``) to choose another.

    Raises
    ------
    ValueError
        If ``LABNOTES_DEVICE`` names a device that torch does not know, or there are more processes
        than cards.
    """
    wanted = os.environ.get("LABNOTES_DEVICE")
    if wanted and not (wanted == "cuda" and "LOCAL_RANK" in os.environ):
        try:
            return torch.device(wanted)
        except RuntimeError as error:
            raise ValueError(
                f"LABNOTES_DEVICE is {wanted!r}, which torch does not know: "
                "use for example cpu, cuda or cuda:1"
            ) from error
    if torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        number, cards = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= cards:
            raise ValueError(
                f"process {number} of this machine finds {cards} GPU(s): start torchrun with "
                f"--nproc-per-node {cards}, or set LABNOTES_DEVICE=cpu"
            )
        return torch.device("cuda", number)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available() and "LOCAL_RANK" not in os.environ:
        return torch.device("mps")
    return torch.device("cpu")


def recording() -> bool:
    """Whether this run makes a record: ``LABNOTES_RECORD`` names the folder that takes it.

    A record is a longer run of a chapter, kept in the book beside what a page's own run prints.
    """
    return bool(os.environ.get("LABNOTES_RECORD"))


def by_device(*, cpu: T, gpu: T, record: T | None = None) -> T:
    """The value that fits the run: `cpu` for seconds on a processor, `gpu` for the full size.

    A run that makes a record (:func:`recording`) takes `record`, on any device; where that is not
    given, it takes `gpu`.

    Examples
    --------
    >>> epochs = by_device(cpu=2, gpu=30, record=10)
    """
    if recording():
        return gpu if record is None else record
    return cpu if device().type == "cpu" else gpu


def seed_everything(seed: int) -> None:
    """Seed the random generators of Python, NumPy and torch (all devices).

    Raises
    ------
    ValueError
        If `seed` is not an integer from 0 to 2**32 - 1 (NumPy accepts no other).
    """
    import numpy as np

    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}: give an integer from 0 to 2**32 - 1")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def describe() -> dict[str, str]:
    """What a result depends on: versions of Python, torch and CUDA, device, memory, threads."""
    here = device()
    facts = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": here.type,
        "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if here.type == "cuda":
        card = torch.cuda.get_device_properties(here)
        facts["card"] = card.name
        facts["card memory"] = f"{card.total_memory / 2**30:.0f} GiB"
        facts["cuda"] = str(torch.version.cuda)
    return facts
