"""One epoch of the character GRU of d2l's chapter 10.2, by d2l's own code and by ours.

The same work on both sides: the first 10,000 windows of 32 letters of the novel in batches of
1,024 and the next 5,000 to validate, a GRU of 32 units with torch's equations and first weights,
plain SGD at rate 4, gradients clipped to norm 1. d2l's is torch's layer, whose operations autograd
records step by step; ours is GRUByHand, which takes rows of the input weights for the letters and
has a gradient written by hand. The loss a letter on the 5,000 windows afterwards, outside the
clock, is to agree within the seeds. Timed in processor seconds are the epoch alone, and all from
the text to the epoch's end. The sides take turns in a process each, on one thread; the medians
are compared. d2l's live plot is switched off, which helps d2l.

    python benchmarks/rnn_against_d2l.py --repeats 5 --save
"""

import json
import re
import sys
from functools import partial

import torch
import torch.nn.functional as F
from against_d2l import Clock, in_a_process, in_turns, options, quiet_d2l, write
from torch import nn

from labnotes.data import time_machine
from labnotes.sequence import GRUByHand
from labnotes.train.fit import fit

STEPS, BATCH, TRAIN, VALID, LETTERS, UNITS, RATE = 32, 1024, 10_000, 5_000, 28, 32, 4


def by_d2l(text: str) -> dict:
    d2l, whole = quiet_d2l(), Clock()
    novel = type("Novel", (d2l.TimeMachine,), {"_download": lambda self: text})
    data = novel(BATCH, STEPS, TRAIN, VALID)
    model = d2l.RNNLM(d2l.GRU(LETTERS, UNITS, 1), LETTERS, RATE)
    model.board.display = False
    epoch = Clock()
    d2l.Trainer(max_epochs=1, gradient_clip_val=1).fit(model, data)
    times = {"epoch": epoch.read()["cpu_seconds"], "from the text": whole.read()["cpu_seconds"]}
    windows = torch.cat([data.X, data.Y[:, -1:]], 1)[TRAIN : TRAIN + VALID]  # (., STEPS + 1)
    return times | {"loss": loss_of(lambda ids: model(ids).transpose(0, 1), windows).item()}


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.linear = GRUByHand(LETTERS, UNITS), nn.Linear(UNITS, LETTERS)

    def forward(self, ids):  # (batch, steps) -> (steps, batch, letters)
        return self.linear(self.rnn(ids.T)[0])


def loss_of(model, windows: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].T.flatten())


def by_ours(text: str) -> dict:
    whole = Clock()
    letters = re.sub("[^A-Za-z]+", " ", text).lower()
    number = {letter: i + 1 for i, letter in enumerate(sorted(set(letters)))}
    windows = torch.tensor([number[letter] for letter in letters]).unfold(0, STEPS + 1, 1)
    model, sgd = Ours(), partial(torch.optim.SGD, lr=RATE)
    epoch = Clock()
    train = [windows[rows] for rows in torch.randperm(TRAIN).split(BATCH)]
    valid = windows[TRAIN : TRAIN + VALID].split(BATCH)
    done = fit(
        model, train, valid, epochs=1, optimizer=sgd, step=loss_of, clip_norm=1.0, progress=False
    )
    times = {"epoch": epoch.read()["cpu_seconds"], "from the text": whole.read()["cpu_seconds"]}
    return times | {"loss": done.epochs[-1]["valid_loss"]}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        import torch._dynamo  # noqa: F401  torch's optimizers import it when first made

        novel, (side, seed) = time_machine(), sys.argv[2:]
        torch.manual_seed(int(seed))
        torch.set_num_threads(1)
        print(json.dumps({"d2l": by_d2l, "ours": by_ours}[side](novel.train + novel.test)))
        return
    chosen = options(__doc__).parse_args()
    result = in_turns("GRU", ("d2l", "ours"), chosen.repeats, partial(in_a_process, __file__))
    slow, fast = (result["medians"][side] for side in ("d2l", "ours"))
    for work in ("epoch", "from the text"):
        ratio = slow[work] / fast[work]
        print(f"{work:14} d2l {slow[work]:.2f}, ours {fast[work]:.2f} CPU s: {ratio:.1f} x")
    for side, runs in result["runs"].items():
        losses = sorted(run["loss"] for run in runs)
        print(f"validation loss, {side}: {losses[0]:.3f} to {losses[-1]:.3f}")
    if chosen.save:
        write("rnn_against_d2l", result)


if __name__ == "__main__":
    main()
