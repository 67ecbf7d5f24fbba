import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from labnotes.convnets.receptive_field import gradient_support, receptive_field, receptive_field_of
from labnotes.gan import discriminator_step
from labnotes.gan.pix2pix import (
    PatchGAN,
    Translator,
    edges,
    gradient,
    patch_layers,
    pix2pix_loss,
    sharpness,
    translator_step,
)


@pytest.mark.parametrize(("halvings", "published"), [(1, 16), (3, 70), (5, 286)])
def test_the_fields_are_those_of_the_papers_table(halvings, published):
    """Isola et al. (2017), section 4.4: 16x16, 70x70 and 286x286."""
    assert receptive_field(patch_layers(halvings)).size == published


@pytest.mark.parametrize("halvings", [0, 1, 2, 3])
def test_the_field_of_the_layers_is_that_of_the_module(halvings):
    net = PatchGAN(2, halvings, width=4)
    assert receptive_field_of(net.layers, 256).size == receptive_field(patch_layers(halvings)).size


def test_a_logit_of_the_patchgan_sees_its_patch_and_nothing_else():
    net = PatchGAN(2, 1, width=4)
    found = gradient_support(net.layers, 64)
    assert int(found.any(1).sum()) == int(found.any(0).sum()) == 16 and int(found.sum()) == 256


def test_the_70_pixel_net_has_the_parameters_of_the_authors_torch_net():
    """C64-C128-C256-C512 and the last layer, with batch normalization: 2,768,705 for 3 + 3 channels.

    The count of NLayerDiscriminator(6) of pytorch-CycleGAN-and-pix2pix, whose convolutions before a
    normalization have no bias.
    """
    net = PatchGAN(6, 3, width=64, normalized=True)
    assert sum(p.numel() for p in net.parameters()) == 2_768_705
    assert net(torch.zeros(1, 3, 256, 256), torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_the_loss_is_cross_entropy_for_real_plus_the_mean_distance():
    logits, made, wanted = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    gan = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    expected = 0.5 * gan + 100 * nn.L1Loss()(made, wanted)
    torch.testing.assert_close(pix2pix_loss(logits, made, wanted, 0.5, 100), expected)
    with pytest.raises(ValueError, match="give one shape"):
        pix2pix_loss(logits, made, wanted[:1], 1, 1)


def test_the_translator_is_its_layers_with_noise_below_and_a_shortcut_across():
    torch.manual_seed(0)
    net = Translator(2, 3, width=4).eval()
    noise, x = torch.randn(2, 8), torch.randn(2, 2, 8, 12)

    def normal(maps):  # running mean 0, variance 1
        return maps / (1 + 1e-5) ** 0.5

    half = F.leaky_relu(F.conv2d(x, *net.down1[0].parameters(), stride=2, padding=1), 0.2)
    small = F.conv2d(half, net.down2[0].weight, stride=2, padding=1)
    small = F.leaky_relu(normal(small), 0.2)
    small = small + F.linear(noise, net.mix.weight, net.mix.bias).view(2, 8, 1, 1)
    small = F.relu(normal(F.conv2d(small, net.deep[0].weight, padding=1)))
    up = F.conv_transpose2d(small, net.up2[0].weight, stride=2, padding=1)
    both = torch.cat([F.relu(normal(up)), half], 1)
    expected = F.conv_transpose2d(both, net.up1.weight, net.up1.bias, stride=2, padding=1)
    torch.testing.assert_close(net(noise, x), expected.tanh())


@pytest.mark.parametrize("gan", [0.0, 1.0])
def test_a_step_moves_the_translator_by_the_gradient_of_the_loss_alone(gan):
    torch.manual_seed(0)
    net, critic = Translator(2, 1, width=4), PatchGAN(3, width=4)
    twin = copy.deepcopy(net)
    noise, x, y = torch.randn(3, 8), torch.randn(3, 2, 16, 16), torch.randn(3, 1, 16, 16)
    made = twin(noise, x)
    logits = critic(made, x)
    loss = gan * -F.logsigmoid(logits).mean() + 10 * (made - y).abs().mean()
    loss.backward()
    critic.zero_grad(set_to_none=True)
    torch.optim.SGD(twin.parameters(), 0.1).step()
    found = translator_step(
        net, critic, torch.optim.SGD(net.parameters(), 0.1), noise, x, y, gan=gan, l1=10
    )
    assert found == pytest.approx(loss.item(), rel=1e-5)
    for ours, other in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, other)
    assert all(p.grad is None and p.requires_grad for p in critic.parameters())


def test_the_discriminators_step_of_the_game_takes_both_networks():
    net, critic = Translator(1, 1, width=4), PatchGAN(2, width=4)
    adam = torch.optim.Adam(critic.parameters())
    x = torch.randn(2, 1, 16, 16)
    discriminator_step(net, critic, adam, x, torch.randn(2, 8), (x,), 0.1)


@pytest.mark.parametrize("halvings", [0, 1, 2, 3])
def test_the_smallest_picture_that_a_patchgan_takes_gives_one_logit(halvings):
    smallest = torch.zeros(1, 1, 3 * 2**halvings, 3 * 2**halvings)
    assert PatchGAN(2, halvings, width=2)(smallest, smallest).shape == (1, 1, 1, 1)


def test_the_gradient_is_scipys_sobel():
    picture = torch.rand(2, 3, 9, 11)
    found = gradient(picture)
    for n in range(2):
        for c in range(3):
            one = picture[n, c].numpy()
            across, down = (ndimage.sobel(one, axis, mode="nearest") / 8 for axis in (1, 0))
            np.testing.assert_allclose(found[n, c], np.hypot(across, down), atol=1e-6)


def test_blur_lowers_the_sharpness_and_edges_mark_a_step():
    picture = torch.zeros(1, 1, 12, 12)
    picture[..., 6:] = 1
    assert sharpness(F.avg_pool2d(picture, 3, 1, 1)) < sharpness(picture)
    assert edges(picture)[0, 0, 5].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert edges(torch.ones(1, 1, 8, 8)).sum() == 0  # nothing is steep


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Translator()(torch.randn(1, 8), torch.zeros(1, 1, 30, 28)), "multiples of 4"),
        (lambda: Translator()(torch.randn(1, 8), torch.zeros(1, 2, 28, 28)), r"\(n, 1, h, w\)"),
        (lambda: Translator()(torch.randn(2, 8), torch.zeros(1, 1, 28, 28)), r"give \(1, 8\)"),
        (lambda: PatchGAN(2)(torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 14, 14)), "one height"),
        (lambda: PatchGAN(2)(*[torch.zeros(1, 2, 28, 28)] * 2), "was made for 2"),
        (lambda: PatchGAN(2, 3)(*[torch.zeros(1, 1, 23, 28)] * 2), "at least 24x24"),
        (lambda: pix2pix_loss(*[torch.zeros(0, 1, 4, 4)] * 3, 1, 1), "at least one of each"),
        (lambda: patch_layers(-1), "whole number from 0 up"),
        (lambda: gradient(torch.zeros(1, 28, 28)), r"\(n, c, h, w\)"),
        (lambda: gradient(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)), "give floats"),
    ],
)
def test_wrong_inputs_are_told_what_was_expected(call, said):
    with pytest.raises(ValueError, match=said):
        call()
