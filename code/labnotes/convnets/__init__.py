"""Convolutional networks and what their layers see."""

from labnotes.convnets.lenet import LeNet, LeNet5, lenet, lenet5
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
    "LeNet",
    "LeNet5",
    "ReceptiveField",
    "ResNet",
    "effective_receptive_field",
    "effective_size",
    "gradient_support",
    "input_interval",
    "lenet",
    "lenet5",
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
