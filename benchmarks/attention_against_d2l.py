"""Attention with d2l's layers and with ours: a Transformer that reads, one that writes, an epoch.

Sizes are those of chapter 11.7 of "Dive into Deep Learning": 256 features, 4 heads, 2 blocks with
64 hidden units, words from 1,000. Both sides have the same weights, and must give the same outputs.

"encoder": forward and backward of a batch of 4, of which one row is whole and three are a quarter to
a half padding. d2l computes the padding and hides it; so does ours where it is called "padded".
"ours" computes the other tokens alone (`encode_packed`), which d2l could do too and does not: what
"ours" gains on "padded" is mostly the padding, and with dropout its cheaper random numbers
(`quick_dropout`). Short batches go through several times for one measurement.
"greedy": a translation token by token, of sources as long as what is written. d2l's library has no
decoder of a Transformer; its chapter builds one of the library's parts, which keeps each block's
inputs and projects all of them at every step. One is built here in the same way, with the positions
that it needs (the chapter's gives position 0 to each token that it writes).

"epoch": one epoch of a GRU with additive attention over pairs, with the rate and clipping of chapter
11.4, one layer and no dropout; the loss per token afterwards. "d2l" is its trainer with its batches,
which are padded to a fixed length, "same" our loop with these; "ours" cuts each batch off behind its
longest sentence, since nothing reads the padding there. The networks are of one size and not the
same: ours reads in both directions, and its logits share the embeddings.

The sides take turns in one process, on one thread; the medians of CPU time are compared.

    python benchmarks/attention_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch._dynamo  # noqa: F401  optimizers import it when first made
from against_d2l import Clock, in_turns, options, quiet_d2l, write
from seq2seq_against_d2l import BATCH, Data, Model, equal_lengths
from torch import nn

from labnotes.sequence import masked_cross_entropy
from labnotes.sequence.attending import AttentionSeq2Seq
from labnotes.train import fit
from labnotes.transformer import Transformer, encode_packed

WORDS, FEATURES, HIDDEN, HEADS, BLOCKS = 1000, 256, 64, 4, 2
START, END, PAIRS = 1, 2, 2560
EPOCH = f"attention seq2seq, epoch of {PAIRS} pairs"
d2l = quiet_d2l()


class Block(nn.Module):  # the book has block and decoder in the text, its library has not
    def __init__(self):
        super().__init__()
        self.own = d2l.MultiHeadAttention(FEATURES, HEADS, 0, bias=True)
        self.cross = d2l.MultiHeadAttention(FEATURES, HEADS, 0, bias=True)
        self.norms = nn.ModuleList(d2l.AddNorm(FEATURES, 0) for _ in range(3))
        self.ffn = d2l.PositionWiseFFN(HIDDEN, FEATURES)

    def forward(self, x, memory, lengths, before):
        seen = x if before is None else torch.cat([before, x], 1)  # (batch, steps, features)
        x = self.norms[0](x, self.own(x, seen, seen, None))
        x = self.norms[1](x, self.cross(x, memory, memory, lengths))
        return self.norms[2](x, self.ffn(x)), seen


class Decoder(d2l.AttentionDecoder):
    def __init__(self):
        super().__init__()
        self.embedding, self.dense = nn.Embedding(WORDS, FEATURES), nn.Linear(FEATURES, WORDS)
        self.positions = d2l.PositionalEncoding(FEATURES, 0).P[0]
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))

    def init_state(self, memory, lengths, *_):
        return memory, lengths, [None] * BLOCKS, 0

    def forward(self, tokens, state):
        memory, lengths, before, place = state
        x = self.embedding(tokens) * math.sqrt(FEATURES) + self.positions[place]
        for i, block in enumerate(self.blocks):
            x, before[i] = block(x, memory, lengths, before[i])
        return self.dense(x), (memory, lengths, before, place + 1)


def both(dropout: float = 0.0) -> tuple[nn.Module, nn.Module]:
    """Ours, and d2l's with our weights."""
    torch.manual_seed(0)
    ours = Transformer(
        WORDS, WORDS, d_model=FEATURES, nhead=HEADS, num_encoder_layers=BLOCKS,
        num_decoder_layers=BLOCKS, dim_feedforward=HIDDEN, dropout=dropout, padding=0,
    )  # fmt: skip
    for layer in ours.decoder.layers:
        nn.init.normal_(layer.multihead_attn.in_proj_weight, std=0.2)  # sources make a difference
    nn.init.zeros_(ours.decoder.embedding.table.weight[END].detach())  # all are written to the end
    encoder = d2l.TransformerEncoder(WORDS, FEATURES, HIDDEN, HEADS, BLOCKS, dropout, use_bias=True)
    theirs = d2l.EncoderDecoder(encoder, Decoder())
    one = torch.full((1, 1), 3)
    theirs(one, one, torch.tensor([1]))  # its layers take their sizes from a first batch
    copied(theirs.encoder.embedding, ours.encoder.embedding.table)
    copied(theirs.decoder.embedding, ours.decoder.embedding.table)
    copied(theirs.decoder.dense, ours.decoder.embedding.table)  # one table, both ends
    nn.init.zeros_(theirs.decoder.dense.bias)
    for block, layer in zip(theirs.encoder.blks, ours.encoder.layers):
        copied_attention(block.attention, layer.self_attn)
        copied_network(block.ffn, (block.addnorm1, block.addnorm2), layer)
    for block, layer in zip(theirs.decoder.blocks, ours.decoder.layers):
        copied_attention(block.own, layer.self_attn)
        copied_attention(block.cross, layer.multihead_attn)
        copied_network(block.ffn, block.norms, layer)
    return ours, theirs


