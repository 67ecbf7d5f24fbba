"""Our residual networks against torchvision's, the paper's tables and published weights."""

import doctest
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from scipy import stats
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from labnotes.convnets import (
    BasicBlock,
    Bottleneck,
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet_small,
)

NETS = {18: resnet18, 34: resnet34, 50: resnet50, 101: resnet101, 152: resnet152}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def randomise(model: nn.Module) -> None:
    """Batch normalization that does something: running statistics, scale and shift at random."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.2, 0.6)
            nn.init.normal_(layer.bias, std=0.1)


def pair(depth: int, **options) -> tuple[nn.Module, nn.Module]:
    """torchvision's net with random weights, and ours with the same."""
    torch.manual_seed(depth)
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=10)
    randomise(theirs)
    with torch.device("meta"):  # our own random weights would only be thrown away
        ours = NETS[depth](num_classes=10, **options)
    ours.load_state_dict({k: v.clone() for k, v in theirs.state_dict().items()}, assign=True)
    return ours, theirs


@pytest.mark.parametrize("depth", NETS)
def test_names_and_shapes_are_torchvisions(depth):
    with torch.device("meta"):
        ours, theirs = NETS[depth](), getattr(torchvision.models, f"resnet{depth}")()
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (ours, theirs)]
    assert shapes[0] == shapes[1] and list(shapes[0]) == list(shapes[1])


@pytest.mark.parametrize("depth", NETS)
def test_torchvisions_state_dict_gives_torchvisions_logits(depth):
    ours, theirs = pair(depth)
    images = torch.randn(2, 3, 64, 64)
    for mode in ("eval", "train"):
        for model in (ours, theirs):
            model.train(mode == "train")
        with torch.no_grad():
            got, expected = ours(images), theirs(images)
        assert expected.std() > 1e-3  # else agreement would say nothing
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    # the state dict goes back as well, with the running statistics of the training pass
    theirs.load_state_dict(ours.state_dict())


def test_gradients_of_all_weights_are_torchvisions():
    ours, theirs = pair(18)
    images, labels = torch.randn(4, 3, 64, 64), torch.tensor([1, 2, 3, 4])
    for model in (ours, theirs):
        F.cross_entropy(model(images), labels).backward()
    expected = dict(theirs.named_parameters())
    for name, weight in ours.named_parameters():
        scale = expected[name].grad.abs().max()
        assert (weight.grad - expected[name].grad).abs().max() <= 1e-4 * scale, name


@pytest.mark.parametrize("depth", NETS)
def test_parameter_counts_are_those_published_with_torchvisions_weights(depth):
    published = torchvision.models.get_model_weights(f"resnet{depth}").DEFAULT.meta["num_params"]
    with torch.device("meta"):
        assert parameters(NETS[depth]()) == published


@pytest.mark.parametrize(
    ("depth", "published"), [(18, 1.8), (34, 3.6), (50, 3.8), (101, 7.6), (152, 11.3)]
)
def test_multiplications_of_version_1_are_those_of_the_papers_table_1(depth, published):
    with torch.device("meta"):
        options = {"stride_in": "1x1"} if depth >= 50 else {}
        model, image = NETS[depth](**options), torch.empty(1, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        model(image)
    # The paper leaves out projections here and there: its table is met to 3 %.
    assert counter.get_total_flops() / 2e9 == pytest.approx(published, rel=0.03)


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_cifar_parameter_counts_are_those_of_the_papers_table_6(depth, millions):
    with torch.device("meta"):
        model = resnet_small(in_channels=3, depth=depth)
    digits = 2 if millions < 1 else 1
    assert round(parameters(model) / 1e6, digits) == millions
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) + 1 == depth  # and the linear layer


def test_a_plain_net_has_the_residual_nets_parameters_and_takes_its_weights():
    plain, residual = (
        resnet_small(in_channels=3, depth=20, plain=True),
        resnet_small(in_channels=3, depth=20, shortcut="A"),
    )
    plain.load_state_dict(residual.state_dict())
    with torch.device("meta"):
        assert parameters(resnet34(shortcut="none")) == parameters(resnet34(shortcut="A"))


