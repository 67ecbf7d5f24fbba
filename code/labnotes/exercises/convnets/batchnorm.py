"""Checkers for the exercises of the chapter convnets/batchnorm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from labnotes.exercises import Case, checker


@checker("batchnorm.running_statistics")
def running_statistics(answer: Callable) -> Iterator[Case]:
    """``answer(batches, momentum)`` -> (mean, var): a BN layer's running statistics.

    Expected: the buffers of :class:`torch.nn.BatchNorm1d` after the same batches.
    """
    draw = torch.Generator().manual_seed(0)
    hints = [
        "the variance that is remembered has n - 1 in its denominator: 2 for the batch (1, 3)",
        "momentum is the weight of the new value: 0.5 hides this, 0.1 does not",
        "start with mean 0 and variance 1, and move towards each batch in turn",
        "one mean and one variance for each feature",
    ]
    cases = [
        ([torch.tensor([[1.0], [3.0]])], 0.5),
        ([torch.tensor([[1.0], [3.0]])], 0.1),
        ([torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [5.0], [8.0]])], 0.1),
        ([torch.randn(n, 3, generator=draw) * 2 + 1 for n in (2, 5, 9)], 0.3),
    ]
    for (batches, momentum), hint in zip(cases, hints):
        norm = nn.BatchNorm1d(batches[0].shape[1], momentum=momentum)
        for batch in batches:
            norm(batch)
        shown = batches if len(batches) < 3 else "batches of 2, 5 and 9 samples"
        yield Case(
            call=f"running_statistics({shown}, momentum={momentum})",
            got=answer([batch.clone() for batch in batches], momentum),
            expected=(norm.running_mean, norm.running_var),
            tolerance=1e-5,
            hint=hint,
        )


@checker("batchnorm.fold")
def fold(answer: Callable) -> Iterator[Case]:
    """``answer(weight, bias, norm)`` -> (weight, bias): BN folded into the convolution before it.

    Expected: from the values of convolution and normalization on basis images.
    """
    draw = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(1, eps=1.0).requires_grad_(False).eval()
    norm.weight[:], norm.bias[:], norm.running_mean[:], norm.running_var[:] = 3.0, 5.0, 1.0, 3.0
    weight = torch.tensor([[[[4.0]]]])
    yield _case(
        answer, weight, None, norm, "a 1x1 kernel of 4; gamma 3, beta 5, mean 1, var 3, eps 1"
    )
    yield _case(answer, weight, torch.tensor([7.0]), norm, "the same with a bias of 7")
    for channels, inputs, size in ((3, 2, 1), (2, 3, 3), (4, 1, 5)):
        norm = nn.BatchNorm2d(channels, eps=0.1).requires_grad_(False).eval()
        norm.weight.copy_(torch.randn(channels, generator=draw))
        norm.bias.copy_(torch.randn(channels, generator=draw))
        norm.running_mean.copy_(torch.randn(channels, generator=draw))
        norm.running_var.copy_(torch.rand(channels, generator=draw) + 0.5)
        weight = torch.randn(channels, inputs, size, size, generator=draw)
        bias = torch.randn(channels, generator=draw)
        yield _case(answer, weight, bias, norm, f"weight {tuple(weight.shape)}, with a bias")


def _case(answer: Callable, weight, bias, norm: nn.BatchNorm2d, what: str) -> Case:
    shape = weight.shape[1:]
    basis = torch.cat([torch.zeros(1, *shape), torch.eye(shape.numel()).view(-1, *shape)])
    both = norm(F.conv2d(basis, weight, bias))[..., 0, 0]  # (1 + inputs, out_channels)
    return Case(
        call=f"fold(weight, bias, norm): {what}",
        got=answer(weight.clone(), None if bias is None else bias.clone(), norm),
        expected=((both[1:] - both[0]).T.reshape(weight.shape), both[0]),
        tolerance=1e-4,
        hint="scale = gamma / sqrt(running_var + eps) for each output channel; the old bias is "
        "scaled too, and the running mean is subtracted before scaling",
    )
