"""The checkers of the chapter sequences/beam-search take right answers and no wrong ones."""

from itertools import pairwise, product

import torch

from labnotes.sequence import viterbi

from ..planted import answers


def beam_step(scores, rows, width, largest=True, add=True):
    line = (scores[:, None] + rows if add else rows + 0 * scores[:, None]).flatten()
    best = line.topk(width, largest=largest)
    return best.values, best.indices // rows.shape[1], best.indices % rows.shape[1]


def by_rows(scores, rows, width):
    """The best token of each beginning, and no second one."""
    best = (scores[:, None] + rows).max(1)
    order = best.values.argsort(descending=True)[:width]
    return best.values[order], order, best.indices[order]


def path(start, move, length):
    return viterbi(start, move, torch.zeros(length, len(start)))[0]


def brute(start, move, length):
    paths = product(range(len(start)), repeat=length)
    return list(max(paths, key=lambda p: start[p[0]] + sum(move[a, b] for a, b in pairwise(p))))


def greedy_path(start, move, length):
    found = [int(start.argmax())]
    while len(found) < length:
        found.append(int(move[found[-1]].argmax()))
    return found


def narrow(width):
    """A beam where the best beginning for each last token is needed."""

    def find(start, move, length):
        beam = [(start[t].item(), [t]) for t in range(len(start))]
        for _ in range(length - 1):
            beam = sorted(beam, reverse=True)[:width]
            beam = [(s + move[p[-1], t].item(), [*p, t]) for s, p in beam for t in range(len(move))]
        return max(beam)[1]

    return find


def summed(start, move, length):
    """The forward algorithm's sums, with the ways back of Viterbi's."""
    total, before = start, []
    for _ in range(length - 1):
        line = total[:, None] + move
        total = line.logsumexp(0)
        before.append(line.argmax(0))
    found = [int(total.argmax())]
    for came_from in reversed(before):
        found.append(int(came_from[found[-1]]))
    return found[::-1]


def turned(answer):
    return lambda *a: (lambda s, b, t: (s, t, b))(*answer(*a))


TestCheckers = answers(
    "beam_search",
    right={"beam_step": [beam_step], "best_path": [path, brute]},
    wrong={
        "beam_step": {
            "the worst": lambda *a: beam_step(*a, largest=False),
            "scores of the beginnings are forgotten": lambda *a: beam_step(*a, add=False),
            "one of each beginning": by_rows,
            "tokens and beginnings are exchanged": turned(beam_step),
            "divided by the number of beginnings": lambda s, r, w: (
                (s[:, None] + r).flatten().topk(w).values,
                (s[:, None] + r).flatten().topk(w).indices // len(s),
                (s[:, None] + r).flatten().topk(w).indices % len(s),
            ),
            "probabilities": lambda s, r, w: beam_step(s.exp(), r.exp(), w),
            "zeros": lambda s, r, w: (torch.zeros(w), torch.zeros(w).long(), torch.zeros(w).long()),
            "NaN": lambda s, r, w: (beam_step(s, r, w)[0] * float("nan"), *beam_step(s, r, w)[1:]),
            "scores alone": lambda *a: beam_step(*a)[0],
            "nothing": lambda *a: None,
        },
        "best_path": {
            "greedy": greedy_path,
            "a beam of two": narrow(2),
            "a beam as wide as the vocabulary": narrow(5),
            "sums in place of the best": summed,
            "backwards": lambda *a: path(*a)[::-1],
            "from column to row": lambda s, m, n: path(s, m.T, n),
            "the start is forgotten": lambda s, m, n: path(torch.zeros_like(s), m, n),
            "one too long": lambda s, m, n: path(s, m, n + 1),
            "with its score": lambda s, m, n: viterbi(s, m, torch.zeros(n, len(s))),
            "zeros": lambda s, m, n: [0] * n,
            "tensors": lambda *a: [torch.tensor(t) for t in path(*a)],
            "nothing": lambda *a: None,
        },
    },
)
