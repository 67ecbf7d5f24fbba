"""Our NiN against plain torch operations, nn.Linear at every pixel, and published counts."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import mlpconv, nin, nin_small, receptive_field_of

module = importlib.import_module("labnotes.convnets.nin")

# (kernel, stride, padding) of the first convolution of each block
LARGE = [(11, 4, 0), (5, 1, 2), (3, 1, 1), (3, 1, 1)]
SMALL = [(5, 1, 2), (5, 1, 2), (3, 1, 1)]


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def with_biases(model: nn.Module) -> nn.Module:
    """Evaluation mode, and biases at random: they are zero at first."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.bias, std=0.1)
    return model.eval()


def by_hand(model, x, blocks, ceil_mode):
    """The whole network in functional calls: convolutions in turn, pooling between blocks."""
    weights = list(model.state_dict().values())
    for number, (_, stride, padding) in enumerate(blocks):
        if number:
            x = F.max_pool2d(x, 3, stride=2, ceil_mode=ceil_mode)
        w, b, w1, b1, w2, b2 = weights[6 * number : 6 * number + 6]
        x = F.conv2d(x, w, b, stride=stride, padding=padding).clamp(min=0)
        x = F.conv2d(x, w1, b1).clamp(min=0)
        x = F.conv2d(x, w2, b2).clamp(min=0)
    return x.mean((2, 3))


def test_a_one_by_one_convolution_is_a_linear_layer_at_every_pixel():
    torch.manual_seed(0)
    block = with_biases(mlpconv(5, (7, 4, 6), 3, padding=1)).double()
    x = torch.randn(2, 5, 9, 8, dtype=torch.float64)
    linear = [nn.Linear(7, 4).double(), nn.Linear(4, 6).double()]
    for layer, conv in zip(linear, (block[2], block[4]), strict=True):
        layer.weight.data, layer.bias.data = conv.weight.data[:, :, 0, 0], conv.bias.data
    mlp = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU())
    hidden = F.conv2d(x, block[0].weight, block[0].bias, padding=1).relu()  # (2, 7, 9, 8)
    got = block(x)
    for row in range(9):
        for column in range(8):
            expected = mlp(hidden[:, :, row, column])  # (2, 6)
            torch.testing.assert_close(got[:, :, row, column], expected, atol=1e-12, rtol=0)


def test_a_block_is_a_perceptron_over_every_neighbourhood():
    torch.manual_seed(0)
    block = with_biases(mlpconv(2, (6, 5, 3), 3))
    x = torch.randn(1, 2, 5, 6)
    patches = F.unfold(x, 3)[0].T.detach().numpy()  # (3*4 places, 2*3*3)
    for conv in (block[0], block[2], block[4]):
        w, b = conv.weight.detach().flatten(1).numpy(), conv.bias.detach().numpy()
        patches = np.maximum(patches @ w.T + b, 0)
    got = block(x)[0].flatten(1).T.detach().numpy()
    np.testing.assert_allclose(got, patches, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "blocks", "image", "ceil_mode"),
    [
        (lambda: nin(10, in_channels=1), LARGE, (1, 224, 224), False),
        (lambda: nin_small(in_channels=3, width=24), SMALL, (3, 32, 32), True),
        (lambda: nin_small(width=12), SMALL, (1, 28, 28), True),
    ],
)
def test_the_logits_are_those_of_the_layers_written_out(model, blocks, image, ceil_mode):
    torch.manual_seed(0)
    model = with_biases(model())
    x = torch.randn(2, *image)
    with torch.no_grad():
        expected = by_hand(model, x, blocks, ceil_mode)
        assert expected.std() > 1e-3
        torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(model.class_maps(x).mean((2, 3)), expected, atol=1e-5, rtol=0)


def test_the_notes_listing_takes_our_weights_and_gives_our_logits():
    def block(o, k, s, p):
        return nn.Sequential(
            nn.LazyConv2d(o, k, s, p), nn.ReLU(), nn.LazyConv2d(o, 1), nn.ReLU(),
            nn.LazyConv2d(o, 1), nn.ReLU(),
        )  # fmt: skip

    widths = (96, 256, 384, 10)
    theirs = nn.Sequential(*(block(o, *how) for o, how in zip(widths, LARGE, strict=True)))
    for place in (1, 3, 5):
        theirs.insert(place, nn.MaxPool2d(3, stride=2))
    theirs.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten())
    torch.manual_seed(0)
    ours, x = with_biases(nin(10, in_channels=1)), torch.randn(1, 1, 224, 224)
    with torch.no_grad():
        theirs(x)  # its layers learn their sizes here
        copied = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)
        theirs.load_state_dict(dict(copied))
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=0)
    assert parameters(theirs) == parameters(ours) == 1_992_166


