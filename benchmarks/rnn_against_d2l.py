"""One epoch of the character GRU of d2l's chapter 10.2, by d2l's own code and by ours.

The same work on both sides: the first 10,000 windows of 32 letters of The Time Machine in batches
of 1,024 and the next 5,000 to validate, torch's GRU of 32 units, plain SGD at rate 4, gradients
clipped to norm 1. Timed are the epoch alone, and all from reading the file. Sides take turns, each
run is a process of its own; d2l's live plot is switched off, which helps d2l. The perplexity of
both is computed by the same code, outside the clock.

    python benchmarks/rnn_against_d2l.py --repeats 5 --save
"""

import argparse
import json
import math
import os
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from against_d2l import Clock, in_a_process, in_turns, quiet_d2l
from torch import nn

SIDES, BATCH, STEPS, TRAIN, VALID, LETTERS = ("d2l", "ours"), 1024, 32, 10_000, 5_000, 28


def by_d2l() -> tuple[dict, nn.Module]:
    d2l, clock = quiet_d2l(), Clock()
    data = d2l.TimeMachine(batch_size=BATCH, num_steps=STEPS, num_train=TRAIN, num_val=VALID)
    model = d2l.RNNLM(d2l.GRU(LETTERS, 32, 1), vocab_size=LETTERS, lr=4)
    model.board.display = False
    epoch = Clock()
    d2l.Trainer(max_epochs=1, gradient_clip_val=1).fit(model, data)
    return clock.read() | {f"epoch {k}": v for k, v in epoch.read().items()}, model


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.linear = nn.GRU(LETTERS, 32), nn.Linear(32, LETTERS)

    def forward(self, ids):  # (batch, steps) -> (batch, steps, letters)
        return self.linear(self.rnn(F.one_hot(ids.T, LETTERS).float())[0]).transpose(0, 1)


def loss_of(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


def windows_of(path: Path) -> torch.Tensor:
    text = re.sub("[^A-Za-z]+", " ", path.read_text("utf8")).lower()
    number = {letter: i + 1 for i, letter in enumerate(sorted(set(text)))}
    return torch.tensor([number[letter] for letter in text]).unfold(0, STEPS + 1, 1)  # a view


def by_ours() -> tuple[dict, nn.Module]:
    from labnotes.train import fit

    clock = Clock()
    windows, model = windows_of(Path("../data/timemachine.txt")), Ours()
    epoch = Clock()
    train = [windows[rows] for rows in torch.randperm(TRAIN).split(BATCH)]
    valid = list(windows[TRAIN : TRAIN + VALID].split(BATCH))
    sgd = partial(torch.optim.SGD, lr=4)
    fit(model, train, valid, epochs=1, optimizer=sgd, step=loss_of, clip_norm=1.0, progress=False)
    return clock.read() | {f"epoch {k}": v for k, v in epoch.read().items()}, model


def one_run(side: str, seed: int, folder: Path) -> dict:
    import torch._dynamo  # noqa: F401  torch's optimizers import it when first made

    import labnotes.train.fit  # noqa: F401  imports are outside the clock

    os.chdir(folder / "run")  # d2l reads ../data
    quiet_d2l()
    torch.manual_seed(seed)
    times, model = by_d2l() if side == "d2l" else by_ours()
    windows = windows_of(Path("../data/timemachine.txt"))[TRAIN : TRAIN + VALID]
    with torch.no_grad():
        return times | {"perplexity": math.exp(loss_of(model, windows).item())}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one_run(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = parser.parse_args()
    from labnotes.data import catalog
    from labnotes.files import replacing

    with tempfile.TemporaryDirectory() as scratch:
        for name in ("run", "data"):
            (Path(scratch) / name).mkdir()
        shutil.copy(*catalog.fetch("time_machine").paths.values(), Path(scratch) / "data")
        result = in_turns(
            "character GRU", SIDES, chosen.repeats,
            lambda side, seed: in_a_process(__file__, side, seed, Path(scratch)),
        )  # fmt: skip
    slow, fast = (result["medians"][side] for side in SIDES)
    for key in ("epoch cpu_seconds", "epoch seconds", "cpu_seconds", "seconds"):
        print(f"{key:18} d2l {slow[key]:6.2f}, ours {fast[key]:6.2f}: {slow[key] / fast[key]:.1f} x")
    print(f"perplexity: d2l {slow['perplexity']:.2f}, ours {fast['perplexity']:.2f}")
    if chosen.save:
        path = Path(__file__).parent / "results" / "rnn_against_d2l.json"
        with replacing(path, "w") as file:
            file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
