"""Fine-tuning against torchvision's frozen batch norms, plain loops and torch's optimizers."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from labnotes.data import Batches, minibatches
from labnotes.train import fit
from labnotes.vision.fine_tuning import Frozen, features_of, replace_head, two_rates


def body(dropout=0.0):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(4, 6, 3)
    )
    norm = layers[1]
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    return layers


def network():
    return nn.Sequential(body(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))


def convolution(**how):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(4, 8, 3, **how))


def same(before: dict, after: dict) -> bool:
    return all(torch.equal(before[name], after[name]) for name in before)


def snapshot(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def pictures(n=12):
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(256, (n, 3, 8, 8), dtype=torch.uint8, generator=draw)
    return images, torch.arange(n) % 3


def test_a_frozen_body_computes_what_torchvisions_frozen_batch_norm_does_in_training_mode():
    plain, x = body(dropout=0.5), torch.randn(5, 3, 8, 8)
    theirs = copy.deepcopy(plain)
    fixed = FrozenBatchNorm2d(4, theirs[1].eps)
    fixed.load_state_dict(
        {k: v for k, v in theirs[1].state_dict().items() if k != "num_batches_tracked"}
    )
    theirs[1], theirs[3] = fixed, nn.Identity()  # and dropout is off
    assert torch.allclose(Frozen(plain).train()(x), theirs.train()(x), atol=1e-6)


def test_training_leaves_weights_and_statistics_of_a_frozen_body_bit_for_bit():
    net = network()
    net[0] = Frozen(net[0])
    before, head = snapshot(net[0]), snapshot(net[3])
    data = Batches(*pictures(), 4, device="cpu")
    groups = two_rates(net, net[3], 0.1)
    fit(
        net,
        data,
        epochs=2,
        progress=False,
        optimizer=lambda _: torch.optim.SGD(groups, momentum=0.9, weight_decay=0.1),
    )
    assert same(before, snapshot(net[0])) and not same(head, snapshot(net[3]))
    assert all(p.grad is None for p in net[0].parameters())


def test_without_frozen_the_running_statistics_of_a_body_without_gradients_move():
    net = network()
    net[0].requires_grad_(False)
    before = snapshot(net[0])
    data = Batches(*pictures(), 4, device="cpu")
    fit(
        net,
        data,
        epochs=1,
        progress=False,
        optimizer=lambda _: torch.optim.SGD(two_rates(net, net[3], 0.1)),
    )
    moved = [n for n, t in snapshot(net[0]).items() if not torch.equal(t, before[n])]
    assert moved == ["1.running_mean", "1.running_var", "1.num_batches_tracked"]


def test_modes_of_a_frozen_body_stay_and_its_own_mode_follows():
    frozen = Frozen(body().train())
    assert not any(part.training for part in frozen.body.modules())  # before anybody asks
    for mode in (True, False, True):
        assert frozen.train(mode) is frozen and frozen.training is mode
        assert not any(part.training for part in frozen.body.modules())


def test_frozen_gives_no_graph_and_holds_the_very_body():
    inside = body()
    frozen = Frozen(inside)
    assert frozen.body is inside and not any(p.requires_grad for p in frozen.parameters())
    assert not frozen(torch.randn(2, 3, 8, 8, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("name", "place", "kind"),
    [
        ("resnet18", "fc", nn.Linear),
        ("mobilenet_v2", "classifier.1", nn.Linear),
        ("squeezenet1_1", "classifier.1", nn.Conv2d),
        ("densenet121", "classifier", nn.Linear),
        ("alexnet", "classifier.6", nn.Linear),
    ],
)
def test_the_head_of_torchvisions_networks_is_replaced_and_nothing_else(name, place, kind):
    with torch.device("meta"):
        net = getattr(torchvision.models, name)()
        wanted = getattr(torchvision.models, name)(num_classes=7)
        before = dict(net.named_modules())
        new = replace_head(net, 7)
    assert net.get_submodule(place) is new and isinstance(new, kind)
    assert {n: p.shape for n, p in net.named_parameters()} == {
        n: p.shape for n, p in wanted.named_parameters()
    }
    changed = [n for n, module in net.named_modules() if module is not before[n]]
    assert changed == [place]


def test_a_new_head_has_new_weights_on_the_place_and_in_the_type_of_the_old():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 9, bias=False)).double()
    old = net[2]
    new = replace_head(net, 9)
    assert new.bias is None and new.weight.dtype == torch.float64 and new is not old
    assert not torch.equal(new.weight, old.weight) and new.weight.requires_grad


def test_a_convolutional_head_keeps_its_window_stride_and_padding():
    net = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 9, (3, 2), stride=2, padding=1))
    shape = net(torch.zeros(1, 4, 8, 7)).shape
    replace_head(net, 5)
    assert net(torch.zeros(1, 4, 8, 7)).shape == (1, 5, *shape[2:])


def test_a_step_with_two_rates_is_the_step_written_out():
    net = network()
    loss = net(torch.randn(4, 3, 8, 8)).square().mean()
    loss.backward()
    wanted = {
        name: p.detach() - (0.5 if name.startswith("3.") else 0.1) * p.grad
        for name, p in net.named_parameters()
    }
    torch.optim.SGD(two_rates(net, net[3], 0.1, 5), lr=77.0).step()
    assert all(torch.allclose(p, wanted[name]) for name, p in net.named_parameters())


def test_groups_hold_each_trained_parameter_once_and_no_frozen_one():
    net = network()
    net[0][0].requires_grad_(False)
    net[3].bias.requires_grad_(False)
    groups = two_rates(net, net[3], 0.01)
    assert [g["lr"] for g in groups] == [0.01, 0.1]  # ten times, unless told
    held = [id(p) for g in groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters() if p.requires_grad)
    assert [id(p) for p in groups[1]["params"]] == [id(net[3].weight)]


@pytest.mark.parametrize(("gradient", "moves"), [(None, False), (0.0, True)])
def test_weight_decay_moves_a_parameter_in_the_optimizer_unless_its_gradient_is_none(
    gradient, moves
):
    """Why `two_rates` leaves frozen parameters out: what the chapter says of torch's optimizers."""
    layer = nn.Linear(2, 2).requires_grad_(False)
    before = layer.weight.clone()
    layer.weight.grad = None if gradient is None else torch.full((2, 2), gradient)
    torch.optim.SGD([layer.weight], lr=0.1, weight_decay=0.1).step()
    assert torch.equal(layer.weight, before) is not moves