def test_parameters_are_counted_as_published_or_by_hand():
    with torch.device("meta"):
        # 192, 160, 96 / 192, 192, 192 / 192, 192, 10 channels and windows of 5, 5 and 3
        expected = (25 * 3 + 1) * 192 + 193 * 160 + 161 * 96
        expected += (25 * 96 + 1) * 192 + 2 * 193 * 192
        expected += (9 * 192 + 1) * 192 + 193 * 192 + 193 * 10
        assert parameters(nin_small(in_channels=3)) == expected == 966_986
        # Caffe's model differs in the last block alone: 1024, 1024, 1000 channels.
        ours = parameters(nin())
        last = (9 * 384 + 1) * 1000 + 2 * 1001 * 1000
        caffes_last = (9 * 384 + 1) * 1024 + 1025 * 1024 + 1025 * 1000
        assert ours - last + caffes_last == 7_595_176


def test_the_small_net_narrows_in_proportion():
    widths = {192: [192, 160, 96], 48: [48, 40, 24], 24: [24, 20, 12], 1: [1, 1, 1]}
    for width, expected in widths.items():
        with torch.device("meta"):
            model = nin_small(width=width)
        found = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
        assert found == [*expected, width, width, width, width, width, 10]


@pytest.mark.parametrize("side", [32, 28, 57, 96])
def test_images_of_any_size_go_in_and_the_logits_are_means(side):
    torch.manual_seed(0)
    model = with_biases(nin_small(in_channels=3, width=12))
    x = torch.randn(1, 3, side, side + 5)
    with torch.no_grad():
        maps = model.class_maps(x)
        assert maps.shape[:2] == (1, 10) and maps.shape[2] == -(-(-(-(side - 1) // 2) - 1) // 2)
        torch.testing.assert_close(model(x), maps.sum((2, 3)) / maps[0, 0].numel())


def test_without_the_last_relu_logits_can_be_negative_and_the_parameters_stay():
    torch.manual_seed(0)
    free, clamped = nin_small(width=12, last_relu=False).eval(), nin_small(width=12).eval()
    clamped.load_state_dict(free.state_dict())
    x = torch.randn(20, 1, 28, 28)
    with torch.no_grad():
        assert clamped(x).min() >= 0 > free(x).min()
        torch.testing.assert_close(clamped.class_maps(x), free.class_maps(x).relu())


def test_dropout_lies_where_the_paper_puts_it_and_only_in_training():
    for model, places in ((nin_small(width=8, dropout=0.3), [2, 5]), (nin(10, dropout=0.3), [6])):
        found = [i for i, m in enumerate(model.features) if isinstance(m, nn.Dropout)]
        assert found == places and all(model.features[i].p == 0.3 for i in found)
    model = nin_small(width=12)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(model.eval()(x), model(x)) and not torch.equal(model.train()(x), model(x))


def test_receptive_fields_of_the_class_maps_are_read():
    field = receptive_field_of(nin_small(width=8).features, 28)
    assert (field.size, field.jump) == (5 + 2 + 4 * 2 + 2 * 2 + 2 * 4, 4)


def test_weights_start_normal_with_variance_2_over_fan_in_and_biases_at_0():
    torch.manual_seed(0)
    for layer in nin_small(width=48).modules():
        if isinstance(layer, nn.Conv2d):
            expected = stats.norm(0, (2 / layer.weight[0].numel()) ** 0.5).cdf
            found = layer.weight.detach().flatten()[:20_000].numpy()
            assert stats.kstest(found, expected).pvalue > 1e-4
            assert not layer.bias.any()


def test_the_signal_keeps_its_size_through_the_layers_at_first():
    torch.manual_seed(0)
    for width in (12, 48, 192):
        model = nin_small(in_channels=3, width=width, last_relu=False).eval()
        with torch.no_grad():
            maps = model.class_maps(torch.randn(4, 3, 32, 32))
        assert 0.2 < maps.std() < 8


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: nin(num_classes=0), "num_classes is 0: give a positive integer"),
        (lambda: nin(in_channels=-1), "in_channels is -1"),
        (lambda: nin_small(width=0), "width is 0"),
        (lambda: nin_small(num_classes=2.5), "num_classes is 2.5"),
        (lambda: nin_small(in_channels=True), "in_channels is True"),
        (lambda: mlpconv(3, (4, 5), 3), r"channels is \[4, 5\]: give three numbers"),
        (lambda: mlpconv(3, (4, 5, 0), 3), "channels is 0"),
        (lambda: mlpconv(3, 4, 0), "kernel_size is 0"),
        (lambda: mlpconv(0, 4, 3), "in_channels is 0"),
        (lambda: mlpconv(3, 4, 3, stride=0), "stride is 0"),
    ],
)
def test_an_impossible_net_is_refused_with_the_reason(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(module)
    assert result.attempted >= 4 and result.failed == 0
