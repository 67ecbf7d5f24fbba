"""Checkers for the exercises of the chapter convnets/alexnet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from labnotes.exercises import Case, checker


@checker("alexnet.sgd_step")
def sgd_step(answer: Callable) -> Iterator[Case]:
    """``answer(w, v, gradient, rate, momentum, decay)`` -> (w, v): one step of the paper's rule.

    Expected: torch.optim.SGD, whose momentum buffer u is -v / rate.
    """
    one = torch.tensor([1.0])
    yield Case(
        call="sgd_step(w=[1.], v=[0.], gradient=[1.], rate=0.5, momentum=0.9, decay=0.0)",
        got=_two(answer(one.clone(), 0 * one, one.clone(), 0.5, 0.9, 0.0)),
        expected=(torch.tensor([0.5]), torch.tensor([-0.5])),
        hint="return the new weights and the new velocity, in this order; the step goes against "
        "the gradient",
    )
    yield Case(
        call="sgd_step(w=[1.], v=[2.], gradient=[0.], rate=0.5, momentum=0.9, decay=0.0)",
        got=_two(answer(one.clone(), 2 * one, 0 * one, 0.5, 0.9, 0.0)),
        expected=(torch.tensor([2.8]), torch.tensor([1.8])),
        hint="the weights move by the new velocity, 0.9 times the old one here",
    )
    yield Case(
        call="sgd_step(w=[1.], v=[0.], gradient=[0.], rate=0.5, momentum=0.9, decay=0.1)",
        got=_two(answer(one.clone(), 0 * one, 0 * one, 0.5, 0.9, 0.1)),
        expected=(torch.tensor([0.95]), torch.tensor([-0.05])),
        hint="weight decay pulls towards zero and is multiplied by the rate",
    )
    draw = torch.Generator().manual_seed(0)
    for rate, momentum, decay in ((0.01, 0.9, 0.0005), (0.3, 0.5, 0.02), (1.0, 0.0, 0.0)):
        w, gradient = torch.randn(2, 3, generator=draw), torch.randn(2, 3, generator=draw)
        v = 0.1 * torch.randn(2, 3, generator=draw)
        yield Case(
            call=f"sgd_step(w, v, gradient, {rate}, {momentum}, {decay}), three tensors (2, 3)",
            got=_two(answer(w.clone(), v.clone(), gradient.clone(), rate, momentum, decay)),
            expected=_by_torch(w, v, gradient, rate, momentum, decay),
            tolerance=1e-5,
            hint="v <- momentum * v - decay * rate * w - rate * gradient, then w <- w + v",
        )
    w, v, gradient = one.clone(), one.clone(), one.clone()
    answer(w, v, gradient, 0.1, 0.9, 0.0005)
    yield Case(
        call="w, v and gradient after sgd_step(w, v, gradient, 0.1), all [1.] before",
        got=(w, v, gradient),
        expected=(one, one, one),
        hint="leave the arguments as they are: write v = 0.9 * v - ..., not v *= 0.9",
    )


@checker("alexnet.colour_shift")
def colour_shift(answer: Callable) -> Iterator[Case]:
    """``answer(image, pixels, alphas)`` -> image with the paper's change of colour.

    Expected: NumPy's eigenvectors of NumPy's covariance. The sign of each is free, so the answer is
    compared with the signs that come nearest.
    """
    pixels = torch.tensor([[red, 1.0, 5.0] for red in (0.0, 0.0, 2.0, 4.0, 4.0)])
    image = torch.zeros(3, 1, 2)
    got = answer(image.clone(), pixels, torch.tensor([0.5, 0.0, 0.0]))
    yield Case(
        call="colour_shift(zeros (3, 1, 2), pixels with red 0, 0, 2, 4, 4 alone varying, [.5, 0, 0])",
        got=got,
        expected=_nearest(got, image, pixels, torch.tensor([0.5, 0.0, 0.0])),
        tolerance=1e-4,
        hint="the covariance divides by n - 1, so the largest eigenvalue is 4 and red moves by 2",
    )
    draw = torch.Generator().manual_seed(1)
    mixing = torch.tensor([[3.0, 0.5, 0.1], [2.0, -0.7, 0.2], [2.5, 0.2, -0.4]])
    for count, height, width in ((50, 2, 3), (400, 4, 4)):
        pixels = 10 + torch.randn(count, 3, generator=draw) @ mixing.T
        image = torch.rand(3, height, width, generator=draw)
        for alphas in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.3, -0.2, 0.5]):
            alphas = torch.tensor(alphas)
            got = answer(image.clone(), pixels.clone(), alphas)
            yield Case(
                call=f"colour_shift(image {tuple(image.shape)}, pixels {tuple(pixels.shape)}, "
                f"{[round(a, 1) for a in alphas.tolist()]})",
                got=got,
                expected=_nearest(got, image, pixels, alphas),
                tolerance=1e-3,
                hint="eigenvalues (not their roots) times alphas, eigenvectors in columns, and the "
                "largest eigenvalue first: torch.linalg.eigh gives the smallest first",
            )


def _two(value):
    return tuple(value) if isinstance(value, (tuple, list)) else value


def _by_torch(w, v, gradient, rate, momentum, decay):
    weight = torch.nn.Parameter(w.clone())
    sgd = torch.optim.SGD([weight], lr=rate, momentum=momentum, weight_decay=decay)
    if momentum:
        sgd.state[weight]["momentum_buffer"] = -v / rate
    weight.grad = gradient.clone()
    sgd.step()
    new = weight.detach()
    return new, new - w


def _nearest(got, image, pixels, alphas):
    values, vectors = np.linalg.eigh(np.cov(pixels.double().numpy(), rowvar=False))
    parts = torch.from_numpy((vectors * values)[:, ::-1].copy()).float() * alphas  # (3, 3)
    signs = torch.cartesian_prod(*3 * [torch.tensor([1.0, -1.0])])  # (8, 3)
    choices = [image + (parts @ sign)[:, None, None] for sign in signs]
    alike = isinstance(got, torch.Tensor) and (got.shape, got.dtype) == (image.shape, image.dtype)
    if not alike or got.device != image.device:
        return choices[0]
    return min(choices, key=lambda choice: (choice - got).abs().sum().nan_to_num(torch.inf).item())
