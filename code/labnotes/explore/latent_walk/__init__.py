"""The latent walk explorer: a trained generator draws what lies between two points of its noise."""

from __future__ import annotations

import base64
import copy
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from labnotes.explore.base import Explorer, with_shared
from labnotes.explore.carried import check_bytes, check_numbers, data_uri
from labnotes.gan.dcgan import Generator
from labnotes.plot import BLUE, GREY

HERE = Path(__file__).parent
MOST_BYTES = 300_000  # of the generator: what a reader's page may have to fetch
FRAMES = 10  # of the strip from one end to the other
WHOLE = 32_767  # the largest of the whole numbers that stand for a tensor's weights


class LatentWalkExplorer(Explorer):
    """A generator of 28x28 pictures under the reader's hands.

    One slider goes from one point of its latent space to another; others add a direction each. The
    weights, with batch normalization folded into them, are rounded to 16 bits, and all that is
    shown is computed from the rounded ones. In a notebook they come with the widget. The site keeps
    them in a file of its own, beside the page, which is then told in `places` where it is; the ten
    frames that the page shows before stand in the state.

    Parameters
    ----------
    generator
        In evaluation mode, of grey pictures.
    ends
        Where the walk begins and ends, ``(2, latent)``.
    directions
        Unit vectors, ``(count, latent)``, 1 to 8 of them.
    names
        What each direction is called.

    Raises
    ------
    ValueError
        If shapes do not fit, the generator makes coloured pictures, takes more than 300 kB, or has
        a number that is not finite.
    """

    _esm = with_shared(HERE / "latent_walk.js", "filed.js")
    _css = HERE / "latent_walk.css"

    sizes = traitlets.List(traitlets.Int()).tag(sync=True)  # [latent, channels of 7x7, of 14x14]
    byte_counts = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)  # base64, or "" and a place
    places = traitlets.List(traitlets.Unicode()).tag(sync=True)  # addresses, as the page sees them
    ends = traitlets.List().tag(sync=True)
    directions = traitlets.List().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    frames = traitlets.Unicode("").tag(sync=True)  # base64, ten pictures of 784 bytes
    part = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)  # of the way
    offsets = traitlets.List(traitlets.Float()).tag(sync=True)  # along each direction

    def __init__(
        self, generator: Generator, ends: Tensor, directions: Tensor, names: Sequence[str] = ()
    ):
        names = list(names) or [f"Direction {k + 1}" for k in range(len(directions))]
        _check(generator, ends, directions, names)
        net = rounded(generator)
        packed = pack(net)
        check_bytes("generator", packed, MOST_BYTES, "a smaller one")
        with torch.no_grad():
            drawn = net(walk(*ends.detach().cpu().float(), FRAMES))  # (10, 1, 28, 28)
        super().__init__(
            sizes=[net.latent, net.grow[1].num_features, net.grow[4].num_features],
            byte_counts=[len(packed)],
            weights=[base64.b64encode(packed).decode("ascii")],
            places=[""],
            ends=_short(ends),
            directions=_short(directions),
            names=names,
            frames=base64.b64encode(as_bytes(drawn).numpy().tobytes()).decode("ascii"),
            offsets=[0.0] * len(directions),
        )

    def describe(self) -> str:
        return (
            f"Ten pictures that a generator draws on the way from one point of its latent space of "
            f"{self.sizes[0]} numbers to another; each differs a little from the one before."
        )

    def still_svg(self) -> str:
        frames = torch.frombuffer(bytearray(base64.b64decode(self.frames)), dtype=torch.uint8)
        side, gap, left = 56, 6, 14
        parts = []
        for i, frame in enumerate(frames.view(FRAMES, 28, 28)):
            x = left + (side + gap) * (i % 5)
            y = 36 + (side + gap) * (i // 5)
            parts.append(
                f'<image href="{data_uri(frame, optimize=True)}" x="{x}" y="{y}" width="{side}" height="{side}" '
                'style="image-rendering:pixelated"/>'
            )
        parts.append(
            f'<rect x="{left - 2}" y="34" width="{side + 4}" height="{side + 4}" fill="none" '
            f'stroke="{BLUE}" stroke-width="3"/>'
        )
        width, height = 2 * left + 5 * side + 4 * gap, 36 + 2 * side + gap + 14
        # A light card of its own: a picture does not know the page's theme.
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
            f'font-size="13" fill="#24292f"><title>{escape(self.describe())}</title>'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6" '
            f'fill="#ffffff" stroke="{GREY}"/><text x="{left}" y="22">From one end to the other'
            f"</text>{''.join(parts)}</svg>"
        )


