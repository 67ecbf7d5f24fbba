"""The checkers of the chapter scale/many-gpus take right answers and no wrong ones."""

import pytest
import torch

from labnotes.exercises import check


def average_gradients(gradients, sizes):
    return sum(n / sum(sizes) * g for g, n in zip(gradients, sizes) if n)


def butterfly(vectors):
    held, sent, distance = list(vectors), 0, 1
    while distance < len(held):
        held = [held[p] + held[p ^ distance] for p in range(len(held))]
        sent += len(held[0])
        distance *= 2
    return held, sent


def one_after_another(vectors):
    """The partner's vector has already been added to."""
    held, sent, distance = [v.clone() for v in vectors], 0, 1
    while distance < len(held):
        for p in range(len(held)):
            held[p] = held[p] + held[p ^ distance]
        sent += len(held[0])
        distance *= 2
    return held, sent


def in_place(vectors):
    total = torch.stack(vectors).sum(0)
    for vector in vectors:
        vector.copy_(total)
    return list(vectors), len(total) * (len(vectors).bit_length() - 1)


def test_right_answers_pass(capsys):
    assert check("many_gpus.average_gradients", average_gradients)
    assert check("many_gpus.butterfly", butterfly)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("write it")

    assert not check("many_gpus.average_gradients", stub)
    assert not check("many_gpus.butterfly", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda g, n: torch.zeros(3),
        lambda g, n: torch.full((3,), float("nan")),
        lambda g, n: sum(g) / len(g),  # the usual misconception
        lambda g, n: sum(g),
        lambda g, n: sum(s * v for v, s in zip(g, n) if s),  # never divided
        lambda g, n: sum(s / sum(n) * v for v, s in zip(g, n)),  # 0 times NaN
        lambda g, n: sum(s / (sum(n) + 1) * v for v, s in zip(g, n) if s),
        lambda g, n: sum(v for v, s in zip(g, n) if s) / sum(1 for s in n if s),
        lambda g, n: sum(s / max(n) * v for v, s in zip(g, n) if s),
        lambda g, n: average_gradients(g, n)[None],
        lambda g, n: average_gradients(g, n).double(),
        lambda g, n: average_gradients(g, n).tolist(),
        lambda g, n: g[0],
        lambda g, n: g[n.index(max(n))],
        lambda g, n: sum(s * v for v, s in zip(g, n) if s) / len(n),  # by the parts
        lambda g, n: sum(s**2 * v for v, s in zip(g, n) if s) / sum(s**2 for s in n),
        lambda g, n: torch.stack(g).nan_to_num().mean(0),
        lambda g, n: None,
    ],
)
def test_wrong_averages_fail(wrong, capsys):
    assert not check("many_gpus.average_gradients", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda v: ([torch.zeros_like(x) for x in v], 0),
        lambda v: (list(v), butterfly(v)[1]),
        lambda v: (butterfly(v)[0], butterfly(v)[1] + 1),
        lambda v: (butterfly(v)[0], 2 * (len(v) - 1) * len(v[0]) // len(v)),  # the ring's
        lambda v: (butterfly(v)[0], (len(v) - 1) * len(v[0])),
        lambda v: (butterfly(v)[0], len(v) * butterfly(v)[1]),  # of all processes together
        lambda v: ([x / len(v) for x in butterfly(v)[0]], butterfly(v)[1]),
        lambda v: (butterfly(v)[0][0], butterfly(v)[1]),
        lambda v: (torch.stack(butterfly(v)[0]), butterfly(v)[1]),
        lambda v: ([x.float() for x in butterfly(v)[0]], butterfly(v)[1]),
        lambda v: butterfly(v)[0],
        lambda v: list(butterfly(v)),
        lambda v: (butterfly(v)[0], float(butterfly(v)[1])),
        lambda v: (butterfly(v)[0], 2 * butterfly(v)[1]),  # received too
        lambda v: (butterfly(v)[0], len(v).bit_length() - 1),  # rounds
        lambda v: (
            [v[p] + v[p ^ 1] if len(v) > 1 else v[p] for p in range(len(v))],
            butterfly(v)[1],
        ),
        one_after_another,
        in_place,
    ],
)
def test_wrong_butterflies_fail(wrong, capsys):
    assert not check("many_gpus.butterfly", wrong)
    assert "✗" in capsys.readouterr().out
