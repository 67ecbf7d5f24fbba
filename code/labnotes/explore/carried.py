"""What an explorer carries to its page: pictures as addresses, and networks that a page may fetch."""

from __future__ import annotations

import base64
import io

from torch import Tensor, nn


def data_uri(picture: Tensor, **how) -> str:
    """A picture as an address that holds it, ``data:image/png;base64,...``.

    Parameters
    ----------
    picture
        uint8, ``(3, height, width)``, or ``(height, width)`` for a grey one.
    how
        Of Pillow's ``Image.save``; without `format` it is PNG.
    """
    from PIL import Image

    how = {"format": "PNG"} | how
    pixels = picture.permute(1, 2, 0) if picture.ndim == 3 else picture
    file = io.BytesIO()
    Image.fromarray(pixels.contiguous().cpu().numpy()).save(file, **how)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/{how['format'].lower()};base64,{text}"


def check_numbers(network: nn.Module) -> None:
    """Refuse a network with a number that is not finite, by the number's name.

    Raises
    ------
    ValueError
        If there is one.
    """
    for name, weight in network.state_dict().items():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds numbers that are not finite: has training failed?")


def check_bytes(what: str, packed: bytes, most: int, instead: str) -> None:
    """Refuse what would take a page too long to fetch.

    Raises
    ------
    ValueError
        If `packed` has more than `most` bytes; `what` names it, `instead` says what would do.
    """
    if len(packed) > most:
        raise ValueError(
            f"the {what} takes {len(packed):,} bytes, and a page may fetch {most:,}: give {instead}"
        )
