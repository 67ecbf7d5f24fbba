"""Convolutional networks and what their layers see."""

from labnotes.convnets.nin import NiN, mlpconv, nin, nin_small
from labnotes.convnets.receptive_field import (
    Layer,
    ReceptiveField,
    effective_receptive_field,
    effective_size,
    gradient_support,
    input_interval,
    output_size,
    path_counts,
    receptive_field,
    receptive_field_of,
)
from labnotes.convnets.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet_cifar,
)

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "Layer",
    "NiN",
    "ReceptiveField",
    "ResNet",
    "effective_receptive_field",
    "effective_size",
    "gradient_support",
    "input_interval",
    "mlpconv",
    "nin",
    "nin_small",
    "output_size",
    "path_counts",
    "receptive_field",
    "receptive_field_of",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet_cifar",
]
