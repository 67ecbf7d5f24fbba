"""Our VGG nets against torchvision's, the paper's tables, d2l's, and a sliding window."""

import doctest
import math
import sys

import pytest
import torch
import torchvision
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from labnotes import convnets
from labnotes.convnets import fully_convolutional, grow_from, vgg, vgg_block, vgg_small

module = sys.modules["labnotes.convnets.vgg"]
NAMES = [f"vgg{depth}{bn}" for depth in (11, 13, 16, 19) for bn in ("", "_bn")]
PAPERS_TABLE_2 = {"A": 133, "A-LRN": 133, "B": 133, "C": 134, "D": 138, "E": 144}
LAYERS = {"A": 11, "A-LRN": 11, "B": 13, "C": 16, "D": 16, "E": 19}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def on_meta(build):
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize("name", NAMES)
def test_state_dicts_have_torchvisions_keys_and_shapes(name):
    ours = on_meta(getattr(convnets, name)).state_dict()
    theirs = on_meta(getattr(torchvision.models, name)).state_dict()
    assert list(ours) == list(theirs)
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs.values()]


@pytest.mark.parametrize("name", NAMES)
def test_parameter_counts_are_those_published_with_torchvisions_weights(name):
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    assert parameters(on_meta(getattr(convnets, name))) == published


