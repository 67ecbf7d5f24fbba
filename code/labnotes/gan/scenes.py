"""Small worlds to generate on condition: tones with a picture each, and faces that move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLES = 128  # of a tone
LOWEST, HIGHEST = 4.0, 44.0  # waves of a tone in its samples
SIDE = 28  # pixels along a side of a tone's picture


@dataclass(frozen=True)
class Tones:
    """Tones, and a disc for each: the higher the tone the higher it lies, the louder the larger.

    Attributes
    ----------
    waves : Tensor
        ``(n, 128)``: a sine and noise.
    pictures : Tensor
        ``(n, 1, 28, 28)``, -1 to 1. The column of a disc has nothing to do with its tone.
    rows, columns, radii : Tensor
        ``(n,)`` each, in pixels: the disc's middle, row 0 at the top, and its size.
    """

    waves: Tensor
    pictures: Tensor
    rows: Tensor
    columns: Tensor
    radii: Tensor

    @property
    def spectra(self) -> Tensor:
        """``(n, 64)``: how strong each frequency from 1 to 64 waves is in a tone, 0 to about 1."""
        strengths = torch.fft.rfft(self.waves * torch.hann_window(SAMPLES)).abs()
        return strengths[:, 1:] / (SAMPLES / 4)


def tones(n: int, seed: int = 0, noise: float = 0.1) -> Tones:
    """Draw `n` tones of random pitch and loudness, with noise of that standard deviation.

    Raises
    ------
    ValueError
        If `n` is below 1 or `noise` below 0.
    """
    if n < 1 or noise < 0:
        raise ValueError(
            f"n is {n} and noise {noise}: give at least one tone, and no negative noise"
        )
    draw = torch.Generator().manual_seed(seed)
    pitch, loudness, side, phase = torch.rand(4, n, generator=draw)
    turns = LOWEST + (HIGHEST - LOWEST) * pitch  # waves in a tone
    time = torch.arange(SAMPLES) / SAMPLES
    loud = 0.3 + 0.7 * loudness
    waves = loud[:, None] * torch.sin(2 * math.pi * (turns[:, None] * time + phase[:, None]))
    waves = waves + noise * torch.randn(n, SAMPLES, generator=draw)
    radii = 2 + 4 * loudness
    rows, columns = 21.5 - 16 * pitch, 5.5 + 16 * side
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    away = ((x - columns[:, None, None]).square() + (y - rows[:, None, None]).square()).sqrt()
    pictures = (radii[:, None, None] - away).clamp(-1, 1)  # 2 pixels from inside to outside
    return Tones(waves, pictures[:, None], rows, columns, radii)


def middles(pictures: Tensor) -> Tensor:
    """Where the light of pictures ``(n, 1, h, w)`` of -1 to 1 lies: ``(n, 2)``, row and column.

    A picture without light has its middle in the middle.
    """
    _check_one_channel(pictures)
    light = (pictures[:, 0] + 1).clamp(min=0) + 1e-6
    rows, columns = torch.arange(light.shape[1]), torch.arange(light.shape[2])
    total = light.sum((1, 2))
    return torch.stack(
        [(light.sum(2) * rows).sum(1) / total, (light.sum(1) * columns).sum(1) / total], 1
    )


@dataclass(frozen=True)
class Faces:
    """Drawn faces, each in two poses.

    Attributes
    ----------
    pictures : Tensor
        ``(2, n, 1, size, size)``, -1 to 1: the two poses of n faces.
    points : Tensor
        ``(2, n, 6, 2)``: key points as (x, y) in pixels; the eyes, the corners of the mouth, the
        middles of the upper and the lower lip.
    """

    pictures: Tensor
    points: Tensor


#: Eyes, corners of the mouth, lips; in a face's own measure, x to the right and y down.
MARKS = torch.tensor(
    [[-0.36, -0.12], [0.36, -0.12], [-0.34, 0.45], [0.34, 0.45], [0.0, 0.45], [0.0, 0.45]]
)


def faces(n: int, seed: int = 0, size: int = 32) -> Faces:
    """Draw `n` faces in two poses each: they shift, tilt, come nearer and open their mouth.

    Raises
    ------
    ValueError
        If `n` is below 1, or `size` no multiple of 4 from 16 up.
    """
    if n < 1 or size < 16 or size % 4:
        raise ValueError(f"n is {n}, size {size}: give at least 1, and a multiple of 4 from 16 up")
    draw = torch.Generator().manual_seed(seed)
    ground, skin, dark, hair, width, eye, line = torch.rand(7, n, 1, 1, generator=draw)
    pictures, points = [], []
    for _ in range(2):
        shift, (tilt, near, opened) = (torch.rand(k, n, 1, 1, generator=draw) for k in (2, 3))
        middle = size * (0.5 + 0.16 * (shift - 0.5))  # (2, n, 1, 1)
        angle, scale = 0.7 * (tilt - 0.5), size * (0.33 + 0.08 * near)
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        right, down = (x - middle[0]) / scale, (y - middle[1]) / scale
        u = right * angle.cos() + down * angle.sin()  # (n, size, size), the face's own measure
        v = down * angle.cos() - right * angle.sin()
        lips = 0.05 + 0.17 * opened
        head = _inside(u / (0.75 + 0.2 * width), v, scale)
        fringe = head * ((-0.45 - 0.2 * line - v) * scale).clamp(-0.5, 0.5).add(0.5)
        picture = -1 + 0.5 * ground
        picture = picture + head * (0.2 + 0.8 * skin - picture)
        picture = picture + fringe * (-0.9 + 1.5 * hair - picture)
        for place in MARKS[:2]:
            near_eye = _inside((u - place[0]) / (0.1 + 0.1 * eye), (v - place[1]) / 0.12, scale / 8)
            picture = picture + near_eye * (-0.9 + 0.4 * dark - picture)
        mouth = _inside(u / 0.34, (v - 0.45) / lips, scale * lips)
        picture = picture + mouth * (-0.8 - picture)
        marks = MARKS.repeat(n, 1, 1)  # (n, 6, 2)
        marks[:, 4, 1] -= lips[:, 0, 0]
        marks[:, 5, 1] += lips[:, 0, 0]
        turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], -1).view(n, 2, 2)
        points.append(scale * (marks @ turn) + middle[:, :, 0].permute(1, 2, 0))
        pictures.append(picture[:, None])
    return Faces(torch.stack(pictures), torch.stack(points))


def _inside(across: Tensor, down: Tensor, sharp: Tensor) -> Tensor:
    """1 inside the unit circle, 0 outside, over about a pixel in between."""
    away = (across.square() + down.square() + 1e-6).sqrt()
    return ((1 - away) * sharp).clamp(-0.5, 0.5) + 0.5


def point_maps(points: Tensor, size: int, spread: float = 1.5) -> Tensor:
    """Key points as pictures: for each a bell around it, 1 at the point.

    ``(n, k, 2)``, (x, y) in pixels, to ``(n, k, size, size)``; `spread` is the bell's standard
    deviation in pixels.
    """
    _check_points(points, spread)
    grid = torch.arange(size)
    across = (grid - points[..., :1]).square()  # (n, k, size)
    down = (grid - points[..., 1:]).square()
    return torch.exp(-(down[..., :, None] + across[..., None, :]) / (2 * spread**2))


def warp(pictures: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Move pictures as a whole, so that key points go from `before` to `after` as well as can be.

    The affine map that fits best by least squares; no part moves apart from the others.

    Parameters
    ----------
    pictures
        ``(n, c, size, size)``.
    before, after
        ``(n, k, 2)``, at least three points that do not lie in one line.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the points of `after` lie in one line.
    """
    _check_moved(pictures, before, after)
    size = pictures.shape[-1]
    ones = torch.ones_like(before[..., :1])
    # Where does each pixel of the new picture come from? The map goes from after to before.
    matrix = torch.linalg.lstsq(torch.cat([after, ones], -1), before).solution  # (n, 3, 2)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).float().view(1, -1, 3)
    found = (pixels @ matrix).view(-1, size, size, 2)  # (n, size, size, 2), in pixels
    grid = (found + 0.5) / size * 2 - 1
    return F.grid_sample(pictures, grid, align_corners=False, padding_mode="border")


