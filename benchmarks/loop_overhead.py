"""What `labnotes.train.fit` costs over a bare loop: forward, loss, backward, step.

Both train the same network on the same batches, turn by turn; the medians are compared. CPU time
is measured (on CUDA wall time), so that other programs on the machine disturb it little.

    OMP_NUM_THREADS=1 python benchmarks/loop_overhead.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

from labnotes import runtime
from labnotes.train import cosine, fit
from labnotes.train.place import image_layout


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def bare(model, batches, optimizer) -> None:
    for inputs, targets in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


def measure(build, batch_size: int, steps: int, rounds: int) -> dict:
    device = runtime.device()
    torch.manual_seed(0)
    images = torch.randn(batch_size, 1, 28, 28, device=device)
    images = images.to(memory_format=image_layout(device))
    targets = torch.randint(0, 10, (batch_size,), device=device)
    batches = [(images, targets)] * steps
    theirs, ours = build().to(device), build().to(device)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9) for m in (theirs, ours)]
    quiet = {"epochs": 1, "optimizer": optimizers[1], "precision": "fp32", "progress": False}
    runs = {
        "bare": lambda: bare(theirs, batches, optimizers[0]),
        "fit": lambda: fit(ours, batches, metrics={}, **quiet),
        "fit, accuracy and schedule": lambda: fit(ours, batches, schedule=cosine(), **quiet),
    }
    times = {name: [] for name in runs}
    for round_ in range(rounds + 1):  # the first warms up
        for name, run in runs.items():
            start = clock(device)
            run()
            if round_:
                times[name].append((clock(device) - start) / steps)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(" ".join(f"{name} {value};" for name, value in runtime.describe().items()))
    for name, build, batch_size, steps in (
        ("LeNet, batch 256", lenet, 256, 12),
        ("LeNet, batch 64", lenet, 64, 40),
        ("perceptron, batch 256", perceptron, 256, 100),
        ("perceptron, batch 8 (a step is all overhead)", perceptron, 8, 300),
    ):
        times = measure(build, batch_size, steps, rounds)
        base = statistics.median(times["bare"])
        print(f"{name}: bare {base * 1e3:.3f} ms a step")
        for other in list(times)[1:]:
            # Turn by turn: the ratio within a round, so that a slow moment hits both.
            ratio = statistics.median(t / b for t, b in zip(times[other], times["bare"]))
            extra = (ratio - 1) * base * 1e6
            print(f"  {other}: {100 * (ratio - 1):+.1f} % ({extra:+.0f} us a step)")


if __name__ == "__main__":
    main()
