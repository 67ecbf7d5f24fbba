"""The checkers of start/tensors accept right answers and refuse the usual wrong ones."""

import torch
import torch.nn.functional as F

from labnotes.exercises import check

from ..planted import answers


def broadcast_distances(points, centres):
    return (points.unsqueeze(1) - centres.unsqueeze(0)).square().sum(-1).sqrt()


def bmm_means(weights, values):
    return torch.bmm(weights, values) / weights.sum(-1, keepdim=True)


def topk_vote(distances, labels, k):
    nearest = distances.topk(k, largest=False).indices
    return F.one_hot(labels[nearest]).sum(1).argmax(-1)


def einsum_means(weights, values):
    return torch.einsum("bri,bif->brf", weights / weights.sum(2, keepdim=True), values)


def mode_vote(distances, labels, k):
    return labels[distances.argsort(1)[:, :k]].mode(1).values  # torch.mode takes the smallest


RIGHT = {
    "pairwise_distances": [broadcast_distances, torch.cdist],
    "weighted_means": [bmm_means, einsum_means],
    "majority_vote": [topk_vote, mode_vote],
}
WRONG = {
    "pairwise_distances": {
        "zeros": lambda p, c: torch.zeros(len(p), len(c), dtype=p.dtype),
        "nan": lambda p, c: torch.full((len(p), len(c)), float("nan"), dtype=p.dtype),
        "transposed": lambda p, c: broadcast_distances(c, p),
        "flat": lambda p, c: broadcast_distances(p, c).flatten(),
        "squeezed": lambda p, c: broadcast_distances(p, c).squeeze(),
        "other dtype": lambda p, c: broadcast_distances(p, c).float(),
        "no square root": lambda p, c: broadcast_distances(p, c).square(),
        "largest difference": lambda p, c: torch.cdist(p, c, p=float("inf")),
        "mean of squares": lambda p, c: (p[:, None] - c[None]).square().mean(-1).sqrt(),
        "dot product": lambda p, c: p @ c.T,
        "city block": lambda p, c: torch.cdist(p, c, p=1),
        "one feature short": lambda p, c: broadcast_distances(p[:, 1:], c[:, 1:]),
        "point to point": lambda p, c: (p - c[: len(p)]).norm(dim=-1),
        "a list": lambda p, c: broadcast_distances(p, c).tolist(),
        "no answer": lambda p, c: None,
    },
    "weighted_means": {
        "zeros": lambda w, v: torch.zeros(len(w), w.shape[1], v.shape[2]),
        "nan": lambda w, v: torch.full((len(w), w.shape[1], v.shape[2]), float("nan")),
        "sums, not means": torch.bmm,
        "plain mean": lambda w, v: v.mean(1, keepdim=True).expand(-1, w.shape[1], -1),
        "transposed weights": lambda w, v: (
            bmm_means(w.mT, v) if w.shape[1] == w.shape[2] else bmm_means(w, v)
        ),
        "divided by items": lambda w, v: torch.bmm(w, v) / w.shape[2],
        "summed over rows": lambda w, v: torch.bmm(w / w.sum(1, keepdim=True), v),
        "one sum for all": lambda w, v: torch.bmm(w, v) / w.sum(),
        "divided by the length": lambda w, v: torch.bmm(w / w.norm(dim=-1, keepdim=True), v),
        "the heaviest alone": lambda w, v: v.gather(
            1, w.argmax(-1, keepdim=True).expand(-1, -1, v.shape[2])
        ),
        "a list": lambda w, v: bmm_means(w, v).tolist(),
        "softmax": lambda w, v: torch.bmm(w.softmax(-1), v),
        "squeezed": lambda w, v: bmm_means(w, v).squeeze(),
        "float64": lambda w, v: bmm_means(w, v).double(),
        "item short": lambda w, v: bmm_means(w[..., 1:], v[:, 1:]),
    },
    "majority_vote": {
        "zeros": lambda d, y, k: torch.zeros(len(d), dtype=torch.int64),
        "farthest": lambda d, y, k: F.one_hot(y[d.topk(k).indices]).sum(1).argmax(-1),
        "nearest alone": lambda d, y, k: y[d.argmin(1)],
        "positions": lambda d, y, k: d.topk(k, largest=False).indices[:, 0],
        "one neighbour more": lambda d, y, k: topk_vote(d, y, min(k + 1, d.shape[1])),
        "one neighbour less": lambda d, y, k: topk_vote(d, y, max(k - 1, 1)),
        "mean of the labels": lambda d, y, k: (
            y[d.topk(k, largest=False).indices].float().mean(1).round().long()
        ),
        "median of the labels": lambda d, y, k: (
            y[d.topk(k, largest=False).indices].median(1).values
        ),
        "weighed by distance": lambda d, y, k: (
            (
                F.one_hot(y[d.topk(k, largest=False).indices])
                / d.topk(k, largest=False).values[..., None]
            )
            .sum(1)
            .argmax(-1)
        ),
        "always three": lambda d, y, k: topk_vote(d, y, 3),
        "the counts": lambda d, y, k: (
            F.one_hot(y[d.topk(k, largest=False).indices]).sum(1).amax(-1)
        ),
        "tie to the largest": lambda d, y, k: (
            4 - F.one_hot(4 - y[d.topk(k, largest=False).indices], 5).sum(1).argmax(-1)
        ),
        "floats": lambda d, y, k: topk_vote(d, y, k).float(),
        "int32": lambda d, y, k: topk_vote(d, y, k).int(),
        "column": lambda d, y, k: topk_vote(d, y, k).unsqueeze(1),
        "a number for one query": lambda d, y, k: topk_vote(d, y, k).squeeze(),
    },
}


TestAnswers = answers("tensors", RIGHT, WRONG)


def test_an_answer_that_spoils_its_input_cannot_spoil_what_is_expected(capsys):
    def spoil(points, centres):
        points.zero_(), centres.zero_()
        return torch.zeros(len(points), len(centres), dtype=points.dtype)

    assert check("tensors.pairwise_distances", spoil) is False


def test_the_loops_of_the_checkers_agree_with_cdist_on_random_tensors():
    from labnotes.exercises.start.tensors import _distance_case

    draw = torch.Generator().manual_seed(1)
    for n, m, d in [(1, 1, 1), (2, 7, 3), (5, 4, 9)]:
        case = _distance_case(
            torch.cdist, torch.randn(n, d, generator=draw), torch.randn(m, d, generator=draw), ""
        )
        torch.testing.assert_close(case.expected, case.got)
