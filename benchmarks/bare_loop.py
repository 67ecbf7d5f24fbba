"""Seconds of a bare training step of plain torch, in a process that has not imported labnotes.

`loop_overhead.py` starts it to have something to compare with that labnotes cannot have changed
(importing it lets the C library keep its memory, see `labnotes.heap`).

    python benchmarks/bare_loop.py lenet 256 200
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def data(batch_size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    images = torch.randn(batch_size, 1, 28, 28, device=device)
    return images, torch.randint(0, 10, (batch_size,), device=device)


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def bare_step(model: nn.Module, optimizer: torch.optim.Optimizer, images, targets) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(images), targets).backward()
    optimizer.step()


def main(build: str, batch_size: str, steps: str) -> None:
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, targets = data(int(batch_size), device)
    model = {"lenet": lenet, "perceptron": perceptron}[build]().to(device)
    optimizer, seconds = sgd(model), []
    for _ in range(int(steps)):
        start = clock(device)
        bare_step(model, optimizer, images, targets)
        seconds.append(clock(device) - start)
    assert "labnotes" not in sys.modules
    print(statistics.median(seconds[int(steps) // 10 :]))


if __name__ == "__main__":
    main(*sys.argv[1:])
