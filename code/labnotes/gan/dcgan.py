"""A small DCGAN for pictures of 28x28: projection and transposed convolutions against convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive


class Generator(nn.Module):
    """From noise to pictures: a projection to 7x7 and two transposed convolutions, 7 to 14 to 28.

    Batch normalization and ReLU stand behind all layers but the last, which ends in tanh.

    Parameters
    ----------
    latent
        How many numbers a picture is made from.
    channels
        The numbers of maps of 7x7 and of 14x14.
    out_channels
        1 for grey pictures, 3 for coloured ones.

    Raises
    ------
    ValueError
        If a size is no positive integer.

    References
    ----------
    Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional
    generative adversarial networks", 2016, section 3.

    Examples
    --------
    >>> Generator(8, (4, 2))(torch.zeros(3, 8)).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(
        self, latent: int = 32, channels: tuple[int, int] = (48, 32), out_channels: int = 1
    ):
        super().__init__()
        wide, narrow = channels
        check_positive(latent=latent, wide=wide, narrow=narrow, out_channels=out_channels)
        self.latent = latent
        self.project = nn.Linear(latent, wide * 7 * 7, bias=False)
        self.grow = nn.Sequential(
            nn.Unflatten(1, (wide, 7, 7)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),  # (., 14, 14)
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.ConvTranspose2d(narrow, out_channels, 4, stride=2, padding=1),  # (., 28, 28)
            nn.Tanh(),
        )
        self.apply(initialize)

    def forward(self, noise: Tensor) -> Tensor:
        """``(batch, latent)`` to ``(batch, out_channels, 28, 28)``, each number from -1 to 1."""
        _check_noise(noise, self.latent)
        return self.grow(self.project(noise))


class Discriminator(nn.Module):
    """From pictures of 28x28 to logits: two convolutions of stride 2, and how much the batch varies.

    It has no batch normalization, so what it says of a picture depends on the others of the batch
    by one number alone, their deviation.

    Parameters
    ----------
    channels
        Of the maps of 14x14 and of 7x7, here called narrow and wide.
    in_channels
        1 for grey pictures, 3 for coloured ones.
    hidden
        Units of the layer that sees the whole picture, before the last one.
    deviation
        Whether :class:`MinibatchDeviation` stands behind the convolutions.

    Raises
    ------
    ValueError
        If a size is no positive integer.

    Examples
    --------
    >>> Discriminator((4, 8))(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3])
    """

    def __init__(
        self,
        channels: tuple[int, int] = (32, 64),
        in_channels: int = 1,
        hidden: int = 128,
        deviation: bool = True,
    ):
        super().__init__()
        narrow, wide = channels
        check_positive(narrow=narrow, wide=wide, in_channels=in_channels, hidden=hidden)
        self.look = nn.Sequential(
            nn.Conv2d(in_channels, narrow, 4, stride=2, padding=1),  # (., 14, 14)
            nn.LeakyReLU(0.2),
            nn.Conv2d(narrow, wide, 4, stride=2, padding=1),  # (., 7, 7)
            nn.LeakyReLU(0.2),
        )
        self.vary = MinibatchDeviation() if deviation else nn.Identity()
        self.judge = nn.Sequential(
            nn.Flatten(),
            nn.Linear((wide + deviation) * 7 * 7, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """``(batch, in_channels, 28, 28)`` to ``(batch,)``."""
        _check_pictures(pictures, self.look[0].in_channels)
        return self.judge(self.vary(self.look(pictures)))[:, 0]


class MinibatchDeviation(nn.Module):
    """One more channel, which says how much the pictures of the batch differ from each other.

    The standard deviation over the batch, of each channel at each place; their mean is one number,
    and the new channel holds it everywhere. Pictures that are all alike give 0.

    References
    ----------
    Karras et al., "Progressive growing of GANs for improved quality, stability, and variation",
    2018, section 3.

    Examples
    --------
    >>> alike = torch.ones(2, 3, 7, 7)
    >>> MinibatchDeviation()(alike).shape
    torch.Size([2, 4, 7, 7])
    """

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` to ``(batch, channels + 1, height, width)``."""
        variance = features.var(0, unbiased=False)  # (channels, height, width)
        deviation = (variance + 1e-8).sqrt().mean()  # + 1e-8: the root has no slope at 0
        return torch.cat([features, deviation.expand_as(features[:, :1])], 1)


def initialize(layer: nn.Module) -> None:
    """Weights of DCGAN: normal with deviation 0.02, scales of batch normalization around 1."""
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, decay: float = 0.999) -> None:
    """Move the numbers of `slow` a little towards those of `fast`: an exponential moving average.

    Parameters
    ----------
    slow, fast
        Two networks of one kind. Buffers follow too; counts are copied.
    decay
        What each number keeps of itself, from 0 (a copy) to 1 (no change).

    Raises
    ------
    ValueError
        If `decay` is outside, or the networks differ.

    References
    ----------
    Karras et al. (2018), appendix A, where the generator is averaged with a decay of 0.999.

    Examples
    --------
    >>> slow, fast = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> follow(slow, fast, decay=0.0)
    >>> torch.equal(slow.weight, fast.weight)
    True
    """
    target = fast.state_dict()
    _check_twins(slow.state_dict(), target, decay)
    for name, number in slow.state_dict().items():
        if number.is_floating_point():
            number.lerp_(target[name], 1 - decay)
        else:
            number.copy_(target[name])


def _check_noise(noise: Tensor, latent: int) -> None:
    if noise.dim() != 2 or noise.shape[1] != latent:
        raise ValueError(
            f"noise has the shape {tuple(noise.shape)}: give (batch, {latent}), "
            "as torch.randn(batch, generator.latent) does"
        )


def _check_pictures(pictures: Tensor, channels: int) -> None:
    if pictures.shape[1:] != (channels, 28, 28) or not len(pictures):
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}: give (batch, {channels}, 28, 28), "
            "at least one of them"
        )


def _check_twins(slow: dict, fast: dict, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"decay is {decay}: give a number from 0 to 1")
    if {k: v.shape for k, v in slow.items()} != {k: v.shape for k, v in fast.items()}:
        raise ValueError("the networks differ in their parts: give two of one kind and one size")
