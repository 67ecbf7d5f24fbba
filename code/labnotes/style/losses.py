"""Three losses on pictures: another content, another style, and noise."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference of two feature maps, place by place.

    Parameters
    ----------
    features, target
        ``(batch, channels, height, width)`` of one shape: a layer's output for the picture, and
        for the one whose content it should have.

    Returns
    -------
    Tensor
        One number.

    Raises
    ------
    ValueError
        If they are not floating point with four axes, or differ in shape.

    References
    ----------
    Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016,
    equation 1, which has half the sum of the squares in the place of their mean.
    """
    _check_maps(features=features, target=target)
    _check_same_shape(features, target)
    return F.mse_loss(features, target)


def gram(features: Tensor) -> Tensor:
    """How the channels of a feature map go together: the Gram matrix (格拉姆矩阵) over its places.

    Entry ``(i, j)`` is the mean over all places of channel i times channel j. Where in the picture
    something stands has no part in it.

    Parameters
    ----------
    features
        ``(batch, channels, height, width)``.

    Returns
    -------
    Tensor
        ``(batch, channels, channels)``, symmetric.

    Raises
    ------
    ValueError
        If `features` is not floating point with four axes and at least one place.

    References
    ----------
    Gatys, Ecker and Bethge, 2016, equation 3, which has the sum over the M places. The mean is
    the same for pictures of any size.

    Examples
    --------
    >>> import torch
    >>> gram(torch.tensor([[[[1.0, 0.0]], [[2.0, 2.0]]]]))
    tensor([[[0.5000, 1.0000],
             [1.0000, 4.0000]]])
    """
    _check_maps(features=features)
    flat = features.flatten(2)  # (batch, channels, places)
    return flat @ flat.transpose(1, 2) / flat.shape[2]  # (batch, channels, channels)


def style_loss(features: Tensor, target: Tensor) -> Tensor:
    """The squared difference of two Gram matrices, summed, and divided by 4 channels squared.

    With N channels and M places, and sums over the places in the Gram matrices, the divisor is the
    paper's 4 N² M²; here M stands in :func:`gram` already.

    Parameters
    ----------
    features
        ``(batch, channels, height, width)``, a layer's output for the picture.
    target
        ``(batch, channels, channels)``, the :func:`gram` of the picture whose style it should have.

    Returns
    -------
    Tensor
        One number, the mean over the batch.

    Raises
    ------
    ValueError
        If `features` is no feature map, or `target` no Gram matrix of as many channels.

    References
    ----------
    Gatys, Ecker and Bethge, 2016, equation 4.
    """
    found = gram(features)
    _check_target(found, target)
    channels = features.shape[1]
    return (found - target).square().sum((1, 2)).mean() / (4 * channels**2)


def total_variation(image: Tensor) -> Tensor:
    """How much neighbouring pixels differ: the mean of the absolute differences, across and down.

    Parameters
    ----------
    image
        ``(batch, channels, height, width)``, at least 2 by 2 pixels.

    Returns
    -------
    Tensor
        One number: the mean over the pairs of neighbours in a row, plus that in a column.

    Raises
    ------
    ValueError
        If `image` is not floating point with four axes and at least 2 by 2 pixels.

    References
    ----------
    Rudin, Osher and Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", 1992;
    with absolute differences along the axes in the place of the gradient's length.

    Examples
    --------
    >>> import torch
    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]]))
    tensor(3.)
    """
    _check_maps(image=image)
    _check_pixels(image)
    across = image[..., :, 1:] - image[..., :, :-1]  # (batch, channels, height, width - 1)
    down = image[..., 1:, :] - image[..., :-1, :]  # (batch, channels, height - 1, width)
    return across.abs().mean() + down.abs().mean()


def _check_maps(**maps: Tensor) -> None:
    for name, value in maps.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            came = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"{name} is {came}: give floating point (batch, channels, height, width)"
            )
        if value.dim() != 4 or not value.numel():
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}: give (batch, channels, height, width), "
                "none of them 0"
            )


def _check_same_shape(features: Tensor, target: Tensor) -> None:
    if features.shape != target.shape:
        raise ValueError(
            f"features have shape {tuple(features.shape)}, target has {tuple(target.shape)}: "
            "content is compared place by place, give two of one shape"
        )


def _check_target(found: Tensor, target: Tensor) -> None:
    is_tensor = isinstance(target, Tensor)
    if not is_tensor or target.shape != found.shape or not target.is_floating_point():
        came = f"{tuple(target.shape)} of {target.dtype}" if is_tensor else type(target).__name__
        raise ValueError(
            f"target is {came}: give the Gram matrix of the style, {tuple(found.shape)} for "
            "these features"
        )


def _check_pixels(image: Tensor) -> None:
    if min(image.shape[-2:]) < 2:
        raise ValueError(
            f"image has shape {tuple(image.shape)}: it needs 2 by 2 pixels to have neighbours"
        )
