"""A GAN on condition: pictures from noise and a condition, and a discriminator that sees both."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.gan.dcgan import Generator, MinibatchDeviation
from labnotes.gan.losses import discriminator_loss
from labnotes.gan.steps import discriminator_step


class ConditionalGenerator(Generator):
    """Noise and a condition make a picture of 28x28: DCGAN's layers, which get both side by side.

    Parameters
    ----------
    noise
        Numbers of noise that a picture takes.
    condition
        Numbers that say what it shall show: for classes one a class, 1 for the one that is meant.
    width
        Channels of the first map, 7x7; the next, 14x14, has two thirds of them.

    References
    ----------
    Mirza and Osindero, "Conditional generative adversarial nets", 2014, section 3.2; the layers
    are those of :class:`labnotes.gan.dcgan.Generator`.

    Examples
    --------
    >>> net = ConditionalGenerator(32, 10)
    >>> net(torch.randn(2, 32), one_hot(torch.tensor([3, 7]), 10)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, noise: int = 32, condition: int = 10, width: int = 48):
        super().__init__(noise + condition, (width, width * 2 // 3))
        self.noise, self.condition = noise, condition

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Noise ``(n, noise)`` and conditions ``(n, condition)`` to pictures ``(n, 1, 28, 28)``."""
        _check_pair(noise, self.noise, condition, self.condition)
        return super().forward(torch.cat([noise, condition], 1))


class ProjectionDiscriminator(nn.Module):
    r"""How real a picture of 28x28 is, and how well it fits its condition, in one logit.

    The logit is :math:`w^\top f(x) + (V c)^\top f(x)`: the first part looks at the picture alone,
    the second compares its features :math:`f(x)` with what the condition :math:`c` asks for.

    Parameters
    ----------
    condition
        Numbers of a condition, as for :class:`ConditionalGenerator`.
    width
        Channels of the first map, 14x14; the next, 7x7, has twice as many.
    features
        Numbers that describe a picture.

    References
    ----------
    Miyato and Koyama, "cGANs with projection discriminator", 2018, section 3; the layers are those
    of :class:`labnotes.gan.dcgan.Discriminator`.
    """

    def __init__(self, condition: int = 10, width: int = 32, features: int = 128):
        super().__init__()
        self.condition = condition
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),  # (n, width, 14, 14)
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),  # (n, 2 width, 7, 7)
            MinibatchDeviation(),  # (n, 2 width + 1, 7, 7)
            nn.Flatten(),
            nn.Linear((2 * width + 1) * 7 * 7, features),
            nn.LeakyReLU(0.2),
        )
        self.real = nn.Linear(features, 1)
        self.asked = nn.Linear(condition, features, bias=False)  # for classes an embedding

    def forward(self, pictures: Tensor, condition: Tensor) -> Tensor:
        """Pictures ``(n, 1, 28, 28)`` and conditions ``(n, condition)`` to logits ``(n,)``."""
        _check_pair(pictures, 1, condition, self.condition)
        found = self.features(pictures)  # (n, features)
        return self.real(found)[:, 0] + (self.asked(condition) * found).sum(1)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Labels ``(n,)`` as conditions ``(n, num_classes)``: 1 at the label, else 0, as floats.

    Raises
    ------
    ValueError
        If a label is no whole number from 0 to ``num_classes - 1``.
    """
    _check_labels(labels, num_classes)
    return F.one_hot(labels, num_classes).float()


def other_labels(labels: Tensor, num_classes: int) -> Tensor:
    """For each label another one, each of the others equally likely.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or a label is none of them.

    Examples
    --------
    >>> other_labels(torch.tensor([0, 1, 1]), 2)
    tensor([1, 0, 0])
    """
    _check_labels(labels, num_classes)
    if num_classes < 2:
        raise ValueError("num_classes is 1: there is no other label, give at least two classes")
    return (labels + torch.randint_like(labels, 1, num_classes)) % num_classes


def matching_loss(real: Tensor, made: Tensor, mismatched: Tensor) -> Tensor:
    r"""What a discriminator pays that also learns from real pictures beside a wrong condition.

    :math:`-\log D(x, c) - \frac12 [\log(1 - D(G(z, c), c)) + \log(1 - D(x, c'))]`, each term a
    mean: the two kinds of negatives share the weight of one.

    Parameters
    ----------
    real, made, mismatched
        Logits for real pictures with their condition, for generated pictures with theirs, and for
        real pictures with another's condition.

    Raises
    ------
    ValueError
        If one of the three kinds is empty: its mean would be no number.

    References
    ----------
    Reed et al., "Generative adversarial text to image synthesis", 2016, algorithm 1.

    Examples
    --------
    >>> nothing = torch.zeros(4)
    >>> matching_loss(nothing, nothing, nothing).item()  # doctest: +ELLIPSIS
    1.386...
    """
    _check_kinds(real, made, mismatched)
    return (discriminator_loss(real, made) + discriminator_loss(real, mismatched)) / 2


def matching_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    real: Tensor,
    noise: Tensor,
    condition: Tensor,
    mismatched: Tensor,
    r1: float = 0.0,
) -> float:
    """As :func:`labnotes.gan.steps.discriminator_step`, with mismatched pairs as negatives.

    The loss is :func:`matching_loss`: as many pairs are generated as mismatched, and in the mean
    over all of them each kind has half of the weight.

    Parameters
    ----------
    generator, discriminator, optimizer, real, noise, r1
        As there.
    condition, mismatched
        What belongs to the real pictures, and what does not, ``(n, ...)`` each.

    Returns
    -------
    float
        The loss before the step, without the penalty.

    Raises
    ------
    ValueError
        If `real`, `noise`, `condition` and `mismatched` are not equally many, or there are none.
    """
    _check_kinds_alike(real, noise, condition, mismatched)

    def negatives(noise: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(generator(noise, condition), condition), (real, mismatched)]

    def judged(examples: Tensor | list[tuple[Tensor, Tensor]]) -> Tensor:
        if isinstance(examples, Tensor):  # real pictures, with what belongs to them
            return discriminator(examples, condition)
        return torch.cat([discriminator(*pairs) for pairs in examples])

    return discriminator_step(negatives, judged, optimizer, real, noise, r1=r1)


def _check_pair(first: Tensor, size: int, condition: Tensor, wanted: int) -> None:
    if condition.dim() != 2 or condition.shape[1] != wanted or len(condition) != len(first):
        raise ValueError(
            f"conditions have the shape {tuple(condition.shape)}, the others {tuple(first.shape)}: "
            f"give ({len(first)}, {wanted}); one_hot makes them of labels"
        )
    if first.dim() < 2 or first.shape[1] != size:
        raise ValueError(f"the shape {tuple(first.shape)} came, (n, {size}, ...) was expected")


def _check_kinds(real: Tensor, made: Tensor, mismatched: Tensor) -> None:
    if not (real.numel() and made.numel() and mismatched.numel()):
        raise ValueError(
            f"logits are {tuple(real.shape)}, {tuple(made.shape)} and {tuple(mismatched.shape)}: "
            "give at least one of each kind"
        )


def _check_kinds_alike(*batches: Tensor) -> None:
    if len({len(batch) for batch in batches}) > 1:
        raise ValueError(
            "real, noise, condition and mismatched are "
            f"{', '.join(str(len(batch)) for batch in batches)}: give as many of each, or the two "
            "kinds of negatives do not weigh alike"
        )


def _check_labels(labels: Tensor, num_classes: int) -> None:
    if labels.dtype != torch.int64 or labels.dim() != 1:
        raise ValueError(
            f"labels are {labels.dtype} {tuple(labels.shape)}: give int64 of shape (n,)"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}: give numbers from 0 to "
            f"{num_classes - 1}"
        )
