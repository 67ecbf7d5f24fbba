"""The checkers of attention/scoring accept right answers and refuse the usual wrong ones."""

import torch
import torch.nn.functional as F

from labnotes.attention import AdditiveAttention, ScaledDotProductAttention
from labnotes.attention import masked_softmax as package_softmax
from labnotes.exercises import check
from labnotes.exercises.attention.scoring import _additive_case, _back_case, _masked_case

from ..planted import answers


def where_softmax(scores, lengths):
    keep = torch.arange(scores.shape[-1]) < lengths.view(-1, 1, 1)
    weights = torch.where(keep, scores, -torch.inf).softmax(-1)
    return torch.where(keep, weights, 0.0)


def filled(scores, lengths, fill, compare=torch.ge):
    hidden = compare(torch.arange(scores.shape[-1]), lengths.view(-1, 1, 1))
    return scores.masked_fill(hidden, fill).softmax(-1)


def seen(scores, lengths):
    return torch.arange(scores.shape[-1]) < lengths.view(-1, 1, 1)


def fixed(scores, lengths, fill):
    return torch.where(seen(scores, lengths), filled(scores, lengths, fill), 0.0)


def exps(scores, lengths):
    keep = torch.arange(scores.shape[-1]) < lengths.view(-1, 1, 1)
    e = scores.exp() * keep
    return torch.where(keep, e / e.sum(-1, keepdim=True), 0.0)