def _check_one_channel(pictures: Tensor) -> None:
    if pictures.dim() != 4 or pictures.shape[1] != 1:
        raise ValueError(f"pictures are {tuple(pictures.shape)}: give (n, 1, h, w)")


def _check_points(points: Tensor, spread: float) -> None:
    if points.dim() != 3 or points.shape[-1] != 2:
        raise ValueError(f"points are {tuple(points.shape)}: give (n, k, 2), x and y in pixels")
    if not spread > 0:
        raise ValueError(f"spread is {spread}: give a number of pixels above 0")


def _check_moved(pictures: Tensor, before: Tensor, after: Tensor) -> None:
    if pictures.dim() != 4 or pictures.shape[2] != pictures.shape[3]:
        raise ValueError(f"pictures are {tuple(pictures.shape)}: give (n, c, size, size)")
    if before.shape != after.shape or before.shape[:1] != pictures.shape[:1] or before.dim() != 3:
        raise ValueError(
            f"points go from {tuple(before.shape)} to {tuple(after.shape)}: give "
            f"({len(pictures)}, k, 2) each, as many as there are pictures"
        )
    spans = torch.linalg.matrix_rank((after - after.mean(1, keepdim=True)).double(), rtol=1e-5)
    if (spans < 2).any():
        raise ValueError(
            "the new key points of a picture lie in one line: no map of the plane is the best; "
            "give at least three points that do not"
        )
