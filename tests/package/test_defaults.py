"""The defaults that the book teaches: each with its source, or with torch's own signature."""

import inspect

import pytest
import sacrebleu
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.googlenet import InceptionAux

from labnotes import (
    attention,
    convnets,
    detection,
    metrics,
    normalization,
    optim,
    sequence,
    text,
    transformer,
)
from labnotes.metrics import classification
from labnotes.train import schedules
from labnotes.vision import fine_tuning


def defaults(function) -> dict:
    """The defaults of a function, or of the class that it makes."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


# Numbers of papers: (function, defaults, where they stand).
PAPERS = [
    # Vaswani et al. (2017), equation 1; Bahdanau et al. (2015), appendix A.1.2: no dropout there
    (attention.ScaledDotProductAttention, {"dropout": 0.0}),
    (attention.AdditiveAttention, {"dropout": 0.0}),
    (attention.masked_softmax, {"valid_lens": None}),
    # LeCun et al. (1998), section II.B: ten digits, grey, outputs that are distances to codes
    (convnets.lenet5, {"num_classes": 10, "in_channels": 1, "output": "rbf", "codes": None}),
    # Zhang et al., Dive into Deep Learning, section 7.6: sigmoid, average pooling, 28x28
    (convnets.lenet, {"num_classes": 10, "in_channels": 1, "activation": "sigmoid",
                      "pooling": "avg", "image_size": 28}),
    # Krizhevsky et al. (2012): constants of section 3.3, dropout 0.5 of 4.2, two cards of 3.5
    (convnets.local_response_norm, {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0, "groups": 1}),
    (convnets.alexnet_2012, {"num_classes": 1000, "in_channels": 3, "dropout": 0.5, "groups": 2,
                             "lrn": True, "width": 96}),
    # the same dropout; ReLU (section 3.1) and overlapping pooling (3.4) of that paper
    (convnets.alexnet_small, {"num_classes": 10, "in_channels": 1, "activation": "relu",
                              "dropout": 0.5, "lrn": False, "overlapping": True, "width": 16,
                              "groups": 1, "image_size": 32}),
    # Simonyan & Zisserman (2015), section 3.1: dropout 0.5; table 1: 3x3 kernels, no normalization
    (convnets.vgg, {"num_classes": 1000, "in_channels": 3, "config": "D", "dropout": 0.5,
                    "batch_norm": False}),
    *((getattr(convnets, f"vgg{depth}{norm}"),
       {"num_classes": 1000, "in_channels": 3, "dropout": 0.5})
      for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    (convnets.vgg_block, {"last_kernel": 3, "batch_norm": False, "pool": True}),
    (convnets.vgg_small, {"num_classes": 10, "in_channels": 1, "width": 8, "config": "A",
                          "batch_norm": False, "dropout": 0.5, "image_size": 28, "hidden": None}),
    (convnets.grow_from, {"convolutions": 4}),  # section 3.1: the first four
    # Lin et al. (2014), section 4.1: dropout between the layers; 192 maps in the authors' model
    (convnets.nin, {"num_classes": 1000, "in_channels": 3, "dropout": 0.5, "last_relu": True}),
    (convnets.nin_small, {"num_classes": 10, "in_channels": 1, "width": 192, "dropout": 0.5,
                          "last_relu": True}),
    (convnets.mlpconv, {"stride": 1, "padding": 0, "last_relu": True}),
    # Szegedy et al. (2015), figure 2 (b): 5x5; section 5: auxiliary losses count 0.3, their
    # dropout is 0.7, their layers have 128 and 1024 outputs
    (convnets.Inception, {"kernel5": 5, "batch_norm": True}),
    (convnets.InceptionAux, {"dropout": 0.7, "batch_norm": True, "channels": 128, "hidden": 1024}),
    (convnets.auxiliary_cross_entropy, {"weight": 0.3}),
    (convnets.googlenet_2014, {"num_classes": 1000, "in_channels": 3, "aux_logits": True}),
    (convnets.small_inception, {"kernel5": 5, "batch_norm": True}),
    (convnets.googlenet_small, {"num_classes": 10, "in_channels": 1, "width": 64,
                                "aux_logits": False, "blocks": (1, 1, 1), "block": None,
                                "kernel5": 5, "batch_norm": True, "dropout": 0.0,
                                "dropout_aux": 0.0}),
    # He et al. (2016), section 4.1: shortcut B at ImageNet's size; 4.2: A and 16 channels for small
    *((getattr(convnets, f"resnet{depth}"),
       {"num_classes": 1000, "in_channels": 3, "small_input": False, "shortcut": "B"}
       | ({"stride_in": "3x3"} if depth >= 50 else {})) for depth in (18, 34, 50, 101, 152)),
    (convnets.resnet_small, {"num_classes": 10, "in_channels": 1, "depth": 20, "plain": False,
                             "shortcut": "A", "width": 16}),
    (convnets.BasicBlock, {"stride": 1, "shortcut": "B"}),
    (convnets.Bottleneck, {"stride": 1, "shortcut": "B", "stride_in": "3x3"}),
    # Huang et al. (2017), section 3: bottlenecks of 4k, theta 0.5 in DenseNet-BC; table 2: L=40, k=12
    *((getattr(convnets, f"densenet{depth}"),
       {"num_classes": 1000, "in_channels": 3, "memory_efficient": False})
      for depth in (121, 161, 169, 201)),
    (convnets.DenseNet, {"num_classes": 1000, "in_channels": 3, "bottleneck": 4,
                         "compression": 0.5, "small_input": False, "memory_efficient": False}),
    (convnets.densenet_small, {"num_classes": 10, "in_channels": 1, "depth": 40, "growth_rate": 12,
                               "bottleneck": False, "compression": 1.0,
                               "memory_efficient": False}),
    # Zhang (2019), "Making convolutional networks shift-invariant again": pooling of stride 2
    (convnets.BlurPool2d, {"stride": 2, "padding_mode": "reflect"}),
    (convnets.SpatialTransformer, {"hidden": 8}),
    # Luo et al. (2016), section 3.1: what lies within two standard deviations of a Gaussian
    (convnets.effective_size, {"level": 0.0455}),
    # Radosavovic et al. (2020), section 3: costs are compared at ImageNet's 224x224
    (convnets.cost, {"image": (3, 224, 224)}),
    # Bodla et al. (2017), section 5: sigma 0.5; their code stops at a score of 0.001
    (detection.anchor_targets, {"iou_threshold": 0.5}),
    (detection.assign_anchors, {"iou_threshold": 0.5}),
    (detection.decode_boxes, {"weights": (10, 10, 5, 5)}),
    (detection.detections, {"score_threshold": 0.01, "iou_threshold": 0.5, "top_k": 400}),
    (detection.encode_boxes, {"weights": (10, 10, 5, 5)}),
    # Ren et al. (2015), section 3.1.2, with 0.6 in the place of 0.7
    (detection.proposal_targets, {"high": 0.6, "low": 0.3}),
    (detection.soft_nms, {"sigma": 0.5, "score_threshold": 0.001}),
    # Liu et al. (2016), section 3 and "Hard negative mining"; Lin et al. (2017), section 4
    (detection.TinySSD.detect, {"score_threshold": 0.01, "iou_threshold": 0.45}),
    (detection.hard_negatives, {"ratio": 3}),
    (detection.focal_loss, {"alpha": 0.25, "gamma": 2.0}),
    # Redmon et al. (2016), section 2: two boxes a cell, one grid, no priors, squared errors
    (detection.TinyYOLO, {"body": None, "boxes": 2, "grids": 1, "priors": None,
                          "box_loss": "squared", "assignment": "centre"}),
    (detection.TinyYOLO.detect, {"score_threshold": 0.05, "iou_threshold": 0.5}),
    (detection.FreeYOLO, {"body": None, "start": 32}),
    (detection.decode_free, {"start": 32}),
    # Everingham et al. (2010), section 4.2: half; the interpolation is that of COCO
    (metrics.mean_average_precision, {"iou": 0.5, "interpolation": "coco"}),
    (metrics.average_precision, {"interpolation": "coco"}),
    # Everingham et al. (2010): void pixels have the value 255
    (metrics.confusion_matrix, {"ignore_index": 255}),
    # torch's defaults, whose signature says only *args
    *((layer, {"num_layers": 1, "bidirectional": False, "batch_first": False})
      for layer in (sequence.RNN, sequence.GRU, sequence.LSTM)),
    # what is kept of a network that has learned must fit a page: half precision, 250 kB
    (sequence.AttentionSeq2Seq, {"embed_size": 128, "hidden_size": 256, "dropout": 0.0}),
    (sequence.Seq2Seq, {"embed_size": 128, "hidden_size": 256, "num_layers": 1, "dropout": 0.0}),
    (sequence.AttentionDecoder, {"dropout": 0.0}),
    # Vaswani et al. (2017), section 5.4: dropout 0.1; section 3.1: the norm comes last
    *((layer, {"dropout": 0.1, "norm_first": False})
      for layer in (transformer.Encoder, transformer.Decoder)),
    (sequence.CharLSTM, {"embed_size": 16, "hidden_size": 156, "dropout": 0.0, "weight_drop": 0.0}),
    (sequence.NGram, {"smoothing": "kneser-ney", "k": 1.0, "discount": None}),
    (sequence.sampling_distribution, {"temperature": 1.0, "top_k": None, "top_p": None}),
    (sequence.beam_search, {"end": None, "length_penalty": None}),
    (sequence.exhaustive, {"end": None, "length_penalty": None}),
    (sequence.greedy, {"end": None}),
    (sequence.batched_beam_search, {"length_penalty": None, "select": None}),
    (text.pad, {"value": 0}),  # as torch pads
    (text.random_windows, {"generator": None}),
    (text.Vocabulary, {"min_freq": 1, "reserved": ("<unk>",)}),
    # Devlin et al. (2019), their code: the uncased model
    (text.WordPiece, {"unknown": "[UNK]", "lowercase": True}),
    (text.basic_tokens, {"lowercase": True}),
    # Papineni et al. (2002), section 2.3: N = 4, and no smoothing
    (metrics.bleu, {"max_n": 4, "smooth": None}),
    (metrics.corpus_bleu, {"max_n": 4, "smooth": None}),
    # intervals of 95 %; a seed, so that a page always prints the same
    (metrics.paired_bootstrap, {"resamples": 2000, "level": 0.95, "seed": 0}),
    # He et al. (2016), section 4.2: the rate is divided by 10
    (schedules.step_decay, {"gamma": 0.1}),
    (schedules.constant, {"warmup": 0}),
    (schedules.cosine, {"warmup": 0, "floor": 0.0}),
    (schedules.one_cycle, {"rise": 0.3, "start": 1 / 25, "end": 4e-6}),
    # Hägele et al. (2024), section 3: a fall over the last 20% does as well as a cosine
    (schedules.warmup_stable_decay, {"warmup": 0, "decay": 0.2, "floor": 0.0}),
    # Zhang et al., Dive into Deep Learning, section 14.2: the new layer learns ten times as fast
    (fine_tuning.two_rates, {"factor": 10.0}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "expected"), PAPERS, ids=lambda x: getattr(x, "__name__", ""))
def test_defaults_are_those_that_the_book_names(function, expected):
    found = defaults(function)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(expected[name]) for name in found]


# Ours, theirs, and names that are not the same in both.
PEERS = [
    (detection.roi_pool, torchvision.ops.roi_pool, {}),
    (detection.roi_align, torchvision.ops.roi_align, {}),
    (normalization.BatchNorm, nn.BatchNorm2d, {}),
    (normalization.LayerNorm, nn.LayerNorm, {}),
    (normalization.GroupNorm, nn.GroupNorm, {}),
    (normalization.InstanceNorm, nn.InstanceNorm2d, {}),
    (normalization.batch_norm, nn.BatchNorm2d, {}),
    (normalization.batch_norm_backward, nn.BatchNorm2d, {}),
    (normalization.layer_norm, F.layer_norm, {}),
    (normalization.group_norm, F.group_norm, {}),
    (normalization.instance_norm, F.instance_norm, {}),
    (normalization.normalize, nn.BatchNorm2d, {}),
    (normalization.standardize, nn.BatchNorm2d, {}),
    (classification.accuracy, F.cross_entropy, {}),
    (classification.count_right, F.cross_entropy, {}),
    (convnets.conv2d, nn.Conv2d, {}),
    (convnets.conv2d_by_loops, nn.Conv2d, {}),
    (convnets.conv_output_size, nn.Conv2d, {}),
    (convnets.patches, nn.Unfold, {}),
    (convnets.dense_weight, nn.Conv2d, {}),
    (convnets.Layer, nn.Conv2d, {}),
    (convnets.conv_transpose2d, nn.ConvTranspose2d, {}),
    (convnets.conv_transpose_output_size, nn.ConvTranspose2d, {}),
    (convnets.max_pool2d, nn.MaxPool2d, {}),
    (convnets.avg_pool2d, nn.AvgPool2d, {}),
    (convnets.LocalResponseNorm, nn.LocalResponseNorm, {}),
    (convnets.alexnet, torchvision.models.AlexNet, {}),
    (convnets.VGG, torchvision.models.VGG, {}),
    (convnets.googlenet, torchvision.models.GoogLeNet, {}),
    (convnets.GoogLeNet, torchvision.models.GoogLeNet, {}),
    (convnets.InceptionAux, InceptionAux, {}),
    (convnets.ResNet, torchvision.models.ResNet, {}),
    (convnets.DenseNet, torchvision.models.DenseNet, {}),
    *(
        (getattr(optim, name), getattr(torch.optim, name), {})
        for name in ("SGD", "Adagrad", "RMSprop", "Adam", "AdamW")
    ),
    (schedules.step_decay, torch.optim.lr_scheduler.StepLR, {}),
    (schedules.cosine, torch.optim.lr_scheduler.CosineAnnealingLR, {"floor": "eta_min"}),
    (schedules.one_cycle, torch.optim.lr_scheduler.OneCycleLR, {"rise": "pct_start"}),
    (metrics.corpus_bleu, sacrebleu.metrics.BLEU, {"max_n": "max_ngram_order"}),
]


# Where ours is meant to be another one.
OTHER_THAN_THEIRS = {
    convnets.LocalResponseNorm: {"k"},  # 2 as in the paper, torch has 1
    convnets.conv2d: {"bias"},  # a tensor or none here, a switch there
    convnets.conv2d_by_loops: {"bias"},
    convnets.conv_transpose2d: {"bias"},
}


@pytest.mark.parametrize(
    ("ours", "theirs", "names"), PEERS, ids=lambda x: getattr(x, "__name__", "")
)
def test_defaults_are_those_of_the_library_that_the_book_compares_with(ours, theirs, names):
    found, expected = defaults(ours), defaults(theirs)
    shared = {name: names.get(name, name) for name in found if names.get(name, name) in expected}
    assert shared
    different = {ours for ours, theirs in shared.items() if found[ours] != expected[theirs]}
    assert different == OTHER_THAN_THEIRS.get(ours, set())


BUILT = {
    convnets.AlexNet: convnets.alexnet,
    convnets.AlexNet2012: convnets.alexnet_2012,
    convnets.GoogLeNet: convnets.googlenet,
    convnets.LeNet: convnets.lenet,
    convnets.LeNet5: convnets.lenet5,
    convnets.LocalResponseNorm: convnets.local_response_norm,
}


@pytest.mark.parametrize("kind", BUILT, ids=lambda kind: kind.__name__)
def test_a_class_has_the_defaults_of_the_function_that_builds_it(kind):
    assert defaults(kind) == defaults(BUILT[kind])


def test_the_rates_at_the_ends_of_one_cycle_are_torchs():
    theirs = defaults(torch.optim.lr_scheduler.OneCycleLR)
    first = 1 / theirs["div_factor"]
    assert defaults(schedules.one_cycle)["start"] == first
    assert defaults(schedules.one_cycle)["end"] == pytest.approx(first / theirs["final_div_factor"])


def test_the_published_googlenet_drops_0_4_before_its_last_layer_and_0_7_in_its_heads():
    with torch.device("meta"):  # Szegedy et al. (2015), table 1 and section 5
        net = convnets.googlenet_2014()
    assert (net.dropout.p, net.aux1.dropout.p, net.aux2.dropout.p) == (0.4, 0.7, 0.7)
