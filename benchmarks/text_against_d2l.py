"""Windows of a text: d2l's TimeMachine and labnotes.text, on the same letters of the same novel.

Three pieces of work, each timed in processor seconds: from the numbers of the letters to all
windows of 32 and their targets; from the file's text to these windows, with the vocabulary; and a
pass over 5,000 windows in random order, in batches of 1,024. The sides take turns in a process
each; the medians are compared.

    python benchmarks/text_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import json
import re
import sys

import torch
from against_d2l import Clock, in_a_process, in_turns, options, quiet_d2l, write

from labnotes.data import time_machine
from labnotes.text import Vocabulary, random_windows

STEPS, BATCH, WINDOWS = 32, 1024, 5000
WORK = ("numbers to windows", "text to windows", "a pass")


def d2ls(text: str) -> dict:
    d2l = quiet_d2l()

    class Novel(d2l.TimeMachine):
        def _download(self):
            return text

    clock = Clock()
    data = Novel(BATCH, STEPS, WINDOWS)
    found = {"text to windows": clock.read()["cpu_seconds"]}
    corpus, _ = data.build(text)
    clock = Clock()  # the two lines at the end of its constructor
    array = torch.tensor([corpus[i : i + STEPS + 1] for i in range(len(corpus) - STEPS)])
    x, y = array[:, :-1], array[:, 1:]
    found["numbers to windows"] = clock.read()["cpu_seconds"]
    assert torch.equal(x, data.X) and torch.equal(y, data.Y)
    clock = Clock()
    assert sum(len(inputs) for inputs, _ in data.get_dataloader(train=True)) == WINDOWS
    return found | {"a pass": clock.read()["cpu_seconds"], "sum of all": int(x.sum() + y.sum())}


def ours(text: str, rounds: int = 20) -> dict:
    def letters():
        tokens = list(re.sub("[^A-Za-z]+", " ", text).lower())
        return Vocabulary([sorted(set(tokens))], reserved=(" ", "<unk>")).to_ids(tokens)

    def seconds(work):
        clock = Clock()
        for _ in range(rounds):
            work()
        return clock.read()["cpu_seconds"] / rounds

    numbers = letters()
    windows = torch.tensor(numbers).unfold(0, STEPS + 1, 1)
    batches = random_windows(numbers[: (WINDOWS + 1) * STEPS], STEPS, BATCH)
    assert sum(len(inputs) for inputs, _ in batches) == WINDOWS
    found = {
        "numbers to windows": seconds(lambda: random_windows(numbers, STEPS, BATCH)),
        "text to windows": seconds(lambda: random_windows(letters(), STEPS, BATCH)),
        "a pass": seconds(lambda: list(batches)),
    }
    return found | {"sum of all": int(windows[:, :-1].sum() + windows[:, 1:].sum())}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        novel = time_machine()
        print(json.dumps({"d2l": d2ls, "ours": ours}[sys.argv[2]](novel.train + novel.test)))
        return
    chosen = options(__doc__).parse_args()
    result = in_turns(
        "windows", ("d2l", "ours"), chosen.repeats, lambda side, _: in_a_process(__file__, side)
    )
    slow, fast = (result["medians"][side] for side in ("d2l", "ours"))
    assert slow["sum of all"] == fast["sum of all"], "the windows hold other numbers"
    for work in WORK:
        print(f"{work:20} d2l {slow[work]:.4f}, ours {fast[work]:.6f} CPU s: "
              f"{slow[work] / fast[work]:.0f} x")  # fmt: skip
    if chosen.save:
        write("text_against_d2l", result)


if __name__ == "__main__":
    main()
