"""Inception-v3 as the papers use it: the judge whose scores of generators can be compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.data import catalog


def inception_judge() -> nn.Module:
    """Inception-v3 with the weights that published FIDs and Inception Scores were computed with.

    They are those of a TensorFlow file of 2015, with 1,008 classes and other pooling layers than
    torchvision's `inception_v3`; the network is that of the package torch-fidelity, which resizes
    as TensorFlow did.

    Returns
    -------
    nn.Module
        On the CPU, in evaluation mode and frozen, for :func:`seen_by_inception`.

    Raises
    ------
    DatasetUnavailable
        If the weights (91 MiB) are not here and cannot be downloaded.
    ModuleNotFoundError
        If torch-fidelity is not installed.

    References
    ----------
    Heusel et al. (2017), GANs trained by a two time-scale update rule, section 4; Obukhov et al.
    (2020), torch-fidelity, github.com/toshas/torch-fidelity.
    """
    (weights,) = catalog.fetch("inception").paths.values()
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "the papers' Inception-v3 needs torch-fidelity: install it with "
            "`pip install torch-fidelity` (in a notebook, `%pip install torch-fidelity`)"
        ) from missing
    return FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )


@torch.no_grad()
def seen_by_inception(net: nn.Module, pictures: Tensor, batch: int = 50) -> tuple[Tensor, Tensor]:
    """What Inception-v3 makes of pictures: its features and its probabilities.

    Grey pictures are shown to it as three equal colours. The numbers are rounded to bytes first, as
    if the pictures had been stored, and resized to 299x299 by the network. Its last layer's bias is
    left out of the probabilities, as in the program that the Inception Score came with.

    Parameters
    ----------
    net
        From :func:`inception_judge`.
    pictures
        ``(n, 1 or 3, height, width)``, each number from -1 to 1.
    batch
        How many pass through it at a time.

    Returns
    -------
    features, probabilities : Tensor
        ``(n, 2048)``, for :func:`labnotes.metrics.frechet_distance`, and ``(n, 1008)``, for
        :func:`labnotes.metrics.inception_score`.

    Raises
    ------
    ValueError
        If there are no pictures, they are neither grey nor coloured, or are whole numbers or
        beyond -1 to 1.
    """
    _check_pictures(pictures)
    check_positive(batch=batch)
    bytes_ = (127.5 * pictures + 127.5).round().to(torch.uint8).expand(-1, 3, -1, -1)
    features, logits = zip(*map(net, bytes_.split(batch)))
    return torch.cat(features), torch.cat(logits).softmax(1)


def _check_pictures(pictures: Tensor) -> None:
    if pictures.dim() != 4 or pictures.shape[1] not in (1, 3) or not len(pictures):
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}: give (n, 1, height, width) for grey "
            "or (n, 3, height, width) for coloured ones, n at least 1"
        )
    if not pictures.is_floating_point() or not (pictures.abs() <= 1).all():
        raise ValueError(
            f"pictures are of {pictures.dtype}, from {pictures.min()} to {pictures.max()}: "
            "give numbers from -1 to 1, bytes / 127.5 - 1"
        )
