"""Pictures with a label for each pixel: cut and mirrored together, and the band at an outline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from labnotes.checks import check_positive
from labnotes.data.batches import Augment, Batches


class PixelBatches(Batches):
    """Minibatches of pictures and the classes of their pixels: :class:`labnotes.data.Batches`.

    The labels travel as one more channel of their picture. So whatever an augmentation does to the
    place of a pixel (:func:`random_window`, :func:`labnotes.data.random_flip`) it does to its label
    too. One that changes colours, or that pads, does not belong here.

    Parameters
    ----------
    images
        ``(n, channels, height, width)``, uint8.
    pixels
        ``(n, height, width)``, uint8: classes, and 255 where nothing counts.
    batch_size, mean, std
        As in :class:`labnotes.data.Batches`; means and deviations are those of the images.
    **options
        The other options of :class:`labnotes.data.Batches`.

    Raises
    ------
    ValueError
        If pixels are not bytes, one for each of the images' pixels, or as ``Batches`` raises it.

    Examples
    --------
    >>> images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    >>> batches = PixelBatches(images, images[:, 0], 4, augment=random_window(6, 4), device="cpu")
    >>> [(tuple(x.shape), tuple(y.shape)) for x, y in batches]
    [((4, 3, 6, 4), (4, 6, 4)), ((1, 3, 6, 4), (1, 6, 4))]
    """

    def __init__(
        self,
        images: Tensor,
        pixels: Tensor,
        batch_size: int,
        *,
        mean: Sequence[float] | float = 0.0,
        std: Sequence[float] | float = 1.0,
        **options,
    ):
        _check_pixels(images, pixels)
        channels = images.shape[1]
        mean, std = ([x] * channels if isinstance(x, float | int) else list(x) for x in (mean, std))
        together = torch.cat([images, pixels[:, None]], dim=1)  # (n, channels + 1, height, width)
        # A label is divided by 255 with the colours, and by 1 / 255 here: it comes out as it was.
        statistics = {"mean": [*mean, 0.0], "std": [*std, 1 / 255]}
        super().__init__(together, torch.arange(len(images)), batch_size, **statistics, **options)

    def _batch(self, *place) -> tuple[Tensor, Tensor]:
        together, _ = super()._batch(*place)
        images = together[:, :-1].contiguous(memory_format=self.memory_format)
        return images, together[:, -1].round().long()


def random_window(height: int, width: int) -> Augment:
    """Cut a window of this size out of each picture, each at its own place.

    Unlike :func:`labnotes.data.random_crop` it pads nothing: the window lies inside the picture.

    Raises
    ------
    ValueError
        If height or width is no positive integer, or larger than the pictures that come.
    """
    check_positive(height=height, width=width)

    def change(images: Tensor, generator: torch.Generator) -> Tensor:
        _check_window(images, height, width)
        n, device = len(images), images.device
        down, right = images.shape[2] - height + 1, images.shape[3] - width + 1
        top = torch.randint(down, (n,), generator=generator, device=device)
        left = torch.randint(right, (n,), generator=generator, device=device)
        # A view of all windows: (n, channels, down, right, height, width).
        windows = images.unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(n, device=device), :, top, left]

    return change


def border_band(pixels: Tensor, width: int, ignore_index: int = 255) -> Tensor:
    """Which pixels lie near the outline between two classes (a trimap's band).

    A pixel is in the band if the square of ``2 width + 1`` pixels around it holds two classes. Void
    pixels are of no class: where an outline is drawn as a void line, `width` has to reach across.

    Parameters
    ----------
    pixels
        ``(batch, height, width)``, integers.
    width
        Of the band on each side of the outline, in pixels.
    ignore_index
        The label of void pixels.

    Returns
    -------
    Tensor
        ``(batch, height, width)``, bool.

    References
    ----------
    Kohli, Ladicky and Torr, "Robust Higher Order Potentials for Enforcing Label Consistency", 2009,
    section 5: evaluation in bands of growing width around the objects' outlines.
    """
    check_positive(width=width)
    _check_labels(pixels)
    void = (pixels == ignore_index)[:, None]  # (batch, 1, height, width)
    labels = pixels[:, None].float()
    most = _largest_around(labels.masked_fill(void, -torch.inf), width)
    least = -_largest_around((-labels).masked_fill(void, -torch.inf), width)
    return (most > least)[:, 0]  # where all is void, -inf > inf is false


def _largest_around(x: Tensor, width: int) -> Tensor:
    """The maximum of the square around each pixel: first down the columns, then along the rows."""
    x = F.max_pool2d(x, (2 * width + 1, 1), stride=1, padding=(width, 0))
    return F.max_pool2d(x, (1, 2 * width + 1), stride=1, padding=(0, width))


def _check_pixels(images: Tensor, pixels: Tensor) -> None:
    wanted = (*images.shape[:1], *images.shape[2:])
    if images.dim() != 4 or pixels.dtype != torch.uint8 or pixels.shape != wanted:
        raise ValueError(
            f"pixels are {tuple(pixels.shape)} {pixels.dtype}, images {tuple(images.shape)}: give "
            "(n, height, width) in torch.uint8, a class for each pixel of (n, channels, height, "
            "width)"
        )


def _check_window(images: Tensor, height: int, width: int) -> None:
    if images.shape[2] < height or images.shape[3] < width:
        raise ValueError(
            f"a window of {height} x {width} does not fit into pictures of {images.shape[2]} x "
            f"{images.shape[3]}: give a smaller window or larger pictures"
        )


def _check_labels(pixels: Tensor) -> None:
    if pixels.dim() != 3 or pixels.is_floating_point():
        raise ValueError(
            f"pixels are {tuple(pixels.shape)} {pixels.dtype}: give integers (batch, height, width)"
        )
