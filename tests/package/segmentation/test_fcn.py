"""The heads and bodies of FCN against plain torch and torchvision."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from labnotes.segmentation import FCN, FCNHead, Stages, UNetHead, mobilenet_stages, upsampling

CHANNELS = (3, 4, 5, 6)


def maps_for(height, width, batch=2):
    draw = torch.Generator().manual_seed(0)
    sizes = [(-(-height // s), -(-width // s)) for s in (4, 8, 16, 32)]
    return [torch.randn(batch, c, h, w, generator=draw) for c, (h, w) in zip(CHANNELS, sizes)]


def stirred(head):
    """All weights random: scores begin at zero."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in head.parameters():
            p.copy_(torch.randn(p.shape, generator=draw) / 4)
    return head


def in_plain_torch(head, maps, size):
    """Equation (ladder) with functions of torch alone; scores are cut to the finer map."""
    scores = F.conv2d(maps[3], head.score[0].weight, head.score[0].bias)
    for score, twice, finer in zip(head.score[1:], head.twice, (maps[2], maps[1], maps[0])):
        large = F.conv_transpose2d(scores, twice.weight, stride=2, padding=1, output_padding=1)
        skip = F.conv2d(finer, score.weight, score.bias)
        scores = large[..., : skip.shape[2], : skip.shape[3]] + skip
    stride = head.last.stride[0]
    frame = {"padding": stride - 1, "output_padding": stride - 1}
    large = F.conv_transpose2d(scores, head.last.weight, stride=stride, **frame)
    return large[..., : size[0], : size[1]]


@pytest.mark.parametrize("stride", [32, 16, 8, 4])
@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_a_head_is_the_ladder_in_plain_torch_for_images_of_any_size(stride, height, width):
    head, maps = stirred(FCNHead(CHANNELS, 5, stride)), maps_for(height, width)
    got = head(maps, (height, width))
    assert got.shape == (2, 5, height, width)
    assert torch.allclose(got, in_plain_torch(head, maps, (height, width)), atol=1e-5)


def interpolated(x, factor):
    """By torch, with input i at output factor * i, and zeros behind the last one."""
    h, w = x.shape[2:]
    size = (h * factor + 1, w * factor + 1)
    large = F.interpolate(F.pad(x, (0, 1, 0, 1)), size=size, mode="bilinear", align_corners=True)
    return large[..., :-1, :-1]


@pytest.mark.parametrize("stride", [32, 16, 8, 4])
def test_with_its_first_kernels_a_head_interpolates_as_torch_does(stride):
    head, maps = FCNHead(CHANNELS, 5, stride), maps_for(128, 160)
    for layer in head.score:
        nn.init.normal_(layer.weight)
    scores = head.score[0](maps[3])
    for layer, finer in zip(head.score[1:], maps[2::-1]):
        scores = interpolated(scores, 2) + layer(finer)
    assert torch.allclose(head(maps, (128, 160)), interpolated(scores, stride), atol=1e-5)


