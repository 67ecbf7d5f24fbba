"""Checkers for the exercises of the chapter vision/augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torchvision.transforms.v2 import functional as tv

from labnotes.exercises import Case, checker


@checker("augmentation.flip_vertically")
def flip_vertically(answer: Callable) -> Iterator[Case]:
    """``answer(images, which)`` -> the batch with some images upside down.

    Expected: torchvision's vertical flip, image by image.
    """
    small = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    yield Case(
        call="flip_vertically(torch.tensor([[[[1., 2.], [3., 4.]]]]), torch.tensor([True]))",
        got=answer(small.clone(), torch.tensor([True])),
        expected=torch.tensor([[[[3.0, 4.0], [1.0, 2.0]]]]),
        hint="exchange the rows: the height is the last axis but one",
    )
    draw = torch.Generator().manual_seed(0)
    for shape in ((4, 3, 5, 2), (6, 1, 3, 3), (5, 3, 2, 6)):
        images = torch.randint(256, shape, generator=draw).to(torch.uint8)
        which = torch.rand(shape[0], generator=draw) < 0.5
        expected = [tv.vertical_flip(x) if w else x for x, w in zip(images, which.tolist())]
        given = images.clone()
        yield Case(
            call=f"flip_vertically(images, which), images of shape {shape} in uint8, "
            f"which = {which.tolist()}",
            got=answer(given, which),
            expected=torch.stack(expected),
            hint="only the chosen images change, and each stays at its place; "
            "which[:, None, None, None] lets torch.where choose whole images",
        )
        yield Case(
            call=f"the images that were given, of shape {shape}, after the call",
            got=given,
            expected=images,
            hint="make a new batch: the caller still needs the old one",
        )


@checker("augmentation.average_views")
def average_views(answer: Callable) -> Iterator[Case]:
    """``answer(model, images, views)`` -> mean of the probabilities over the views.

    Expected: torch's softmax layer on each view, added up.
    """
    images = torch.tensor([[[[0.0, 4.0]]]])
    logits = nn.Flatten()  # two pixels, two logits
    views = [lambda x: x, lambda x: x.flip(-1), lambda x: 0 * x]
    for count in (1, 2, 3):
        parts = [nn.Softmax(1)(logits(view(images))) for view in views[:count]]
        yield Case(
            call=f"average_views(nn.Flatten(), torch.tensor([[[[0., 4.]]]]), the first {count} of "
            "[as it is, mirrored, times 0])",
            got=answer(logits, images.clone(), views[:count]),
            expected=sum(parts) / count,
            hint="take the softmax of each view's logits, over the classes, and then the mean",
        )
    draw = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 4, 5))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw))
    images = torch.randn(7, 2, 3, 4, generator=draw)
    views = [lambda x: x, lambda x: x.flip(-1), lambda x: x.roll(1, -1), lambda x: x.roll(1, -2)]
    with torch.no_grad():
        yield Case(
            call="average_views(model, images, views), images of shape (7, 2, 3, 4), five classes, "
            "four views",
            got=answer(model, images.clone(), views),
            expected=sum(nn.Softmax(1)(model(view(images))) for view in views) / 4,
            tolerance=1e-5,
            hint="the mean is over the views, not over the images or the logits",
        )