def broadcast_score(q, k, W_q, W_k, w_v):
    return torch.tanh((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ w_v


def layer_score(q, k, W_q, W_k, w_v):
    """The package's layer, whose scores are the logarithms of its weights up to a constant a row."""
    layer = AdditiveAttention(q.shape[1], k.shape[1], len(w_v)).requires_grad_(False)
    layer.W_q.weight.copy_(W_q), layer.W_k.weight.copy_(W_k), layer.w_v.weight.copy_(w_v[None])
    layer(q[None], k[None], k[None])
    first = broadcast_score(q, k[:1], W_q, W_k, w_v)  # fixes the constant
    log = layer.weights[0].log()
    return log - log[:, :1] + first


def lengths_back(x, extra=1):
    steps = (torch.arange(x.shape[1]) + extra).clamp(0, x.shape[1]).expand(len(x), -1)
    return ScaledDotProductAttention()(x, x, x, steps)


def torch_back(x):
    return F.scaled_dot_product_attention(x, x, x, is_causal=True)


def no_scale(x):
    keep = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    return (x @ x.mT).masked_fill(~keep, -torch.inf).softmax(-1) @ x


RIGHT = {
    "masked_softmax": [package_softmax, where_softmax],
    "additive_score": [broadcast_score, layer_score],
    "look_back": [lengths_back, torch_back],
}
WRONG = {
    "masked_softmax": {
        "zeros": lambda s, n: torch.zeros_like(s),
        "nan": lambda s, n: torch.full_like(s, torch.nan),
        "plain softmax": lambda s, n: s.softmax(-1),
        "not divided again": lambda s, n: (
            s.softmax(-1) * (torch.arange(s.shape[-1]) < n.view(-1, 1, 1))
        ),
        "hidden by 0": lambda s, n: filled(s, n, 0.0),
        "nan in an empty row": lambda s, n: filled(s, n, -torch.inf),
        "equal in an empty row": lambda s, n: filled(s, n, -1e6),
        "hidden by -100": lambda s, n: fixed(s, n, -100.0),
        "hidden by -1e4": lambda s, n: fixed(s, n, -1e4),
        "hidden by -1e6": lambda s, n: fixed(s, n, -1e6),
        "hidden by -1e9": lambda s, n: fixed(s, n, -1e9),
        "-1e9 added": lambda s, n: torch.where(
            seen(s, n), (s - 1e9 * ~seen(s, n)).softmax(-1), 0.0
        ),
        "last keys": lambda s, n: package_softmax(s.flip(-1), n).flip(-1),
        "logarithms": lambda s, n: package_softmax(s, n).log(),
        "scaled": lambda s, n: package_softmax(s / s.shape[-1] ** 0.5, n),
        "one key more": lambda s, n: package_softmax(s, (n + 1).clamp(max=s.shape[-1])),
        "one key less": lambda s, n: package_softmax(s, (n - 1).clamp(min=0)),
        "greater than": lambda s, n: filled(s, n, -torch.inf, torch.gt),
        "first length for all": lambda s, n: package_softmax(s, n[:1].expand(len(s))),
        "overflow": exps,
        "over the queries": lambda s, n: package_softmax(s, n).mT.softmax(-1).mT,
        "float32": lambda s, n: package_softmax(s, n).float(),
        "one batch": lambda s, n: package_softmax(s, n)[0],
        "transposed": lambda s, n: package_softmax(s, n).mT,
        "a list": lambda s, n: package_softmax(s, n).tolist(),
    },
    "additive_score": {
        "zeros": lambda q, k, *w: torch.zeros(len(q), len(k)),
        "nan": lambda q, k, *w: torch.full((len(q), len(k)), torch.nan),
        "no tanh": lambda q, k, W_q, W_k, w_v: ((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ w_v,
        "tanh outside": lambda q, k, W_q, W_k, w_v: torch.tanh(
            ((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ w_v
        ),
        "two tanhs": lambda q, k, W_q, W_k, w_v: (
            (torch.tanh(q @ W_q.T)[:, None] + torch.tanh(k @ W_k.T)[None]) @ w_v
        ),
        "a dot product": lambda q, k, W_q, W_k, w_v: (q @ W_q.T) @ (k @ W_k.T).T,
        "keys by queries": lambda *a: broadcast_score(*a).T,
        "squeezed": lambda *a: broadcast_score(*a).squeeze(),
        "softmax too": lambda *a: broadcast_score(*a).softmax(-1),
        "pair by pair": lambda q, k, W_q, W_k, w_v: (
            torch.tanh(q @ W_q.T + (k @ W_k.T)[: len(q)]) @ w_v
        ),
        "rectified": lambda q, k, W_q, W_k, w_v: (
            torch.relu((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ w_v
        ),
        "scaled": lambda *a: broadcast_score(*a) / len(a[-1]) ** 0.5,
        "mean over h": lambda *a: broadcast_score(*a) / len(a[-1]),
        "a difference": lambda q, k, *w: broadcast_score(q, -k, *w),
        "first query alone": lambda q, k, *w: broadcast_score(q[:1], k, *w).expand(len(q), -1),
        "without w_v": lambda q, k, W_q, W_k, w_v: torch.tanh(
            (q @ W_q.T)[:, None] + (k @ W_k.T)[None]
        ).sum(-1),
        "float64": lambda *a: broadcast_score(*a).double(),
    },
    "look_back": {
        "zeros": torch.zeros_like,
        "nan": lambda x: torch.full_like(x, torch.nan),
        "itself": lambda x: x,
        "everything": lambda x: ScaledDotProductAttention()(x, x, x),
        "strictly before": lambda x: lengths_back(x, 0),
        "one step ahead": lambda x: lengths_back(x, 2),
        "no scale": no_scale,
        "divided by d": lambda x: no_scale(x / x.shape[-1] ** 0.5) * x.shape[-1] ** 0.5,
        "scaled by the steps": lambda x: no_scale(x / x.shape[1] ** 0.25) * x.shape[1] ** 0.25,
        "masked after the softmax": lambda x: (
            ((x @ x.mT / x.shape[-1] ** 0.5).softmax(-1).tril()) @ x
        ),
        "masked by 0": lambda x: (x @ x.mT / x.shape[-1] ** 0.5).tril().softmax(-1) @ x,
        "the weights": lambda x: (x @ x.mT).softmax(-1),
        "forwards": lambda x: torch_back(x.flip(1)).flip(1),
        "running mean": lambda x: x.cumsum(1) / torch.arange(1, x.shape[1] + 1).view(1, -1, 1),
        "first of the batch": lambda x: torch_back(x[:1]).expand_as(x),
        "squeezed": lambda x: torch_back(x).squeeze(0),
        "float64": lambda x: torch_back(x).double(),
    },
}


TestAnswers = answers("scoring", RIGHT, WRONG)


def test_an_answer_that_spoils_its_input_cannot_spoil_what_is_expected():
    def spoil(scores, lengths):
        lengths.zero_()
        return scores.zero_()

    assert check("scoring.masked_softmax", spoil) is False


def test_the_loops_of_the_checkers_agree_with_torch_on_random_tensors():
    draw = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=draw)

    for n, m, d in [(1, 1, 1), (2, 7, 3), (5, 4, 9)]:
        case = _masked_case(where_softmax, random(3, n, m), [m, 0, 1], "")
        torch.testing.assert_close(case.got, case.expected)
        case = _additive_case(
            broadcast_score, random(n, d), random(m, 2), random(6, d), random(6, 2), random(6), ""
        )
        torch.testing.assert_close(case.got, case.expected)
        case = _back_case(torch_back, random(2, m, d), "")
        torch.testing.assert_close(case.got, case.expected)