@pytest.mark.parametrize(("stage", "stride"), list(enumerate((4, 8, 16, 32))))
def test_a_unit_of_the_body_and_its_enlarged_score_are_centred_on_one_pixel(stage, stride):
    """The body by the gradient of a unit far from the edges, the score by its largest value."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False) for _ in range(5)]
    for layer in layers:
        nn.init.ones_(layer.weight)
    x = torch.zeros(1, 1, 256, 256, requires_grad=True)
    Stages(nn.Sequential(*layers), (1, 2, 3, 4))(x)[stage][0, 0, 4, 4].backward()
    rows = x.grad[0, 0].sum(1)
    centre = (rows * torch.arange(256)).sum() / rows.sum()
    one = torch.zeros(1, 1, 256 // stride, 256 // stride)
    one[0, 0, 4, 4] = 1
    large = upsampling(1, stride)(one)[0, 0]
    assert divmod(int(large.argmax()), 256) == (round(centre.item()), round(centre.item()))
    assert centre.item() == pytest.approx(4 * stride)


def test_at_first_no_class_is_preferred():
    for stride in (32, 8):
        assert FCNHead(CHANNELS, 5, stride)(maps_for(64, 96), (64, 96)).abs().max() == 0


@pytest.mark.parametrize(("stride", "read"), [(32, 1), (16, 2), (8, 3), (4, 4)])
def test_a_head_reads_the_maps_from_stride_32_down_to_its_own(stride, read):
    maps = [m.requires_grad_() for m in maps_for(64, 64)]
    stirred(FCNHead(CHANNELS, 5, stride))(maps, (64, 64)).square().sum().backward()
    assert [m.grad is not None for m in maps] == [False] * (4 - read) + [True] * read


def test_a_random_start_is_not_bilinear_and_is_torchs():
    torch.manual_seed(0)
    got = upsampling(3, 4, "random").weight
    torch.manual_seed(0)
    assert torch.equal(got, nn.ConvTranspose2d(3, 3, 7, stride=4, padding=3, bias=False).weight)


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 16, 32])
def test_upsampling_interpolates_each_channel_by_itself(factor):
    x = torch.randn(2, 3, 5, 7)
    assert torch.allclose(upsampling(3, factor)(x), interpolated(x, factor), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_a_u_net_joins_features_as_in_plain_torch(height, width):
    head, maps = stirred(UNetHead(CHANNELS, 5, width=7)), maps_for(height, width)
    x = F.conv2d(maps[3], head.first.weight, head.first.bias).clamp(min=0)
    for twice, join, finer in zip(head.twice, head.join, maps[2::-1]):
        x = F.conv_transpose2d(x, twice.weight, twice.bias, stride=2)
        x = torch.cat([x[..., : finer.shape[2], : finer.shape[3]], finer], 1)
        x = F.conv2d(x, join.weight, join.bias, padding=1).clamp(min=0)
    x = F.conv2d(x, head.score.weight, head.score.bias)
    expected = F.interpolate(x, size=(height, width), mode="bilinear")
    assert torch.allclose(head(maps, (height, width)), expected, atol=1e-5)


def test_mobilenets_maps_are_those_of_torchvisions_own_feature_extractor():
    from torchvision.models.feature_extraction import create_feature_extractor

    model = torchvision.models.mobilenet_v2().eval()
    nodes = ["features.3.add", "features.6.add", "features.13.add", "features.18"]
    theirs = create_feature_extractor(model, nodes)
    x = torch.randn(1, 3, 70, 50)
    with torch.no_grad():
        maps, expected = mobilenet_stages(model)(x), list(theirs(x).values())
    assert [m.shape[1] for m in maps] == [24, 32, 96, 1280]
    assert [tuple(m.shape[2:]) for m in maps] == [(18, 13), (9, 7), (5, 4), (3, 2)]
    assert all(torch.equal(a, b) for a, b in zip(maps, expected))


def test_an_fcn_has_no_fully_connected_layer_and_takes_any_size():
    net = FCN(mobilenet_stages(torchvision.models.mobilenet_v2()), FCNHead(num_classes=3)).eval()
    assert not any(isinstance(m, nn.Linear) for m in net.modules())
    with torch.no_grad():
        for size in ((64, 64), (33, 97), (1, 1)):
            assert net(torch.zeros(1, 3, *size)).shape == (1, 3, *size)


LAYERS = nn.Sequential(*[nn.Identity() for _ in range(5)])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FCNHead((1, 2, 3), 2), "channels are .* four numbers"),
        (lambda: FCNHead(CHANNELS, 0), "num_classes is 0"),
        (lambda: FCNHead((3, 4, 5, -6), 2), "channels.3. is -6"),
        (lambda: FCNHead(CHANNELS, 2, 12), "stride is 12"),
        (lambda: FCNHead(CHANNELS, 2, 8, "nearest"), 'start is .nearest.: give "bilinear"'),
        (lambda: UNetHead(CHANNELS, 2, width=0), "width is 0"),
        (lambda: UNetHead((3, 4), 2), "channels are"),
        (lambda: upsampling(2, 1), "factor is 1: give a whole number"),
        (lambda: upsampling(0, 2), "channels is 0"),
        (lambda: Stages(LAYERS, (1, 2, 3)), "after is .1, 2, 3.: give the numbers of four"),
        (lambda: Stages(LAYERS, (0, 2, 2, 4)), "after is"),
        (lambda: Stages(LAYERS, (1, 2, 3, 5)), "after is"),
        (lambda: FCN(LAYERS, LAYERS)(torch.zeros(3, 8, 8)), "images are .*image.None"),
        (lambda: FCN(LAYERS, LAYERS)(torch.zeros(1, 3, 0, 8)), "at least one pixel"),
        (lambda: FCN(LAYERS, LAYERS)(torch.zeros(1, 3, 8, 8).byte()), "give floats"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
