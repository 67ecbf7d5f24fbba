"""Our AlexNets against torchvision's, torch's response normalization and the paper's numbers."""

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from labnotes.convnets import alexnet, alexnet_2012, alexnet_small, local_response_norm


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def on_meta(build, *arguments, **options):
    with torch.device("meta"):
        return build(*arguments, **options)


def test_torchvisions_state_dict_gives_torchvisions_logits():
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=10).eval()
    ours = on_meta(alexnet, num_classes=10).eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    for side in (64, 224):
        images = torch.randn(2, 3, side, side)
        with torch.no_grad():
            got, expected = ours(images), theirs(images)
        assert expected.std() > 1e-3  # else agreement would say nothing
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    theirs.load_state_dict(ours.state_dict())  # and back


def test_dropout_stands_where_torchvision_has_it():
    theirs, ours = on_meta(torchvision.models.alexnet), on_meta(alexnet)
    kinds = [[type(m) for m in net.classifier] for net in (ours, theirs)]
    assert kinds[0] == kinds[1]
    assert [m.p for m in ours.classifier if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_parameter_counts_are_those_published():
    published = torchvision.models.AlexNet_Weights.DEFAULT.meta["num_params"]
    assert parameters(on_meta(alexnet)) == published == 61_100_840


def test_layers_of_the_network_of_2012_have_the_papers_shapes():
    net = on_meta(alexnet_2012)
    kernels = [tuple(m.weight.shape) for m in net.features if isinstance(m, nn.Conv2d)]
    # Section 3.5 gives the kernels as 11x11x3, 5x5x48, 3x3x256, 3x3x192 and 3x3x192.
    assert kernels == [
        (96, 3, 11, 11),
        (256, 48, 5, 5),
        (384, 256, 3, 3),
        (384, 192, 3, 3),
        (256, 192, 3, 3),
    ]
    assert parameters(net) == 60_965_224
    seen, pooled = [], []
    for layer in [*net.features, *net.classifier]:
        if isinstance(layer, nn.MaxPool2d):
            layer.register_forward_hook(lambda _, __, out: pooled.append(tuple(out.shape[1:])))
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(lambda _, __, out: seen.append(out[0].numel()))
    with torch.device("meta"):
        net(torch.empty(1, 3, 224, 224))
    # The paper lists 253,440 for the first layer (48x55x96); its figure 2 shows 55x55x96.
    assert seen == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert pooled == [(96, 27, 27), (256, 13, 13), (256, 6, 6)]  # by (n - 3) / 2 + 1


def test_multiplications_are_those_published_with_torchvisions_weights():
    published = torchvision.models.AlexNet_Weights.DEFAULT.meta["_ops"]  # in 10^9
    model = on_meta(alexnet)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 224, 224))
    assert counter.get_total_flops() / 2e9 == pytest.approx(published, rel=0.01)


def test_first_weights_are_those_of_section_5():
    torch.manual_seed(0)
    net = alexnet_2012(width=24)
    layers = [m for m in [*net.features, *net.classifier] if hasattr(m, "weight")]
    assert [m.bias.unique().tolist() for m in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]
    for layer in layers:
        weights = layer.weight.detach().flatten()[:20_000].numpy()
        assert stats.kstest(weights, stats.norm(0, 0.01).cdf).pvalue > 1e-4


def test_the_order_is_convolution_relu_normalization_pooling():
    kinds = [type(m).__name__ for m in on_meta(alexnet_2012).features]
    block = ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds[:8] == block * 2
    assert kinds[8:] == ["Conv2d", "ReLU"] * 3 + ["MaxPool2d"]


@pytest.mark.parametrize("lrn", [False, True])
def test_the_small_net_has_that_order_too_and_normalizes_only_if_asked_to(lrn):
    net = on_meta(alexnet_small, lrn=lrn, groups=2)
    kinds = [type(m).__name__ for m in net.features]
    block = ["Conv2d", "ReLU", "LocalResponseNorm" if lrn else "Identity", "MaxPool2d"]
    assert kinds == block * 2 + ["Conv2d", "ReLU"] * 3 + ["MaxPool2d"]
    assert [m.groups for m in net.features if isinstance(m, nn.Conv2d)] == [1, 2, 1, 2, 2]
    assert [m.groups for m in net.features if "Response" in type(m).__name__] == [2, 2] * lrn
    dense = ["Linear", "ReLU", "Dropout"]
    assert [type(m).__name__ for m in net.classifier] == [*dense, *dense, "Linear"]


@pytest.mark.parametrize(("overlapping", "kernel"), [(True, 3), (False, 2)])
def test_pooling_windows_overlap_where_that_is_asked_for(overlapping, kernel):
    pools = [
        m
        for m in on_meta(alexnet_small, overlapping=overlapping).features
        if isinstance(m, nn.MaxPool2d)
    ]
    assert [(m.kernel_size, m.stride) for m in pools] == [(kernel, 2)] * 3  # section 3.4


def test_without_lrn_the_network_of_2012_has_no_response_normalization():
    kinds = [type(m).__name__ for m in on_meta(alexnet_2012, lrn=False).features]
    assert "LocalResponseNorm" not in kinds and kinds.count("MaxPool2d") == 3
    assert [m.p for m in on_meta(alexnet_2012, dropout=0.3).classifier[2::3]] == [0.3, 0.3]


