"""Five optimizers on the noise of an airfoil: the short loop of d2l's package, and ours.

The recipe is that of the short versions in chapter 12 of "Dive into Deep Learning": a linear model,
batches of 10, four epochs, the mean squared error, each optimizer with the book's settings, and
after every 200 rows the loss of all rows. d2l's side is `train_concise_ch11` and `get_data_ch11` of
d2l 1.0.3 with torch's optimizers, as the book has it; ours is a short loop with `labnotes.optim`.
Each side runs all five in a process of its own; the sides take turns, and the medians are compared.

A run is timed from reading the data to the last loss, once as the recipe says and once more
without the losses (the training alone; d2l's side needs most of its time for the losses). d2l's
live plot is switched off, which helps d2l. The loss at the end is computed by the same code for
both, outside the clock.

    python benchmarks/optimizers_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from against_d2l import Clock, in_a_process, in_turns, options, quiet_d2l, write
from torch import nn

SIDES = ("d2l", "ours")
ROWS, BATCH, EPOCHS = 1500, 10, 4
#: The class of torch and of `labnotes.optim`, and its settings in sections 12.4 to 12.10 of the book.
SETTINGS = {
    "sgd": ("SGD", {"lr": 0.01}),
    "momentum": ("SGD", {"lr": 0.005, "momentum": 0.9}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "rmsprop": ("RMSprop", {"lr": 0.01, "alpha": 0.9}),
    "adam": ("Adam", {"lr": 0.01}),
}


# ---- the two sides: ``side(name, measure) -> (times, a function from inputs to predictions)`` ----


class NoPlot:
    """Stands in for d2l's animated plot: it keeps one value and draws nothing."""

    def __init__(self, **options):
        self.Y = [[0.0]]

    def add(self, x, y):
        pass


def by_d2l(name: str, measure: bool) -> tuple[dict, nn.Module]:
    d2l, kept = quiet_d2l(), []
    d2l.Animator = NoPlot
    evaluate_loss = d2l.evaluate_loss

    def watched(net, *arguments):
        kept[:] = [net]  # train_concise_ch11 does not give it back
        return evaluate_loss(net, *arguments) if measure else 0.0

    d2l.evaluate_loss = watched
    clock = Clock()
    data, _ = d2l.get_data_ch11(BATCH, ROWS)
    optimizer, settings = SETTINGS[name]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # of a loss not measured
        d2l.train_concise_ch11(getattr(torch.optim, optimizer), settings, data, EPOCHS)
    times = clock.read()
    d2l.evaluate_loss = evaluate_loss
    return times, kept[0]


def by_ours(name: str, measure: bool) -> tuple[dict, nn.Module]:
    from labnotes import optim
    from labnotes.data import catalog

    clock = Clock()
    (path,) = catalog.fetch("airfoil").paths.values()
    x, y = standardized(np.loadtxt(path, dtype=np.float32))
    net = nn.Linear(x.shape[1], 1)
    nn.init.normal_(net.weight, 0, 0.01)
    nn.init.zeros_(net.bias)
    optimizer, settings = SETTINGS[name]
    optimizer = getattr(optim, optimizer)(net.parameters(), **settings)
    x, y, seen = x[:ROWS], y[:ROWS], 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(ROWS).split(BATCH):
            optimizer.zero_grad()
            F.mse_loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
            seen += len(rows)
            if measure and seen % 200 == 0:
                with torch.no_grad():
                    F.mse_loss(net(x), y).item()
    return clock.read(), net


def standardized(rows) -> tuple[torch.Tensor, torch.Tensor]:
    """d2l's preprocessing; inputs ``(rows, 5)`` and targets ``(rows, 1)``, in the file's order."""
    rows = torch.from_numpy((rows - rows.mean(axis=0)) / rows.std(axis=0))
    return rows[:, :-1], rows[:, -1:]


def one_run(side: str, seed: int, folder: Path) -> dict:
    """Times and the final loss of all five optimizers; the first run of each side is not counted."""
    import torch._dynamo  # noqa: F401  torch's optimizers import it (over a second) when first made

    os.chdir(folder / "run")  # d2l reads ../data
    train = by_d2l if side == "d2l" else by_ours
    train("adam", False)  # whatever is imported or set up at the first step
    x, y = standardized(np.loadtxt(folder / "data" / "airfoil_self_noise.dat", dtype=np.float32))
    found = {}
    for name in SETTINGS:
        for measure in (True, False):
            torch.manual_seed(seed)
            times, net = train(name, measure)
            what = f"{name} whole" if measure else f"{name} training"
            found |= {f"{what} {key}": value for key, value in times.items()}
        with torch.no_grad():
            found[f"{name} loss"] = F.mse_loss(net(x[:ROWS]), y[:ROWS]).item() / 2
    return found


def show(result: dict) -> None:
    slow, fast = (result["medians"][side] for side in SIDES)
    for part in ("whole", "training"):
        ratios = []
        for name in SETTINGS:
            keys = [f"{name} {part} {key}" for key in ("cpu_seconds", "seconds")]
            cpu, wall = (slow[key] / fast[key] for key in keys)
            ratios.append(cpu)
            print(
                f"{part:8} {name:9} d2l {slow[keys[0]]:.3f}, ours {fast[keys[0]]:.3f} CPU s: "
                f"{cpu:.1f} x ({wall:.1f} x by the clock); loss: d2l {slow[f'{name} loss']:.4f}, "
                f"ours {fast[f'{name} loss']:.4f}"
            )
        print(f"{part:8} median {statistics.median(ratios):.1f} x, least {min(ratios):.1f} x")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        side, seed, folder = sys.argv[2:]
        print(json.dumps(one_run(side, int(seed), Path(folder))))
        return
    chosen = options(__doc__).parse_args()
    from labnotes.data import catalog

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "run").mkdir()
        (folder / "data").mkdir()
        (path,) = catalog.fetch("airfoil").paths.values()
        shutil.copy(path, folder / "data" / "airfoil_self_noise.dat")  # where d2l looks for it
        result = in_turns(
            "airfoil", SIDES, chosen.repeats,
            lambda side, seed: in_a_process(__file__, side, seed, folder),
        )  # fmt: skip
    result = {"recipe": {"rows": ROWS, "batch": BATCH, "epochs": EPOCHS, **SETTINGS}} | result
    show(result)
    if chosen.save:
        write("optimizers_against_d2l", result)


if __name__ == "__main__":
    main()
