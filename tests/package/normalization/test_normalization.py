"""Our four normalizations against torch's, in values, gradients, buffers and state dicts."""

import doctest
import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from labnotes.normalization import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    batch_norm,
    batch_norm_backward,
    group_norm,
    instance_norm,
    layer_norm,
    moments,
    normalize,
)

TORCH_BN = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
TORCH_IN = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
shapes = st.tuples(st.integers(2, 5), st.integers(1, 6)).flatmap(
    lambda head: st.lists(st.integers(2, 4), max_size=3).map(lambda tail: (*head, *tail))
)
few = settings(max_examples=25, deadline=None)


def numbers(shape, seed) -> torch.Tensor:
    """Far from standard: a mean of 3 and a deviation of 2."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64) * 2 + 3


def randomised(module: nn.Module, seed: int) -> nn.Module:
    module.double()
    for i, parameter in enumerate(module.parameters()):
        parameter.data = numbers(parameter.shape, seed + i)
    return module


def assert_same(ours: nn.Module, theirs: nn.Module, x: torch.Tensor) -> None:
    """Outputs, gradients of input and parameters, buffers."""
    weights = numbers(x.shape, 99)
    results = []
    for module in (ours, theirs):
        inputs = x.clone().requires_grad_()
        output = module(inputs)
        module.zero_grad()
        (output * weights).sum().backward()
        gradients = [p.grad for p in module.parameters()]
        results.append([output, inputs.grad, *gradients, *module.buffers()])
    assert len(results[0]) == len(results[1])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def with_state_of(ours: nn.Module, theirs: nn.Module) -> nn.Module:
    ours.double().load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    return ours


@given(shapes, st.integers(0, 1000), st.sampled_from([0.1, 0.5, None]), st.booleans())
@few
def test_batch_norm_is_torchs_in_training_and_in_evaluation(shape, seed, momentum, affine):
    options = {"momentum": momentum, "affine": affine, "eps": 1e-3}
    theirs = randomised(TORCH_BN[len(shape)](shape[1], **options), seed)
    ours = with_state_of(BatchNorm(shape[1], **options), theirs)
    for step in range(3):
        assert_same(ours, theirs, numbers(shape, seed + step))
    ours.eval(), theirs.eval()
    assert_same(ours, theirs, numbers((1, *shape[1:]), seed))
    assert ours.num_batches_tracked == 3


def test_without_running_statistics_evaluation_uses_the_batch_as_torch_does():
    ours = BatchNorm(3, track_running_stats=False).double().eval()
    theirs = nn.BatchNorm2d(3, track_running_stats=False).double().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight", "bias"]
    assert_same(ours, theirs, numbers((4, 3, 2, 2), 0))


@given(shapes, st.integers(0, 1000))
@few
def test_the_papers_backward_pass_is_autograds(shape, seed):
    x, dy = numbers(shape, seed), numbers(shape, seed + 1)
    gamma, beta = numbers(shape[1], seed + 2), numbers(shape[1], seed + 3)
    inputs = [t.clone().requires_grad_() for t in (x, gamma, beta)]
    output = F.batch_norm(inputs[0], None, None, *inputs[1:], training=True)
    expected = torch.autograd.grad(output, inputs, dy)
    for got, want in zip(batch_norm_backward(dy, x, gamma), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-7)
    plain = batch_norm_backward(dy, x)[0]
    torch.testing.assert_close(plain, batch_norm_backward(dy, x, torch.ones_like(gamma))[0])


@given(shapes, st.integers(1, 3), st.integers(0, 1000), st.booleans(), st.booleans())
@few
def test_layer_norm_is_torchs_over_any_number_of_last_axes(shape, last, seed, affine, bias):
    options = {"elementwise_affine": affine, "bias": bias}
    last = shape[-min(last, len(shape)) :]
    theirs = randomised(nn.LayerNorm(last, **options), seed)
    ours = with_state_of(LayerNorm(last, **options), theirs)
    assert_same(ours, theirs, numbers(shape, seed))


@given(shapes, st.integers(1, 3), st.integers(0, 1000), st.booleans())
@few
def test_group_norm_is_torchs(shape, groups, seed, affine):
    shape = (shape[0], shape[1] * groups, *shape[2:])
    if shape[1] == groups and len(shape) == 2:
        return  # one value a group: torch refuses
    theirs = randomised(nn.GroupNorm(groups, shape[1], affine=affine), seed)
    ours = with_state_of(GroupNorm(groups, shape[1], affine=affine), theirs)
    assert_same(ours, theirs, numbers(shape, seed))


@given(shapes.filter(lambda shape: len(shape) > 2), st.integers(0, 1000), st.booleans())
@few
def test_instance_norm_is_torchs(shape, seed, affine):
    theirs = randomised(TORCH_IN[len(shape)](shape[1], affine=affine), seed)
    ours = with_state_of(InstanceNorm(shape[1], affine=affine), theirs)
    assert_same(ours, theirs, numbers(shape, seed))


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_every_layer_adds_its_eps_to_the_variance_as_torch_does(eps):
    x = numbers((4, 6, 3, 3), 0) / 100
    for ours, theirs in (
        (BatchNorm(6, eps=eps), nn.BatchNorm2d(6, eps=eps)),
        (LayerNorm((6, 3, 3), eps=eps), nn.LayerNorm((6, 3, 3), eps=eps)),
        (GroupNorm(2, 6, eps=eps), nn.GroupNorm(2, 6, eps=eps)),
        (InstanceNorm(6, eps=eps), nn.InstanceNorm2d(6, eps=eps)),
    ):
        torch.testing.assert_close(ours.double()(x), theirs.double()(x), rtol=1e-9, atol=1e-9)


def test_the_four_meet_where_their_sets_of_numbers_are_the_same():
    x = numbers((4, 6, 3, 3), 0)
    torch.testing.assert_close(group_norm(x, 6), instance_norm(x))
    torch.testing.assert_close(group_norm(x, 1), layer_norm(x, (6, 3, 3)))
    torch.testing.assert_close(batch_norm(x[:1]), instance_norm(x[:1]))


def test_moments_are_those_of_numpys_mean_and_var():
    x = numbers((2, 3, 4, 5), 0)
    for over, axes in {"N": (0,), "CW": (1, 3), "NCHW": (0, 1, 2, 3)}.items():
        mean, var = moments(x, "NCHW", over)
        torch.testing.assert_close(mean.numpy(), x.numpy().mean(axes, keepdims=True))
        torch.testing.assert_close(var.numpy(), x.numpy().var(axes, keepdims=True))
        assert abs(normalize(x, "NCHW", over).mean(axes)).max() < 1e-12


def test_only_batch_norm_couples_samples_and_only_in_training():
    x = numbers((4, 6, 3, 3), 0)
    changed = x.clone()
    changed[3] += numbers((6, 3, 3), 1)
    kinds = {
        "batch": BatchNorm(6).double(),
        "layer": LayerNorm((6, 3, 3)).double(),
        "group": GroupNorm(2, 6).double(),
        "instance": InstanceNorm(6).double(),
    }
    for name, norm in kinds.items():
        assert torch.equal(norm(x)[:3], norm(changed)[:3]) == (name != "batch")
        assert torch.equal(norm.eval()(x)[:3], norm(changed)[:3])


def test_mode_follows_the_module_and_not_whether_gradients_are_on():
    x = numbers((8, 3), 0)
    norm = BatchNorm(3).double()
    with torch.no_grad():
        quiet = norm(x)
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(quiet, norm(x))
    norm.eval()
    with torch.no_grad():
        quiet = norm(x)
    torch.testing.assert_close(quiet, norm(x))
    assert norm.num_batches_tracked == 2 and not torch.allclose(quiet.mean(0), quiet.new_zeros(3))


@pytest.mark.parametrize("given", ["running_mean", "running_var"])
def test_one_running_average_alone_is_not_used(given):
    x, kept = numbers((4, 3, 2), 0), numbers((3,), 1)
    for training in (True, False):
        average = kept.clone()
        got = batch_norm(x, training=training, **{given: average})
        torch.testing.assert_close(got, F.batch_norm(x, None, None, training=True))
        assert torch.equal(average, kept)


def test_a_last_axis_of_length_1_is_normalized_to_its_shift_as_torch_does():
    x, beta = numbers((4, 1), 0), torch.tensor([2.0], dtype=torch.float64)
    assert torch.equal(layer_norm(x, 1, beta=beta), F.layer_norm(x, (1,), bias=beta))


def test_double_backward_works():
    x = numbers((3, 2, 2, 2), 0).requires_grad_()
    for function in (batch_norm, instance_norm, lambda t: group_norm(t, 2)):
        assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: batch_norm(torch.zeros(4)), r"x has the shape \(4,\): give 2 to 5 axes"),
        (lambda: batch_norm(torch.zeros(1, 4)), "one value a channel"),
        (lambda: BatchNorm(4)(torch.zeros(1, 4, 1, 1)), "one value a channel"),
        (lambda: BatchNorm(4)(torch.zeros(2, 3)), r"gamma has the shape \(4,\), x needs \(3,\)"),
        (lambda: batch_norm(torch.zeros(2, 3).long()), "x is of torch.int64"),
        (lambda: BatchNorm(0), "num_features is 0: give a positive integer"),
        (lambda: InstanceNorm(2.0), "num_features is 2.0"),
        (lambda: instance_norm(torch.zeros(2, 3)), "give 3 to 5 axes"),
        (lambda: instance_norm(torch.zeros(2, 3, 1)), "one position"),
        (lambda: InstanceNorm(4)(torch.zeros(2, 3, 2)), "the layer was made for 4 channels"),
        (lambda: group_norm(torch.zeros(2, 6, 2), 4), "num_groups is 4, there are 6 channels"),
        (lambda: GroupNorm(0, 4), "num_groups is 0"),
        (lambda: GroupNorm(2, 0), "num_channels is 0: give a positive integer"),
        (lambda: LayerNorm((3, 0)), r"normalized_shape is \(3, 0\)"),
        (lambda: GroupNorm(2, 4)(torch.zeros(2, 6, 2)), "the layer was made for 4 channels"),
        (lambda: layer_norm(torch.zeros(2, 3), 2), r"normalized_shape is \(2,\)"),
        (lambda: LayerNorm(()), r"normalized_shape is \(\)"),
        (lambda: LayerNorm(0), "normalized_shape is 0"),
        (lambda: layer_norm(torch.zeros(2, 3), 3, torch.ones(2)), "gamma has the shape"),
        (lambda: moments(torch.zeros(2, 3), "NCH", "N"), "names is 'NCH'"),
        (lambda: moments(torch.zeros(2, 3), "NN", "N"), "a letter of its own"),
        (lambda: moments(torch.zeros(2, 3), "NC", "H"), "over is 'H', the axes are 'NC'"),
        (lambda: moments(torch.zeros(2, 3), "NC", ""), "over is ''"),
        (lambda: batch_norm_backward(torch.zeros(2, 2), torch.zeros(2, 3)), "dy has the shape"),
    ],
)
def test_what_cannot_be_normalized_is_refused_with_the_reason(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_examples_in_the_docstrings_run():
    modules = [importlib.import_module(f"labnotes.normalization.{n}") for n in ("moments", "batch")]
    results = [doctest.testmod(module) for module in modules]
    assert sum(r.attempted for r in results) >= 6 and not any(r.failed for r in results)