def random_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Numbers for a net on the meta device, of a size that keeps signals alive."""
    state = {}
    for key, tensor in model.state_dict().items():
        if tensor.dim() == 0:
            state[key] = torch.tensor(0)
        elif "running_var" in key or (tensor.dim() == 1 and key.endswith("weight")):
            state[key] = torch.rand(tensor.shape) + 0.5
        elif tensor.dim() == 1:
            state[key] = 0.1 * torch.randn(tensor.shape)
        else:  # repeated rows: random numbers for the large linear layers would take seconds
            rows = torch.randn(64, *tensor.shape[1:]) / math.sqrt(tensor[0].numel())
            repeats = math.ceil(tensor.shape[0] / 64)
            state[key] = rows.repeat(repeats, *[1] * (tensor.dim() - 1))[: tensor.shape[0]]
    return state


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_weights_give_torchvisions_logits(name):
    torch.manual_seed(0)
    ours = on_meta(lambda: getattr(convnets, name)(num_classes=10))
    theirs = on_meta(lambda: getattr(torchvision.models, name)(num_classes=10))
    if name != "vgg11_bn":  # the linear layers are those of vgg11_bn: narrow ones in their place
        for model in (ours, theirs):
            model.classifier = nn.Linear(512 * 7 * 7, 10, device="meta")
    state = random_state(theirs)
    for model in (ours, theirs):
        model.load_state_dict(state, assign=True)
        model.eval()
    images = torch.randn(1, 3, 32, 48)  # not 224: the average pooling must agree as well
    with torch.inference_mode():
        got, expected = ours(images), theirs(images)
    assert 1e-3 < expected.std() < 1e3  # else agreement would say nothing
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("config", "millions"), PAPERS_TABLE_2.items())
def test_parameters_and_layers_are_those_of_the_papers_tables(config, millions):
    model = on_meta(lambda: vgg(config=config))
    assert round(parameters(model) / 1e6) == millions
    weighted = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == LAYERS[config]
    pools = [m for m in model.features if isinstance(m, nn.MaxPool2d)]
    assert len(pools) == 5
    ones = [m for m in model.features if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert len(ones) == (3 if config == "C" else 0)
    assert on_meta(lambda: model(torch.empty(2, 3, 224, 224))).shape == (2, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_passes_its_options_on(name):
    model = on_meta(lambda: getattr(convnets, name)(7, 2, dropout=0.25))
    assert model.features[0].in_channels == 2 and model.classifier[-1].out_features == 7
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]


def test_multiplications_of_vgg19_are_those_of_the_resnet_papers_count():
    model, image = on_meta(lambda: (vgg(config="E"), torch.empty(1, 3, 224, 224)))
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert counter.get_total_flops() / 2e9 == pytest.approx(19.6, abs=0.05)


def test_local_response_normalization_stands_once_and_is_alexnets_formula():
    norms = [m for m in on_meta(lambda: vgg(config="A-LRN")).features if "Response" in str(type(m))]
    assert len(norms) == 1
    # Table 1: conv3-64, LRN, maxpool; the ReLU belongs to the convolution.
    kinds = [type(m).__name__ for m in on_meta(lambda: vgg(config="A-LRN")).features]
    assert kinds[:5] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d", "Conv2d"]
    x = torch.randn(2, 7, 3, 3, dtype=torch.float64)
    expected = torch.empty_like(x)
    for i in range(7):
        near = x[:, max(0, i - 2) : i + 3].square().sum(1)
        expected[:, i] = x[:, i] / (2 + 1e-4 * near) ** 0.75
    torch.testing.assert_close(norms[0](x), expected)


def test_a_block_is_convolutions_with_relu_and_one_pooling():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 9)
    for batch_norm in (False, True):
        block = vgg_block(2, 3, 8, batch_norm=batch_norm).eval()
        weights, h = block.state_dict(), x
        for key in [k for k in weights if weights[k].dim() == 4]:
            h = F.conv2d(h, weights[key], weights[key.replace("weight", "bias")], padding=1)
            h = (h / math.sqrt(1 + 1e-5) if batch_norm else h).clamp(min=0)
        torch.testing.assert_close(block(x), F.max_pool2d(h, 2))


def test_the_initialization_is_torchvisions():
    torch.manual_seed(0)
    ours = vgg_small(width=32, hidden=256, batch_norm=True)
    for layer in ours.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 30_000:
            fan_out = layer.weight[:, 0].numel()
            expected = stats.norm(0, (2 / fan_out) ** 0.5).cdf
            found = layer.weight.detach().flatten()[:20_000].numpy()
            assert stats.kstest(found, expected).pvalue > 1e-4
        if isinstance(layer, nn.Linear) and layer.weight.numel() > 30_000:
            found = layer.weight.detach().flatten()[:20_000].numpy()
            assert stats.kstest(found, stats.norm(0, 0.01).cdf).pvalue > 1e-4
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            assert not layer.bias.any()
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()


@pytest.mark.parametrize("config", module.CONFIGS)
@pytest.mark.parametrize("size", [14, 28, 32])
def test_small_nets_have_all_layers_of_the_configuration(config, size):
    model = vgg_small(7, 3, width=2, config=config, image_size=size, batch_norm=config == "B")
    weighted = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == LAYERS[config]
    assert model.eval()(torch.zeros(2, 3, size, size)).shape == (2, 7)
    # at the size it is made for, the average pooling has nothing to do
    assert model.features(torch.zeros(1, 3, size, size)).shape[2:] == (size // 8, size // 8)


# --- growing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["B", "C", "D", "E"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_growing_copies_four_convolutions_and_three_linear_layers_to_their_places(
    config, batch_norm
):
    torch.manual_seed(0)
    shallow = vgg_small(width=2, batch_norm=batch_norm)
    deep = vgg_small(width=2, batch_norm=batch_norm, config=config)
    before = {k: v.clone() for k, v in deep.state_dict().items()}
    filled = grow_from(deep, shallow)
    assert filled == ["conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc1", "fc2", "fc3"]
    changed = {k for k, v in deep.state_dict().items() if not torch.equal(v, before[k])}
    weights = [k for k in changed if deep.state_dict()[k].dim() > 1]
    assert len(weights) == 7
    convs = [m for m in deep.features if isinstance(m, nn.Conv2d)]
    first = {"B": (0, 2, 4, 5), "C": (0, 2, 4, 5), "D": (0, 2, 4, 5), "E": (0, 2, 4, 5)}[config]
    old = [m for m in shallow.features if isinstance(m, nn.Conv2d)]
    for place, conv in zip(first, old[:4], strict=True):
        assert torch.equal(convs[place].weight, conv.weight)


def test_counted_straight_through_the_papers_four_layers_would_not_fit():
    a, d = on_meta(lambda: (vgg(config="A"), vgg(config="D")))
    shapes = [[m.weight.shape for m in n.features if isinstance(m, nn.Conv2d)] for n in (a, d)]
    assert shapes[0][3] != shapes[1][3]
    grow_from(d, a)  # by place they fit


def test_growing_does_not_tie_the_nets_together():
    shallow, deep = vgg_small(width=2), vgg_small(width=2, config="E")
    grow_from(deep, shallow)
    kept = deep.features[0].weight.clone()
    nn.init.zeros_(shallow.features[0].weight)
    assert torch.equal(deep.features[0].weight, kept)


# --- linear layers as convolutions -----------------------------------------------------------


def test_vgg11_at_224_is_the_same_net_with_a_7x7_and_two_1x1_convolutions():
    model = vgg_small(10, 3, width=2, config="A", image_size=56).eval()  # also a map of 7x7
    dense = fully_convolutional(model)
    kernels = [m.kernel_size for m in dense.classifier if isinstance(m, nn.Conv2d)]
    assert kernels == [(7, 7), (1, 1), (1, 1)]
    images = torch.randn(2, 3, 56, 56)
    got = dense(images)
    assert got.shape == (2, 10, 1, 1)
    torch.testing.assert_close(got.flatten(1), model(images), atol=1e-6, rtol=1e-5)
    with torch.device("meta"):
        net, big = vgg(config="A"), fully_convolutional(vgg(config="A"))
        assert parameters(net) == parameters(big)
        assert big(torch.empty(1, 3, 224, 224)).shape == (1, 1000, 1, 1)
        assert big(torch.empty(1, 3, 256, 384)).shape == (1, 1000, 2, 6)


def unpadded() -> nn.Module:
    """A net without padding: 22 -> 20 -> 10 -> 8 -> 4 pixels."""
    torch.manual_seed(0)
    features = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 5, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    net = module.VGG(features, 5, grid=4, hidden=12, num_classes=6).eval()
    for layer in net.classifier:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.3)
            nn.init.normal_(layer.bias)
    return net


def test_without_padding_the_map_is_the_old_net_slid_over_the_image():
    net = unpadded()
    image = torch.randn(2, 1, 34, 42)
    scores = fully_convolutional(net)(image)  # (2, 6, 4, 6)
    assert scores.shape == (2, 6, 4, 6)
    for row in range(4):
        for column in range(6):
            crop = image[:, :, 4 * row : 4 * row + 22, 4 * column : 4 * column + 22]
            torch.testing.assert_close(scores[:, :, row, column], net(crop), atol=1e-5, rtol=1e-5)


def test_with_padding_windows_see_their_neighbourhood_instead_of_zeros():
    torch.manual_seed(0)
    net = vgg_small(image_size=16).eval()
    image = torch.randn(1, 1, 32, 32)
    scores = fully_convolutional(net)(image)
    crop = net(image[:, :, 8:24, 8:24])
    assert (scores[:, :, 1, 1] - crop).abs().max() > 1e-2 * crop.std()


def test_the_conversion_leaves_the_net_alone_and_keeps_its_mode():
    net = unpadded()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    dense = fully_convolutional(net)
    assert not dense.training and fully_convolutional(net.train()).training
    for p in dense.parameters():
        p.data.zero_()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_torchvisions_alexnet_converts_too():
    dense = fully_convolutional(on_meta(torchvision.models.alexnet))
    kernels = [m.kernel_size for m in dense.classifier if isinstance(m, nn.Conv2d)]
    assert kernels == [(6, 6), (1, 1), (1, 1)]
    assert dense(torch.empty(1, 3, 256, 224, device="meta")).shape == (1, 1000, 2, 1)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: vgg(config="F"), "config is 'F': give one of 'A', 'A-LRN', 'B'"),
        (lambda: vgg(config="A", num_classes=0), "num_classes is 0"),
        (lambda: vgg(config="A", in_channels=1.5), "in_channels is 1.5"),
        (lambda: vgg_small(width=0), "width is 0"),
        (lambda: vgg_small(image_size=7), "image_size is 7: give at least 8"),
        (lambda: vgg_small(hidden=0), "hidden is 0"),
        (lambda: vgg_small(config="x"), "config is 'x'"),
        (lambda: module.VGG(nn.Sequential(), 8, 0), "grid is 0"),
        (lambda: vgg_block(0, 3, 64), "num_convs is 0"),
        (lambda: module.make_features("A", 3, (8, 8, 8, 8), False), "argument 2 is shorter"),
        (lambda: vgg_block(2, 3, 64, last_kernel=5), "last_kernel is 5"),
        (lambda: fully_convolutional(nn.Linear(2, 2)), "Linear has no features"),
        (lambda: grow_from(vgg_small(width=2, config="D"), vgg_small(width=4)), "conv1_1 has"),
        (lambda: grow_from(vgg_small(width=2), vgg_small(width=2, config="B"), 9), "no conv1_2"),
        (
            lambda: fully_convolutional(
                module.VGG(nn.Sequential(nn.Conv2d(1, 7, 3)), 8, 3, hidden=4, num_classes=2)
            ),
            "no square map of 7 channels",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(module)
    assert result.attempted >= 4 and result.failed == 0
