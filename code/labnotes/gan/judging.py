"""The judge of generated pictures: a small classifier, its features, and what they are like."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Judge(nn.Module):
    """A classifier of pictures of 28x28 that also gives the features its last layer decides from.

    It takes the place of Inception-v3 in the scores of generators: its probabilities go to the
    Inception Score, its features to the Fréchet distance and to precision and recall.

    Parameters
    ----------
    classes
        How many kinds of pictures there are.
    features
        How many numbers stand before the last layer.

    Examples
    --------
    >>> judge = Judge(10, 64)
    >>> judge.features(torch.zeros(2, 1, 28, 28)).shape, judge(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 64]), torch.Size([2, 10]))
    """

    def __init__(self, classes: int = 10, features: int = 64):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (., 14, 14)
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (., 7, 7)
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(32 * 7 * 7, features),
            nn.ReLU(),
        )
        self.decide = nn.Linear(features, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """``(batch, 1, 28, 28)``, each number from -1 to 1, to logits ``(batch, classes)``."""
        return self.decide(self.features(pictures))


@torch.no_grad()
def seen(judge: Judge, pictures: Tensor, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """What a judge makes of pictures: its features and its probabilities.

    Parameters
    ----------
    judge
        In evaluation mode.
    pictures
        ``(n, 1, 28, 28)``, each number from -1 to 1.
    batch
        How many pass through it at a time.

    Returns
    -------
    features, probabilities : Tensor
        ``(n, features)`` and ``(n, classes)``.

    Raises
    ------
    ValueError
        If there are no pictures, they are not of 28x28 or are whole numbers, or the judge is in
        training mode.
    """
    _check_seen(judge, pictures)
    features = torch.cat([judge.features(part) for part in pictures.split(batch)])
    return features, judge.decide(features).softmax(1)


def _check_seen(judge: Judge, pictures: Tensor) -> None:
    if judge.training:
        raise ValueError("the judge is in training mode, where dropout is on: call judge.eval()")
    if pictures.shape[1:] != (1, 28, 28) or not len(pictures):
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}: give (n, 1, 28, 28), n at least 1"
        )
    if not pictures.is_floating_point():
        raise ValueError(
            f"pictures are of {pictures.dtype}: give numbers from -1 to 1, bytes / 127.5 - 1"
        )
