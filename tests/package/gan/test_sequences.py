import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from labnotes.gan.sequences import (
    SequenceDiscriminator,
    SequenceGenerator,
    gumbel_noise,
    gumbel_softmax,
    others_mean,
    reinforce_loss,
    straight_through,
)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_soft_choice_is_torchs_with_the_same_noise(hard, temperature):
    ours = torch.randn(5, 7, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    torch.manual_seed(3)
    expected = F.gumbel_softmax(theirs, temperature, hard=hard)
    torch.manual_seed(3)
    noise = gumbel_noise(5, 7)
    found = gumbel_softmax(ours, temperature, noise, hard)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(5, 7)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_noise_is_gumbels():
    noise = gumbel_noise(20_000, generator=torch.Generator().manual_seed(0))
    assert stats.kstest(noise.numpy(), "gumbel_r").pvalue > 0.01


def test_the_largest_of_logits_and_noise_is_a_sample_of_their_softmax():
    logits = torch.tensor([0.5, -1.0, 2.0, 0.0])
    noise = gumbel_noise(40_000, 4, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount((logits + noise).argmax(1), minlength=4)
    assert stats.chisquare(counts, 40_000 * logits.double().softmax(0).numpy()).pvalue > 0.01


def test_straight_through_gives_the_gradient_to_the_soft_choice_as_it_comes():
    soft = torch.tensor([[0.2, 0.5, 0.3]], requires_grad=True)
    weights = torch.tensor([[1.0, -2.0, 5.0]])
    hard = straight_through(soft)
    assert hard.tolist() == [[0, 1, 0]]
    (hard * weights).sum().backward()
    assert torch.equal(soft.grad, weights)


def exact_and_estimates(baseline):
    """The gradient of a mean reward by enumeration, and REINFORCE's, weighted by all sequences."""
    torch.manual_seed(1)
    theta, rewards = torch.randn(2, 3, requires_grad=True), torch.randn(9)
    every = F.one_hot(torch.cartesian_prod(torch.arange(3), torch.arange(3)), 3).float()
    log_probs = (theta.log_softmax(-1) * every).sum((1, 2))
    p = log_probs.exp()
    (exact,) = torch.autograd.grad((p * rewards).sum(), theta, retain_graph=True)
    estimate = torch.zeros(2, 3)
    for i in range(9):
        loss = reinforce_loss(log_probs[i : i + 1], rewards[i : i + 1], baseline)
        (each,) = torch.autograd.grad(loss, theta, retain_graph=True)
        estimate -= p[i].item() * each
    return exact, estimate


@pytest.mark.parametrize("baseline", [0.0, 0.7, -5.0])
def test_the_mean_of_reinforce_over_all_sequences_is_the_gradient_whatever_the_baseline(baseline):
    exact, estimate = exact_and_estimates(baseline)
    torch.testing.assert_close(estimate, exact, atol=1e-5, rtol=1e-4)


def test_a_reward_above_the_baseline_makes_its_sequence_more_likely():
    log_probs = torch.tensor([-1.0, -2.0], requires_grad=True)
    loss = reinforce_loss(log_probs, torch.tensor([3.0, 1.0]), 2.0)
    loss.backward()
    assert loss.item() == -((3 - 2) * -1 + (1 - 2) * -2) / 2
    assert log_probs.grad.tolist() == [-0.5, 0.5]  # descent raises the first


def test_the_mean_of_the_others_leaves_each_out():
    rewards = torch.randn(6)
    found = others_mean(rewards)
    for i in range(6):
        others = torch.cat([rewards[:i], rewards[i + 1 :]])
        torch.testing.assert_close(found[i], others.mean())


def test_rewards_and_baseline_get_no_gradient():
    log_probs, rewards = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)
    reinforce_loss(log_probs, rewards, rewards.mean()).backward()
    assert rewards.grad is None and log_probs.grad is not None


def test_the_probabilities_of_all_sequences_sum_to_1_and_are_those_of_the_draws():
    torch.manual_seed(0)
    net = SequenceGenerator(3, 4, width=8)
    every = torch.cartesian_prod(*[torch.arange(3)] * 4)
    p = net.log_prob(F.one_hot(every, 3).float()).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        drawn, log_probs = net(gumbel_noise(20_000, 4, 3))
    torch.testing.assert_close(net.log_prob(drawn), log_probs)
    place = (drawn.argmax(-1) * torch.tensor([27, 9, 3, 1])).sum(1)
    counts, share = torch.bincount(place, minlength=81), p.detach().double()
    share = share / share.sum()
    assert stats.chisquare(counts, 20_000 * share.numpy()).pvalue > 0.01


def test_the_draws_have_a_gradient_only_with_a_temperature():
    net, critic = SequenceGenerator(3, 4, width=8), SequenceDiscriminator(3, 4)
    noise = gumbel_noise(5, 4, 3)
    hard, log_probs = net(noise)
    assert not hard.requires_grad and log_probs.requires_grad
    through, _ = net(noise, 1.0)
    torch.testing.assert_close(through, hard)
    critic(through).sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert net.cell.weight_hh.grad.norm() > 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: gumbel_softmax(torch.zeros(3), 0.0, torch.zeros(3)), "above 0"),
        (lambda: gumbel_softmax(torch.zeros(3), math.nan, torch.zeros(3)), "above 0"),
        (lambda: gumbel_softmax(torch.zeros(3), 1.0, torch.zeros(4)), "for each logit"),
        (lambda: reinforce_loss(torch.zeros(3, 2), torch.zeros(3)), "one number a sequence"),
        (lambda: others_mean(torch.zeros(1)), "at least two"),
        (lambda: reinforce_loss(torch.zeros(0), torch.zeros(0)), "at least one sequence"),
        (
            lambda: reinforce_loss(torch.zeros(3), torch.zeros(3), torch.zeros(3, 1)),
            r"or \(3,\)",
        ),
        (lambda: SequenceGenerator(3, 4)(torch.zeros(2, 5, 3)), r"floats \(n, 4, 3\)"),
        (
            lambda: SequenceGenerator(3, 4).log_prob(torch.zeros(2, 4, 3, dtype=torch.int64)),
            r"one_hot\(...\).float\(\)",
        ),
        (lambda: SequenceDiscriminator(3, 4)(torch.zeros(2, 5, 3)), "symbols 12"),
    ],
)
def test_wrong_inputs_are_told_what_was_expected(call, said):
    with pytest.raises(ValueError, match=said):
        call()
