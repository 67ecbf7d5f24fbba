"""The checkers of the chapter convnets/batchnorm take right answers and no wrong ones."""

import pytest
import torch

from labnotes.exercises import check


def running(batches, momentum, correction=1, start=(0.0, 1.0)):
    mean, var = (torch.full(batches[0].shape[1:], value) for value in start)
    for batch in batches:
        mean = (1 - momentum) * mean + momentum * batch.mean(0)
        var = (1 - momentum) * var + momentum * batch.var(0, correction=correction)
    return mean, var


def fold(weight, bias, norm, eps=True, old_bias=True):
    scale = norm.weight / (norm.running_var + (norm.eps if eps else 0)).sqrt()
    bias = bias if bias is not None and old_bias else 0
    return weight * scale.view(-1, 1, 1, 1), norm.bias + (bias - norm.running_mean) * scale


def test_right_answers_pass(capsys):
    assert check("batchnorm.running_statistics", running)
    assert check("batchnorm.fold", fold)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("write it")

    assert not check("batchnorm.running_statistics", stub)
    assert not check("batchnorm.fold", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b, m: (torch.zeros(b[0].shape[1]), torch.zeros(b[0].shape[1])),
        lambda b, m: (torch.full(b[0].shape[1:], float("nan")),) * 2,
        lambda b, m: running(b, m, correction=0),  # divides by n
        lambda b, m: running(b, 1 - m),  # the weight of the old value
        lambda b, m: running(b, m, start=(0.0, 0.0)),
        lambda b, m: running(b[-1:], m),  # only the last batch
        lambda b, m: running(b[:1], m),
        lambda b, m: running(b[::-1], m),
        lambda b, m: tuple(v.mean().expand_as(v) for v in running(b, m)),  # over all features
        lambda b, m: running(b, m)[0],
        lambda b, m: running(b, 1.0),
        lambda b, m: running([torch.cat(b)], m),  # all samples at once
        lambda b, m: (running(b, m)[0], running(b, m)[1].sqrt()),
        lambda b, m: running(b, m)[::-1],
        lambda b, m: list(running(b, m)),
        lambda b, m: tuple(v[None] for v in running(b, m)),
        lambda b, m: tuple(v.double() for v in running(b, m)),
        lambda b, m: None,
    ],
)
def test_wrong_running_statistics_fail(wrong, capsys):
    assert not check("batchnorm.running_statistics", wrong)
    assert "✗" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w, b, n: (torch.zeros_like(w), torch.zeros_like(n.bias)),
        lambda w, b, n: (w * float("nan"), n.bias),
        lambda w, b, n: fold(w, b, n, eps=False),
        lambda w, b, n: fold(w, b, n, old_bias=False),  # BN makes a bias useless: not in eval mode
        lambda w, b, n: (fold(w, b, n)[0], n.bias - n.running_mean),  # the mean is not scaled
        lambda w, b, n: (w * n.weight.view(-1, 1, 1, 1), fold(w, b, n)[1]),
        lambda w, b, n: (w, fold(w, b, n)[1]),
        lambda w, b, n: (fold(w, b, n)[0], fold(w, b, n)[1] - n.bias),
        lambda w, b, n: (w * n.weight.view(-1, 1, 1, 1) / (n.running_var + n.eps).view(-1, 1, 1, 1),
                         fold(w, b, n)[1]),  # the variance for the deviation
        lambda w, b, n: (fold(w, b, n)[0].flatten(1), fold(w, b, n)[1]),
        lambda w, b, n: fold(w, b, n)[0],
        lambda w, b, n: list(fold(w, b, n)),
        lambda w, b, n: tuple(v.double() for v in fold(w, b, n)),
        lambda w, b, n: (fold(w, b, n)[0], fold(w, b, n)[1][None]),
        lambda w, b, n: (fold(w, b, n)[0], fold(w, None, n)[1] + (0 if b is None else b)),
        lambda w, b, n: (w / (n.running_var + n.eps).sqrt().view(-1, 1, 1, 1), fold(w, b, n)[1]),
        lambda w, b, n: (  # eps outside the root
            w * (n.weight / (n.running_var.sqrt() + n.eps)).view(-1, 1, 1, 1),
            fold(w, b, n)[1],
        ),
        lambda w, b, n: None,
    ],
)  # fmt: skip
def test_wrong_folds_fail(wrong, capsys):
    assert not check("batchnorm.fold", wrong)
    assert "✗" in capsys.readouterr().out