def test_groups_are_two_towers_that_meet_in_convolution_3_alone():
    torch.manual_seed(0)
    net = alexnet_2012(width=12).double()
    x = torch.rand(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        head = net.features[:8](x)  # (1, 32, 5, 5)
        net.features[0].weight[6:] += 1  # the second tower's first kernels
        changed = (net.features[:8](x) - head).abs().amax((0, 2, 3)) > 0
    assert not changed[:16].any() and changed[16:].any()


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_response_normalization_is_torchs_with_alpha_times_size(size, channels):
    torch.manual_seed(size)
    x = 10 * torch.randn(2, channels, 3, 4, dtype=torch.float64)
    got = local_response_norm(x, size, alpha=0.01, beta=0.6, k=1.5)
    expected = F.local_response_norm(x, size, alpha=0.01 * size, beta=0.6, k=1.5)
    torch.testing.assert_close(got, expected)


def test_response_normalization_is_the_formula_number_by_number():
    torch.manual_seed(0)
    a = 30 * torch.randn(2, 7, 2, 2, dtype=torch.float64)
    b, n, count = torch.empty_like(a), 5, 7
    for i in range(count):
        around = range(max(0, i - n // 2), min(count - 1, i + n // 2) + 1)
        b[:, i] = a[:, i] / (2 + 1e-4 * sum(a[:, j] ** 2 for j in around)) ** 0.75
    torch.testing.assert_close(local_response_norm(a), b)


def test_groups_of_response_normalization_do_not_see_each_other():
    x = torch.randn(2, 8, 3, 3)
    halves = [local_response_norm(half, alpha=1.0) for half in x.chunk(2, 1)]
    assert torch.equal(local_response_norm(x, alpha=1.0, groups=2), torch.cat(halves, 1))


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("overlapping", [True, False])
def test_the_small_net_halves_28_and_32_pixels_to_4_three_times(side, overlapping):
    net = on_meta(alexnet_small, overlapping=overlapping, width=8)
    with torch.device("meta"):
        assert net.features(torch.empty(2, 1, side, side)).shape == (2, 16, 4, 4)
        assert net(torch.empty(2, 1, side, side)).shape == (2, 10)


def test_the_small_net_can_be_made_for_16_pixels():
    net = on_meta(alexnet_small, width=8, image_size=16)
    with torch.device("meta"):
        assert net.features(torch.empty(2, 1, 16, 16)).shape == (2, 16, 2, 2)
        assert net(torch.empty(2, 1, 16, 16)).shape == (2, 10)
    assert net.classifier[0].in_features == 16 * 2 * 2


def test_image_sizes_25_to_32_make_the_same_small_net_and_33_a_larger_one():
    shapes = {}
    for side in range(24, 34):
        net = on_meta(alexnet_small, width=8, image_size=side)
        shapes[side] = {name: tensor.shape for name, tensor in net.state_dict().items()}
        with torch.device("meta"):  # the average pooling has nothing to do at the image size
            maps = net.features(torch.empty(1, 1, side, side))
        assert net.avgpool.output_size == maps.shape[-1]
    assert all(shapes[side] == shapes[32] for side in range(25, 33))
    assert shapes[24] != shapes[32] != shapes[33]


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2), ("tanh", 1)])
def test_the_small_net_starts_with_normal_weights_of_he_for_relu_and_of_lecun_for_tanh(
    activation, gain
):
    torch.manual_seed(0)
    net = alexnet_small(activation=activation, width=12)
    for layer in [*net.features, *net.classifier]:
        if hasattr(layer, "weight"):
            fan_in = layer.weight[0].numel()
            expected = stats.norm(0, (gain / fan_in) ** 0.5).cdf
            assert stats.kstest(layer.weight.detach().flatten().numpy(), expected).pvalue > 1e-4
            assert not layer.bias.any()


def test_pooling_and_normalization_add_no_parameter_to_the_small_net():
    plain = on_meta(alexnet_small)
    for options in ({"lrn": True}, {"overlapping": False}, {"activation": "tanh"}):
        assert parameters(on_meta(alexnet_small, **options)) == parameters(plain)


@pytest.mark.parametrize(("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh)])
def test_the_small_net_has_eight_layers_and_an_activation_after_each_but_the_last(activation, kind):
    net = on_meta(alexnet_small, activation=activation)
    layers = [m for m in [*net.features, *net.classifier] if hasattr(m, "weight")]
    assert len(layers) == 8
    assert sum(isinstance(m, kind) for m in net.modules()) == 7


def test_the_small_net_learns_sixteen_images_by_heart():
    torch.manual_seed(0)
    net = alexnet_small(width=4, dropout=0.0, lrn=True)
    x, y = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    adam = torch.optim.Adam(net.parameters(), lr=0.003)
    for _ in range(60):
        loss = F.cross_entropy(net(x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: alexnet(num_classes=0), "num_classes is 0"),
        (lambda: alexnet(in_channels=-1), "in_channels is -1"),
        (lambda: alexnet(dropout=1.0), "dropout is 1.0"),
        (lambda: alexnet_2012(width=16), "width is 16: give a positive multiple of 3"),
        (lambda: alexnet_2012(width=9), "width is 9"),
        (lambda: alexnet_2012(groups=0), "groups is 0"),
        (lambda: alexnet_small(activation="gelu"), "activation is 'gelu': give 'relu' or 'tanh'"),
        (lambda: alexnet_small(width=0), "width is 0"),
        (lambda: alexnet_small(width=9, groups=2), "groups is 2: give a divisor of the width 9"),
        (lambda: alexnet_small(dropout=-0.1), "dropout is -0.1"),
        (lambda: local_response_norm(torch.ones(1, 4, 2, 2), size=4), "size is 4: give an odd"),
        (lambda: local_response_norm(torch.ones(1, 3, 2, 2), groups=2), "3 channels do not make 2"),
    ],
)
def test_an_impossible_net_is_refused_with_the_reason(build, text):
    with pytest.raises(ValueError, match=text):
        build()
