"""pix2pix: a picture becomes another picture, by distance to the right one and by a GAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.convnets.receptive_field.arithmetic import Layer
from labnotes.gan.losses import non_saturating_loss
from labnotes.gan.steps import frozen


class Translator(nn.Module):
    """A small U-Net: a picture is halved twice, enlarged twice, with shortcuts across.

    Parameters
    ----------
    in_channels, out_channels
        Of the picture that comes and of the one that goes.
    noise
        Numbers of noise, added to the smallest map at each place.
    width
        Channels of the first map.

    References
    ----------
    Isola et al., "Image-to-image translation with conditional adversarial networks", 2017,
    section 3.2.1 and appendix 6.1.1, much smaller; their only noise is dropout.

    Examples
    --------
    >>> Translator(1, 3)(torch.randn(2, 8), torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 3, 28, 28])
    """

    def __init__(
        self, in_channels: int = 1, out_channels: int = 1, noise: int = 8, width: int = 32
    ):
        super().__init__()
        self.in_channels, self.noise = in_channels, noise
        self.down1 = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)
        )
        self.down2 = _halve(width, 2 * width)
        self.mix = nn.Linear(noise, 2 * width)
        self.deep = nn.Sequential(
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.up2 = _double(2 * width, width)
        self.up1 = nn.ConvTranspose2d(2 * width, out_channels, 4, stride=2, padding=1)

    def forward(self, noise: Tensor, picture: Tensor) -> Tensor:
        """Noise ``(n, noise)`` and pictures ``(n, in, h, w)`` to ``(n, out, h, w)``, -1 to 1."""
        _check_picture(noise, self.noise, picture, self.in_channels)
        half = self.down1(picture)  # (n, width, h / 2, w / 2)
        small = self.down2(half)  # (n, 2 width, h / 4, w / 4)
        small = self.deep(small + self.mix(noise)[:, :, None, None])
        both = torch.cat([self.up2(small), half], 1)  # (n, 2 width, h / 2, w / 2)
        return self.up1(both).tanh()


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2),
    )


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class PatchGAN(nn.Module):
    """A discriminator that judges patches: a logit for each, in a map.

    `halvings` convolutions of stride 2, then two of stride 1; all kernels are 4x4.

    Parameters
    ----------
    in_channels
        Of the condition and of the picture together.
    halvings
        1, 3 and 5 give fields of 16, 70 and 286 pixels.
    width
        Channels of the first map; each next has twice as many, up to eight times.
    normalized
        Batch normalization in all layers but the first and the last, as in the paper.

    References
    ----------
    Isola et al. (2017), section 3.2.2 and appendix 6.1.2.

    Examples
    --------
    >>> PatchGAN(2)(torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 1, 12, 12])
    """

    def __init__(
        self, in_channels: int = 2, halvings: int = 1, width: int = 32, normalized: bool = False
    ):
        super().__init__()
        self.in_channels = in_channels
        layers, inputs = [], in_channels
        for number, layer in enumerate(patch_layers(halvings)[:-1]):
            outputs = width * min(2**number, 8)
            normalize = normalized and number > 0
            layers.append(_judge(inputs, outputs, layer.stride, bias=not normalize))
            layers += [nn.BatchNorm2d(outputs)] * normalize + [nn.LeakyReLU(0.2)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, _judge(inputs, 1, 1))

    def forward(self, picture: Tensor, condition: Tensor) -> Tensor:
        """A picture and its condition, channels first, to logits ``(n, 1, rows, columns)``."""
        _check_judged(picture, condition, self.in_channels)
        _check_size(picture, self.layers)
        return self.layers(torch.cat([picture, condition], 1))


def _judge(inputs: int, outputs: int, stride: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=bias)


def patch_layers(halvings: int) -> list[Layer]:
    """The layers of a :class:`PatchGAN`, for ``labnotes.convnets.receptive_field``.

    Raises
    ------
    ValueError
        If `halvings` is no whole number from 0 up.
    """
    if not isinstance(halvings, int) or halvings < 0:
        raise ValueError(f"halvings is {halvings!r}: give a whole number from 0 up")
    return [Layer(4, stride=2, padding=1)] * halvings + [Layer(4, stride=1, padding=1)] * 2


def pix2pix_loss(logits: Tensor, made: Tensor, wanted: Tensor, gan: float, l1: float) -> Tensor:
    r"""What a translator pays: ``gan`` times :math:`-\log D` plus ``l1`` times the distance.

    Parameters
    ----------
    logits
        The discriminator's for what was made, of any shape; their losses are averaged.
    made, wanted
        Pictures of one shape; their distance is the mean of :math:`|made - wanted|`.
    gan, l1
        Weights of the two parts.

    Raises
    ------
    ValueError
        If the pictures' shapes differ, or there are none.

    References
    ----------
    Isola et al. (2017), equations 1, 3 and 4 with :math:`\lambda = 100`.
    """
    if made.shape != wanted.shape:
        raise ValueError(
            f"made is {tuple(made.shape)}, wanted {tuple(wanted.shape)}: give one shape"
        )
    if made.numel() == 0 or logits.numel() == 0:
        raise ValueError("there are no pictures or no logits: give at least one of each")
    return gan * non_saturating_loss(logits) + l1 * (made - wanted).abs().mean()


def translator_step(
    translator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    noise: Tensor,
    picture: Tensor,
    wanted: Tensor,
    gan: float = 1.0,
    l1: float = 100.0,
) -> float:
    """The translator learns from :func:`pix2pix_loss`, against the discriminator as it stands.

    The discriminator's own step is :func:`labnotes.gan.steps.discriminator_step` with
    ``condition=(picture,)``.

    Parameters
    ----------
    translator, discriminator
        Called as ``translator(noise, picture)`` and ``discriminator(made, picture)``.
    optimizer
        Of the translator's parameters.
    noise, picture, wanted
        ``(n, ...)`` each: what goes in, and what should come out.
    gan, l1
        Weights of the two parts; with ``gan=0`` the discriminator is not asked.

    Returns
    -------
    float
        The loss before the step.
    """
    optimizer.zero_grad()
    made = translator(noise, picture)
    with frozen(discriminator):
        logits = discriminator(made, picture) if gan else made.new_zeros(1)
        loss = pix2pix_loss(logits, made, wanted, gan, l1)
        loss.backward()
    optimizer.step()
    return loss.item()


def gradient(pictures: Tensor) -> Tensor:
    """How steep each pixel is, by Sobel's filters: ``(n, c, h, w)`` to ``(n, c, h, w)``, from 0.

    Examples
    --------
    >>> step = torch.tensor([[0.0, 0.0, 8.0, 8.0]] * 4)[None, None]
    >>> gradient(step)[0, 0, 1]
    tensor([0., 4., 4., 0.])
    """
    _check_pictures(pictures)
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=pictures.device) / 8
    flat = F.pad(pictures.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    slopes = F.conv2d(flat, torch.stack([across, across.T])[:, None])  # (n c, 2, h, w)
    return slopes.square().sum(1).sqrt().view_as(pictures)


def edges(pictures: Tensor, threshold: float = 0.25) -> Tensor:
    """1 where a picture is steep, else 0: steeper than `threshold` of its own steepest pixel."""
    steep = gradient(pictures)
    most = steep.flatten(1).amax(1)[:, None, None, None].clamp(min=1e-6)
    return (steep > threshold * most).float()


def sharpness(pictures: Tensor) -> float:
    """The mean square of the steepness of all pixels: low for blurred pictures."""
    return gradient(pictures).square().mean().item()


def _check_picture(noise: Tensor, size: int, picture: Tensor, channels: int) -> None:
    if picture.dim() != 4 or picture.shape[1] != channels or any(s % 4 for s in picture.shape[2:]):
        raise ValueError(
            f"pictures have the shape {tuple(picture.shape)}: give (n, {channels}, h, w), h and w "
            "multiples of 4"
        )
    if noise.shape != (len(picture), size):
        raise ValueError(f"noise is {tuple(noise.shape)}: give ({len(picture)}, {size})")


def _check_judged(picture: Tensor, condition: Tensor, channels: int) -> None:
    if picture.shape[0] != condition.shape[0] or picture.shape[2:] != condition.shape[2:]:
        raise ValueError(
            f"the picture is {tuple(picture.shape)}, its condition {tuple(condition.shape)}: give "
            "as many of one height and width"
        )
    if picture.shape[1] + condition.shape[1] != channels:
        raise ValueError(
            f"picture and condition have {picture.shape[1] + condition.shape[1]} channels together, "
            f"the discriminator was made for {channels}"
        )


def _check_size(picture: Tensor, layers: nn.Sequential) -> None:
    halvings = sum(getattr(layer, "stride", None) == (2, 2) for layer in layers)
    least = 3 * 2**halvings  # the two last layers take a pixel each, and one must be left
    if min(picture.shape[2:]) < least:
        raise ValueError(
            f"pictures are {tuple(picture.shape[2:])}: with {halvings} halvings give at least "
            f"{least}x{least} pixels, or make a PatchGAN with fewer halvings"
        )


def _check_pictures(pictures: Tensor) -> None:
    if pictures.dim() != 4 or not pictures.is_floating_point():
        raise ValueError(
            f"pictures are {pictures.dtype} {tuple(pictures.shape)}: give floats (n, c, h, w)"
        )
