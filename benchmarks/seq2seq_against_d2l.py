"""Epochs of one encoder-decoder with d2l's trainer and padded batches, and with ours of equal length.

Network, recipe and pairs are those of chapter 10.7 of "Dive into Deep Learning" on both sides. The
metric is the loss per token on the training pairs, outside the clock. See against_d2l.py.
"""

import json
import sys
import zipfile

import torch
from against_d2l import Clock, in_a_process, in_turns, options, quiet_d2l, write
from torch import nn

from labnotes.data import catalog
from labnotes.sequence import masked_cross_entropy
from labnotes.train import evaluate, fit

SIDES, PAIRS, EPOCHS, BATCH = ("d2l", "ours"), 5_000, 3, 128
d2l = quiet_d2l()


class Data(d2l.MTFraEng):
    def _download(self):
        with zipfile.ZipFile(catalog.fetch("fra_eng").paths["fra-eng.zip"]) as packed:
            return packed.read("fra.txt").decode("utf8")


class Decoder(d2l.Decoder):  # the book has it in the text, its library has not
    def __init__(self, vocab_size, size, layers, dropout):
        super().__init__()
        self.embedding, self.dense = nn.Embedding(vocab_size, size), nn.Linear(size, vocab_size)
        self.rnn = d2l.GRU(2 * size, size, layers, dropout)

    def init_state(self, outputs, *_):
        return outputs

    def forward(self, tokens, state):
        embedded, (outputs, hidden) = self.embedding(tokens.t().long()), state
        context = outputs[-1].repeat(len(embedded), 1, 1)  # (steps, batch, hidden)
        found, hidden = self.rnn(torch.cat([embedded, context], -1), hidden)
        return self.dense(found).swapaxes(0, 1), [outputs, hidden]


class Model(d2l.Seq2Seq):
    def loss(self, logits, targets):
        mask = (targets.reshape(-1) != self.tgt_pad).float()
        return (super().loss(logits, targets, averaged=False) * mask).sum() / mask.sum()


def equal_lengths(data: Data, pairs: int) -> list[tuple[torch.Tensor, ...]]:
    """The first pairs in batches of equally long sources, targets cut at the longest one's end."""
    source, inputs, lengths, targets = (part[:pairs] for part in data.arrays)
    ends, batches = (targets != data.tgt_vocab["<pad>"]).sum(1), []
    for rows in (100 * lengths + ends).argsort().split(lengths.long().bincount().tolist()):
        for some in (part for part in rows.split(BATCH) if len(part)):
            s, t = int(lengths[some[0]]), int(ends[some].max())
            batches.append(
                (source[some, :s], inputs[some, :t], targets[some, :t].long(), ends[some])
            )
    return batches


def step(model, batch):
    return masked_cross_entropy(model(*batch[:2]), *batch[2:])


def one_run(side: str, seed: int) -> dict:
    torch.manual_seed(seed)
    data = Data(BATCH, num_train=PAIRS, num_val=BATCH)
    clock = Clock()
    sizes, pad = (len(data.src_vocab), len(data.tgt_vocab)), data.tgt_vocab["<pad>"]
    model = Model(
        d2l.Seq2SeqEncoder(sizes[0], 256, 256, 2, 0.2), Decoder(sizes[1], 256, 2, 0.2), pad, 0.005
    )
    batches = equal_lengths(data, PAIRS)
    if side == "d2l":
        model.board.display = False
        d2l.Trainer(max_epochs=EPOCHS, gradient_clip_val=1).fit(model, data)
    else:
        shuffled = torch.utils.data.DataLoader(batches, batch_size=None, shuffle=True)
        adam = torch.optim.Adam(model.parameters(), lr=0.005)
        fit(
            model, shuffled, epochs=EPOCHS, optimizer=adam, step=step, clip_norm=1.0, progress=False
        )
    return clock.read() | {"metric": evaluate(model, batches, step=step)["loss"]}


def main() -> None:
    parser = options(__doc__)
    chosen, task = parser.parse_args(), f"seq2seq, {EPOCHS} epochs of {PAIRS} pairs"
    found = in_turns(task, SIDES, chosen.repeats, lambda *run: in_a_process(__file__, *run))
    print(task, found["medians"])
    if chosen.save:
        write("seq2seq_against_d2l", [{"task": task, "metric": "loss"} | found])


if __name__ == "__main__":
    one = sys.argv[1:2] == ["--one"]
    print(json.dumps(one_run(sys.argv[2], int(sys.argv[3])))) if one else main()
