"""Checkers for the exercises of the chapter sequences/encoder-decoder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from labnotes.exercises import Case, checker


@checker("encoder_decoder.masked_mean")
def masked_mean(answer: Callable) -> Iterator[Case]:
    """``answer(values, lengths)`` with (batch, steps) and (batch,) -> the mean of what counts.

    Expected: torch's cross-entropy, which leaves ignored targets out of its mean.
    """
    yield Case(
        call="masked_mean(torch.tensor([[1., 2., 9.], [6., 9., 9.]]), torch.tensor([2, 1]))",
        got=answer(torch.tensor([[1.0, 2.0, 9.0], [6.0, 9.0, 9.0]]), torch.tensor([2, 1])),
        expected=torch.tensor(3.0),
        hint="add what counts, (1 + 2 + 6), and divide once, by 3",
    )
    draw = torch.Generator().manual_seed(0)
    for lengths in ([4, 2, 0], [1, 1, 1], [4, 4, 4]):
        logits = torch.randn(3, 4, 7, generator=draw)
        targets = torch.randint(7, (3, 4), generator=draw)
        values = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        ignored = targets.clone()
        for row, length in enumerate(lengths):
            ignored[row, length:] = -100
        yield Case(
            call=f"masked_mean(values, torch.tensor({lengths})), values of shape (3, 4)",
            got=answer(values.view(3, 4), torch.tensor(lengths)),
            expected=F.cross_entropy(logits.transpose(1, 2), ignored),
            tolerance=1e-5,
            hint="neither the padded length nor the number of rows is the divisor",
        )
    yield Case(
        call="masked_mean(torch.ones(2, 3), torch.tensor([0, 0]))",
        got=answer(torch.ones(2, 3), torch.tensor([0, 0])),
        expected=torch.tensor(0.0),
        hint="nothing counts: give 0, not 0/0",
    )
    yield Case(
        call="masked_mean(torch.tensor([[1., math.inf]]), torch.tensor([1]))",
        got=answer(torch.tensor([[1.0, math.inf]]), torch.tensor([1])),
        expected=torch.tensor(1.0),
        hint="0 times infinity is not a number: choose what counts (torch.where), do not multiply",
    )


@checker("encoder_decoder.em_round")
def em_round(answer: Callable) -> Iterator[Case]:
    """``answer(pairs, t)`` -> the table of IBM model 1 after one more round.

    Expected: every alignment of every pair, weighted by its probability.
    """
    toy = [(["the", "house"], ["la", "maison"]), (["house"], ["maison"])]
    twice = [(["a", "b", "a"], ["x", "x", "y"]), (["b"], ["y", "z"])]
    for name, pairs in (("two pairs", toy), ("words that come twice", twice)):
        french = {f for _, fs in pairs for f in fs}
        t = {(f, e): 1 / len(french) for es, fs in pairs for e in es for f in fs}
        for number in (1, 2):
            expected = _by_alignments(pairs, t)
            got = answer([(list(es), list(fs)) for es, fs in pairs], dict(t))
            yield Case(
                call=f"em_round({pairs}, t), round {number} ({name}), as a list in the order of "
                f"{sorted(t)}",
                got=_listed(got, t),
                expected=[expected[couple] for couple in sorted(t)],
                tolerance=1e-9,
                hint="share each occurrence of f among all occurrences of English words in its "
                "pair; t[f, e] is then what e got for f, divided by all that e got",
            )
            t = expected


def _listed(got, t: dict):
    """The probabilities in a fixed order; what is no table of these couples as it came."""
    if not isinstance(got, dict) or set(got) != set(t):
        return got
    return [got[couple] for couple in sorted(t)]


def _by_alignments(pairs, t: dict) -> dict:
    got = dict.fromkeys(t, 0.0)
    for es, fs in pairs:
        ways = list(itertools.product(es, repeat=len(fs)))
        weights = [math.prod(t[f, e] for f, e in zip(fs, way)) for way in ways]
        for way, weight in zip(ways, weights):
            for couple in zip(fs, way):
                got[couple] += weight / sum(weights)
    totals: dict = {}
    for (_, e), share in got.items():
        totals[e] = totals.get(e, 0.0) + share
    return {(f, e): share / totals[e] for (f, e), share in got.items()}
