"""Pictures with targets that the tests of several detectors share."""

from __future__ import annotations

import torch


def pictures(n: int = 4, size: int = 64, classes: int = 3, seed: int = 0):
    """Noise with random boxes and masks; the first picture is empty."""
    draw = torch.Generator().manual_seed(seed)
    targets = []
    for i in range(n):
        corner = torch.rand(i, 2, generator=draw) * size / 2
        sides = torch.rand(i, 2, generator=draw) * size / 3 + 8
        targets.append({
            "boxes": torch.cat([corner, corner + sides], 1),
            "labels": torch.randint(classes, (i,), generator=draw),
            "masks": torch.rand(i, size, size, generator=draw) < 0.5,
        })  # fmt: skip
    return torch.rand(n, 3, size, size, generator=draw), targets
