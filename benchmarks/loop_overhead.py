"""What `labnotes.train.fit` costs over a bare loop: forward, loss, backward, step.

Both train the same network on the same batch, step by step in turns; the medians are compared. CPU
time is measured (on CUDA wall time, waiting for each step), so that other programs disturb it little.
For each network a bare loop is also run in a process of its own, which does not import labnotes.

    python benchmarks/loop_overhead.py --save
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from against_d2l import machine, write
from bare_loop import bare_step, clock, data, lenet, perceptron, sgd

from labnotes import runtime
from labnotes.train import cosine, fit


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
            bare_step(self.model, self.optimizer, self.inputs, self.targets)
            middle = clock(self.device)
            yield self.inputs, self.targets
            self.fit.append(clock(self.device) - middle)
            self.bare.append(middle - start)


def measure(build, batch_size: int, steps: int, **options) -> tuple[float, float]:
    """Median seconds of a bare step, and median of what a step of `fit` takes more."""
    device = runtime.device()
    images, targets = data(batch_size, device)
    theirs, ours = (build().to(device) for _ in range(2))
    one, other = sgd(theirs), sgd(ours)
    turns = TurnByTurn(theirs, one, images, targets, steps, device)
    fit(ours, turns, epochs=1, optimizer=other, precision="fp32", progress=False, **options)
    warm = steps // 10
    bare, fitted = turns.bare[warm:], turns.fit[warm:]
    return statistics.median(bare), statistics.median(f - b for f, b in zip(fitted, bare))


def without_labnotes(build, batch_size: int, steps: int) -> float:
    """Median seconds of a bare step in a process that does not import labnotes."""
    script = Path(__file__).with_name("bare_loop.py")
    command = [sys.executable, script, build.__name__, str(batch_size), str(steps)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


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
        count = max(20, round(steps * chosen.steps))
        alone = without_labnotes(build, batch_size, count)
        rows.append({"task": f"{name}, a bare loop without labnotes", "bare seconds": alone})
        print(f"{name}\n  a bare step without labnotes: {alone * 1e3:.3f} ms")
        for what, options in (
            ("fit", {"metrics": {}}),
            ("fit with accuracy and schedule", {"schedule": cosine()}),
        ):
            bare, extra = measure(build, batch_size, count, **options)
            rows.append(
                {"task": f"{name}, {what}", "steps": count, "bare seconds": bare, "extra": extra}
            )
            print(
                f"  {what}: {extra * 1e6:+.0f} us on a bare step of {bare * 1e3:.3f} ms, "
                f"{100 * extra / bare:+.1f} %; {100 * (bare + extra) / alone - 100:+.1f} % on one "
                "without labnotes"
            )
    if chosen.save:
        write("loop_overhead", {"machine": about, "tasks": rows})


if __name__ == "__main__":
    main()
