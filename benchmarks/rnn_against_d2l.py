"""One epoch of the character GRU of d2l's chapter 10.2, by d2l's own code and by ours.

The same work on both sides: the first 10,000 windows of 32 letters of the novel in batches of
1,024 and the next 5,000 to validate, torch's GRU of 32 units, plain SGD at rate 4, gradients
clipped to norm 1. Timed in processor seconds are the epoch alone, and all from the text to the
epoch's end. The sides take turns in a process each; the medians are compared. d2l's live plot is
switched off, which helps d2l.

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
    return {"epoch": epoch.read()["cpu_seconds"], "from the text": whole.read()["cpu_seconds"]}


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.linear = nn.GRU(LETTERS, UNITS), nn.Linear(UNITS, LETTERS)

    def forward(self, ids):  # (batch, steps) -> (steps, batch, letters)
        return self.linear(self.rnn(F.one_hot(ids.T, LETTERS).float())[0])


def loss_of(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
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
    fit(model, train, valid, epochs=1, optimizer=sgd, step=loss_of, clip_norm=1.0, progress=False)
    return {"epoch": epoch.read()["cpu_seconds"], "from the text": whole.read()["cpu_seconds"]}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        import torch._dynamo  # noqa: F401  torch's optimizers import it when first made

        novel = time_machine()
        print(json.dumps({"d2l": by_d2l, "ours": by_ours}[sys.argv[2]](novel.train + novel.test)))
        return
    chosen = options(__doc__).parse_args()
    result = in_turns(
        "GRU", ("d2l", "ours"), chosen.repeats, lambda side, _: in_a_process(__file__, side)
    )
    slow, fast = (result["medians"][side] for side in ("d2l", "ours"))
    for work in slow:
        ratio = slow[work] / fast[work]
        print(f"{work:14} d2l {slow[work]:.2f}, ours {fast[work]:.2f} CPU s: {ratio:.1f} x")
    if chosen.save:
        write("rnn_against_d2l", result)


if __name__ == "__main__":
    main()
