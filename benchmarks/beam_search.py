"""Beam search of width 4 with a decoder's state kept, and without: the same hypotheses, other times.

A translator of two GRUs with random weights, as large as the one that the book records, searches
for translations of 32 sentences, 20 pieces long. (d2l 1.0.3 has no beam search to compare with.)
The sides take turns in one process; the medians over the turns are compared.

"one by one" reads, for each sentence by itself, every beginning from its first token at each step;
"batched, read again" does so for all sentences at once; "cached" is `batched_beam_search` with the
state that the decoder's `step` gives back.

    python benchmarks/beam_search.py --repeats 5 --save
"""

from __future__ import annotations

import torch
from against_d2l import Clock, in_turns, options, write

from labnotes.sequence import Seq2Seq, batched_beam_search, beam_search

SENTENCES, PIECES, LENGTH, WIDTH = 32, 10, 20, 4
BEGIN, END = 2, 3


def sides() -> dict:
    torch.manual_seed(0)
    net = Seq2Seq(1240, 1490, 128, 256).eval().requires_grad_(False)
    net.decoder.readout.weight.mul_(8)  # surer of itself, as a trained one is: no ties in the beam
    source = torch.randint(4, 1240, (SENTENCES, PIECES))
    start = torch.full((SENTENCES,), BEGIN)

    def one_by_one():
        found = []
        for sentence in source:

            def step(prefixes, sentence=sentence):
                sources = sentence.expand(len(prefixes), -1)
                return net(sources, None, prefixes)[:, -1].log_softmax(-1)

            found.append(beam_search(step, [BEGIN], WIDTH, LENGTH, END))
        return found

    def read_again():
        def step(tokens, state):
            sources, read = state
            read = torch.cat([read, tokens[:, None]], 1)
            return net(sources, None, read)[:, -1].log_softmax(-1), (sources, read)

        nothing = torch.zeros(SENTENCES, 0, dtype=torch.int64)
        choose = lambda state, rows: tuple(part[rows] for part in state)  # noqa: E731
        return batched_beam_search(
            step, (source, nothing), start, END, WIDTH, LENGTH, select=choose
        )

    def cached():
        return batched_beam_search(net.step, net.start(source), start, END, WIDTH, LENGTH)

    return {"one by one": one_by_one, "batched, read again": read_again, "cached": cached}


def main() -> None:
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(1)
    run_side = sides()
    given = {side: run() for side, run in run_side.items()}  # outside the clock, warms up as well
    same = {
        side: [beam[0].tokens for beam in found] == [beam[0].tokens for beam in given["cached"]]
        for side, found in given.items()
    }

    def run(side: str, seed: int) -> dict:
        clock = Clock()
        run_side[side]()
        return clock.read()

    name = f"beam {WIDTH}, {SENTENCES} sentences, {LENGTH} pieces"
    result = {"task": name, "same": same}
    result |= in_turns(name, tuple(run_side), chosen.repeats, run)
    fast = result["medians"]["cached"]["cpu_seconds"]
    for side in run_side:
        slow = result["medians"][side]["cpu_seconds"]
        print(
            f"{side:20} {1e3 * slow:8.0f} ms of CPU time, {slow / fast:5.1f} x; "
            f"{'the same' if same[side] else 'NOT the same'} best hypotheses"
        )
    if chosen.save:
        write("beam_search", [result])


if __name__ == "__main__":
    main()
