"""Convolutional networks and what their layers see."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "alexnet": [
        "AlexNet", "AlexNet2012", "AlexNetSmall", "LocalResponseNorm", "alexnet", "alexnet_2012",
        "alexnet_small", "local_response_norm",
    ],
    "auxiliary": ["auxiliary_cross_entropy", "main_accuracy"],
    "convolution": [
        "conv2d", "conv2d_by_loops", "conv_output_size", "conv_transpose2d",
        "conv_transpose_output_size", "convolve2d", "cross_correlate2d", "dense_weight", "patches",
    ],
    "cost": ["Cost", "cost", "saved_bytes"],
    "densenet": [
        "DenseNet", "densenet121", "densenet161", "densenet169", "densenet201", "densenet_small",
    ],
    "googlenet": [
        "GoogLeNet", "GoogLeNetOutputs", "Inception", "InceptionAux", "googlenet", "googlenet_2014",
        "googlenet_small", "small_inception",
    ],
    "lenet": ["LeNet", "LeNet5", "lenet", "lenet5"],
    "nin": ["NiN", "mlpconv", "nin", "nin_small"],
    "pooling": ["BlurPool2d", "SpatialTransformer", "avg_pool2d", "max_pool2d"],
    "receptive_field.arithmetic": [
        "Layer", "ReceptiveField", "input_interval", "output_size", "path_counts",
        "receptive_field",
    ],
    "receptive_field.gradients": [
        "effective_receptive_field", "effective_size", "gradient_support",
    ],
    "receptive_field.reading": ["receptive_field_of"],
    "resnet": [
        "BasicBlock", "Bottleneck", "ResNet", "resnet101", "resnet152", "resnet18", "resnet34",
        "resnet50", "resnet_small",
    ],
    "two_towers": ["Tower", "TwoTowers", "exchanges", "run_two_towers"],
    "vgg": [
        "VGG", "fully_convolutional", "grow_from", "vgg", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn",
        "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "vgg_block", "vgg_small",
    ],
})  # fmt: skip
