"""Trained weights that come with the book: saved by a record run, loaded by whoever reads on.

A record is a longer run of a chapter than its page can afford. The weights it leaves are part of
the package, so a chapter has them on Colab as well as in a checkout.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from torch import nn

from labnotes import runtime
from labnotes.files import replacing

#: The largest file of weights, in bytes: some 1,000,000 parameters in half precision.
MOST_BYTES = 2_000_000
#: Where the package keeps them: ``<part>/<chapter>/<name>.safetensors``.
FOLDER = Path(__file__).resolve().parents[1] / "records"


class RecordError(RuntimeError):
    """Recorded weights that are not there, do not fit, or cannot be kept."""


def record_weights(name: str, model: nn.Module) -> None:
    """Keep the weights of `model` if this run makes a record; else do nothing.

    Floating-point tensors are kept in half precision (float16), the others as they are.

    Parameters
    ----------
    name
        ``"part/chapter/name"``: the chapter, and a name for this network.
    model
        The trained network; it is not changed.

    Raises
    ------
    RecordError
        If a weight is not finite in half precision, or the file would be larger than 2 MB. Nothing
        is written then.
    ValueError
        If `name` has another form.

    Examples
    --------
    >>> record_weights("convnets/lenet/clothes", nn.Linear(3, 2))  # no record run: nothing happens
    """
    _check_name(name)
    if not runtime.recording():
        return
    from safetensors.torch import save

    weights = {key: _half(name, key, value) for key, value in model.state_dict().items()}
    content = save(weights)
    if len(content) > MOST_BYTES:
        raise RecordError(
            f"the weights {name}.safetensors have {len(content):,} bytes in half precision, and a "
            f"record may keep {MOST_BYTES:,}: record a smaller network"
        )
    path = _file(Path(os.environ["LABNOTES_RECORD"]), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


def recorded(name: str, model: nn.Module) -> nn.Module:
    """Load the recorded weights `name` into `model`.

    Parameters
    ----------
    name
        ``"part/chapter/name"``, as given to :func:`record_weights`.
    model
        A network like the one that was recorded; it is filled in place, on the device where it is.

    Returns
    -------
    nn.Module
        `model`, in evaluation mode.

    Raises
    ------
    RecordError
        If there are no such weights, or they are those of another network. `model` is then as it
        was.
    ValueError
        If `name` has another form.
    """
    _check_name(name)
    from safetensors.torch import load_file

    weights = load_file(_find(name))
    _check_fit(name, weights, model.state_dict())
    model.load_state_dict(weights)
    return model.eval()


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w-]+/[\w-]+/[\w-]+", name):
        raise ValueError(f"{name!r} names no weights: give 'part/chapter/name'")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _half(name: str, key: str, value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value.detach().cpu().contiguous()
    half = value.detach().to("cpu", torch.float16).contiguous()
    if not half.isfinite().all():
        raise RecordError(
            f"{key} of the weights {name} holds numbers that are not finite in half precision "
            f"(the largest there is {torch.finfo(torch.float16).max:,.0f}): has the training failed?"
        )
    return half.clone()  # a file holds each tensor by itself, also where two share their numbers


def _find(name: str) -> Path:
    folders = [FOLDER]
    if runtime.recording():  # what this very run has left comes first
        folders.insert(0, Path(os.environ["LABNOTES_RECORD"]))
    for folder in folders:
        if _file(folder, name).is_file():
            return _file(folder, name)
    chapter = name.rpartition("/")[0]
    raise RecordError(
        f"there are no recorded weights {name}. In a checkout of the book, make them with "
        f"`python -m labnotes_site.record {chapter}`; an installed labnotes may be older than this "
        "chapter: install it anew"
    )


def _check_fit(name: str, weights: dict, wanted: dict) -> None:
    faults = [f"no {key}" for key in wanted if key not in weights]
    faults += [f"{key}, which the network has not" for key in weights if key not in wanted]
    faults += [
        f"{key} of shape {tuple(weights[key].shape)} for {tuple(wanted[key].shape)}"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise RecordError(
            f"the recorded weights {name} are those of another network. They have "
            f"{'; '.join(faults[:3])}{more}. Build the network with the arguments of the record"
        )
