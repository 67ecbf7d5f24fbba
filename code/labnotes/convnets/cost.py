"""What a network costs: parameters, multiplications, activations, and what training must keep."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

#: Layers whose outputs count as activations.
COUNTED = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Cost:
    """The cost of one image's forward pass.

    Attributes
    ----------
    parameters
        Learned numbers.
    multiplications
        Multiply-adds of all convolutions and matrix products.
    activations
        Outputs of all convolutions and linear layers, in numbers (not bytes).
    """

    parameters: int
    multiplications: int
    activations: int


def cost(model: nn.Module, image: tuple[int, int, int] = (3, 224, 224)) -> Cost:
    """Count what one image of the given shape costs, in evaluation mode.

    The model is neither run on real numbers nor changed: a copy on torch's meta device is.

    Parameters
    ----------
    model
        A network that takes ``(batch, channels, height, width)``.
    image
        ``(channels, height, width)``.

    Raises
    ------
    ValueError
        If the model cannot take such an image.

    References
    ----------
    Activations as in Radosavovic et al., "Designing network design spaces", CVPR 2020, section 3.

    Examples
    --------
    >>> cost(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1)), (3, 4, 4))
    Cost(parameters=224, multiplications=3456, activations=128)
    """
    with torch.device("meta"):
        images = torch.zeros(1, *image)
    twin = _meta_copy(model).eval()
    outputs = []
    for layer in twin.modules():
        if isinstance(layer, COUNTED):
            layer.register_forward_hook(lambda _, __, out: outputs.append(out.numel()))
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            twin(images)
    except RuntimeError as error:
        raise ValueError(
            f"the model does not take an image of {'x'.join(map(str, image))} "
            f"(channels x height x width): {error}"
        ) from error
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        multiplications=counter.get_total_flops() // 2,  # a multiply-add counts as two there
        activations=sum(outputs),
    )


def _meta_copy(model: nn.Module) -> nn.Module:
    """The same modules with parameters that have a shape and no numbers."""
    known = {id(t): t.to("meta") for t in [*model.parameters(), *model.buffers()]}
    return copy.deepcopy(model, memo=known)


def saved_bytes(model: nn.Module, images: torch.Tensor) -> int:
    """The memory that a forward pass keeps for the backward pass, parameters aside.

    Every storage counts once, however many layers keep a view of it.

    Parameters
    ----------
    model
        Run as it is, in its own mode.
    images
        A batch ``(batch, channels, height, width)``.

    Returns
    -------
    int
        Bytes.
    """
    fixed = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept: dict[int, torch.Tensor] = {}  # holding the tensors keeps their addresses from reuse

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(images)
    del outputs
    return sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in fixed)