def walk(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Points on the way from one latent vector to another, both ends among them.

    The way is an arc, and its length from the origin goes evenly from that of `start` to that of
    `end`. On a straight line the middle would be nearer to the origin than noise ever is.

    Parameters
    ----------
    start, end
        ``(latent,)``, not 0 and not opposite.
    count
        How many points, at least 2.

    Returns
    -------
    Tensor
        ``(count, latent)``.

    References
    ----------
    White, "Sampling generative networks", 2016, on spherical interpolation.

    Examples
    --------
    >>> walk(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)[1]
    tensor([0.7071, 0.7071])
    """
    _check_walk(start, end, count)
    t = torch.linspace(0, 1, count, dtype=start.dtype)[:, None]  # (count, 1)
    lengths = (1 - t) * start.norm() + t * end.norm()
    one, other = start / start.norm(), end / end.norm()
    angle = (one @ other).clamp(-1, 1).arccos()
    if angle < 1e-4:  # one direction: the arc is a line
        return lengths * one
    return lengths * (((1 - t) * angle).sin() * one + (t * angle).sin() * other) / angle.sin()


def as_bytes(pictures: Tensor) -> Tensor:
    """Pictures from -1 to 1 as whole numbers from 0 to 255."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def rounded(generator: Generator) -> Generator:
    """A copy for use on the CPU: batch normalization folded into the weights, in 16 bits."""
    net = copy.deepcopy(generator).cpu().float().eval().requires_grad_(False)
    return _with(net, [_whole(w)[0] * _whole(w)[1] for w in _folded(net)])


def pack(generator: Generator) -> bytes:
    """A generator that :func:`rounded` gave, as the script reads it, all little-endian.

    Projection and biases of its channels, first transposed convolution and biases, second one and
    biases: of each a scale, float32, and whole numbers, int16.
    """
    parts = []
    for weight in _folded(generator):
        whole, scale = _whole(weight)
        parts += [np.float32(scale).astype("<f4").tobytes(), whole.numpy().astype("<i2").tobytes()]
    return b"".join(parts)


def _folded(net: Generator) -> list[Tensor]:
    """Weights and biases of a generator without its batch normalization; it computes the same."""
    norm1, norm2 = net.grow[1], net.grow[4]
    (scale1, shift1), (scale2, shift2) = _line(norm1), _line(norm2)
    rows = scale1.repeat_interleave(49)[:, None]  # (channels * 7 * 7, 1)
    kernel = net.grow[3].weight * scale2[:, None, None]  # (in, out, 4, 4)
    last = net.grow[6]
    found = [net.project.weight * rows, shift1, kernel, shift2, last.weight, last.bias]
    return [weight.detach() for weight in found]


def _line(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What batch normalization multiplies each channel by, and what it adds."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias - norm.running_mean * scale


def _whole(weight: Tensor) -> tuple[Tensor, float]:
    """Whole numbers of 16 bits, and what they are multiplied by."""
    scale = float(np.float32(weight.abs().max().item() / WHOLE)) or 1.0
    return (weight / scale).round(), scale


def _with(net: Generator, folded: list[Tensor]) -> Generator:
    """`net` with folded weights: its normalizations multiply by 1 and add the biases."""
    project, bias1, kernel, bias2, last, bias = folded
    net.project.weight.copy_(project)
    net.grow[3].weight.copy_(kernel)
    net.grow[6].weight.copy_(last)
    net.grow[6].bias.copy_(bias)
    for norm, shift in ((net.grow[1], bias1), (net.grow[4], bias2)):
        norm.eps = 0.0
        norm.running_var.fill_(1)
        norm.running_mean.zero_()
        norm.weight.fill_(1)
        norm.bias.copy_(shift)
    return net


def _short(vectors: Tensor) -> list[list[float]]:
    return [[round(v, 5) for v in vector] for vector in vectors.detach().cpu().tolist()]


def _check(generator: Generator, ends: Tensor, directions: Tensor, names: list[str]) -> None:
    if generator.grow[6].out_channels != 1:
        raise ValueError("the explorer draws grey pictures: give a generator of one channel")
    if ends.shape != (2, generator.latent):
        raise ValueError(f"ends have the shape {tuple(ends.shape)}: give (2, {generator.latent})")
    if directions.dim() != 2 or directions.shape[1] != generator.latent:
        raise ValueError(
            f"directions have the shape {tuple(directions.shape)}: give (count, {generator.latent})"
        )
    if not 1 <= len(directions) <= 8 or len(names) != len(directions):
        raise ValueError(
            f"{len(directions)} directions and {len(names)} names: give 1 to 8, and a name of each"
        )
    if not (ends.isfinite().all() and directions.isfinite().all()):
        raise ValueError("an end or a direction is not finite: look for NaN in it")
    check_numbers(generator)


def _check_walk(start: Tensor, end: Tensor, count: int) -> None:
    if start.dim() != 1 or start.shape != end.shape:
        raise ValueError(
            f"start has the shape {tuple(start.shape)}, end {tuple(end.shape)}: give (latent,) each"
        )
    if count < 2:
        raise ValueError(f"count is {count}: give at least 2, the two ends")
    if start.norm() == 0 or end.norm() == 0:
        raise ValueError("an end is 0, which lies in no direction: give noise")
    if torch.cosine_similarity(start, end, 0) < -0.9999:
        raise ValueError("the ends are opposite, and no arc is the shortest: take a point between")
