"""What `labnotes.train.fit` costs over a bare loop: forward, loss, backward, step.

Both train the same network on the same batch, step by step in turns; the medians are compared. CPU
time is measured (on CUDA wall time, waiting for each step), so that other programs disturb it little.
For each network a bare loop is also run in a process that does not import labnotes.

Where its memory happens to lie makes a process faster or slower by some tens of microseconds a step,
for as long as it lives. So each figure is the median of runs in processes of their own.

    python benchmarks/loop_overhead.py --save
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
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


#: What `fit` is given besides.
OPTIONS = {
    "fit": lambda: {"metrics": {}},
    "fit with accuracy and schedule": lambda: {"schedule": cosine()},
}


def measure(build, batch_size: int, steps: int, what: str) -> tuple[float, float]:
    """Median seconds of a bare step, and median of what a step of `fit` takes more."""
    torch.set_num_threads(1)  # a second thread that waits counts as CPU time
    device = runtime.device()
    images, targets = data(batch_size, device)
    theirs, ours = (build().to(device) for _ in range(2))
    one, other = sgd(theirs), sgd(ours)
    turns = TurnByTurn(theirs, one, images, targets, steps, device)
    fit(ours, turns, epochs=1, optimizer=other, precision="fp32", progress=False, **OPTIONS[what]())
    warm = steps // 10
    bare, fitted = turns.bare[warm:], turns.fit[warm:]
    return statistics.median(bare), statistics.median(f - b for f, b in zip(fitted, bare))


def without_labnotes(build, batch_size: int, steps: int) -> float:
    """Median seconds of a bare step in a process that does not import labnotes."""
    script = Path(__file__).with_name("bare_loop.py")
    command = [sys.executable, script, build.__name__, str(batch_size), str(steps)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(*args) -> tuple[float, float]:
    """:func:`measure` in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *args).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=float, default=1.0, help="times the usual number of steps")
    parser.add_argument("--runs", type=int, default=9, help="processes for each figure")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    about, rows = machine(), []
    print(" ".join(f"{name} {value};" for name, value in about.items()))
    for name, build, batch_size, steps in (
        ("LeNet, batch 256", lenet, 256, 200),
        ("LeNet, batch 64", lenet, 64, 600),
        ("perceptron, batch 256", perceptron, 256, 2000),
        ("perceptron, batch 8 (a step is all overhead)", perceptron, 8, 5000),
    ):
        count = max(20, round(steps * chosen.steps))
        others = [without_labnotes(build, batch_size, count) for _ in range(chosen.runs)]
        other = statistics.median(others)
        rows.append({"task": f"{name}, a bare loop without labnotes", "bare seconds": others})
        print(f"{name}\n  a bare step without labnotes: {other * 1e3:.3f} ms")
        for what in OPTIONS:
            runs = [alone(build, batch_size, count, what) for _ in range(chosen.runs)]
            bare, extra = zip(*runs)
            rows.append(
                {"task": f"{name}, {what}", "steps": count, "bare seconds": bare, "extra": extra}
            )
            shares = sorted(100 * more / seconds for seconds, more in runs)
            whole = statistics.median(seconds + more for seconds, more in runs)
            print(
                f"  {what}: {statistics.median(extra) * 1e6:+.0f} us on a bare step of "
                f"{statistics.median(bare) * 1e3:.3f} ms, {statistics.median(shares):+.1f} % "
                f"({shares[0]:+.1f} to {shares[-1]:+.1f}); "
                f"{100 * whole / other - 100:+.1f} % on one without labnotes"
            )
    if chosen.save:
        write("loop_overhead", {"machine": about, "tasks": rows})


if __name__ == "__main__":
    main()
