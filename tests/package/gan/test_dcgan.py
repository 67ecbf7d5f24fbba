"""The small DCGAN: torch's layers give its pictures, and its parts do what the papers say."""

import copy
import doctest

import pytest
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from labnotes.gan import dcgan
from labnotes.gan.dcgan import Discriminator, Generator, MinibatchDeviation, follow, initialize


def small(train=False):
    torch.manual_seed(0)
    net = Generator(5, (6, 4))
    for norm in (net.grow[1], net.grow[4]):
        torch.nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return net.train(train)


def test_the_generator_is_a_chain_of_torchs_functions():
    net, z = small(), torch.randn(3, 5)
    w = net.state_dict()

    def norm(x, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"])

    x = norm((z @ w["project.weight"].T).view(3, 6, 7, 7), "grow.1").relu()
    x = F.conv_transpose2d(x, w["grow.3.weight"], stride=2, padding=1)
    assert x.shape == (3, 4, 14, 14)
    x = norm(x, "grow.4").relu()
    x = F.conv_transpose2d(x, w["grow.6.weight"], w["grow.6.bias"], stride=2, padding=1).tanh()
    with torch.no_grad():
        torch.testing.assert_close(net(z), x)
    assert x.shape == (3, 1, 28, 28)


def test_a_projection_is_a_transposed_convolution_of_one_place():
    # what the paper's figure calls project and reshape is this layer in most code
    net, z = Generator(5, (6, 4)), torch.randn(3, 5)
    kernel = net.project.weight.T.reshape(5, 6, 7, 7)
    one_place = F.conv_transpose2d(z[:, :, None, None], kernel)
    torch.testing.assert_close(net.project(z).view(3, 6, 7, 7), one_place)


def test_the_usual_sizes_are_about_100_000_parameters():
    assert sum(p.numel() for p in Generator().parameters()) == 100_513


@pytest.mark.parametrize("channels", [1, 3])
def test_coloured_pictures_pass_through_both(channels):
    made = Generator(4, (4, 2), channels)(torch.randn(2, 4))
    assert made.shape == (2, channels, 28, 28) and made.abs().max() <= 1
    assert Discriminator((2, 4), channels)(made).shape == (2,)


def test_the_deviation_is_numpys_and_stands_behind_the_features():
    x = torch.randn(6, 3, 4, 5, dtype=torch.float64)
    found = MinibatchDeviation()(x)
    assert found.shape == (6, 4, 4, 5)
    assert torch.equal(found[:, :3], x)
    assert found[:, 3].numpy() == pytest.approx(x.numpy().std(0).mean(), abs=1e-6)


def test_pictures_that_are_all_alike_have_no_deviation_and_a_finite_gradient():
    x = torch.ones(4, 2, 3, 3, requires_grad=True)
    found = MinibatchDeviation()(x)[:, 2]
    assert found.max() < 1e-3
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_the_discriminator_knows_other_pictures_of_the_batch_by_their_deviation_alone():
    torch.manual_seed(0)
    x, y = torch.randn(2, 4, 1, 28, 28)
    apart = Discriminator((2, 4), deviation=False)
    together = apart(torch.cat([x, y]))
    torch.testing.assert_close(together, torch.cat([apart(x), apart(y)]))
    seeing = Discriminator((2, 4))
    assert not torch.allclose(seeing(x), seeing(torch.cat([x, 3 * y]))[:4])
    torch.testing.assert_close(seeing(x), seeing(torch.cat([x, x.flip(0)]))[:4])


def test_the_first_weights_are_those_of_the_paper():
    torch.manual_seed(0)
    net = Generator()
    assert net.project.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert net.grow[3].weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert net.grow[1].weight.mean().item() == pytest.approx(1, abs=0.01)
    assert net.grow[6].bias.abs().max() == 0
    layer = torch.nn.Conv2d(3, 64, 4)
    initialize(layer)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1) and layer.bias.abs().max() == 0


def test_the_average_is_torchs_and_its_buffers_follow():
    torch.manual_seed(0)
    fast = small(train=True)
    slow = copy.deepcopy(fast)
    theirs = AveragedModel(fast, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    theirs.update_parameters(fast)  # the first time it copies
    for _ in range(4):
        fast(torch.randn(8, 5))  # moves the running statistics
        for p in fast.parameters():
            p.data.add_(torch.randn_like(p))
        follow(slow, fast, 0.9)
        theirs.update_parameters(fast)
    for name, ours in slow.state_dict().items():
        if ours.is_floating_point():
            torch.testing.assert_close(ours, theirs.module.state_dict()[name])
    assert slow.grow[1].num_batches_tracked == 4
    assert all(p.requires_grad for p in slow.parameters())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Generator(0), "latent is 0"),
        (lambda: Generator(4, (4, 0)), "narrow is 0"),
        (lambda: Generator(4, (4.5, 2)), "wide is 4.5"),
        (lambda: Discriminator((0, 4)), "narrow is 0"),
        (lambda: small()(torch.zeros(3, 4)), r"noise has the shape \(3, 4\): give \(batch, 5\)"),
        (lambda: small()(torch.zeros(5)), r"noise has the shape \(5,\)"),
        (lambda: Discriminator()(torch.zeros(2, 1, 32, 32)), r"give \(batch, 1, 28, 28\)"),
        (lambda: Discriminator()(torch.zeros(2, 3, 28, 28)), r"shape \(2, 3, 28, 28\)"),
        (lambda: Discriminator()(torch.zeros(0, 1, 28, 28)), "at least one of them"),
        (lambda: follow(small(), small(), 1.5), "decay is 1.5"),
        (lambda: follow(small(), Generator(5, (6, 3))), "differ in their parts"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_one_picture_of_noise_is_enough_for_a_generator_in_use():
    assert small()(torch.zeros(1, 5)).shape == (1, 1, 28, 28)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(dcgan).failed == 0
