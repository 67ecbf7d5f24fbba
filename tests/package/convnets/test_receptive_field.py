"""Receptive fields against what torch's own layers do, torchvision's nets and published numbers."""

import doctest
import importlib

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import (
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
    resnet50,
    resnet101,
    resnet152,
)

layers = st.builds(
    Layer,
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
stacks = st.lists(layers, max_size=4)


def conv_net(stack, axis=1):
    """The stack as torch convolutions along one axis, all weights 1."""
    net = nn.Sequential(nn.Identity())
    for layer in stack:
        kernel, padding = [1, 1], [0, 0]
        kernel[axis], padding[axis] = layer.kernel, layer.padding
        conv = nn.Conv2d(
            1, 1, kernel, (layer.stride,) * 2, padding, (layer.dilation,) * 2, bias=False
        )
        nn.init.ones_(conv.weight)
        net.append(conv)
    return net.double()


def roomy(stack, extra):
    """An input size at which all is there that a middle unit sees."""
    field = receptive_field(stack)
    return 2 * (field.size + abs(field.start)) + extra


@settings(max_examples=80, deadline=None)
@given(stacks, st.integers(0, 5))
def test_the_recurrence_gives_the_support_of_the_input_gradient(stack, extra):
    size = roomy(stack, extra)
    image = torch.ones(1, 1, 1, size, dtype=torch.float64, requires_grad=True)
    output = conv_net(stack)(image)
    assert output.shape[-1] == output_size(stack, size)
    unit = output.shape[-1] // 2
    first, last = receptive_field(stack).interval(unit)
    assume(first >= 0 and last < size)
    output[..., unit].sum().backward()
    seen = image.grad.flatten().nonzero().flatten().tolist()
    assert (seen[0], seen[-1]) == (first, last) == input_interval(stack, unit)
    assert image.grad.flatten()[seen].tolist() == list(path_counts(stack, unit).values())
    assert seen == list(path_counts(stack, unit))


@settings(max_examples=60, deadline=None)
@given(stacks, st.integers(0, 30))
def test_at_a_border_the_paths_that_stay_inside_every_map_are_the_gradient(stack, extra):
    """Padding is constant: what a layer reads there depends on no pixel."""
    size = max(1, receptive_field(stack).size // 2) + extra
    try:
        units = output_size(stack, size)
    except ValueError:
        assume(False)
    for unit in (0, units // 2, units - 1):
        image = torch.ones(1, 1, 1, size, dtype=torch.float64, requires_grad=True)
        conv_net(stack)(image)[..., unit].sum().backward()
        gradient = {p: int(g) for p, g in enumerate(image.grad.flatten().tolist()) if g}
        assert gradient == path_counts(stack, unit, size)


@st.composite
def modules(draw):
    """A random stack of the layers people build with, and the same as Layer objects."""
    stack, net, channels = [], [], draw(st.integers(1, 3))
    inside = channels
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "max", "avg", "pointwise"]))
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        dilation = 1 if kind == "avg" else draw(st.integers(1, 2))
        padding = draw(st.integers(0, kernel // 2))
        if kind == "conv":
            new = draw(st.integers(1, 3))
            net.append(nn.Conv2d(inside, new, kernel, stride, padding, dilation))
            inside = new
        elif kind == "max":
            net.append(
                nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=draw(st.booleans()))
            )
        elif kind == "avg":
            net.append(nn.AvgPool2d(kernel, stride, padding))
        else:
            net.append(
                nn.Sequential(
                    nn.BatchNorm2d(inside), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(inside, inside, 1)
                )
            )
            continue
        stack.append(Layer(kernel, stride, padding, dilation))
    return stack, nn.Sequential(*net), channels


@settings(max_examples=60, deadline=None)
@given(modules())
def test_a_module_is_read_as_the_stack_it_is_and_as_its_gradient_shows(case):
    stack, net, channels = case
    size = roomy(stack, 2)
    field = receptive_field_of(net, (channels, size, size + 3))
    assert field == receptive_field(stack)
    rows = output_size(stack, size) // 2  # with ceil_mode the map may have one unit more
    support = gradient_support(net, (channels, size, size + 3), unit=(rows, rows))
    expected = [pixel for pixel in path_counts(stack, rows) if 0 <= pixel < size]
    first, last = field.interval(rows)
    assume(first >= 0 and last < size)
    assert support.any(dim=1).nonzero().flatten().tolist() == expected
    assert support.any(dim=0).nonzero().flatten().tolist() == expected


@settings(max_examples=60, deadline=None)
@given(stacks)
def test_the_backward_recurrence_with_stride_and_span_agrees_with_the_forward_one(stack):
    """F(i) = (F(i+1) - 1) * stride + span, starting from F = 1 at the output."""
    size = 1
    for layer in reversed(stack):
        size = (size - 1) * layer.stride + layer.dilation * (layer.kernel - 1) + 1
    assert size == receptive_field(stack).size
    assert receptive_field(stack).jump == np.prod([layer.stride for layer in stack], dtype=int)


def test_the_example_of_the_notes_gives_3_5_7_and_7():
    assert [receptive_field([Layer(3)] * n).size for n in (1, 2, 3)] == [3, 5, 7]
    assert receptive_field([Layer(7)]).size == 7


def test_path_counts_are_the_powers_of_the_polynomial_1_plus_x_plus_x2():
    power = np.ones(1, dtype=int)
    for _ in range(6):
        power = np.convolve(power, [1, 1, 1])
    assert list(path_counts([Layer(3)] * 6).values()) == power.tolist()


def test_no_layers_leave_every_unit_its_own_pixel():
    assert receptive_field([]) == ReceptiveField(1, 1, 0)
    assert input_interval([], 5) == (5, 5)
    assert path_counts([], 5) == {5: 1}
    assert output_size([], 9) == 9


def test_the_centre_of_an_even_field_lies_between_two_pixels():
    field = receptive_field([Layer(3, padding=1), Layer(2, stride=2)])
    assert field.interval(0) == (-1, 2)
    assert field.centre == 0.5
    assert receptive_field([Layer(3)]).centre == 1


def trunk(name):
    """The layers of a torchvision net before its global pooling, without data."""
    with torch.device("meta"):
        net = getattr(torchvision.models, name)()
    return net.features if hasattr(net, "features") else nn.Sequential(*list(net.children())[:-2])


@pytest.mark.parametrize(
    ("name", "size"),
    # Araujo et al. (2019) and their library's table. VGG-16's effective padding is 90 there, too.
    [("alexnet", 195), ("vgg16", 212)],
)
def test_published_sizes_of_single_path_nets(name, size):
    field = receptive_field_of(trunk(name), 224)
    assert (field.size, field.jump) == (size, 32)
    if name == "vgg16":
        assert field.start == -90


@pytest.mark.parametrize(("build", "size"), [(resnet50, 483), (resnet101, 1027), (resnet152, 1507)])
def test_published_sizes_of_resnets_hold_for_the_paper_s_place_of_the_stride(build, size):
    """The table's resnet_v1_50 to 152; torchvision strides in the 3x3 layers, and sees less."""
    with torch.device("meta"):
        first, later = build(stride_in="1x1"), build(stride_in="3x3")
    fields = [
        receptive_field_of(nn.Sequential(*list(net.children())[:-2]), 224) for net in (first, later)
    ]
    assert (fields[0].size, fields[0].jump) == (size, 32)
    assert fields[1].size == size - 2 * (8 - 4) - 2 * (16 - 8) - 2 * (32 - 16)
    assert fields[1] == receptive_field_of(trunk(build.__name__), 224)


def test_the_published_field_of_inception_v3_with_its_many_branches():
    """1311 and padding 618 before the pooling of an 8x8 map; its 1x7 and 7x1 layers alternate."""
    with torch.device("meta"):
        net = torchvision.models.inception_v3(init_weights=False)
    assert receptive_field_of(net, 299) == ReceptiveField(1311 + 7 * 32, 32, -618)


@pytest.mark.parametrize(
    ("name", "size", "units"),
    [("alexnet", 224, 6), ("resnet18", 256, 8), ("squeezenet1_1", 224, 13)],
)
def test_torchvision_nets_have_the_field_that_their_gradient_shows(name, size, units):
    """The first unit shows the right end of the field, the last one the left end."""
    field = receptive_field_of(trunk(name), size)
    seen = gradient_support(trunk(name), size, unit=(0, units - 1)).nonzero()
    assert seen[:, 0].max() == field.interval(0)[1] < size - 1
    assert seen[:, 1].min() == field.interval(units - 1)[0] > 0


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(2, 2, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(2, 2, (5, 1), padding=(2, 0))

    def forward(self, x):
        return torch.cat([self.wide(x), F.relu(self.tall(x))], dim=1) * 2


def test_where_branches_meet_the_field_is_their_union():
    net = Branches()
    assert receptive_field_of(net, 16, axis=0) == ReceptiveField(5, 1, -2)
    assert receptive_field_of(net, 16, axis=1) == ReceptiveField(7, 1, -3)
    support = gradient_support(net, 16)
    assert support.any(dim=1).sum() == 5 and support.any(dim=0).sum() == 7
    assert support.sum() == 5 + 7 - 1  # a cross: the interval holds it, and does not say so
    both = r"rows have ReceptiveField\(size=5.*, columns ReceptiveField\(size=7.*axis=0 or axis=1"
    with pytest.raises(ValueError, match=both):
        receptive_field_of(net, 16)


def test_branches_that_look_in_different_directions_are_spanned_as_well():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(x)[:, :, 2:, 2:] + x[:, :, :-4, :-4]

    assert receptive_field_of(Aside(), 16) == ReceptiveField(5, 1, 0)
    seen = gradient_support(Aside(), 16, unit=(3, 3)).any(dim=0).nonzero().flatten()
    assert seen.tolist() == [3, 5, 6, 7]  # the interval has a hole


def test_the_window_that_ceil_mode_adds_at_the_end_is_measured_too():
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    assert pool(torch.zeros(1, 1, 6, 6)).shape[-1] == 3
    seen = gradient_support(pool, 6, unit=(2, 2)).any(dim=0).nonzero().flatten()
    assert seen.tolist() == [4, 5]
    assert receptive_field_of(pool, 6).interval(2) == (4, 6)


def test_max_pooling_by_the_function_alone_is_measured_with_the_function_s_own_defaults():
    class Bare(nn.Module):
        def forward(self, x):
            return torch.max_pool2d(x, 2)

    seen = gradient_support(Bare(), 5, unit=(1, 1)).nonzero()
    assert seen.tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    with pytest.raises(ValueError, match="the output map has 2 rows"):  # no ceil_mode
        gradient_support(Bare(), 5, unit=(2, 2))


def test_adaptive_max_pooling_can_be_moved_by_every_pixel_of_its_block():
    seen = gradient_support(nn.AdaptiveMaxPool2d(3), 9, unit=(0, 2))
    assert seen[:3, 6:].all() and seen.sum() == 9


def test_without_a_unit_the_middle_one_is_measured_where_pooling_pads_too():
    for pool in (nn.MaxPool2d(3, 1, padding=1), nn.MaxPool2d(5, 2, padding=2, ceil_mode=True)):
        middle = [side // 2 for side in pool(torch.zeros(1, 1, 13, 15)).shape[2:]]
        field, seen = receptive_field_of(pool, (13, 15)), gradient_support(pool, (13, 15)).nonzero()
        first, last = seen.min(dim=0).values.tolist(), seen.max(dim=0).values.tolist()
        assert list(zip(first, last, strict=True)) == [field.interval(unit) for unit in middle]


def test_subsampling_by_slices_and_padding_by_hand_are_read_as_well():
    class Slices(nn.Module):
        def forward(self, x):
            return F.avg_pool2d(F.pad(x, (2, 1, 1, 2))[:, :, 1::3, 1::3], 2)

    low = receptive_field_of(Slices(), 24, axis=1)
    assert low == ReceptiveField(size=4, jump=6, start=-1)
    assert receptive_field_of(Slices(), 24, axis=0) == ReceptiveField(4, 6, 0)
    seen = gradient_support(Slices(), 24, unit=(1, 1)).nonzero()
    assert seen.min(dim=0).values.tolist() == [6, 5] and seen.max(dim=0).values.tolist() == [9, 8]


class Maps(nn.Module):
    """A 3x3 convolution, and what a function makes of its map."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2d(1, 2, 3, padding=1), function

    def forward(self, x):
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("function", "unit"),
    [
        (lambda x: x[:, :, 2:8:2], (1, 5)),
        (lambda x: x[..., -6:], (4, 2)),
        (lambda x: x[:, 1:], (4, 5)),
        (lambda x: F.pad(x, (2, 1)), (4, 5)),
        (lambda x: F.pad(x, (0, 0, 3, 1)), (6, 5)),
        (lambda x: torch.cat([x, x], -3), (4, 5)),
        (lambda x: F.adaptive_avg_pool2d(x, (3, 4)), (1, 2)),
        (lambda x: F.adaptive_avg_pool2d(x, (9, 1)), (4, 0)),
        (lambda x: x.mean((2, 3), keepdim=True), (0, 0)),
        (lambda x: x.mean((-2, -1), keepdim=True), (0, 0)),
        (lambda x: x.sum((3, 2), keepdim=True), (0, 0)),
    ],
)
def test_what_functions_do_to_a_map_of_9x12_is_read_as_the_gradient_shows_it(function, unit):
    seen = gradient_support(Maps(function), (9, 12), unit).nonzero()
    for axis, side in enumerate((9, 12)):
        first, last = receptive_field_of(Maps(function), (9, 12), axis).interval(unit[axis])
        inside = (max(first, 0), min(last, side - 1))
        assert (seen[:, axis].min().item(), seen[:, axis].max().item()) == inside


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: torch.cat([x, x]), "cat"),
        (lambda x: torch.cat([x, x], 2), "cat"),
        (lambda x: F.adaptive_avg_pool2d(x, (9, 5)), "_adaptive_avg_pool2d"),
        (lambda x: F.adaptive_avg_pool2d(x, (4, 12)), "_adaptive_avg_pool2d"),
        (lambda x: x.mean(2), "mean"),
        (lambda x: x.mean(), "mean"),
        (lambda x: x.mean((1, 2, 3)), "mean"),
        (lambda x: x + x[:, :, :1], "add"),
    ],
)
def test_a_function_that_moves_positions_in_another_way_is_refused_by_name(function, operation):
    with pytest.raises(ValueError, match=f"no rule for the operation aten.{operation}"):
        receptive_field_of(Maps(function), (9, 12), 0)


def test_a_classifier_sees_its_map_through_a_kernel_as_large_as_the_map():
    with torch.device("meta"):
        assert receptive_field_of(torchvision.models.vgg16(), 224).size == 212 + 6 * 32
        assert receptive_field_of(torchvision.models.resnet18(), 224).size == 435 + 6 * 32


def test_reading_a_module_changes_nothing_in_it():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.MaxPool2d(2))
    net[2].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    receptive_field_of(net, 8)
    gradient_support(net, 8)
    effective_receptive_field(net, torch.rand(2, 1, 8, 8))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert [m.training for m in net] == [True, True, False, True]
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("net", "operation"),
    [
        (nn.ConvTranspose2d(1, 1, 2, 2), "convolution"),
        (nn.Upsample(scale_factor=2), "upsample_nearest2d"),
        (nn.Sequential(nn.Conv2d(1, 4, 1), torchvision.ops.SqueezeExcitation(4, 2)), "mul"),
        (nn.GroupNorm(1, 1), "native_group_norm"),
        (nn.BatchNorm2d(1, track_running_stats=False), "native_batch_norm"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2), nn.Softmax(-1)), "view"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softmax(2)), "_softmax"),
        (nn.AdaptiveAvgPool2d(3), "_adaptive_avg_pool2d"),
    ],
)
def test_operations_without_a_fixed_interval_are_refused_by_name(net, operation):
    with pytest.raises(ValueError, match=f"no rule for the operation aten.{operation}"):
        receptive_field_of(net, 8)


def test_branches_with_different_steps_are_refused():
    class Mixed(nn.Module):
        def forward(self, x):
            return x[:, :, ::2, ::2] + x[:, :, :4, :4]

    with pytest.raises(ValueError, match="different jumps"):
        receptive_field_of(Mixed(), 8)


def test_the_effective_field_of_a_linear_net_is_its_path_counts():
    stack = [Layer(3, padding=1), Layer(2, stride=2), Layer(3, padding=1)]
    net = nn.Sequential(
        *(nn.Conv2d(1, 1, layer.kernel, layer.stride, layer.padding, bias=False) for layer in stack)
    )
    for conv in net:
        nn.init.ones_(conv.weight)
    field = effective_receptive_field(net, torch.rand(3, 1, 20, 20))
    along = torch.zeros(20)
    for pixel, count in path_counts(stack, 5).items():
        along[pixel] = count
    torch.testing.assert_close(field, torch.outer(along, along))


def test_the_effective_field_equals_finite_differences():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Conv2d(3, 2, 3)).double()
    images = torch.rand(2, 2, 7, 7, dtype=torch.float64)
    field = effective_receptive_field(net, images, unit=(1, 2))
    expected = torch.zeros(7, 7, dtype=torch.float64)
    for row, column in [(0, 0), (1, 2), (3, 4), (5, 6), (6, 6)]:
        for image in images:
            for channel in range(2):
                bumped = image.clone()
                bumped[channel, row, column] += 1e-6
                change = net(bumped[None])[0, :, 1, 2].sum() - net(image[None])[0, :, 1, 2].sum()
                expected[row, column] += change.abs() / 1e-6 / len(images)
        assert field[row, column].item() == pytest.approx(expected[row, column].item(), abs=1e-6)


def test_two_standard_deviations_of_a_gaussian_reach_the_level_of_the_paper_s_measure():
    """A wide Gaussian is above 4.55 % of its peak within sqrt(-2 ln 0.0455) standard deviations."""
    steps = torch.arange(-200, 201) / 40.0
    bell = torch.exp(-(steps[:, None] ** 2 + steps[None] ** 2) / 2)
    radius = 40 * (-2 * np.log(0.0455)) ** 0.5
    assert effective_size(bell) == pytest.approx(radius * np.pi**0.5, rel=1e-3)


def test_a_pixel_at_the_level_itself_is_not_above_it():
    assert effective_size(torch.tensor([[1.0, 0.5], [0.5, 0.25]]), level=0.5) == 1
    assert effective_size(torch.tensor([[1.0, 0.5], [0.5, 0.25]]), level=0.3) == 3**0.5


@pytest.mark.parametrize(
    "bad", [{"kernel": 0}, {"kernel": 3, "stride": 0}, {"kernel": 3, "padding": -1}, {"kernel": 3, "dilation": 0},
            {"kernel": (1, 7)}, {"kernel": 2.5}, {"kernel": True}],
)  # fmt: skip
def test_a_layer_says_which_of_its_numbers_is_wrong(bad):
    name = list(bad)[-1]
    with pytest.raises(
        ValueError, match=f"{name} is .*whole number.*one stack of layers for each axis"
    ):
        Layer(**bad)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="holds 3: give Layer objects"):
        receptive_field([3, 3])
    with pytest.raises(ValueError, match="layer 1 spans 7 positions, its padded input has 6"):
        output_size([Layer(3), Layer(7)], 8)
    with pytest.raises(ValueError, match="comes before"):
        input_interval([Layer(3)], 4, 3)
    net = nn.Conv2d(1, 1, 3)
    for size in (0, (3,), (1, 2, 3, 4), "large", 2.5):
        with pytest.raises(ValueError, match="input_size is"):
            receptive_field_of(net, size)
    with pytest.raises(ValueError, match=r"unit is \(9, 0\), the output map has 6 rows"):
        gradient_support(net, 8, unit=(9, 0))
    assert gradient_support(net, (8, 10), unit=(5, 7)).sum() == 9  # the last of 6x8
    for unit in ((5, 8), (6, 7), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="the output map has 6 rows and 8 columns"):
            gradient_support(net, (8, 10), unit=unit)
    with pytest.raises(ValueError, match=r"returned \(1, 36\): it must return a map"):
        gradient_support(nn.Sequential(net, nn.Flatten()), 8)
    with pytest.raises(ValueError, match=r"torch.uint8 with shape \(1, 8, 8\)"):
        effective_receptive_field(net, torch.zeros(1, 8, 8, dtype=torch.uint8))
    for images in (torch.zeros(1, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="give floating point .batch, channels, height, width"):
            effective_receptive_field(net, images)
    with pytest.raises(ValueError, match="asks max pooling for its indices"):
        gradient_support(nn.MaxPool2d(2, return_indices=True), 8)
    with pytest.raises(ValueError, match="no gradient reaches"):
        gradient_support(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Threshold(100.0, 0.0)), 8)


@pytest.mark.parametrize("name", ["arithmetic", "reading", "gradients"])
def test_the_examples_in_the_docstrings_run(name):
    found = doctest.testmod(importlib.import_module(f"labnotes.convnets.receptive_field.{name}"))
    assert found.attempted and not found.failed
