"""Two processes at work, for the chapter on many GPUs: what they compute, and how long it takes.

:func:`launch` starts this module under ``torchrun`` and gives what the processes found.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

import labnotes
from labnotes import runtime
from labnotes.data import Batches, fashion_mnist, random_crop
from labnotes.train import distributed
from labnotes.train.fit import fit

NETS = {"plain": {}, "batch normalization": {"norm": True}, "dropout": {"dropout": 0.5}}
STEPS = 8  # timed, after 2 that are not
SIZES = (1_000, 10_000, 100_000, 1_000_000, 4_000_000)  # numbers in a vector to exchange


def images(n: int) -> tuple[Tensor, Tensor]:
    """The first `n` training images of Fashion-MNIST, ``(n, 1, 28, 28)`` bytes, with labels."""
    part = fashion_mnist(fallback=True).train
    return part.images[:n], part.labels[:n]


def net(norm: bool = False, dropout: float = 0.0) -> nn.Sequential:
    """A small network, always with the same initialization."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),  # (batch, 8, 14, 14)
        nn.BatchNorm2d(8) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),  # (batch, 16, 7, 7)
        nn.BatchNorm2d(16) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(16 * 7 * 7, 10),
    )


def convolutional() -> nn.Sequential:
    """Much to compute and little to exchange: 12 thousand parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
    )  # fmt: skip


def linear() -> nn.Sequential:
    """Less to compute and much to exchange: 1.9 million parameters."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(),
        nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10),
    )  # fmt: skip


def gradient(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the mean loss of a batch, of which each process computes its part."""
    replica = distributed.replicate(model)
    (inputs, targets), share = distributed.part((images, labels))
    loss = F.cross_entropy(replica(inputs), targets)
    (share * loss).backward()  # here the processes exchange and average
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def train(epochs: int = 2) -> list[float]:
    """The loss of each step of a run of :func:`labnotes.train.fit`; the last batch is short."""
    batches = Batches(*images(250), 64, augment=random_crop(2), seed=0)
    settings = {"precision": "fp32", "progress": False}
    sgd = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    return fit(net(), batches, epochs=epochs, optimizer=sgd, **settings).steps


def alone(processes: int = 2) -> list[float]:
    """:func:`train` in this one process, on the kind of device that :func:`launch` takes."""
    before = dict(os.environ)
    os.environ.update(_device(processes))
    try:
        return train()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _device(processes: int) -> dict[str, str]:
    return {"LABNOTES_DEVICE": "cpu"} if torch.cuda.device_count() < processes else {}


def milliseconds(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
    """Median time of a forward and a backward pass."""
    times = []
    for _ in range(2 + STEPS):
        start = time.perf_counter()
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        if batch[0].is_cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def timing(build, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Milliseconds of a step with one process at work, with all, and with all and the exchange."""
    model = build().to(batch[0].device)
    alone = milliseconds(model, batch) if distributed.rank() == 0 else 0.0
    dist.barrier()  # until here the others have waited
    together = milliseconds(model, batch)
    dist.barrier()
    exchanging = milliseconds(distributed.replicate(model), batch)
    return {"alone": alone, "together": together, "exchanging": exchanging}


def exchange_times(device: torch.device) -> dict[int, float]:
    """Median milliseconds of one all-reduce, for vectors of several sizes and nothing else."""
    found = {}
    for size in (
        SIZES[-1],
        *SIZES,
    ):  # the largest also comes first, to set up; its time is replaced
        vector, times = torch.zeros(size, device=device), []
        for _ in range(2 + STEPS):
            dist.barrier()  # all begin together
            start = time.perf_counter()
            dist.all_reduce(vector)
            if vector.is_cuda:
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - start))
        found[size] = statistics.median(times[2:])
    return found


def work() -> dict:
    """What one of the processes does."""
    distributed.join()
    device = runtime.device()
    x, y = images(64)
    x, y = (x.float() / 255).to(device), y.to(device)
    mine, share = distributed.cut(len(x))
    found = {"process": distributed.rank(), "images": [mine.start, mine.stop], "share": share}
    found["gradients"] = {}
    for name, options in NETS.items():
        torch.manual_seed(1 + distributed.rank())  # dropout draws differently in each process
        found["gradients"][name] = gradient(net(**options).to(device), x, y).tolist()
    found["losses"] = train()
    vector = torch.arange(8.0) * 10 ** distributed.rank()
    dist.all_reduce(vector)
    found["sum"] = vector.tolist()
    found["ms"] = {build.__name__: timing(build, (x, y)) for build in (convolutional, linear)}
    found["exchange ms"] = exchange_times(device)
    return found


def launch(processes: int = 2) -> tuple[list[dict], str]:
    """Start :func:`work` in several processes; what each has found, and what they printed.

    They compute on a GPU each if there are enough, else on the CPU, with one thread each.

    Raises
    ------
    RuntimeError
        If a process fails; with the beginning of what was said of it.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | _device(processes)
    package = str(Path(labnotes.__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(
        [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        call = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone",
             "--nproc-per-node", str(processes), "-m", "labnotes.train.workers", str(file)],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if call.returncode:
            raise RuntimeError(f"the processes failed:\n{call.stderr[:4000]}")
        return json.loads(file.read_text()), call.stdout


def main() -> None:
    """Work, tell of it, and let process 0 write what all have found to the file that is named."""
    found = distributed.of_all(work())
    if distributed.rank() > 0:
        return
    for each in found:
        first, stop = each["images"]
        print(
            f"process {each['process']} of {len(found)}: images {first} to {stop - 1}, "
            f"{len(each['losses'])} steps, last loss {each['losses'][-1]:.6f}"
        )
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
