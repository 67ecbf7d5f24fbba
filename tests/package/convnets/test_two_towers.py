"""A network on two processes gives the outputs and the gradients of the network in one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from labnotes.convnets import alexnet, alexnet_2012, alexnet_small
from labnotes.convnets.two_towers import Tower, chain, exchanges, half_of, run_two_towers


def in_one_process(net, images, labels):
    logits = net(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return logits.detach(), loss.item(), {n: p.grad for n, p in chain(net).named_parameters()}


def test_two_processes_give_the_outputs_and_gradients_of_one(capfd):
    torch.manual_seed(0)
    net = alexnet_small(in_channels=3, width=4, groups=2, lrn=True).double().eval()
    images, labels = torch.randn(6, 3, 32, 32).double(), torch.arange(6)
    got = run_two_towers(net, images, labels)
    logits, loss, gradients = in_one_process(net, images, labels)
    torch.testing.assert_close(got.logits, logits)
    assert got.loss == pytest.approx(loss, rel=1e-12)
    assert got.gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 1e-6, name  # else agreement would say nothing
        torch.testing.assert_close(got.gradients[name], gradient, rtol=1e-9, atol=1e-12, msg=name)
    # In float64 a number has 8 bytes; what goes forward comes back as a gradient.
    bytes_per_image = 2 * 8 * sum(e.numbers for e in exchanges(net, (3, 32, 32)))
    assert got.sent == (6 * bytes_per_image,) * 2
    assert sum(got.parameters) == sum(p.numel() for p in net.parameters())
    assert capfd.readouterr() == ("", "")  # a page shows what the processes print


def test_a_failing_process_ends_the_run_with_its_traceback():
    net = alexnet_small(width=4, groups=2).eval()
    with pytest.raises(Exception, match="Target 77 is out of bounds"):
        run_two_towers(net, torch.zeros(2, 1, 28, 28), torch.tensor([1, 77]))


def test_the_network_of_2012_swaps_before_convolution_3_and_the_linear_layers():
    with torch.device("meta"):
        net = alexnet_2012()
    found = [(e.layer, e.bytes) for e in exchanges(net, (3, 224, 224))]
    numbers = {"conv 3": 128 * 13 * 13, "linear 6": 128 * 6 * 6, "linear 7": 2048}
    numbers |= {"linear 8": 2048, "outputs": 500}
    assert found == [(name, 4 * n) for name, n in numbers.items()]


def test_without_groups_every_layer_but_the_first_swaps():
    with torch.device("meta"):
        names = [e.layer for e in exchanges(alexnet(), (3, 224, 224))]
    convs, linears = [f"conv {i}" for i in (2, 3, 4, 5)], [f"linear {i}" for i in (6, 7, 8)]
    assert names == [*convs, *linears, "outputs"]


def test_halves_hold_every_weight_once():
    with torch.device("meta"):
        net = alexnet_2012()
        halves = [sum(p.numel() for p in Tower(net, rank).parameters()) for rank in (0, 1)]
    assert halves == [60_965_224 // 2] * 2


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Tower(alexnet_small(num_classes=5, width=2), 0), "5 outputs: give an even number"),
        (lambda: Tower(alexnet_small(lrn=True), 0), "normalization has 1 groups"),
        (lambda: Tower(alexnet_small(width=4, groups=4), 0), "a convolution has 4 groups"),
        (lambda: half_of(nn.Linear(2, 2), 2), "rank is 2: give 0 or 1"),
    ],
)
def test_what_cannot_be_halved_is_refused(build, text):
    with pytest.raises(ValueError, match=text):
        build()