def test_a_frozen_body_leaves_the_group_of_the_head_alone():
    net = network()
    net[0].requires_grad_(False)
    (group,) = two_rates(net, net[3], 0.01, 3)
    assert group["lr"] == pytest.approx(0.03) and len(group["params"]) == 2


def test_features_are_those_of_each_picture_alone_in_evaluation_mode():
    layers = body(dropout=0.5).train()
    images, labels = pictures(7)
    data = Batches(images, labels, 3, shuffle=False, device="cpu", mean=0.5, std=0.2)
    features, found = features_of(layers, data)
    assert layers.training and all(part.training for part in layers)  # as they were
    assert torch.equal(found, labels) and not features.requires_grad
    alone = copy.deepcopy(layers).eval()
    with torch.no_grad():
        wanted = torch.cat([alone((image[None] / 255 - 0.5) / 0.2) for image in images])
    assert features.shape == (7, 6, 4, 4) and torch.allclose(features, wanted, atol=1e-5)


def test_a_head_on_cached_features_takes_the_steps_of_a_head_on_the_frozen_body():
    images, labels = pictures()
    whole = nn.Sequential(Frozen(body()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    head = copy.deepcopy(whole[3])
    data = Batches(images, labels, 12, shuffle=False, device="cpu")
    cached = minibatches(*features_of(whole[:3], data), batch_size=12, shuffle=False)
    for net, batches in ((whole, data), (head, cached)):
        fit(net, batches, epochs=5, optimizer=lambda p: torch.optim.Adam(p), progress=False)
    assert torch.allclose(whole[3].weight, head.weight, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Frozen(lambda x: x), "body is of type function: give a torch.nn.Module"),
        (lambda: replace_head(nn.ReLU(), 5), "a ReLU, holds no nn.Linear"),
        (lambda: replace_head(nn.Linear(3, 4), 5), "a Linear, holds no nn.Linear"),
        (lambda: replace_head("resnet18", 5), "model is of type str"),
        (lambda: replace_head(network(), 0), "num_classes is 0"),
        (lambda: replace_head(network(), 2.0), "num_classes is 2.0"),
        (lambda: replace_head(network(), True), "num_classes is True"),
        (lambda: two_rates(network(), nn.Linear(6, 3), 0.1), "head, a Linear, is no part"),
        (lambda: two_rates((net := network()), net[3], 0.0), "lr is 0.0"),
        (lambda: two_rates((net := network()), net[3], float("nan")), "lr is nan"),
        (lambda: two_rates((net := network()), net[3], float("inf")), "lr is inf"),
        (lambda: two_rates((net := network()), net[3], 0.1, -1), "factor is -1"),
        (lambda: two_rates((net := network()), net[3], "0.1"), "lr is '0.1': give a finite"),
        (lambda: two_rates((net := network()), net[3], True), "lr is True"),
        (lambda: two_rates((net := network()), net[3], 0.1, None), "factor is None"),
        (lambda: replace_head(convolution(dilation=2), 4), "dilation=.* no plain convolution"),
        (lambda: replace_head(convolution(groups=2), 4), "groups=2.* replace it by hand"),
        (lambda: replace_head(convolution(padding_mode="reflect"), 4), "no plain convolution"),
        (lambda: two_rates((net := network().requires_grad_(False)), net[3], 0.1), "frozen"),
        (lambda: features_of(abs, []), "body is of type builtin_function_or_method"),
        (lambda: features_of(nn.ReLU(), []), "there was no batch"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_refused_head_leaves_the_model_as_it_was():
    net = network()
    before = [id(m) for m in net.modules()]
    with pytest.raises(ValueError, match="num_classes"):
        replace_head(net, -1)
    assert [id(m) for m in net.modules()] == before