def copied(layer: nn.Module, source: nn.Module) -> None:
    layer.load_state_dict(layer.state_dict() | source.state_dict())


def copied_attention(layer: nn.Module, ours: nn.Module) -> None:
    parts = zip(ours.in_proj_weight.data.chunk(3), ours.in_proj_bias.data.chunk(3))
    for name, (weight, bias) in zip("qkv", parts):
        getattr(layer, f"W_{name}").load_state_dict({"weight": weight, "bias": bias})
    copied(layer.W_o, ours.out_proj)


def copied_network(ffn: nn.Module, norms, ours: nn.Module) -> None:
    copied(ffn.dense1, ours.linear1)
    copied(ffn.dense2, ours.linear2)
    for place, norm in enumerate(norms, start=1):
        copied(norm.ln, getattr(ours, f"norm{place}"))


def sources(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens ``(batch, length)``, every row but the first a quarter shorter or more; the lengths."""
    generator = torch.Generator().manual_seed(length)
    tokens = torch.randint(3, WORDS, (batch, length), generator=generator)
    lengths = torch.randint(length // 2, length * 3 // 4, (batch,), generator=generator)
    lengths[0] = length
    return tokens.masked_fill(torch.arange(length) >= lengths[:, None], 0), lengths


def encoder(length: int, dropout: float) -> tuple[dict, bool]:
    """What each side runs, and whether outputs and gradients without dropout are the same."""
    ours, theirs = (whole.encoder for whole in both(dropout))
    tokens, lengths = sources(4, length)
    valid = (tokens != 0)[..., None]
    upstream = torch.randn(4, length, FEATURES) * valid

    def run(forward, model):
        for _ in range(max(1, 1024 // length)):
            model.zero_grad()
            found = forward()
            found.backward(upstream)
        return found.detach() * valid, next(model.embedding.parameters()).grad

    sides = {
        "d2l": lambda: run(lambda: theirs(tokens, lengths), theirs),
        "padded": lambda: run(lambda: ours(tokens, tokens == 0), ours),
        "ours": lambda: run(lambda: encode_packed(ours, tokens, tokens == 0), ours),
    }
    ours.eval(), theirs.eval()
    expected, *others = (run() for run in sides.values())
    same = all(
        torch.allclose(*pair, rtol=1e-3, atol=1e-3)
        for found in others
        for pair in zip(found, expected, strict=True)
    )
    ours.train(), theirs.train()
    for run_once in sides.values():  # the first call with dropout is slower
        run_once()
    return sides, same


def greedy(batch: int, length: int) -> tuple[dict, bool]:
    """What each side runs, and whether both write the same tokens."""
    ours, theirs = (model.eval() for model in both())
    tokens, lengths = sources(batch, length)
    begin, cpu = torch.full((batch, 1), START), torch.device("cpu")

    @torch.no_grad()
    def by_d2l():
        return theirs.predict_step((tokens, begin, lengths, begin), cpu, length)[0]

    sides = {"d2l": by_d2l, "ours": lambda: ours.generate(tokens, START, END, length)}
    first, second = (run() for run in sides.values())
    assert len(second.unique()) > 3
    return sides, torch.equal(first, second)


class AskingDecoder(d2l.AttentionDecoder):  # so has the book in the text, its library has it not
    def __init__(self, words: int):
        super().__init__()
        self.embedding, self.dense = nn.Embedding(words, FEATURES), nn.Linear(FEATURES, words)
        self.attention = d2l.AdditiveAttention(FEATURES, 0)
        self.rnn = nn.GRU(2 * FEATURES, FEATURES)

    def init_state(self, outputs, lengths, *_):
        return outputs[0].swapaxes(0, 1), outputs[1], lengths

    def forward(self, tokens, state):
        seen, hidden, lengths = state  # (batch, source steps, features), (1, batch, features)
        found = []
        for embedded in self.embedding(tokens.t().long()):
            context = self.attention(hidden[-1][:, None], seen, seen, lengths)[:, 0]
            output, hidden = self.rnn(torch.cat([embedded, context], -1)[None], hidden)
            found.append(output)
        return self.dense(torch.cat(found)).swapaxes(0, 1), (seen, hidden, lengths)


def epoch(repeats: int) -> dict:
    """Time of an epoch, and the loss per token on its pairs afterwards, outside the clock."""
    data = Data(BATCH, num_train=PAIRS, num_val=BATCH)
    data.val_dataloader = lambda: None
    sizes, pad = (len(data.src_vocab), len(data.tgt_vocab)), data.tgt_vocab["<pad>"]

    def by_d2l() -> tuple[dict, Callable]:
        reader = d2l.Seq2SeqEncoder(sizes[0], FEATURES, FEATURES, 1, 0.0)
        model = Model(reader, AskingDecoder(sizes[1]), pad, 0.005)
        model.board.display = False
        clock = Clock()
        d2l.Trainer(max_epochs=1, gradient_clip_val=1).fit(model, data)
        return clock.read(), lambda source, inputs: model.eval()(source, inputs, None)

    def by_ours(cut: bool) -> tuple[dict, Callable]:
        model = AttentionSeq2Seq(*sizes, FEATURES, FEATURES)
        clock = Clock()
        batches = []
        for source, inputs, lengths, targets in data.train_dataloader():
            ends = (targets != pad).sum(1)
            s, t = (int(lengths.max()), int(ends.max())) if cut else (None, None)
            batches.append((source[:, :s], lengths, inputs[:, :t], targets[:, :t].long(), ends))
        adam = torch.optim.Adam(model.parameters(), lr=0.005)

        def step(model, batch):
            return masked_cross_entropy(model(*batch[:3]), *batch[3:])

        fit(model, batches, epochs=1, optimizer=adam, step=step, clip_norm=1.0, progress=False)
        return clock.read(), lambda source, inputs: model.eval()(source, None, inputs)

    sides = {"d2l": by_d2l, "same": partial(by_ours, False), "ours": partial(by_ours, True)}

    def run(side: str, seed: int) -> dict:
        torch.manual_seed(seed)
        times, model = sides[side]()
        return times | {"loss": loss_of(model, equal_lengths(data, PAIRS))}

    return in_turns(EPOCH, tuple(sides), repeats, run)


@torch.no_grad()
def loss_of(model, batches) -> float:
    found = [masked_cross_entropy(model(*batch[:2]), *batch[2:]) for batch in batches]
    return float(sum(part.sum for part in found) / sum(part.count for part in found))


def main() -> None:
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(1)
    tasks = {
        f"encoder, {length} tokens, dropout {dropout}": (encoder, length, dropout)
        for length in (128, 256, 512, 992)
        for dropout in (0.0, 0.1)
    }
    tasks |= {
        f"greedy, batch {batch}, {length} tokens": (greedy, batch, length)
        for batch, length in ((1, 256), (32, 256))
    }
    results = []
    for task, (build, *sizes) in tasks.items():
        sides, same = build(*sizes)
        found = in_turns(task, tuple(sides), chosen.repeats, partial(timed, sides))
        results.append({"task": task, "same": same} | found)
        show(results[-1], "the same" if same else "NOT the same")
    results.append({"task": EPOCH} | epoch(chosen.repeats))
    losses = [f"{found['loss']:.2f}" for found in results[-1]["medians"].values()]
    show(results[-1], f"losses per token {', '.join(losses)}")
    if chosen.save:
        write("attention_against_d2l", results)


def timed(sides: dict, side: str, seed: int) -> dict:
    clock = Clock()
    sides[side]()
    return clock.read()


def show(result: dict, words: str) -> None:
    times = {side: found["cpu_seconds"] for side, found in result["medians"].items()}
    ratios = ", ".join(
        f"{side} {used:.3f} ({times['d2l'] / used:.1f} x)" for side, used in times.items()
    )
    print(f"{result['task']:40} CPU s: {ratios}; {words}", flush=True)


if __name__ == "__main__":
    main()
