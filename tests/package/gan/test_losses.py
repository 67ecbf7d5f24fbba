import math

import pytest
import torch
import torch.nn.functional as F
from torch.autograd.functional import jacobian

from labnotes.gan import discriminator_loss, minimax_loss, non_saturating_loss, r1_penalty


@pytest.fixture
def logits():
    draw = torch.Generator().manual_seed(0)
    return 3 * torch.randn(2, 7, dtype=torch.float64, generator=draw)


def test_the_discriminators_loss_is_two_binary_cross_entropies(logits):
    real, fake = logits
    bce = F.binary_cross_entropy_with_logits
    expected = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


def test_the_two_losses_of_the_generator_are_those_of_the_paper(logits):
    d = logits[0].sigmoid()
    torch.testing.assert_close(minimax_loss(logits[0]), (1 - d).log().mean())
    torch.testing.assert_close(non_saturating_loss(logits[0]), -d.log().mean())


@pytest.mark.parametrize("loss, slope", [(minimax_loss, -0.01), (non_saturating_loss, -0.99)])
def test_where_d_says_one_percent_one_gradient_vanishes_and_the_other_does_not(loss, slope):
    logit = torch.tensor([math.log(0.01 / 0.99)], dtype=torch.float64, requires_grad=True)
    loss(logit).backward()
    assert logit.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize("loss", [minimax_loss, non_saturating_loss])
def test_sure_logits_give_finite_losses(loss):
    assert loss(torch.tensor([-200.0, 200.0])).isfinite()


def test_the_penalty_is_the_squared_length_of_each_examples_jacobian():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 4), torch.nn.Tanh(),
                              torch.nn.Linear(4, 1)).double()  # fmt: skip
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    slopes = [jacobian(net, example[None]) for example in x]
    expected = torch.stack([s.square().sum() for s in slopes]).mean()
    asked = x.clone().requires_grad_()
    found = r1_penalty(asked, net(asked))
    torch.testing.assert_close(found, expected)
    found.backward()
    assert net[1].weight.grad.abs().sum() > 0


def test_the_penalty_needs_inputs_with_a_gradient():
    with pytest.raises(ValueError, match="requires_grad_"):
        r1_penalty(torch.ones(2, 3), torch.ones(2))
