"""torchvision's networks, with weights that others have trained on ImageNet."""

from __future__ import annotations

import torch
from torch import nn

from labnotes.data import catalog, provenance

# Of each network: the data set of the catalogue, and the file in it.
WEIGHTS = {
    "squeezenet1_1": ("weights", "squeezenet1_1-b8a52dc0.pth"),
    "mobilenet_v2": ("weights", "mobilenet_v2-b0353104.pth"),
    "vgg19": ("vgg19", "vgg19-dcbb9e9d.pth"),
}
NOTES = {
    "squeezenet1_1_imagenet_fp16.pth": "In half precision.",
    "mobilenet_v2_imagenet_fp16.pth": "In half precision, with the weights of TensorFlow.",
}


def pretrained(name: str) -> nn.Module:
    """A network of torchvision trained on ImageNet's 1,000 classes.

    It takes RGB pictures, normalized with ImageNet's mean ``(0.485, 0.456, 0.406)`` and standard
    deviation ``(0.229, 0.224, 0.225)``.

    Parameters
    ----------
    name
        ``"squeezenet1_1"``, ``"mobilenet_v2"``, or ``"vgg19"`` (548 MiB to download).

    Returns
    -------
    Module
        ``torchvision.models.NAME``, in single precision on the CPU, in evaluation mode. Its
        attribute `provenance` says whose weights they are, and whether the files of
        ``LABNOTES_DATA`` in half precision took the place of torchvision's own.

    Raises
    ------
    ValueError
        If there is no such network.
    DatasetUnavailable
        If the weights are not to be had.

    Examples
    --------
    ::

        body = pretrained("squeezenet1_1").features  # (batch, 512, height / 16, width / 16)
    """
    if name not in WEIGHTS:
        raise ValueError(f"no pretrained network {name!r}: there are {', '.join(WEIGHTS)}")
    import torchvision

    dataset, file = WEIGHTS[name]
    found = catalog.fetch(dataset)
    path = found.paths[file]
    network = getattr(torchvision.models, name)()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state)  # copies into single precision
    note = NOTES.get(path.name, "")
    network.provenance = provenance.of(catalog.entry(dataset), found.source, note)
    return network.eval()
