"""Photographs by name, and the drawn scenes that stand in for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.provenance import Provenance


@dataclass(frozen=True)
class Shape:
    """What is drawn in a generated scene: a disc or a square, and exactly where.

    Attributes
    ----------
    kind : str
        ``"disc"`` or ``"square"``.
    x, y : int
        Centre, in pixels from the left and from the top.
    radius : int
        Of the disc, or half the side of the square.
    colour : tuple of int
        Red, green, blue, 0 to 255.
    """

    kind: str
    x: int
    y: int
    radius: int
    colour: tuple[int, int, int]


class Photos(Mapping[str, Tensor]):
    """Pictures by name: ``photos["cat1"]`` is ``(3, height, width)``, uint8, decoded when asked for.

    Attributes
    ----------
    provenance : Provenance
        Whose they are.
    truth : dict of str to tuple of Shape
        For generated scenes, what is in each; empty for photographs.
    """

    def __init__(self, files: dict[str, Path], origin: Provenance, longest: int | None):
        self._files, self._longest = files, longest
        self.provenance = origin
        self.truth: dict[str, tuple[Shape, ...]] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._files:
            raise KeyError(f"no picture {name!r}: there are {', '.join(self._files)}")
        return _decode(self._files[name], self._longest)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"{self.provenance.title}: {', '.join(self)}"


class _Scenes(Photos):
    def __init__(self, names: list[str], origin: Provenance, longest: int | None):
        super().__init__({}, origin, longest)
        self._pictures = {}
        for seed, name in enumerate(names):
            self._pictures[name], self.truth[name] = _scene(seed, min(longest or 320, 320))
        self._files = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._pictures:
            raise KeyError(f"no picture {name!r}: there are {', '.join(self)}")
        return self._pictures[name].clone()


def photos(fallback: bool = False, longest: int | None = None) -> Photos:
    """The photographs of the book by name: cats, dogs, a hot dog, an owl, a mountain.

    Parameters
    ----------
    fallback
        If they are not to be had, draw a scene of discs and squares for each name instead. The
        provenance then says so, and ``.truth[name]`` lists what is in the scene.
    longest
        Scale a picture down so that its longer side has at most this many pixels.

    Returns
    -------
    Photos
        A mapping from names to ``(3, height, width)`` uint8 tensors.

    Raises
    ------
    DatasetUnavailable
        If the photographs are not to be had and `fallback` is false.
    ValueError
        If `longest` is not positive.
    """
    if longest is not None and longest < 1:
        raise ValueError(f"longest is {longest}: give the longer side in pixels, at least 1")
    dataset = catalog.entry("photos")
    try:
        found = catalog.fetch("photos")
    except DatasetUnavailable:
        if not fallback:
            raise
        names = [Path(slot).stem for slot in dataset.slots()]
        return _Scenes(names, _scene_provenance(dataset), longest)
    files = {Path(slot).stem: path for slot, path in found.paths.items()}
    return Photos(files, provenance.of(dataset, found.source), longest)


def _decode(path: Path, longest: int | None) -> Tensor:
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        if longest is not None:
            picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    return torch.from_numpy(np.array(upright)).permute(2, 0, 1).contiguous()  # (3, H, W)


def _scene_provenance(wanted: catalog.Dataset) -> Provenance:
    return Provenance(
        name="generated",
        title="Scenes of discs and squares",
        source="bundled",
        licence="MIT, as the code that draws them",
        citation="Drawn by labnotes",
        stand_in=True,
        note=provenance.missing(wanted, "Each photograph is replaced by a drawn scene."),
    )


def _scene(seed: int, side: int) -> tuple[Tensor, tuple[Shape, ...]]:
    """A gradient with two to four shapes on it, later ones in front: ``(3, 3/4 side, side)``."""
    random = np.random.RandomState(seed)
    height, width = max(1, side * 3 // 4), side
    down, right = np.mgrid[0:height, 0:width]
    slope = (down / height + right / width) / 2  # 0 at the top left, 1 at the bottom right
    dark, light = random.randint(0, 90, 3), random.randint(140, 256, 3)
    picture = dark + slope[..., None] * (light - dark)  # (height, width, 3)
    shapes = []
    for _ in range(random.randint(2, 5)):
        shape = Shape(
            kind=("disc", "square")[random.randint(2)],
            x=int(random.randint(width)),
            y=int(random.randint(height)),
            radius=int(random.randint(side // 16, side // 5 + 1)) + 1,
            colour=tuple(int(c) for c in random.randint(0, 256, 3)),
        )
        picture[covered(shape, height, width)] = shape.colour
        shapes.append(shape)
    tensor = torch.from_numpy(picture.round().astype(np.uint8)).permute(2, 0, 1)
    return tensor.contiguous(), tuple(shapes)


def covered(shape: Shape, height: int, width: int) -> np.ndarray:
    """The pixels of a ``(height, width)`` picture that `shape` covers, as a mask."""
    down, right = np.mgrid[0:height, 0:width]
    across, along = np.abs(right - shape.x), np.abs(down - shape.y)
    if shape.kind == "disc":
        return across**2 + along**2 <= shape.radius**2
    return np.maximum(across, along) <= shape.radius
