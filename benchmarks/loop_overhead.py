"""What `labnotes.train.fit` costs over a bare loop: forward, loss, backward, step.

Both train the same network on the same batch, step by step in turns; the medians are compared. CPU
time is measured (on CUDA wall time, waiting for each step), so that other programs disturb it little.

    python benchmarks/loop_overhead.py --save
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from against_d2l import machine, write
from torch import nn

from labnotes import runtime
from labnotes.train import cosine, fit


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


class TurnByTurn:
    """Batches for `fit` that do one bare step, timed, before each batch that they give.

    The time until the next batch is asked for is then that of one step of `fit`: the two take
    turns step by step, so that a slow moment of the machine hits both.
    """

    def __init__(self, model, optimizer, inputs, targets, steps: int, device: torch.device):
        self.model, self.optimizer = model, optimizer
        self.inputs, self.targets = inputs, targets
        self.steps, self.device = steps, device
        self.bare, self.fit = [], []

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        for _ in range(self.steps):
            start = clock(self.device)
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(self.inputs), self.targets).backward()
            self.optimizer.step()
            middle = clock(self.device)
            yield self.inputs, self.targets
            self.fit.append(clock(self.device) - middle)
            self.bare.append(middle - start)


def measure(build, batch_size: int, steps: int, **options) -> tuple[float, float]:
    """Median seconds of a bare step, and median of what a step of `fit` takes more."""
    device = runtime.device()
    torch.manual_seed(0)
    images = torch.randn(batch_size, 1, 28, 28, device=device)
    targets = torch.randint(0, 10, (batch_size,), device=device)
    theirs, ours = (build().to(device) for _ in range(2))
    one, other = (torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9) for m in (theirs, ours))
    turns = TurnByTurn(theirs, one, images, targets, steps, device)
    fit(ours, turns, epochs=1, optimizer=other, precision="fp32", progress=False, **options)
    warm = steps // 10
    bare, fitted = turns.bare[warm:], turns.fit[warm:]
    return statistics.median(bare), statistics.median(f - b for f, b in zip(fitted, bare))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=float, default=1.0, help="times the usual number of steps")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # a second thread that waits counts as CPU time
    about, rows = machine(), []
    print(" ".join(f"{name} {value};" for name, value in about.items()))
    for name, build, batch_size, steps in (
        ("LeNet, batch 256", lenet, 256, 200),
        ("LeNet, batch 64", lenet, 64, 600),
        ("perceptron, batch 256", perceptron, 256, 2000),
        ("perceptron, batch 8 (a step is all overhead)", perceptron, 8, 5000),
    ):
        print(name)
        for what, options in (
            ("fit", {"metrics": {}}),
            ("fit with accuracy and schedule", {"schedule": cosine()}),
        ):
            count = max(20, round(steps * chosen.steps))
            bare, extra = measure(build, batch_size, count, **options)
            rows.append(
                {"task": f"{name}, {what}", "steps": count, "bare seconds": bare, "extra": extra}
            )
            print(
                f"  {what}: {extra * 1e6:+.0f} us on a bare step of {bare * 1e3:.3f} ms, "
                f"{100 * extra / bare:+.1f} %"
            )
    if chosen.save:
        write("loop_overhead", {"machine": about, "tasks": rows})


if __name__ == "__main__":
    main()
