"""A world of coloured shapes on textured ground: every box, mask and pixel label is exact.

Real pictures come with boxes that somebody drew by eye. Here the program that draws a picture
writes down where everything is, so that the right answer of a detector, of a segmentation and of
a metric is known. Hidden parts count as hidden: boxes and masks are of what can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labnotes.checks import check_positive
from labnotes.data.provenance import Provenance

CLASSES = ("ellipse", "rectangle", "triangle", "cross")
COLOURS = {
    "red": (215, 50, 45), "green": (60, 170, 70), "blue": (50, 95, 215),
    "yellow": (235, 210, 60), "purple": (150, 65, 180), "white": (240, 240, 240),
}  # fmt: skip
SHORTEST, LONGEST = 0.14, 0.45  # of a shape, as parts of the picture's side
SMALLEST = 16  # pixels along a side of a picture: fewer, and the kinds look alike
VISIBLE = 0.6  # of each shape at least this part can be seen
NOISE = 7  # standard deviation of a pixel's grain, of 255
BLOCK = 64  # pictures drawn together, from random numbers of their own
TRIES = 500  # places tried for a shape before there is no room


@dataclass(frozen=True, repr=False)
class World:
    """Generated pictures and all that is true of them.

    ``world[:100]`` is a world of the first hundred; ``world[3]`` is one ``(image, target)``.

    Attributes
    ----------
    images : Tensor
        ``(n, 3, size, size)``, uint8.
    targets : list of dict
        One a picture: ``"boxes"``, ``(k, 4)`` float32, ``(x1, y1, x2, y2)`` in pixels, the edges of
        what can be seen; ``"labels"``, ``(k,)`` int64, indices into `classes`; ``"masks"``,
        ``(k, size, size)`` bool, the part of each shape that can be seen. Later shapes lie in front.
    pixels : Tensor
        ``(n, size, size)``, uint8: 0 is ground, else the label + 1 of the shape that is seen.
    captions : list of str
        The shapes of each picture by colour and kind, from left to right.
    classes : tuple of str
        The names of the kinds.
    """

    images: Tensor
    targets: list[dict[str, Tensor]]
    pixels: Tensor
    captions: list[str]
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: int | slice) -> World | tuple[Tensor, dict[str, Tensor]]:
        if not isinstance(place, slice):
            return self.images[place], self.targets[place]
        return World(
            self.images[place], self.targets[place], self.pixels[place], self.captions[place]
        )

    @property
    def provenance(self) -> Provenance:
        """Where the pictures came from, as a line that a page shows."""
        return Provenance(
            name="generated",
            title=f"{len(self):,} generated pictures of shapes",
            source="bundled",
            licence="MIT, as the code that draws them",
            citation="Drawn by labnotes",
        )

    def __repr__(self) -> str:
        count = sum(len(target["labels"]) for target in self.targets)
        side = self.images.shape[-1]
        return f"{len(self):,} pictures of 3x{side}x{side} with {count:,} shapes"


def shapes(n: int, size: int = 64, seed: int = 0, objects: tuple[int, int] = (1, 6)) -> World:
    """Draw `n` pictures with coloured shapes on textured ground.

    A shape's kind, colour, place, width and height are independent of each other, so that neither
    colour nor size tells the kind. Shapes may overlap; of each at least 60 % can be seen.

    Parameters
    ----------
    n : int
        Pictures.
    size : int
        Pixels along a side, at least 16. Shapes are 14 % to 45 % of it wide and high.
    seed : int
        The same seed gives the same pictures: the first hundred of a thousand are those of a
        hundred.
    objects : tuple of int
        The fewest and the most shapes in a picture, all numbers between equally likely.
        ``(0, 3)`` leaves some pictures empty.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If a number is out of range, or a picture has no room for so many shapes.

    Examples
    --------
    >>> world = shapes(3)
    >>> world.images.shape, world.images.dtype
    (torch.Size([3, 3, 64, 64]), torch.uint8)
    >>> len(world.targets[0]["boxes"]) == world.targets[0]["masks"].shape[0]
    True
    """
    _check(n, size, seed, objects)
    blocks = [_block(size, seed, block, objects) for block in range(-(-n // BLOCK))]
    images, pixels = (torch.from_numpy(np.concatenate(part)[:n]) for part in list(zip(*blocks))[:2])
    truths = [truth for *_, found in blocks for truth in found][:n]
    return World(images, [target for target, _ in truths], pixels, [text for _, text in truths])


def _block(size: int, seed: int, block: int, objects: tuple[int, int]) -> tuple:
    """Images, pixel labels, and a list of (target, caption), of BLOCK pictures."""
    draw = np.random.RandomState([seed % 2**32, seed >> 32, block])  # its stream is frozen
    fewest, most = objects
    counts = draw.randint(fewest, most + 1, BLOCK)
    labels = draw.randint(len(CLASSES), size=(BLOCK, most), dtype=np.int64)
    colours = draw.randint(len(COLOURS), size=(BLOCK, most))
    front = _placed(counts, labels, draw, size)  # (BLOCK, size, size)
    images = _painted(front, colours, draw)
    # Looked up at front + 1: 0 for ground, else the label of the shape in front, + 1.
    lookup = np.pad(labels + 1, ((0, 0), (1, 0))).astype(np.uint8)  # (BLOCK, 1 + most)
    pixels = np.take_along_axis(lookup, front.reshape(BLOCK, -1) + 1, 1).reshape(front.shape)
    return images, pixels, _truths(front, counts, labels, colours)


def _placed(counts, labels, draw: np.random.RandomState, size: int) -> np.ndarray:
    """Which shape is in front at each pixel, -1 where it is ground: ``(BLOCK, size, size)``."""
    front = np.full((BLOCK, size, size), -1)
    whole = np.zeros(labels.shape)  # pixels of each shape, those that became hidden included
    for shape in range(labels.shape[1]):
        waiting = np.flatnonzero(counts > shape)  # pictures that still need this shape
        for _ in range(TRIES):
            if not len(waiting):
                break
            masks = _masks(labels[waiting, shape], draw, size)  # (waiting, size, size)
            fits = masks.any((1, 2))
            for other in range(shape):
                left = ((front[waiting] == other) & ~masks).sum((1, 2))
                fits &= left >= VISIBLE * whole[waiting, other]
            placed, masks, waiting = waiting[fits], masks[fits], waiting[~fits]
            whole[placed, shape] = masks.sum((1, 2))
            front[placed] = np.where(masks, shape, front[placed])
        if len(waiting):
            raise ValueError(
                f"no room for {shape + 1} shapes, of each of which {VISIBLE:.0%} can be seen, in a "
                f"picture of {size}x{size}: let objects be fewer"
            )
    return front


def _masks(labels: np.ndarray, draw: np.random.RandomState, size: int) -> np.ndarray:
    """The pixels of one shape for each of the labels ``(m,)``, anywhere inside: ``(m, size, size)``.

    A pixel belongs to a shape if its centre does.
    """
    sides = size * draw.uniform(SHORTEST, LONGEST, (2, len(labels), 1))  # width and height
    starts = draw.uniform(size=sides.shape) * (size - sides)
    u, v = (np.arange(size) + 0.5 - starts) / sides * 2 - 1  # (m, size): -1 and 1 are the edges
    masks = np.empty((len(labels), size, size), dtype=bool)
    for label, inside in enumerate((_ellipse, _rectangle, _triangle, _cross)):
        mine = labels == label
        masks[mine] = inside(u[mine, None, :], v[mine, :, None])
    return masks


# Whether a point is inside: u from -1 (left edge) to 1 (right edge), v from -1 (top) to 1 (bottom).


def _ellipse(u, v) -> np.ndarray:
    return u**2 + v**2 <= 1


def _rectangle(u, v) -> np.ndarray:
    return (abs(u) <= 1) & (abs(v) <= 1)


def _triangle(u, v) -> np.ndarray:
    return (abs(u) <= (v + 1) / 2) & (v <= 1)  # the tip is on top


def _cross(u, v) -> np.ndarray:
    return _rectangle(u, v) & ((abs(u) <= 1 / 3) | (abs(v) <= 1 / 3))


def _painted(front: np.ndarray, colours: np.ndarray, draw: np.random.RandomState) -> np.ndarray:
    """The pictures ``(BLOCK, 3, size, size)``, uint8: shapes on clouds of grey and brown."""
    size, most = front.shape[-1], colours.shape[1]
    level = draw.uniform(70, 150, (BLOCK, 1, 1, 1)) + draw.uniform(-18, 18, (BLOCK, 3, 1, 1))
    clouds = torch.from_numpy(draw.normal(0, 22, (BLOCK, 1, 6, 6)))
    ground = F.interpolate(clouds, (size, size), mode="bicubic", align_corners=False).numpy()
    images = (level + ground).astype(np.float32)
    tints = np.array([*COLOURS.values()])[colours] + draw.normal(0, 12, (BLOCK, most, 3))
    for shape in range(most):
        paint = tints[:, shape, :, None, None].astype(np.float32)  # (BLOCK, 3, 1, 1)
        images = np.where((front == shape)[:, None], paint, images)
    images += draw.normal(0, NOISE, images.shape)
    return images.round().clip(0, 255).astype(np.uint8)


def _truths(front, counts, labels, colours) -> list[tuple[dict[str, Tensor], str]]:
    """The target and the caption of each picture."""
    size, most = front.shape[-1], labels.shape[1]
    seen = front[:, None] == np.arange(most)[:, None, None]  # (BLOCK, most, size, size)
    columns, rows = seen.any(2), seen.any(3)  # (BLOCK, most, size) each
    boxes = np.stack(
        [columns.argmax(-1), rows.argmax(-1),
         size - columns[..., ::-1].argmax(-1), size - rows[..., ::-1].argmax(-1)], -1
    ).astype(np.float32)  # fmt: skip
    found = []
    for i, count in enumerate(counts):
        target = {
            "boxes": torch.from_numpy(boxes[i, :count].copy()),
            "labels": torch.from_numpy(labels[i, :count].copy()),
            "masks": torch.from_numpy(seen[i, :count].copy()),
        }
        found.append((target, _caption(boxes[i, :count], labels[i], colours[i])))
    return found


def _caption(boxes: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> str:
    """``"a red ellipse, a blue cross and a white triangle"``, from left to right."""
    names = [*COLOURS]
    words = [
        f"a {names[colours[i]]} {CLASSES[labels[i]]}"
        for i in (boxes[:, 0] + boxes[:, 2]).argsort(kind="stable")
    ]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "nothing"


def _check(n: int, size: int, seed: int, objects: tuple[int, int]) -> None:
    check_positive(n=n, size=size)
    if size < SMALLEST:
        raise ValueError(f"size is {size}: give at least {SMALLEST}, or the kinds look alike")
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed!r}: give an integer from 0 to 2**63 - 1")
    whole = isinstance(objects, (tuple, list)) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in objects
    )
    if not whole or len(objects) != 2 or not 0 <= objects[0] <= objects[1]:
        raise ValueError(
            f"objects is {objects!r}: give the fewest and the most shapes, for example (1, 6)"
        )