def test_a_plain_net_is_the_chain_of_its_layers():
    torch.manual_seed(0)
    plain = resnet_small(in_channels=3, depth=8, plain=True, width=4)
    x = h = torch.randn(2, 3, 16, 16)
    layers = [m for m in plain.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    for conv, norm in zip(layers[::2], layers[1::2], strict=True):
        h = norm(conv(h)).relu()
    torch.testing.assert_close(plain(x), plain.fc(h.mean((2, 3))))


def block_by_hand(block, x, shortcut):
    """relu(F(x) + shortcut), in functional calls and float64."""
    w = {k: v.double() for k, v in block.state_dict().items()}
    h, number = x, 1
    while f"conv{number}.weight" in w:
        layer = getattr(block, f"conv{number}")
        h = F.conv2d(h, w[f"conv{number}.weight"], stride=layer.stride, padding=layer.padding)
        h = normalise(h, w[f"bn{number}.weight"], w[f"bn{number}.bias"])
        number += 1
        if f"conv{number}.weight" in w:
            h = h.clamp(min=0)
    return (h + shortcut).clamp(min=0)


def normalise(h, scale, shift):
    mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
    h = (h - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    return h * scale[:, None, None] + shift[:, None, None]


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("shortcut", ["A", "B", "C", "none"])
@pytest.mark.parametrize("change", [False, True])
def test_every_block_with_every_shortcut_is_what_the_formula_says(block, shortcut, change):
    torch.manual_seed(1)
    inside, into, stride = (6, 4, 2) if change else (4, 4 * block.expansion, 1)
    out = inside * block.expansion
    module = block(into, inside, stride, shortcut=shortcut)
    randomise(module)
    x = torch.randn(3, into, 7, 7, dtype=torch.float64)
    module = module.double()
    if shortcut == "none":
        around = 0
    elif shortcut == "C" or (shortcut == "B" and change):
        conv, norm = module.downsample
        around = normalise(F.conv2d(x, conv.weight, stride=stride), norm.weight, norm.bias)
    elif change:  # zeros around the old channels
        around = torch.zeros(3, out, 4, 4, dtype=torch.float64)
        start = (out - into) // 2
        around[:, start : start + into] = x[:, :, ::2, ::2]
    else:
        around = x
    torch.testing.assert_close(module(x), block_by_hand(module, x, around))


@pytest.mark.parametrize(("shortcut", "projections"), [("A", 0), ("B", 3), ("C", 16), ("none", 0)])
def test_projections_are_where_the_option_puts_them(shortcut, projections):
    with torch.device("meta"):
        names = resnet34(shortcut=shortcut).state_dict()
    assert sum(name.endswith("downsample.0.weight") for name in names) == projections


@pytest.mark.parametrize("depth", NETS)
def test_every_depth_passes_its_options_on(depth):
    with torch.device("meta"):
        net = NETS[depth](7, 2, small_input=True, shortcut="C")
    assert (net.conv1.in_channels, net.conv1.kernel_size, net.fc.out_features) == (2, (3, 3), 7)
    blocks = [m for m in net.modules() if isinstance(m, (BasicBlock, Bottleneck))]
    assert all(isinstance(block.downsample, nn.Sequential) for block in blocks)
    layers = len(blocks) * (2 if depth < 50 else 3)
    assert depth == layers + 2  # the first convolution and the linear layer


def test_shortcut_a_has_no_parameters():
    assert parameters(resnet.ZeroPad(16, 32, 2)) == 0


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_block_whose_last_scale_is_zero_is_the_identity_on_what_relu_gives(block):
    module = block(4 * block.expansion, 4)
    last = module.bn3 if block is Bottleneck else module.bn2
    nn.init.zeros_(last.weight)
    x = torch.randn(2, 4 * block.expansion, 5, 5).relu()
    assert torch.equal(module(x), x)


def test_version_1_is_torchvisions_bottleneck_with_the_strides_moved():
    ours, theirs = pair(50, stride_in="1x1")
    for stage in (theirs.layer2, theirs.layer3, theirs.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=0)


def test_a_block_without_shape_change_is_that_of_d2l():
    import d2l.torch as d2l

    torch.manual_seed(0)
    ours, theirs = BasicBlock(3, 3), d2l.Residual(3)
    x = torch.randn(4, 3, 6, 6)
    theirs(x)  # its layers learn their sizes here
    for name in ("conv1", "conv2"):
        getattr(theirs, name).weight.data = getattr(ours, name).weight.data
    # d2l's convolutions have a bias; batch normalization takes it away again.
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_small_inputs_keep_their_resolution_through_the_first_stage():
    seen = []
    model = resnet18(num_classes=10, in_channels=1, small_input=True)
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        stage.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert seen == [(64, 28, 28), (128, 14, 14), (256, 7, 7), (512, 4, 4)]


@pytest.mark.parametrize("build", [resnet18, resnet_small])
def test_convolution_weights_start_normal_with_variance_two_over_fan_out(build):
    torch.manual_seed(0)
    for layer in build().modules():
        if isinstance(layer, nn.Conv2d):
            expected = stats.norm(0, (2 / layer.weight[:, 0].numel()) ** 0.5).cdf
            found = layer.weight.detach().flatten()[:20_000].numpy()
            assert stats.kstest(found, expected).pvalue > 1e-4


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: resnet18(num_classes=0), "num_classes is 0"),
        (lambda: resnet18(in_channels=-1), "in_channels is -1"),
        (lambda: resnet34(num_classes=2.5), "num_classes is 2.5"),
        (lambda: resnet50(shortcut="D"), "shortcut is 'D': give one of 'A', 'B', 'C', 'none'"),
        (lambda: resnet50(stride_in="5x5"), "stride_in is '5x5'"),
        (lambda: resnet_small(in_channels=3, depth=21), "depth is 21: give 6n\\+2"),
        (lambda: resnet_small(in_channels=3, depth=22), "depth is 22"),
        (lambda: resnet_small(in_channels=3, depth=2), "depth is 2"),
        (lambda: resnet_small(in_channels=3, depth=20.0), "depth is 20.0"),
        (lambda: resnet_small(in_channels=3, depth=20, width=0), "width is 0"),
        (lambda: resnet_small(in_channels=3, depth=20, shortcut="b"), "shortcut is 'b'"),
        (lambda: BasicBlock(4, 4, shortcut="x"), "shortcut is 'x'"),
        (lambda: Bottleneck(4, 4, stride_in="2x2"), "stride_in is '2x2'"),
        (lambda: resnet.ZeroPad(8, 4, 1), "8 channels in, 4 out"),
    ],
)
def test_an_impossible_net_is_refused_with_the_reason(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_the_published_resnet20_classifies_cifar_images_as_well_as_published():
    root = Path(os.environ.get("LABNOTES_DATA") or "/nonexistent")
    weights, images = (
        root / "weights/resnet20-12fca82f.th",
        root / "cifar10_subset/cifar10_subset.zip",
    )
    if not (weights.is_file() and images.is_file()):
        pytest.skip("LABNOTES_DATA has not got the published weights and the CIFAR-10 subset")
    saved = torch.load(weights, weights_only=True, map_location="cpu")["state_dict"]
    renamed = {k.removeprefix("module.").replace("linear", "fc"): v for k, v in saved.items()}
    model = resnet_small(in_channels=3, depth=20)
    model.load_state_dict(renamed)
    model.eval()
    x, y = cifar_test_images(images)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (x.float() / 255 - mean[:, None, None]) / std[:, None, None]
    with torch.inference_mode():
        guesses = torch.cat([model(part).argmax(1) for part in x.split(250)])
    # Published: 91.7 % of the 10,000 test images. These are 1,000 of them.
    assert (guesses == y).double().mean().item() == pytest.approx(0.917, abs=0.01)


def cifar_test_images(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = [], []
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if "/test/" in n and n.endswith(".png"))
        classes = sorted({n.split("/")[-2] for n in names})  # alphabetical is CIFAR-10's own order
        for name in names:
            with archive.open(name) as file, Image.open(file) as image:
                images.append(torch.tensor(np.asarray(image.convert("RGB"))).permute(2, 0, 1))
            labels.append(classes.index(name.split("/")[-2]))
    assert len(classes) == 10 and len(images) == 1000
    return torch.stack(images), torch.tensor(labels)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(resnet)
    assert result.attempted >= 4 and result.failed == 0
