"""Checkers for the exercises of the chapter convnets/vgg."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from labnotes.convnets import vgg, vgg_block
from labnotes.convnets.vgg import CONFIGS
from labnotes.exercises import Case, attempt, checker


@checker("vgg.parameters")
def parameters(answer: Callable) -> Iterator[Case]:
    """``answer(counts, in_channels, num_classes)`` -> int: all parameters of a VGG net.

    Expected: those of :func:`labnotes.convnets.vgg`, counted on the meta device.
    """
    hints = (
        "each convolution has 9 * in * out weights and out biases; the first of a block reads the "
        "channels of the block before it",
        "the first linear layer reads 512 * 7 * 7 numbers; every linear layer has biases too",
    )
    cases = [("A", 3, 1000), ("B", 3, 1000), ("D", 3, 1000), ("E", 3, 1000), ("A", 1, 10)]
    for config, in_channels, num_classes in cases:
        with torch.device("meta"):
            net = vgg(num_classes, in_channels, config=config)
        yield Case(
            call=f"vgg_parameters({CONFIGS[config]}, {in_channels}, {num_classes})",
            got=answer(CONFIGS[config], in_channels, num_classes),
            expected=sum(p.numel() for p in net.parameters()),
            tolerance=0,
            hint=" ".join(hints),
        )


@checker("vgg.deepen")
def deepen(answer: Callable) -> Iterator[Case]:
    """``answer(block)`` -> nn.Sequential: the block with a convolution more, the same function.

    Expected: the outputs of the block itself, which stays as it was.
    """
    draw = torch.Generator().manual_seed(0)
    for convolutions, inputs, outputs in ((1, 1, 2), (2, 3, 5), (3, 4, 4)):
        block = vgg_block(convolutions, inputs, outputs)
        with torch.no_grad():
            for p in block.parameters():
                p.copy_(torch.randint(-2, 3, p.shape, generator=draw).float())
        before = [p.detach().clone() for p in block.parameters()]
        kinds = [*["Conv2d", "ReLU"] * (convolutions + 1), "MaxPool2d"]
        call = f"deepen(vgg_block({convolutions}, {inputs}, {outputs}))"
        deeper = answer(block)
        yield Case(
            call=f"the layers of {call}",
            got=_kinds(deeper),
            expected=kinds,
            hint="copy the layers of the block, and put a convolution and a ReLU in front of the "
            "pooling",
        )
        new = deeper[-3]
        yield Case(
            call=f"channels, kernel size and padding of the new convolution in {call}",
            got=(
                new.in_channels,
                new.out_channels,
                _pair(new, "kernel_size"),
                _pair(new, "padding"),
            ),
            expected=(outputs, outputs, (3, 3), (1, 1)),
            hint="a 3x3 convolution with padding 1 from all maps of the block to as many",
        )
        images = torch.randint(-3, 4, (2, inputs, 6, 8), generator=draw).float()
        with torch.no_grad():
            yield Case(
                call=f"{call} on {inputs} x 6 x 8 images",
                got=attempt(deeper, images),
                expected=block(images),
                tolerance=1e-5,
                hint="each new map reads one old map through a kernel with a single 1 in its "
                "middle; the bias is 0",
            )
            for p in deeper.parameters():
                p.zero_()
        yield Case(
            call=f"the block's own weights after {call} and training of the result",
            got=torch.cat([p.detach().flatten() for p in block.parameters()]),
            expected=torch.cat([p.flatten() for p in before]),
            hint="copy the layers (copy.deepcopy): two blocks must not share weights",
        )


def _kinds(block):
    """The names of its layers' types; of its own type if it has no layers."""
    if not isinstance(block, nn.Sequential):
        return type(block).__name__
    return [type(layer).__name__ for layer in block]


def _pair(layer, name: str):
    value = getattr(layer, name, None)
    return (value, value) if isinstance(value, int) else value
