"""Minibatches of an image set that lives on the device.

A small image set fits into the memory of a graphics card many times over, as bytes. Kept there,
a batch is one gather, and cropping and flipping are a few tensor operations on the whole batch:
no worker processes, no copies from the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labnotes import runtime

Augment = Callable[[Tensor, torch.Generator], Tensor]


class Batches:
    """Iterate over ``(images, labels)`` in minibatches; each pass over them is one epoch.

    The images stay on the device as bytes. A batch is gathered, augmented, and turned into
    floats: divided by 255, then ``(x - mean) / std`` if these are given.

    The order of epoch e depends on nothing but the seed and e, and the augmentation of a batch on
    nothing but the seed, e and the batch's number, so that a run can be taken up again in the
    middle of an epoch. (CPUs and graphics cards draw different numbers from one seed.) A complete
    pass moves on to the next epoch; :meth:`set_epoch` goes to a certain one.

    Parameters
    ----------
    images : Tensor
        ``(n, channels, height, width)``, uint8.
    labels : Tensor
        ``(n,)``, integers.
    batch_size : int
        Images in a batch; the last batch has what is left.
    shuffle : bool
        A new random order each epoch; else the order given.
    augment : callable, or sequence of callables
        Each is called with the batch (uint8, on the device) and a generator, and gives the batch
        anew: for example :func:`random_crop` and :func:`random_flip`.
    device : torch.device or str
        Where the data live; :func:`labnotes.runtime.device` unless given.
    mean, std : sequence of float, or float
        Of each channel, on the scale from 0 to 1 (see :func:`channel_statistics`).
    seed : int
        Of the order and the augmentation.
    channels_last : bool
        Give the images in channels-last memory format, which convolutions on graphics cards like.
    drop_last : bool
        Leave out a last batch that has fewer images: of each epoch's order, other ones.

    Raises
    ------
    ValueError
        If there are no images, the shapes or types are not these, or a number is out of range.

    Examples
    --------
    >>> images = torch.arange(10 * 4, dtype=torch.uint8).reshape(10, 1, 2, 2)
    >>> batches = Batches(images, torch.arange(10), 4, device="cpu")
    >>> [tuple(x.shape) for x, y in batches]
    [(4, 1, 2, 2), (4, 1, 2, 2), (2, 1, 2, 2)]
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = True,
        augment: Augment | Sequence[Augment] | None = None,
        device: torch.device | str | None = None,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        seed: int = 0,
        channels_last: bool = False,
        drop_last: bool = False,
    ):
        _check(images, labels, batch_size, seed, drop_last)
        self.device = torch.device(device) if device is not None else runtime.device()
        self.images = images.to(self.device)
        self.labels = labels.to(self.device, torch.int64)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.drop_last = drop_last
        self.augment = [augment] if callable(augment) else list(augment or [])
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.epoch = 0
        self._position = 0  # the batch that comes next
        self._resume_at = 0
        channels = images.shape[1]
        mean = _per_channel(mean, 0.0, channels, "mean")
        std = _per_channel(std, 1.0, channels, "std")
        if (std <= 0).any():
            raise ValueError(f"std is {std.tolist()}: give positive numbers")
        self.statistics = {"mean": mean.tolist(), "std": std.tolist()}
        self._scale = (1 / (255 * std)).reshape(-1, 1, 1).to(self.device)  # x * scale + shift
        self._shift = (-mean / std).reshape(-1, 1, 1).to(self.device)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((images, labels) for images, labels, _ in self.parts(lambda n: (slice(n), 1.0)))

    def parts(self, cut: Callable[[int], tuple[slice, float]]) -> Iterator[tuple]:
        """As iterating, but of each batch only a part: ``(images, labels, share)``.

        Parameters
        ----------
        cut
            From a batch's size to the slice of it to give, and a number to give with it; for
            example :func:`labnotes.train.distributed.cut`. Where each of several processes takes
            its own slice, all together have the very images of the whole batch, for the
            augmentation is drawn for all of it.
        """
        epoch, first, self._resume_at = self.epoch, self._resume_at, 0
        order = self._order(epoch).split(self.batch_size)
        for number in range(first, len(self)):
            self._position = number + 1
            mine, share = cut(len(order[number]))
            yield *self._batch(order[number], epoch, number, mine), share
        self.epoch, self._position = epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        """The next pass will be epoch `epoch`, from its first batch on."""
        self.epoch, self._position, self._resume_at = epoch, 0, 0

    def state_dict(self) -> dict[str, int]:
        """The place in the data: seed, epoch, and the number of batches of it already given."""
        return {"seed": self.seed, "epoch": self.epoch, "batch": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on at the place of `state`: the next pass is the rest of that epoch.

        Raises
        ------
        ValueError
            If `state` is of batches with another seed, or names a batch that there is not.
        """
        if state["seed"] != self.seed:
            raise ValueError(
                f"the saved place is in an order of seed {state['seed']}, these batches have seed "
                f"{self.seed}: make them with the same seed"
            )
        if not 0 <= state["batch"] <= len(self):
            raise ValueError(
                f"the saved place is batch {state['batch']}, an epoch here has {len(self)}: "
                "make the batches with the same data and batch_size"
            )
        self.epoch = state["epoch"]
        self._position = self._resume_at = state["batch"]

    def _order(self, epoch: int) -> Tensor:
        n = len(self.labels)
        if not self.shuffle:
            return torch.arange(n, device=self.device)
        return torch.randperm(n, device=self.device, generator=self._generator(epoch))  # (n,)

    def _generator(self, *place: int) -> torch.Generator:
        mixed = np.random.SeedSequence([self.seed, *place]).generate_state(1, np.uint64)[0]
        return torch.Generator(self.device).manual_seed(int(mixed) >> 1)  # 63 bits

    def _batch(self, chosen: Tensor, epoch: int, number: int, mine: slice) -> tuple[Tensor, Tensor]:
        if self.augment:
            images = self.images[chosen]  # (batch, channels, height, width), uint8
            generator = self._generator(epoch, number)
            for change in self.augment:
                images = change(images, generator)
            images, chosen = images[mine], chosen[mine]
        else:
            chosen = chosen[mine]
            images = self.images[chosen]
        images = images.float().mul_(self._scale).add_(self._shift)
        return images.contiguous(memory_format=self.memory_format), self.labels[chosen]

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return (
            f"{len(self):,} batches of {self.batch_size} images of {shape}, "
            f"{len(self.labels):,} in all, on {self.device}"
        )


def random_crop(padding: int) -> Augment:
    """Shift each image by up to `padding` pixels, down or up and left or right, at random.

    As ``torchvision.transforms.RandomCrop(size, padding)`` with the image's own size: pad with
    `padding` black pixels on all sides, then cut out the size, each image at its own place.

    Raises
    ------
    ValueError
        If `padding` is not a positive integer.
    """
    if not isinstance(padding, int) or padding < 1:
        raise ValueError(f"padding is {padding!r}: give a number of pixels, 1 or more")

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        offsets = torch.randint(
            2 * padding + 1, (2, len(images)), generator=generator, device=images.device
        )
        return crop(images, padding, offsets)

    return change


def crop(images: Tensor, padding: int, offsets: Tensor) -> Tensor:
    """Pad by `padding` on all sides, then cut the original size out of each image.

    Parameters
    ----------
    images : Tensor
        ``(batch, channels, height, width)``.
    padding : int
        Zeros on each side.
    offsets : Tensor
        ``(2, batch)``, int64: top and left edge of each cut, from 0 to ``2 * padding``.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, [padding] * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (b, c, 2p+1, 2p+1, h, w)
    each = torch.arange(len(images), device=images.device)
    return windows[each, :, offsets[0], offsets[1]]  # (batch, channels, height, width)


def random_flip() -> Augment:
    """Mirror each image left to right with probability one half."""

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        heads = torch.rand(len(images), generator=generator, device=images.device) < 0.5
        return flip(images, heads)

    return change


def flip(images: Tensor, which: Tensor) -> Tensor:
    """Mirror the images ``(batch, channels, height, width)`` where `which` ``(batch,)`` is true."""
    return torch.where(which[:, None, None, None], images.flip(-1), images)


def channel_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, on the scale from 0 to 1.

    Take them of the training images, and use them for training and test images alike.

    Parameters
    ----------
    images : Tensor
        ``(n, channels, height, width)``, uint8.

    Returns
    -------
    mean, std : list of float
        One number a channel.
    """
    # 256 counts hold all there is to know: exact, and no copy of the images as floats.
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).cpu().double() / channel.numel()
        mean = (share * levels).sum()
        means.append(mean.item())
        deviations.append((share * (levels - mean) ** 2).sum().sqrt().item())
    return means, deviations


def _per_channel(value, default: float, channels: int, name: str) -> Tensor:
    values = torch.as_tensor(default if value is None else value, dtype=torch.float32).flatten()
    if len(values) not in (1, channels):
        raise ValueError(
            f"{name} has {len(values)} numbers, the images have {channels} channels: give one number "
            "a channel, or one for all"
        )
    return values.expand(channels)


def _check(images: Tensor, labels: Tensor, batch_size: int, seed: int, drop_last: bool) -> None:
    if images.dim() != 4 or images.dtype != torch.uint8:
        raise ValueError(
            f"images are {tuple(images.shape)} {images.dtype}: give (n, channels, height, width) "
            "in torch.uint8, 0 to 255"
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels are {tuple(labels.shape)} {labels.dtype}, there are {len(images)} images: give "
            "one integer an image"
        )
    if len(images) == 0:
        raise ValueError("there are no images: give at least one")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}: give an integer, 1 or more")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give an integer, 0 or more")
    if drop_last and len(images) < batch_size:
        raise ValueError(
            f"drop_last leaves nothing of {len(images)} images in batches of {batch_size}: give a "
            "smaller batch_size"
        )
