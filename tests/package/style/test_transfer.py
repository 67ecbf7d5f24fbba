"""A picture is trained and nothing else; the loss is the weighted sum that the paper has."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from labnotes.style import TransferLoss, stylize


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3)).double()


def picture(seed, height=8, width=9):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=draw, dtype=torch.float64)


def sgd(tensors):
    return torch.optim.SGD(tensors, lr=0.1)


def lbfgs(tensors):
    return torch.optim.LBFGS(tensors, tolerance_grad=0, tolerance_change=0)


def test_the_loss_is_the_weighted_sum_of_its_terms_written_out():
    net, content, style, x = network(), picture(1), picture(2, 7, 7), picture(3)
    loss = TransferLoss(net, content, style, {"2": 0.5}, {"0": 2.0, "1": 3.0}, tv_weight=0.25)

    def gram_of(f):
        return torch.einsum("bihw,bjhw->bij", f, f) / f[0, 0].numel()

    expected = 0.5 * F.mse_loss(net(x), net(content))
    for weight, part in ((2.0, net[:1]), (3.0, net[:2])):
        gap = gram_of(part(x)) - gram_of(part(style))
        expected = expected + weight * gap.square().sum() / (4 * 4**2)
    steps = [(x.diff(dim=axis)).abs().mean() for axis in (2, 3)]
    expected = expected + 0.25 * sum(steps)
    torch.testing.assert_close(loss(x), expected)
    assert sum(loss.terms(x).values()).item() == pytest.approx(expected.item())


def test_each_term_is_zero_for_the_picture_that_has_it():
    content, style = picture(1), picture(2)
    loss = TransferLoss(network(), content, style, {"2": 1.0}, {"0": 1.0, "2": 1.0})
    assert loss.terms(content)["content"] == 0 and loss.terms(style)["style"] == 0
    assert loss.terms(content)["style"] > 0 and loss.terms(style)["content"] > 0
    assert loss.terms(content)["total variation"] == 0  # by default it has no weight


@pytest.mark.parametrize("layers", [({}, {"0": 1.0}), ({"0": 1.0}, {})])
def test_a_loss_may_have_no_content_or_no_style(layers):
    value = TransferLoss(network(), picture(1), picture(2), *layers)(picture(3))
    assert value.shape == () and value > 0


@pytest.mark.parametrize("optimizer", [sgd, lbfgs])
def test_only_the_picture_is_trained(optimizer):
    net, start, lists = network(), picture(1), []
    before = [p.clone() for p in net.parameters()]
    copy = start.clone()

    def kept(tensors):
        lists.append(tensors)
        return optimizer(tensors)

    loss = TransferLoss(net, start, picture(2), {"2": 1.0}, {"0": 1.0})
    image, losses = stylize(start, loss, 5, kept)
    assert [len(tensors) for tensors in lists] == [1] and lists[0][0].shape == start.shape
    assert all(map(torch.equal, before, net.parameters())) and torch.equal(start, copy)
    assert not torch.equal(image, start) and not image.requires_grad
    assert len(losses) >= 5 and losses[-1] < losses[0]


def test_the_steps_are_those_of_gradient_descent_by_hand():
    start, target = picture(1), picture(2)
    image, losses = stylize(start, lambda x: (x - target).square().sum(), 3, sgd)
    gap = start - target
    for loss in losses:  # the gradient is 2 gap, the rate 0.1
        assert loss == pytest.approx(gap.square().sum().item())
        gap = 0.8 * gap
    torch.testing.assert_close(image, target + gap)


def test_the_picture_stays_on_its_way_when_its_gradient_is_computed_anew_each_time():
    """Gradients that add up would give the second step 2 gap + 1.6 gap."""
    image, _ = stylize(torch.ones(1), lambda x: x.square().sum(), 2, sgd)
    assert image.item() == pytest.approx(0.64)


@pytest.mark.parametrize(
    ("content", "style", "tv", "said"),
    [
        ({}, {}, 0.0, "are empty: name at least one layer"),
        ({"0": -1.0}, {}, 0.0, "the weight of 0 is -1.0: give a finite number"),
        ({"0": 1.0}, {"2": float("nan")}, 0.0, "the weight of 2 is nan"),
        ({"0": 1.0}, {"0": -2.0}, 0.0, "the weight of 0 is -2.0"),
        ({"0": -2.0}, {"0": 1.0}, 0.0, "the weight of 0 is -2.0"),
        ({"0": 1.0}, {}, float("inf"), "the weight of tv_weight is inf"),
        ({"0": 1.0}, {}, None, "the weight of tv_weight is None: give a finite number"),
        ({"0": "1"}, {}, 0.0, "the weight of 0 is '1': give a finite number"),
        (["0"], {}, 0.0, "content_layers is list: give the weights by name"),
        ({}, "0", 0.0, "style_layers is str: give the weights by name"),
        ({"relu": 1.0}, {}, 0.0, "no layer is named relu"),
    ],
)
def test_bad_weights_are_refused_in_words(content, style, tv, said):
    with pytest.raises(ValueError, match=said):
        TransferLoss(network(), picture(1), picture(2), content, style, tv)


def test_bad_runs_are_refused_in_words():
    with pytest.raises(ValueError, match="evaluations is 0: give a positive integer"):
        stylize(picture(1), torch.sum, 0, sgd)
    with pytest.raises(ValueError, match="start is torch.uint8: give a picture of floating point"):
        stylize(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.sum, 1, sgd)
    with pytest.raises(ValueError, match="start is str"):
        stylize("owl", torch.sum, 1, sgd)
    with pytest.raises(FloatingPointError, match="inf at evaluation 1: look for values that are"):
        stylize(picture(1), lambda x: x.sum() * float("inf"), 3, sgd)
    with pytest.raises(FloatingPointError, match="inf at evaluation 2: lower the learning rate"):
        stylize(picture(1), lambda x: x.square().sum(), 3, lambda p: torch.optim.SGD(p, lr=1e200))
