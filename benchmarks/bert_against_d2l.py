"""A pass of BERT's pretraining with d2l's network and with ours.

Sizes are those of chapter 15.10 of "Dive into Deep Learning": 20,256 tokens, 128 features, 2 heads,
2 blocks of 256 hidden units, dropout 0.2, pairs of at most 64 tokens, Adam; but 64 pairs in a batch
where the chapter has 512. The pairs are made: 16 to 64 tokens, a seventh of them hidden.

"pass" is forward, loss, backward and Adam's step over the same 512 pairs. "d2l" pads every pair to 64
tokens and every row of blanks to 10, as its data loader does, and runs `d2l._get_batch_loss_bert`.
"same" is our network with these very batches. "ours" has batches of about equal length instead, and
Adam in one fused kernel. The networks are of one size and not the same: our scores share the table
of embeddings, as BERT's do, d2l's have a matrix of their own; ours has the norm behind the embeddings
and GELU. So both losses are shown, which for networks that know nothing are log V + log 2.

The sides take turns in one process, on one thread; the medians of CPU time are compared.

    python benchmarks/bert_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch._dynamo  # noqa: F401  optimizers import it when first made
import torch.nn.functional as F
from against_d2l import Clock, in_turns, options, quiet_d2l, write
from torch import nn

from labnotes.bert import BertConfig, BertForPretraining, Pairs
from labnotes.bert.pretraining import CLS, MASK, SEP

WORDS, FEATURES, HIDDEN, HEADS, BLOCKS, DROPOUT = 20_256, 128, 256, 2, 2, 0.2
LONGEST, BLANKS, BATCH, PAIRS = 64, 10, 64, 512
d2l = quiet_d2l()


def made() -> tuple[Pairs, torch.Tensor]:
    """Pairs with their blanks hidden, and what stood there: true tokens ``(pairs, 64)``, or -1."""
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(16, LONGEST + 1, (PAIRS,), generator=draw)
    ids = torch.randint(5, WORDS, (PAIRS, LONGEST), generator=draw)
    places = torch.arange(LONGEST)
    halves = lengths // 2
    ids[:, 0] = CLS
    ids[places == halves[:, None]] = SEP
    ids[places == lengths[:, None] - 1] = SEP
    ids[places >= lengths[:, None]] = 0
    segments = ((places > halves[:, None]) & (places < lengths[:, None])).long()
    truth = torch.full_like(ids, -1)
    for i, length in enumerate(lengths.tolist()):
        inner = (ids[i] > 4).nonzero()[:, 0]
        some = inner[torch.randperm(len(inner), generator=draw)[: round(0.15 * length)]]
        truth[i, some] = ids[i, some]
    labels = torch.randint(0, 2, (PAIRS,), generator=draw)
    return Pairs(ids.masked_fill(truth >= 0, MASK), segments, lengths, labels), truth


def as_d2l(pairs: Pairs, truth: torch.Tensor) -> list[tuple]:
    """Batches as d2l's loader gives them."""
    found = []
    for rows in torch.arange(PAIRS).split(BATCH):
        positions = torch.zeros(len(rows), BLANKS, dtype=torch.long)
        weights = torch.zeros(len(rows), BLANKS)
        labels = torch.zeros_like(positions)
        for i, row in enumerate(truth[rows]):
            blanks = (row >= 0).nonzero()[:, 0]
            positions[i, : len(blanks)], weights[i, : len(blanks)] = blanks, 1.0
            labels[i, : len(blanks)] = row[blanks]
        found.append((pairs.ids[rows], pairs.segments[rows], pairs.lengths[rows].float(), positions,
                      weights, labels, pairs.labels[rows]))  # fmt: skip
    return found


def as_ours(pairs: Pairs, truth: torch.Tensor, by_length: bool) -> list[tuple]:
    """Pairs of a batch, and the true tokens of its blanks."""
    order = pairs.lengths.argsort() if by_length else torch.arange(PAIRS)
    found = []
    for rows in order.split(BATCH):
        longest = int(pairs.lengths[rows].max()) if by_length else LONGEST
        batch = Pairs(pairs.ids[rows, :longest], pairs.segments[rows, :longest],
                      pairs.lengths[rows], pairs.labels[rows])  # fmt: skip
        found.append((batch, truth[rows, :longest]))
    return found


def by_d2l(batches: list[tuple], seed: int) -> dict:
    torch.manual_seed(seed)
    net = d2l.BERTModel(WORDS, FEATURES, HIDDEN, HEADS, BLOCKS, DROPOUT)
    loss = nn.CrossEntropyLoss()
    net(*batches[0][:4])  # its layers take their sizes from a first batch
    adam, clock, found = torch.optim.Adam(net.parameters(), 1e-4), Clock(), []
    for batch in batches:
        adam.zero_grad()
        *_, total = d2l._get_batch_loss_bert(net, loss, WORDS, *batch)
        total.backward()
        adam.step()
        found.append(total.detach())
    return clock.read() | {"loss": torch.stack(found).mean().item()}


def by_ours(batches: list[tuple], seed: int, fused: bool) -> dict:
    torch.manual_seed(seed)
    net = BertForPretraining(
        BertConfig(WORDS, FEATURES, BLOCKS, HEADS, HIDDEN, LONGEST, hidden_dropout_prob=DROPOUT)
    )
    adam, clock, found = torch.optim.Adam(net.parameters(), 1e-4, fused=fused), Clock(), []
    for batch, truth in batches:
        adam.zero_grad()
        chosen = truth >= 0
        said = net(batch.ids, chosen, batch.attention_mask, batch.segments)
        total = F.cross_entropy(said.words, truth[chosen]) + F.cross_entropy(
            said.pair, batch.labels
        )
        total.backward()
        adam.step()
        found.append(total.detach())
    return clock.read() | {"loss": torch.stack(found).mean().item()}


def main() -> None:
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(1)
    pairs, truth = made()
    sides = {
        "d2l": partial(by_d2l, as_d2l(pairs, truth)),
        "same": partial(by_ours, as_ours(pairs, truth, by_length=False), fused=False),
        "ours": partial(by_ours, as_ours(pairs, truth, by_length=True), fused=True),
    }
    for run in sides.values():  # the first call is always slow
        run(seed=0)
    task = f"BERT pretraining, pass over {PAIRS} pairs"
    found = in_turns(task, tuple(sides), chosen.repeats, lambda side, seed: sides[side](seed=seed))
    times = {side: one["cpu_seconds"] for side, one in found["medians"].items()}
    for side, one in found["medians"].items():
        print(f"{side:5} CPU s {times[side]:.2f} ({times['d2l'] / times[side]:.2f} x), loss "
              f"{one['loss']:.2f} (log V + log 2 = {math.log(WORDS) + math.log(2):.2f})")  # fmt: skip
    if chosen.save:
        write("bert_against_d2l", [{"task": task} | found])


if __name__ == "__main__":
    main()
